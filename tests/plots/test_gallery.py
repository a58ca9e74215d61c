"""The examples of the gallery run, and show every Display."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from sklimb import plots

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("plot_*.py"))


def test_every_display_stands_in_an_example():
    text = "\n".join(path.read_text() for path in EXAMPLES)
    assert [name for name in plots.__all__ if f"{name}.from_" not in text] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)  # Agg says that it cannot
    runpy.run_path(str(path))
    n_figures = path.read_text().count("plt.show()")
    assert len(plt.get_fignums()) == n_figures > 0
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
