"""InputReportDisplay shows the shares that `input_report` tells."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklimb.plots import InputReportDisplay

NAMES = {
    "unseen category": "unseen",
    "out of the training range": "out_of_range",
    "missing": "missing",
    "missing in training": "missing_train",
}


@pytest.fixture
def later(payments):
    """Rows in which three columns have changed."""
    X = payments[0].iloc[:100].copy()
    X["country"] = X["country"].astype(object)
    X.iloc[:60, X.columns.get_loc("country")] = "nowhere"
    X.iloc[:30, X.columns.get_loc("amount_ratio")] = np.nan
    X["amount"] = np.where(np.arange(100) < 80, 1e6, X["amount"])
    return X


def test_shares_are_those_of_the_report(fitted, later):
    display = InputReportDisplay.from_estimator(fitted, later)
    report = fitted.input_report(later)
    ticks = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert ticks[:3] == ["amount", "country", "amount_ratio"]
    assert set(ticks) == set(later.columns)
    assert display.report.index[display.order_].tolist() == ticks
    assert len(display.ax_.lines) == len(NAMES)
    for line in display.ax_.lines:
        x, y = line.get_data()
        expected = report.loc[ticks, NAMES[line.get_label()]]
        np.testing.assert_array_equal(x, expected.to_numpy(dtype=float))
        assert y.tolist() == list(range(len(ticks)))
    assert display.ax_.get_xlabel() == "share of the rows"


def test_the_columns_that_differ_most(fitted, later):
    pipe = make_pipeline(FunctionTransformer(), fitted)
    display = InputReportDisplay.from_estimator(pipe, later, max_columns=2)
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == [
        "amount",
        "country",
    ]
    assert "(9 columns with smaller shares are left out)" in display.ax_.get_xlabel()
    with pytest.raises(ValueError, match="max_columns must be an int of at least 1"):
        display.plot(max_columns=0)


def test_a_column_that_is_missing_in_training_alone_has_changed():
    report = pd.DataFrame(
        {
            "kind": ["numeric", "numeric"],
            "unseen": [np.nan, np.nan],
            "missing": [0.0, 0.4],
            "missing_train": [0.9, 0.4],
            "out_of_range": [0.0, 0.1],
        },
        index=["gone", "same"],
    )
    assert InputReportDisplay(report).plot().order_.tolist() == [0, 1]
