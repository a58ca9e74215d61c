"""ReasonsDisplay draws what `explain` says, from the baseline to the row."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklimb.plots import ReasonsDisplay


def test_a_waterfall_ends_at_the_log_odds_of_the_row(fitted, payments):
    X = payments[0].iloc[[3]]
    display = ReasonsDisplay.from_estimator(fitted, X)
    ax = display.ax_
    parts = fitted.explain(X)[0]
    end = logit(fitted.predict_proba(X)[0, 1])
    order = np.argsort(-np.abs(parts), kind="stable")
    assert display.order_.tolist() == order[:9].tolist()
    shown = np.append(parts[order[:9]], parts[order[9:]].sum())
    bars = ax.patches
    np.testing.assert_allclose([bar.get_width() for bar in bars], shown, atol=1e-15)
    # From the baseline at the bottom upwards, each begins where the last one ends.
    begins = np.array([bar.get_x() for bar in bars])
    ends = begins + shown
    np.testing.assert_allclose(begins[:-1], ends[1:], atol=1e-12)
    assert begins[-1] == pytest.approx(end - parts.sum(), abs=1e-9)
    assert ends[0] == pytest.approx(end, abs=1e-9)
    verticals = [one.get_xdata()[0] for one in ax.lines[:2]]
    assert verticals == pytest.approx([end - parts.sum(), end], abs=1e-9)
    assert f"probability {fitted.predict_proba(X)[0, 1]:.2g}" in ax.lines[1].get_label()
    texts = [one.get_text() for one in ax.texts]
    assert texts == [f"{part:+.2f}" for part in shown]
    ticks = [tick.get_text() for tick in ax.get_yticklabels()]
    name = X.columns[order[0]]
    assert ticks[0].startswith(f"{name} = ") and ticks[-1] == "2 other columns"
    assert ax.get_xlabel() == "log odds of class 1"
    low, high = ax.get_xlim()
    assert low < min(begins.min(), ends.min()) and max(*begins, *ends) < high


def test_many_rows_are_a_swarm(fitted, payments):
    X = payments[0].iloc[:40]
    display = ReasonsDisplay.from_estimator(fitted, X, max_columns=4)
    parts = fitted.explain(X)
    order = np.argsort(-np.abs(parts).mean(0), kind="stable")
    assert display.order_.tolist() == order[:3].tolist()
    expected = np.column_stack([parts[:, order[:3]], parts[:, order[3:]].sum(1)])
    dots = display.ax_.collections
    assert len(dots) == 2 * 4  # with and without a colour
    for i in range(4):
        at = np.concatenate([one.get_offsets() for one in dots[2 * i : 2 * i + 2]])
        np.testing.assert_allclose(np.sort(at[:, 0]), np.sort(expected[:, i]))
        assert (np.abs(at[:, 1] - i) <= 0.5).all()
    assert "log odds of class 1" in display.ax_.get_xlabel()


def test_colours_are_ranks_of_numbers_and_missing_values_are_grey():
    values = np.array([[1.0, "a"], [np.nan, "b"], [9.0, "a"], [4.0, None]], object)
    parts = np.array([[1.0, 0.1], [2.0, 0.2], [3.0, 0.3], [4.0, 0.4]])
    display = ReasonsDisplay(parts, ["number", "text"], values=values).plot()
    grey, coloured, plain, none = display.ax_.collections
    assert grey.get_offsets()[:, 0].tolist() == [2.0]
    assert coloured.get_offsets()[:, 0].tolist() == [1.0, 3.0, 4.0]
    assert coloured.get_array().tolist() == [0.0, 1.0, 0.5]
    assert len(plain.get_offsets()) == 4 and len(none.get_offsets()) == 0


def test_dots_of_like_values_lie_beside_each_other():
    parts = np.column_stack([np.zeros(9), np.linspace(-1, 1, 9)])
    display = ReasonsDisplay(parts, ["same", "spread"]).plot(max_columns=2)
    spread, _, same, _ = display.ax_.collections
    assert len(np.unique(same.get_offsets()[:, 1])) == 9
    assert (spread.get_offsets()[:, 1] == 0).all()


def test_more_classes(three):
    X, _, clf = three
    display = ReasonsDisplay.from_estimator(clf, X[:1])
    p = clf.predict_proba(X[:1])[0]
    assert display.log_odds[0] == pytest.approx(logit(p.max()), abs=1e-9)
    assert "predicted class" in display.ax_.get_xlabel()
    display = ReasonsDisplay.from_estimator(clf, X[:1], target="fraud")
    p = p[clf.classes_.tolist().index("fraud")]
    assert display.log_odds[0] == pytest.approx(logit(p), abs=1e-9)
    np.testing.assert_array_equal(
        display.contributions, clf.explain(X[:1], target="fraud")
    )
    assert display.ax_.get_xlabel() == "log odds of class fraud"


def test_a_pipeline_explains_what_reaches_the_classifier(fitted, payments):
    X = payments[0].iloc[:3]
    pipe = make_pipeline(FunctionTransformer(lambda X: X.iloc[:, ::1]), fitted)
    display = ReasonsDisplay.from_estimator(pipe, X)
    np.testing.assert_array_equal(display.contributions, fitted.explain(X))
    assert display.columns.tolist() == X.columns.tolist()


def test_names_and_cells_that_matplotlib_would_read():
    X = pd.DataFrame({"$a_b$ " + "x" * 90: [None], "_b": [pd.NA], "c": [1.0]})
    display = ReasonsDisplay([[1.0, 2.0, 3.0]], X.columns, values=X.to_numpy()).plot()
    display.figure_.canvas.draw()
    ticks = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert ticks[:2] == ["c = 1", " _b = missing"] and len(ticks[2]) < 50


def test_wrong_input_is_one_sentence(fitted, payments):
    X, _ = payments
    with pytest.raises(ValueError, match="A waterfall is of one row, got 2"):
        ReasonsDisplay.from_estimator(fitted, X[:2], kind="waterfall")
    with pytest.raises(ValueError, match="kind must be 'auto', 'waterfall' or 'bees"):
        ReasonsDisplay.from_estimator(fitted, X[:2], kind="bar")
    with pytest.raises(ValueError, match="max_columns must be an int of at least 1"):
        ReasonsDisplay.from_estimator(fitted, X[:2], max_columns=0)
    with pytest.raises(ValueError, match="target must be one of the classes"):
        ReasonsDisplay.from_estimator(fitted, X[:2], target=2)
    with pytest.raises(ValueError, match="needs a row to explain, got none"):
        ReasonsDisplay(np.empty((0, 2)), ["a", "b"]).plot()
