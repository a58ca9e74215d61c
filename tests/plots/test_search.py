"""SearchDisplay shows candidates over epochs, who was halved, scores by parameter."""

import numpy as np
import pytest
from plots.conftest import small
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
)
from sklearn.tree import DecisionTreeClassifier

from sklimb.model_selection import PackedSearchCV
from sklimb.plots import SearchDisplay


@pytest.fixture(scope="module")
def halved(payments, tmp_path_factory):
    """A search with halving, and the same from its checkpoint."""
    clf = small(max_epochs=12, n_iter_no_change=12, dtype="float64")
    grid = {"lr": [1e-4, 1e-3, 1e-2], "class_weight": [None, "balanced"]}
    settings = {"cv": 2, "scoring": "average_precision", "max_members": 12}
    folder = tmp_path_factory.mktemp("search")
    return [
        PackedSearchCV(
            clf, grid, halving_factor=2, checkpoint=folder / "kept", **settings
        ).fit(*payments)
        for _ in range(2)
    ]


@pytest.fixture(scope="module")
def trees():
    """A search of scikit-learn with two scores and values that are no numbers."""
    grid = {"max_depth": [1, 3, None], "max_leaf_nodes": [2, 10, 200]}
    return GridSearchCV(
        DecisionTreeClassifier(random_state=0),
        grid,
        scoring=["accuracy", "balanced_accuracy"],
        refit="balanced_accuracy",
        cv=3,
    ).fit(*load_iris(return_X_y=True))


def curve_of(ax, c):
    (line,) = [one for one in ax.lines if one.get_gid() == f"candidate {c}"]
    return line


def test_a_search_tells_scores_of_epochs_and_who_was_halved(halved, payments):
    search, again = halved
    n_epochs = search.cv_results_["n_epochs"]
    dropped = search.halved_epochs_
    # Six candidates: after 4 epochs three go on, after 8 two.
    assert sorted(dropped[np.isfinite(dropped)]) == [4, 4, 4, 8]
    np.testing.assert_array_equal(
        n_epochs[np.isfinite(dropped)], dropped[np.isfinite(dropped)]
    )
    assert (n_epochs[np.isnan(dropped)] == 12).all()
    scores = search.valid_scores_
    assert scores.shape == (6, 2, 12)
    np.testing.assert_array_equal(np.isfinite(scores).sum(-1).mean(1), n_epochs)
    # They are those of an ordinary fit to the same rows; a pack adds up in another
    # order, in float64.
    X, y = payments
    clf = search.best_estimator_
    for split, (train, _) in enumerate(StratifiedKFold(2).split(X, y)):
        alone = clone(clf).fit(X.iloc[train], y[train]).history_
        of_pack = scores[search.best_index_, split]
        of_pack = of_pack[np.isfinite(of_pack)]  # it may be one that was halved
        expected = [row["valid_score"] for row in alone][: len(of_pack)]
        np.testing.assert_allclose(of_pack, expected, rtol=1e-9)
    # A search that goes on from its checkpoint tells the same.
    np.testing.assert_array_equal(scores, again.valid_scores_)
    np.testing.assert_array_equal(dropped, again.halved_epochs_)


def test_epochs(halved):
    search, _ = halved
    display = SearchDisplay.from_estimator(search)
    epochs, *parameters = display.ax_
    assert [ax.get_xlabel() for ax in display.ax_] == ["epoch", "class_weight", "lr"]
    dropped = search.halved_epochs_
    crosses = [one for one in epochs.lines if one.get_marker() == "x"]
    assert sorted(one.get_xdata()[0] for one in crosses) == [4, 4, 4, 8]
    for c in range(6):
        x, y = curve_of(epochs, c).get_data()
        expected = search.valid_scores_[c].mean(0)
        np.testing.assert_array_equal(y, expected)
        assert x.tolist() == list(range(1, 13))
        assert np.isfinite(y).sum() == (12 if np.isnan(dropped[c]) else dropped[c])
    best = curve_of(epochs, search.best_index_)
    widths = [curve_of(epochs, c).get_linewidth() for c in range(6)]
    assert best.get_linewidth() == max(widths) > min(widths)
    assert [one.get_text() for one in epochs.texts] == ["-3", "-1"]
    assert [one.xy[0] for one in epochs.texts] == [4, 8]
    assert epochs.get_ylabel() == "held-out log loss, mean of splits"
    assert parameters[1].get_xscale() == "log"
    assert parameters[1].get_ylabel() == "mean test average_precision"


def test_scores_against_parameters(trees):
    display = SearchDisplay.from_estimator(trees)
    assert display._names() == ["max_depth", "max_leaf_nodes"]
    results = trees.cv_results_
    scores = results["mean_test_balanced_accuracy"]
    depth, leaves = display.ax_
    for ax in (depth, leaves):
        points = ax.lines[0]
        np.testing.assert_array_equal(points.get_ydata(), scores)
        best = ax.lines[-1]
        assert best.get_ydata()[0] == scores[trees.best_index_]
        assert ax.get_ylabel() == "mean test balanced_accuracy"
    assert leaves.lines[0].get_xdata().tolist() == [2, 10, 200] * 3
    assert leaves.get_xscale() == "log"
    # A value that is no number makes places in the order of the grid.
    assert [tick.get_text() for tick in depth.get_xticklabels()] == ["1", "3", "None"]
    assert depth.lines[0].get_xdata().tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    splits = [results[f"split{i}_test_balanced_accuracy"] for i in range(3)]
    error = np.std(splits, axis=0, ddof=1) / np.sqrt(3)
    bars = depth.collections[0].get_segments()
    np.testing.assert_allclose([bar[1, 1] - bar[0, 1] for bar in bars], 2 * error)


def test_another_score_and_one_panel(trees):
    display = SearchDisplay.from_estimator(
        trees, scoring="accuracy", panels="max_leaf_nodes"
    )
    (ax,) = display.ax_
    np.testing.assert_array_equal(
        ax.lines[0].get_ydata(), trees.cv_results_["mean_test_accuracy"]
    )
    with pytest.raises(ValueError, match=r"scoring must be one of \['accuracy', 'bal"):
        SearchDisplay.from_estimator(trees, scoring="f1")
    with pytest.raises(ValueError, match=r"panels must be among \['max_depth', 'max_l"):
        display.plot(panels=["epochs"])


def test_failed_candidates_and_one_without_halving(payments):
    clf = small(max_epochs=3)
    search = PackedSearchCV(clf, {"lr": [1e-3, 1e30]}, cv=2, max_members=4)
    with pytest.warns(Warning):
        search.fit(*payments)
    assert np.isnan(search.halved_epochs_).all()
    display = SearchDisplay.from_estimator(search)
    assert len(display.ax_) == 2
    low, high = display.ax_[1].get_xlim()
    assert low < 1e-3 and 1e30 < high
    display.figure_.canvas.draw()


def test_what_is_no_fitted_search_is_refused(fitted):
    unfitted = RandomizedSearchCV(fitted, {"lr": [0.1]})
    with pytest.raises(NotFittedError, match="This RandomizedSearchCV is not fitted"):
        SearchDisplay.from_estimator(unfitted)
    with pytest.raises(ValueError, match="needs a fitted search with cv_results_, suc"):
        SearchDisplay.from_estimator(fitted)
    with pytest.raises(ValueError, match="needs candidates that differ in a parameter"):
        SearchDisplay([{"lr": 0.1}], [0.5]).plot()
