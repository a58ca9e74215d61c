"""max_seconds: training ends after an epoch, with the best state so far."""

import time

import numpy as np
import pytest
from helpers.packs import PLAIN, fit_pack, fixed_table, same_bits, weights
from sklearn.model_selection import GridSearchCV

from sklimb import TabularMLPClassifier, TabularResNetClassifier
from sklimb.fitting import train
from sklimb.model_selection import PackedSearchCV
from sklimb.training import callbacks

X, Y = fixed_table()
STOPPED = {**PLAIN, "early_stopping": True, "max_epochs": 10}
NEVER, AT_ONCE = 1e9, 1e-9


def fit(kind=TabularMLPClassifier, **params):
    return kind(**{**STOPPED, **params}).fit(X, Y)


class Watch:
    """A clock that goes on by `step` seconds each time it is read."""

    def __init__(self, shared, step):
        self.shared, self.step = shared, step

    def perf_counter(self):
        self.shared["now"] += self.step
        return self.shared["now"]


@pytest.fixture
def watch(monkeypatch):
    """An epoch takes a second, and nothing else takes any time."""
    shared = {"now": 0.0}
    monkeypatch.setattr(train, "time", Watch(shared, 0.0))
    monkeypatch.setattr(callbacks, "time", Watch(shared, 1.0))


def test_time_enough_changes_nothing():
    for params in ({}, {"n_members": 2}, {"validation_folds": 2}):
        assert same_bits(fit(**params), fit(**params, max_seconds=NEVER))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"n_members": 3},
        {"validation_folds": 3},
        {"early_stopping": False},
        {"sampler": "balanced"},
        {"m2m": "default"},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:m2m translated no row:UserWarning")
def test_no_time_at_all_is_one_epoch(params):
    clf = fit(**params, max_seconds=AT_ONCE)
    assert clf.n_iter_ == 1 and len(clf.history_) == 1
    assert np.isfinite(clf.predict_proba(X)).all()
    if "m2m" not in params:
        assert same_bits(clf, fit(**{**params, "max_epochs": 1}))


@pytest.mark.parametrize(
    "params", [{}, {"n_members": 2}, {"validation_folds": 2}], ids=str
)
def test_the_best_weights_up_to_then_are_kept(params, watch):
    clf = fit(**params, max_seconds=2.5)
    assert clf.n_iter_ == 3
    assert same_bits(clf, fit(**{**params, "max_epochs": 3}))
    whole = fit(**params)
    assert whole.n_iter_ == 10
    a, b = weights(clf), weights(whole)
    assert max(np.abs(a[k] - b[k]).max() for k in a) > 1e-3


def test_members_of_a_pack_share_the_clock(watch):
    clf = fit_pack([{"lr": 1e-2}, {"lr": 1e-3}], max_seconds=2.5)
    assert clf.n_iter_ == 3


def test_folds_that_train_one_after_the_other_share_the_time():
    params = {"d_block": 8, "early_stopping": "auto", "random_state": 0}
    clf = TabularResNetClassifier(
        **params, validation_folds=3, max_epochs=10_000, max_seconds=1.5
    )
    begin = time.perf_counter()
    clf.set_params(n_iter_no_change=10_000).fit(X, Y)
    assert time.perf_counter() - begin < 15  # each alone would take minutes
    assert (clf.best_epoch_ >= 1).all() and len(clf.predict_proba_members(X)) == 3


def test_deferred_draws_that_never_came_leave_the_last_epoch(watch):
    clf = fit(drw_start=0.9, max_seconds=3.5)
    assert clf.n_iter_ == 4 and clf.best_epoch_.tolist() == [4]


def test_a_search_gives_a_pack_the_time_of_its_fits(watch):
    clf = TabularMLPClassifier(**{**STOPPED, "max_seconds": 1.5})
    grid = {"lr": [1e-3, 1e-2]}
    packed = PackedSearchCV(clf, grid, cv=2, max_members=4, refit=False).fit(X, Y)
    assert packed.cv_results_["n_epochs"].tolist() == [6, 6]  # of 4 fits
    alone = PackedSearchCV(clf, grid, cv=2, max_members=1, refit=False)
    assert alone.fit(X, Y).cv_results_["n_epochs"].tolist() == [2, 2]


def test_a_search_without_time_is_one_of_single_epochs():
    grid, params = {"lr": [1e-3, 1e-2]}, {"cv": 2, "scoring": "neg_log_loss"}
    a = PackedSearchCV(
        TabularMLPClassifier(**STOPPED, max_seconds=AT_ONCE), grid, **params
    ).fit(X, Y)
    b = GridSearchCV(
        TabularMLPClassifier(**{**STOPPED, "max_epochs": 1}), grid, **params
    ).fit(X, Y)
    ours, theirs = (s.cv_results_["mean_test_score"] for s in (a, b))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("value", [0, -1.0, "10"])
def test_times_that_are_none_are_refused(value):
    with pytest.raises(ValueError, match="max_seconds"):
        fit(max_seconds=value)
