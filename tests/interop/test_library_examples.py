"""The short examples run through and end in a table of sane figures."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.interop
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Example -> its table, and the rows there.
TABLES = {
    "grid_xgboost_svm_sklimb": (
        "grid",
        {"XGBClassifier", "SVC", "TabularMLPClassifier"},
    ),
    "conformal_sets": ("conformal", {"all rows", "by class"}),
    "fairness_constraints": ("fairness", {"balanced decision", "equalized odds"}),
    "label_errors": ("label_errors", {"first 50", "all found", "any row"}),
    "two_workers": ("two_workers", {"worker 0", "worker 1"}),
    "watch_months": ("months", {f"month {m}" for m in range(1, 7)}),
    "images_from_folder": ("folders", {"zero", "one", "two", "three"}),
    "groups_and_routing": ("groups", {"folds of rows", "folds of cards", "new cards"}),
    "unlabelled_rows": (
        "unlabelled",
        {"labels alone", "pseudo-labels", "pre-training"},
    ),
    "second_stage": ("second_stage", {"first stage", "crt", "tau", "lws", "ncm"}),
    "refer_to_a_person": ("refer", {"error", "mutual_information"}),
}


@pytest.mark.parametrize("name", TABLES)
def test_it_ends_in_a_table(name, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module(name)
    example.main(["--quick", "--jobs", "1", "--out", str(tmp_path)])
    file, rows = TABLES[name]
    table = pd.read_csv(tmp_path / f"{file}.csv", index_col=0)
    assert rows <= set(table.index)
    assert f"| {next(iter(rows))} " in (tmp_path / f"{file}.md").read_text()
    figures = table.drop(columns="± SE", errors="ignore")
    assert np.isfinite(figures).all(axis=None) and (figures >= 0).all(axis=None)
    assert next(iter(rows)) in capsys.readouterr().out
    assert f"python examples/{name}.py" in example.__doc__
    if name in ("watch_months", "refer_to_a_person"):
        assert (tmp_path / f"{file}.png").read_bytes().startswith(b"\x89PNG")


def test_every_short_example_is_tested():
    short = [p.stem for p in EXAMPLES.glob("*.py") if "= main_of(run" in p.read_text()]
    assert set(short) == set(TABLES)


def test_sets_by_class_hold_what_they_promise(monkeypatch):
    """Against the definition: the share of own probabilities at least as large."""
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("conformal_sets")
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=4000)
    p = np.clip(0.3 + 0.4 * y + 0.2 * rng.normal(size=4000), 0.01, 0.99)

    class Known:
        classes_ = np.arange(2)

        def predict_proba(self, X):
            return np.column_stack([1 - X, X])

    sets = example.sets_by_class(Known(), p[:2000], y[:2000], p[2000:])
    held = sets[np.arange(2000), y[2000:]]
    for label in (0, 1):
        # Two samples of a thousand rows of each class: 3.3 standard errors.
        assert held[y[2000:] == label].mean() == pytest.approx(0.9, abs=0.045)
