"""SpectrumDisplay shows eigenvalues by rank, a line for each member."""

from types import SimpleNamespace

import numpy as np
import pytest
from plots.conftest import small
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklimb.analysis import hessian_eigenvalues
from sklimb.plots import SpectrumDisplay

LARGEST = {
    "all rows": np.array([[9.0, 4.0, 1.0], [8.0, 5.0, 2.0]]),
    "fraud": np.array([[90.0, 40.0, 10.0], [80.0, 50.0, 20.0]]),
}


def test_a_line_for_each_member_and_class():
    display = SpectrumDisplay(LARGEST).plot()
    lines = display.ax_.lines
    found = [line.get_ydata().tolist() for line in lines]
    assert found == [own.tolist() for values in LARGEST.values() for own in values]
    assert all(line.get_xdata().tolist() == [1, 2, 3] for line in lines)
    assert [line.get_color() for line in lines[::2]] == [
        line.get_color() for line in lines[1::2]
    ]
    assert lines[0].get_color() != lines[2].get_color()
    shown = [entry.get_text() for entry in display.ax_.get_legend().get_texts()]
    assert shown == ["all rows", "fraud"]
    assert display.ax_.get_yscale() == "log"
    assert display.ax_.get_xlabel() == "rank, from the largest"


def test_both_ends_go_below_zero():
    smallest = {"all rows": [[-3.0, -1.0, np.nan]]}
    display = SpectrumDisplay({"all rows": [[9.0, 4.0]]}, smallest).plot()
    top, bottom = display.ax_.lines
    assert top.get_color() == bottom.get_color()
    assert top.get_marker() != bottom.get_marker()
    np.testing.assert_array_equal(bottom.get_ydata(), smallest["all rows"][0])
    assert display.ax_.get_yscale() == "symlog"
    display.figure_.canvas.draw()


def test_results_of_the_analysis():
    result = SimpleNamespace(largest=LARGEST["fraud"], smallest=None)
    display = SpectrumDisplay.from_results(result)
    assert list(display.largest) == ["all rows"] and display.smallest is None
    display = SpectrumDisplay.from_results({"a": result, "b": result})
    assert len(display.ax_.lines) == 4
    with pytest.raises(ValueError, match="SpectrumDisplay needs eigenvalues, got none"):
        SpectrumDisplay().plot()


def test_of_a_classifier_and_of_each_class(payments):
    X, y = payments[0][["amount", "hour"]].fillna(0).to_numpy(), payments[1]
    clf = small(num_embeddings=None, n_blocks=1, d_block=4, n_members=2).fit(X, y)
    display = SpectrumDisplay.from_estimator(
        clf, X, y, k=3, which="both", by_class=True
    )
    names = ["all rows", "class 0", "class 1"]
    assert list(display.largest) == list(display.smallest) == names
    for name, classes in zip(names, (None, [0], [1]), strict=True):
        found = hessian_eigenvalues(clf, X, y, 3, "both", classes, n_probes=2)
        np.testing.assert_array_equal(display.largest[name], found.largest)
        np.testing.assert_array_equal(display.smallest[name], found.smallest)
        assert found.largest.shape == (2, 3)
    pipe = make_pipeline(FunctionTransformer(), clf)
    display = SpectrumDisplay.from_estimator(pipe, X, y, k=1)
    assert list(display.largest) == ["all rows"] and display.smallest is None
