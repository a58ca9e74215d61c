"""Thresholds, gains and reports of classes against scikit-learn's own numbers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    precision_recall_fscore_support,
    precision_score,
    recall_score,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklimb.metrics import expected_cost, precision_at_k
from sklimb.plots import ClassReportDisplay, GainDisplay, ThresholdDisplay

COSTS = [[0.5, 5.0], [1.0, 4.0]]


@pytest.fixture(scope="module")
def scored():
    """Labels, tied scores, weights (some 0) and amounts."""
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.2).astype(int)
    p = np.round(np.clip(rng.normal(0.3 + 0.2 * y, 0.15), 0, 1), 2)
    return y, p, rng.integers(0, 4, 400).astype(float), rng.exponential(20, 400)


def test_thresholds_do_what_the_metrics_say(scored):
    y, p, weight, amount = scored
    display = ThresholdDisplay.from_predictions(
        y, p, sample_weight=weight, cost_matrix=COSTS, amount=amount, threshold=0.4
    )
    assert display.thresholds[:-1].tolist() == np.unique(p[weight > 0]).tolist()
    for i, threshold in enumerate(display.thresholds):
        called = (p >= threshold).astype(int)
        own = {"sample_weight": weight, "zero_division": np.nan}
        expected = {
            "precision": precision_score(y, called, **own),
            "recall": recall_score(y, called, **own),
            "alerts": 1000 * np.average(called, weights=weight),
            "cost": expected_cost(
                y, called, cost_matrix=COSTS, amount=amount, sample_weight=weight
            ),
        }
        for name, value in expected.items():
            # Sums of up to 400 numbers in another order.
            np.testing.assert_allclose(getattr(display, name)[i], value, rtol=1e-12)
        # Between two scores a threshold does what the larger one does.
        assert display.at(np.nextafter(threshold, 0)).keys() == expected.keys()
        np.testing.assert_equal(
            display.at(np.nextafter(threshold, 0)), display.at(threshold)
        )


def test_the_artists_of_thresholds(scored):
    y, p, *_ = scored
    display = ThresholdDisplay.from_predictions(
        y, p, cost_matrix=COSTS, threshold=0.405, scale="log"
    )
    share, alerts, cost = display.ax_
    for ax, name in (
        (share, "precision"),
        (share, "recall"),
        (alerts, "alerts"),
        (cost, "cost"),
    ):
        (curve,) = [one for one in ax.lines if one.get_label().startswith(name)]
        assert curve.get_drawstyle() == "steps-pre"
        np.testing.assert_array_equal(curve.get_xdata(), np.unique(p))
        np.testing.assert_array_equal(curve.get_ydata(), getattr(display, name)[:-1])
        assert "0.405" in curve.get_label()
        dots = [one for one in ax.lines if one.get_marker() == "o"]
        at = [one.get_xydata().ravel().tolist() for one in dots]
        assert [0.405, display.at(0.405)[name]] in at
        assert [0.405, 0.405] in [list(one.get_xdata()) for one in ax.lines]
        assert ax.get_xscale() == "log"
    assert "1,000 rows" in alerts.get_ylabel() and "cost" in cost.get_ylabel()
    assert cost.get_xlabel() == "threshold on the probability of class 1"
    assert share.lines[-2].get_ydata()[0] == y.mean()
    (alone,) = display.plot(panels=["cost"]).ax_
    assert "cost" in alone.get_ylabel() and alone.get_xscale() == "linear"


def test_the_threshold_in_use_is_marked(payments):
    X, y = payments
    X = X[["amount", "hour"]].fillna(0)
    clf = LogisticRegression(max_iter=1000).fit(X, y)
    assert ThresholdDisplay.from_estimator(clf, X, y).threshold == 0.5
    tuned = TunedThresholdClassifierCV(clf, cv="prefit", refit=False, scoring="f1")
    tuned.fit(X, y)
    display = ThresholdDisplay.from_estimator(tuned, X, y)
    assert display.threshold == tuned.best_threshold_ < 0.5
    called = tuned.predict(X)
    found = display.at(display.threshold)
    assert found["recall"] == recall_score(y, called)
    assert found["alerts"] == 1000 * called.mean()
    fixed = FixedThresholdClassifier(clf, threshold=0.1).fit(X, y)
    display = ThresholdDisplay.from_estimator(fixed, X, y)
    assert display.threshold == 0.1
    assert display.at(0.1)["recall"] == recall_score(y, fixed.predict(X))
    display = ThresholdDisplay.from_estimator(tuned, X, y, threshold=None)
    assert display.threshold is None


def test_our_threshold_and_that_of_the_other_class(fitted, payments):
    X, y = payments
    clf = fitted.__class__(**{**fitted.get_params(), "decision": 0.2}).fit(X, y)
    display = ThresholdDisplay.from_estimator(clf, X, y)
    assert display.threshold == clf.threshold_ == pytest.approx(0.2)
    np.testing.assert_array_equal(
        display.thresholds[:-1], np.unique(clf.predict_proba(X)[:, 1])
    )
    other = ThresholdDisplay.from_estimator(clf, X, y, pos_label=0)
    assert other.threshold == pytest.approx(0.8)
    assert other.at(other.threshold)["recall"] == recall_score(
        y, clf.predict(X), pos_label=0
    )


def test_one_of_many_classes(three):
    X, labels, clf = three
    display = ThresholdDisplay.from_estimator(clf, X, labels, pos_label="fraud")
    assert display.threshold is None
    p = clf.predict_proba(X)[:, clf.classes_.tolist().index("fraud")]
    np.testing.assert_array_equal(display.thresholds[:-1], np.unique(p))
    assert display.positive_share == np.mean(labels == "fraud")
    for cls in (ThresholdDisplay, GainDisplay):
        with pytest.raises(ValueError, match="There are 3 classes, and one of them is"):
            cls.from_estimator(clf, X, labels)
        with pytest.raises(ValueError, match="pos_label must be one of the classes"):
            cls.from_estimator(clf, X, labels, pos_label="theft")
        rest = labels != "fraud"
        with pytest.raises(ValueError, match="rows of the positive class, but y_true"):
            cls.from_estimator(clf, X[rest], labels[rest], pos_label="fraud")


def test_gains_are_those_of_the_ranking(scored):
    y, p, weight, _ = scored
    display = GainDisplay.from_predictions(y, p, sample_weight=weight, name="a model")
    np.testing.assert_array_equal(display.line_.get_xdata(), display.inspected)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.caught)
    assert display.line_.get_label() == "a model"
    total, positives = weight.sum(), weight[y == 1].sum()
    for share in (0.05, 0.1, 0.33, 0.8):
        caught = np.interp(share, display.inspected, display.caught)
        # precision_at_k shares out tied rows, as a straight line does.
        precise = precision_at_k(y, p, k=share, sample_weight=weight)
        assert caught == pytest.approx(precise * share * total / positives, rel=1e-12)
    chance, perfect = display.ax_.lines[1:3]
    np.testing.assert_array_equal(chance.get_xdata(), chance.get_ydata())
    assert perfect.get_xydata().tolist() == [[0, 0], [positives / total, 1], [1, 1]]


def test_weights_are_repetitions(scored):
    y, p, weight, _ = scored
    again = np.repeat(np.arange(len(y)), weight.astype(int))
    for cls, names in (
        (GainDisplay, ["inspected", "caught"]),
        (ThresholdDisplay, ["thresholds", "precision", "recall", "alerts"]),
    ):
        once = cls.from_predictions(y, p, sample_weight=weight)
        often = cls.from_predictions(y[again], p[again])
        for name in names:
            a, b = getattr(once, name), getattr(often, name)
            if cls is GainDisplay:  # rows of weight 0 are points on the same line
                a = a[np.append(True, np.diff(once.inspected) > 0)]
            np.testing.assert_allclose(a, b, rtol=1e-12)  # sums in another order


def test_a_logarithmic_axis_bends_straight_lines(scored):
    y, p, *_ = scored
    display = GainDisplay.from_predictions(y, p, scale="log")
    x, caught = display.line_.get_data()
    assert (x > 0).all() and display.ax_.get_xscale() == "log"
    np.testing.assert_array_equal(
        caught, np.interp(x, display.inspected, display.caught)
    )
    assert len(x) > 100


def test_two_gains_in_one_axes(scored):
    y, p, *_ = scored
    first = GainDisplay.from_predictions(y, p, name="one")
    GainDisplay.from_predictions(y, -p, name="two", ax=first.ax_)
    labels = [one.get_label() for one in first.ax_.lines]
    assert labels == ["one", "chance", "perfect order", "two"]
    assert first.ax_.lines[0].get_color() != first.ax_.lines[3].get_color()


@pytest.mark.parametrize("cls", [ThresholdDisplay, GainDisplay])
def test_rare_positives_have_a_logarithmic_axis(cls):
    y, p = np.repeat([0, 1], [97, 3]), np.linspace(0.01, 1, 100)
    assert np.ravel(cls.from_predictions(y, p).ax_)[0].get_xscale() == "log"
    assert np.ravel(cls.from_predictions(1 - y, p).ax_)[0].get_xscale() == "linear"


def test_reports_are_those_of_scikit_learn(scored):
    rng = np.random.default_rng(1)
    labels = np.array(["a", "b", "c", "d", "e"])
    true, called = labels[rng.integers(0, 4, 300)], labels[rng.integers(0, 3, 300)]
    weight = rng.integers(0, 3, 300).astype(float)
    display = ClassReportDisplay.from_predictions(
        true, called, sample_weight=weight, classes=labels
    )
    precision, recall, f1, rows = precision_recall_fscore_support(
        true, called, labels=labels, sample_weight=weight, zero_division=np.nan
    )
    assert display.classes.tolist() == labels.tolist()
    for name, expected in (
        ("precision", precision),
        ("recall", recall),
        ("rows", rows),
    ):
        np.testing.assert_allclose(getattr(display, name), expected, rtol=1e-12)
    np.testing.assert_allclose(display.f1, f1, rtol=1e-12)
    assert np.isnan(display.precision[3:]).all() and np.isnan(display.recall[4])

    scores, counts = display.ax_
    order = np.argsort(-rows, kind="stable")
    assert display.order_.tolist() == order.tolist()
    for drawn, name in zip(scores.lines, ("precision", "recall", "f1"), strict=True):
        x, y = drawn.get_data()
        np.testing.assert_array_equal(x, getattr(display, name)[order])
        assert y.tolist() == [0, 1, 2, 3, 4]
    assert [bar.get_width() for bar in counts.patches] == rows[order].tolist()
    ticks = [tick.get_text() for tick in scores.get_yticklabels()]
    assert ticks == labels[order].tolist()
    assert scores.get_ylim() == counts.get_ylim() == (4.5, -0.5)
    again = display.plot(sort_by="label")
    assert again.order_.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="sort_by must be 'rows' or 'label', got 'f1'"):
        display.plot(sort_by="f1")


def test_labels_of_hundreds_of_classes_are_thinned_out():
    y = np.arange(250)
    display = ClassReportDisplay.from_predictions(y, y)
    assert len(display.ax_[0].get_yticks()) == 50
    assert len(display.ax_[1].patches) == 250
    assert display.figure_.get_size_inches()[1] <= 14


def test_a_class_that_is_missing_in_y_has_a_line(three):
    X, labels, clf = three
    rest = labels != "fraud"
    display = ClassReportDisplay.from_estimator(clf, X[rest], labels[rest])
    assert display.classes.tolist() == clf.classes_.tolist()
    assert display.rows[display.classes.tolist().index("fraud")] == 0


def test_pipelines_searches_and_other_classifiers(payments):
    X, y = payments
    X = X[["amount", "hour"]].fillna(0)
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [1.0]}, cv=2).fit(X, y)
    for clf in (search.best_estimator_, search):
        for cls in (ThresholdDisplay, GainDisplay, ClassReportDisplay):
            cls.from_estimator(clf, X, pd.Series(y))
    assert GainDisplay.from_estimator(clf, X, y).name == "GridSearchCV"


def test_wrong_input_is_one_sentence(scored):
    y, p, weight, amount = scored
    for cls in (ThresholdDisplay, GainDisplay):
        with pytest.raises(ValueError, match="y_score contains NaN"):
            cls.from_predictions(y, np.where(p > 0.5, np.nan, p))
        with pytest.raises(ValueError, match="sample_weight must not be negative"):
            cls.from_predictions(y, p, sample_weight=-weight)
        with pytest.raises(ValueError, match="set pos_label to the one that is pos"):
            cls.from_predictions(np.where(y, "yes", "no"), p)
        with pytest.raises(ValueError, match="scale must be 'auto', 'linear' or 'log'"):
            cls.from_predictions(y, p, scale="logit")
    with pytest.raises(ValueError, match="amount needs a cost_matrix"):
        ThresholdDisplay.from_predictions(y, p, amount=amount)
    with pytest.raises(ValueError, match=r"finite numbers of shape \(2, 2\), got \[1"):
        ThresholdDisplay.from_predictions(y, p, cost_matrix=[1, 2])
    with pytest.raises(ValueError, match="threshold must be a number, got 'half'"):
        ThresholdDisplay.from_predictions(y, p, threshold="half")
    with pytest.raises(ValueError, match=r"panels must be among \['share', 'alerts'\]"):
        ThresholdDisplay.from_predictions(y, p, panels=["cost"])
    with pytest.raises(ValueError, match="equal lengths, got 400 and 399"):
        ClassReportDisplay.from_predictions(y, y[:-1])
