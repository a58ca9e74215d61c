"""`target_prior`: from the class shares that the output bias is solved on to others."""

import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import TimeSeriesSplit

from sklimb import TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.two_stage import ClassifierRetrainer

X, Y = fixed_table()
HELD_OUT = {**PLAIN, "early_stopping": True}
# Sample weights of fixed_table's rows.
WEIGHT = np.random.default_rng(0).uniform(0.5, 2, len(Y))


def shares(y, weight=None):
    total = np.bincount(y, weights=weight)
    return total / total.sum()


def moved(p, ratio):
    p = p * ratio
    return p / p.sum(-1, keepdims=True)


def check(predict, solved_on, atol=1e-6):
    """`predict(target_prior)` follows the shares of the rows of the solved bias."""
    train = predict("train")
    np.testing.assert_allclose(predict(solved_on), train, atol=atol)
    uniform = moved(train, 1 / solved_on)
    np.testing.assert_allclose(predict("uniform"), uniform, atol=atol)
    other = np.arange(1, 1 + len(solved_on)) / np.arange(1, 1 + len(solved_on)).sum()
    want = moved(train, other / solved_on)
    np.testing.assert_allclose(predict(other), want, atol=atol)


def fitted(A, y, base=HELD_OUT, **how):
    """predict for `check`: a fit per prior."""
    params = {k: how.pop(k) for k in tuple(how) if k in PARAMS}

    def predict(prior):
        clf = TabularMLPClassifier(**{**base, **params, "target_prior": prior})
        return clf.fit(A, y, **how).predict_proba_members(A)

    return predict


PARAMS = TabularMLPClassifier().get_params()


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"early_stopping": False},
        {"sampler": "balanced"},
        {"sampler": "smote"},
        {"loss": "ldam", "drw_start": 0.4},
        {"loss": "logit_adjusted", "temperature_scaling": True},
        {"validation_folds": 3},
        {"n_members": 2, "loss": "class_balanced"},
        {"metabalance_sampler": "balanced", "metabalance_steps": 10},
        {"row_weighting": "l2rw"},
    ],
    ids=str,
)
def test_priors_are_those_of_all_rows(params):
    check(fitted(X, Y, **params), shares(Y))
    check(fitted(X, Y, sample_weight=WEIGHT, **params), shares(Y, WEIGHT))


@pytest.mark.parametrize("n_rare", range(4, 11))
def test_few_rare_rows(n_rare):
    """The default split takes one of four rare rows, and another share of all."""
    rows = np.r_[np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:n_rare]]
    A, y = X[rows], Y[rows]
    check(fitted(A, y), shares(y))
    clf = TabularMLPClassifier(**HELD_OUT, target_prior="uniform").fit(A, y)
    held_out = max(round(0.15 * n_rare), 1)
    others = (y == 0).sum() - round(0.15 * (y == 0).sum())
    # Strategies count what was trained on.
    share = (n_rare - held_out) / (n_rare - held_out + others)
    assert clf.class_prior_[1] == pytest.approx(share, rel=1e-12)


def test_time_split_under_drift():
    order = np.argsort(Y + np.random.default_rng(0).normal(size=len(Y)))
    A, y = X[order], Y[order]
    params = {"validation_split": TimeSeriesSplit(3), "merge_duplicates": False}
    clf = TabularMLPClassifier(**HELD_OUT, **params).fit(A, y)
    assert shares(y)[1] > 1.2 * clf.class_prior_[1]
    check(fitted(A, y, **params), shares(y))


def test_three_classes():
    y = np.where((Y == 1) & (X[:, 0] > 0), 2, Y)
    check(fitted(X, y, sampler="sqrt"), shares(y))
    check(fitted(X, y, loss="cosface"), shares(y))


def test_rows_given_for_validation_do_not_count():
    rows = np.r_[np.flatnonzero(Y == 0)[:100], np.flatnonzero(Y == 1)[:40]]
    rest = np.setdiff1d(np.arange(len(Y)), rows)
    given = {"X_val": X[rows], "y_val": Y[rows]}
    assert abs(shares(Y[rows])[1] - shares(Y[rest])[1]) > 0.1
    check(fitted(X[rest], Y[rest], **given), shares(Y[rest]))


def test_partial_fit_counts_all_calls():
    def predict(prior):
        clf = TabularMLPClassifier(**PLAIN, sampler="balanced", target_prior=prior)
        clf.partial_fit(X[:150], Y[:150])
        return clf.partial_fit(X[150:], Y[150:]).predict_proba_members(X)

    check(predict, shares(Y))


@pytest.mark.parametrize("method", ["crt", "tau", "lws", "ncm", "mislas", "oltr"])
@pytest.mark.parametrize("frozen", [False, True])
def test_second_stages(method, frozen):
    rows = np.r_[np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:6]]
    A, y = X[rows], Y[rows]
    clf = TabularMLPClassifier(**HELD_OUT, loss="ldam" if frozen else "ce")
    first = FrozenEstimator(clf.fit(A, y)) if frozen else clf

    def predict(prior):
        second = ClassifierRetrainer(first, method, n_epochs=1, target_prior=prior)
        return second.fit(A, y).predict_proba(A)

    check(predict, shares(y))


def test_second_stages_of_rows_given_for_validation():
    given = {"X_val": X[Y == 1][:30], "y_val": Y[Y == 1][:30]}
    clf = TabularMLPClassifier(**HELD_OUT)

    def predict(prior):
        second = ClassifierRetrainer(clf, n_epochs=1, target_prior=prior)
        return second.fit(X, Y, **given).predict_proba(X)

    check(predict, shares(Y))


@pytest.mark.parametrize("counted", [True, False])
def test_pseudo_labels_count_by_their_weight(counted):
    pseudo = np.arange(len(Y)) % 3 == 0
    weight = np.where(pseudo, 0.5, 1.0)

    def predict(prior):
        clf = TabularMLPClassifier(**HELD_OUT, target_prior=prior)
        clf._pseudo_labels = pseudo, counted  # as PseudoLabelClassifier does
        return clf.fit(X, Y, sample_weight=weight).predict_proba_members(X)

    solved_on = shares(Y, weight) if counted else shares(Y[~pseudo])
    assert abs(shares(Y)[1] - solved_on[1]) > 1e-3
    check(predict, solved_on)


def test_packed_searches_move_the_same_shares():
    train, test = np.arange(250), np.arange(250, len(Y))
    solved_on = shares(Y[train])
    search = PackedSearchCV(
        TabularMLPClassifier(**HELD_OUT),
        {"target_prior": ["train", solved_on.tolist(), "uniform"]},
        cv=[(train, test)],
        scoring="neg_log_loss",
        max_members=3,
    )
    scores = search.fit(X, Y).cv_results_["mean_test_score"]
    clf = TabularMLPClassifier(**HELD_OUT).fit(X[train], Y[train])
    p = clf.predict_proba(X[test])
    want = [-log_loss(Y[test], q) for q in (p, p, moved(p, 1 / solved_on))]
    # float32 training of a pack sums in another order.
    np.testing.assert_allclose(scores, want, atol=1e-4)
    assert abs(scores[0] - scores[1]) < 1e-6 < abs(scores[0] - scores[2])
