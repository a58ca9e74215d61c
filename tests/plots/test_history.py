"""HistoryDisplay shows the numbers of `history_` and marks the kept epochs."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from plots.conftest import small
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklimb.analysis import ClassCurves, class_curves
from sklimb.bayes import LaplaceClassifier
from sklimb.plots import HistoryDisplay
from sklimb.semisup import PseudoLabelClassifier
from sklimb.two_stage import ClassifierRetrainer


def line(ax, label):
    """x and y of the line whose label begins with this text."""
    (found,) = [one for one in ax.lines if one.get_label().startswith(label)]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata(), dtype=float)


def test_losses_and_the_kept_epoch_are_those_of_the_history(fitted):
    display = HistoryDisplay.from_estimator(fitted)
    (ax,) = display.ax_
    rows = fitted.history_
    for label, name in (
        ("training objective", "train_loss"),
        ("held-out log loss", "valid_loss"),
    ):
        x, y = line(ax, label)
        assert x.tolist() == [row["epoch"] for row in rows]
        np.testing.assert_array_equal(y, [row[name] for row in rows])
    x, y = line(ax, "kept epoch")
    assert x.tolist() == fitted.best_epoch_.tolist()
    np.testing.assert_array_equal(y, fitted.best_score_)
    assert ax.get_xlabel() == "epoch" and "nats" in ax.get_ylabel()
    assert ax.figure is display.figure_


def test_each_member_has_a_line_and_a_mark(payments):
    clf = small(n_members=3, monitor="average_precision", n_iter_no_change=2)
    clf.set_params(max_epochs=12).fit(*payments)
    display = HistoryDisplay.from_estimator(clf)
    losses, scores = display.ax_
    assert "held-out log loss" not in [one.get_label() for one in losses.lines]
    members = np.array([row["valid_score_members"] for row in clf.history_])
    assert np.isnan(members).any()  # one has ended before the others
    thin = [one.get_ydata() for one in scores.lines[:3]]
    np.testing.assert_array_equal(np.transpose(thin), members)
    _, mean = line(scores, "held-out rows, mean of 3")
    np.testing.assert_allclose(mean, np.nanmean(members, 1), rtol=1e-15)
    x, y = line(scores, "kept epoch")
    assert x.tolist() == clf.best_epoch_.tolist()
    np.testing.assert_array_equal(y, clf.best_score_)
    assert scores.get_ylabel() == "average precision"
    assert not losses.get_xlabel() and scores.get_xlabel() == "epoch"


def test_without_held_out_rows_there_is_the_objective_alone(payments):
    clf = small(early_stopping=False).fit(*payments)
    (ax,) = HistoryDisplay.from_estimator(clf).ax_
    assert [one.get_label() for one in ax.lines] == ["training objective"]


def test_an_epoch_that_is_not_in_the_history_has_no_mark(payments):
    X, y = payments
    clf = small().partial_fit(X, y).partial_fit(X, y)
    (ax,) = HistoryDisplay.from_estimator(clf).ax_
    assert len(ax.lines) == 1
    losses = np.array([[0.5, 0.6], [0.4, 0.5]])
    display = HistoryDisplay([5, 6], losses, valid_score=losses, best_epoch=[2, 6])
    (ax,) = display.plot().ax_
    assert line(ax, "kept epoch 6")[1].tolist() == [0.5]
    display.best_epoch = [2, 3]
    (ax,) = display.plot().ax_
    assert not [one for one in ax.lines if one.get_label().startswith("kept")]


def test_measures_by_class():
    recall = np.array([[0.1, 0.9], [0.4, 0.8]])
    display = HistoryDisplay(
        [1, 2],
        np.ones((2, 1)),
        by_class={"recall": recall},
        classes=["_rare", "$much$"],
    ).plot()
    ax = display.ax_[1]
    np.testing.assert_array_equal([one.get_ydata() for one in ax.lines], recall.T)
    assert ax.get_ylabel() == "recall"
    display.figure_.canvas.draw()  # a dollar sign is no formula
    shown = [entry.get_text() for entry in ax.get_legend().get_texts()]
    assert shown == ["class  _rare", r"class \$much\$"]
    alone = display.plot(Figure().subplots(), panels="recall")
    assert len(alone.ax_) == 1


def test_curves_of_classes_that_a_callback_has_recorded(payments):
    clf = small(callbacks=[ClassCurves()]).fit(*payments)
    curves = class_curves(clf)
    display = HistoryDisplay.from_estimator(clf)
    _, loss, recall = display.ax_
    for ax, expected in ((loss, curves.valid_loss), (recall, curves.valid_recall)):
        found = [one.get_ydata() for one in ax.lines]
        np.testing.assert_array_equal(np.transpose(found), expected)
    assert recall.get_ylabel() == "recall of held-out rows"
    (ax,) = display.plot(panels="train_class_recall").ax_
    found = [one.get_ydata() for one in ax.lines]
    np.testing.assert_array_equal(np.transpose(found), curves.train_recall)
    # Without held-out rows those of training are drawn.
    clf = small(callbacks=[ClassCurves()], early_stopping=False).fit(*payments)
    assert len(HistoryDisplay.from_estimator(clf).ax_) == 3


def test_in_a_pipeline(fitted):
    pipe = make_pipeline(FunctionTransformer(), fitted)
    display = HistoryDisplay.from_estimator(pipe)
    assert len(display.epoch) == fitted.n_iter_
    with pytest.raises(ValueError, match=r"panels must be among \['loss'\], got"):
        display.plot(panels="gain")


def test_the_fit_inside_of_wrappers(fitted, payments):
    X, y = payments
    frozen = FrozenEstimator(fitted)
    wrappers = [
        frozen,
        LaplaceClassifier(frozen).fit(X, y),
        ClassifierRetrainer(frozen, method="ncm").fit(X, y),
        FixedThresholdClassifier(frozen, threshold=0.3).fit(X, y),
        make_pipeline(FunctionTransformer(), FixedThresholdClassifier(frozen)).fit(
            X, y
        ),
    ]
    for wrapper in wrappers:
        (ax,) = HistoryDisplay.from_estimator(wrapper).ax_
        _, drawn = line(ax, "held-out log loss")
        np.testing.assert_array_equal(
            drawn, [row["valid_loss"] for row in fitted.history_]
        )
    with pytest.raises(NotFittedError):
        HistoryDisplay.from_estimator(FixedThresholdClassifier(small()))


def test_self_training_is_drawn_by_its_last_fit(payments):
    X, y = payments
    clf = PseudoLabelClassifier(small()).fit(X[:400], y[:400], X_unlabeled=X[400:])
    first = small().fit(X[:400], y[:400])
    for estimator in (clf, make_pipeline(FunctionTransformer(), clf)):
        (ax,) = HistoryDisplay.from_estimator(estimator).ax_
        _, drawn = line(ax, "training objective")
        last = [row["train_loss"] for row in clf.estimator_.history_]
        np.testing.assert_array_equal(drawn, last)
    # Not the one that gave the labels.
    assert last != [row["train_loss"] for row in first.history_]


def test_wrappers_of_several_fits_say_what_to_give(fitted, payments):
    X, y = payments
    several = CalibratedClassifierCV(FrozenEstimator(fitted)).fit(X, y)
    with pytest.raises(ValueError, match="one of its calibrated_classifiers_"):
        HistoryDisplay.from_estimator(several)
    inner = several.calibrated_classifiers_[0].estimator
    HistoryDisplay.from_estimator(inner)
    voting = VotingClassifier([("a", LogisticRegression())]).fit([[0.0], [1]], [0, 1])
    with pytest.raises(ValueError, match="one of its estimators_"):
        HistoryDisplay.from_estimator(voting)
    search = GridSearchCV(LogisticRegression(), {"C": [1]}, cv=2)
    search.fit([[0.0], [1], [0], [1]], [0, 1, 0, 1])
    with pytest.raises(ValueError, match="Give its best_estimator_"):
        HistoryDisplay.from_estimator(search)
