"""Probabilities that can be trusted: against the known ones of a simulator."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.fitting.intercept import solve_intercept

SETTINGS = [
    {},
    {"sampler": "balanced"},
    {"sampler": "sqrt"},
    {"sampler": "over"},
    {"sampler": "under"},
    {"sampler": "smote"},
    {"loss": "focal"},
    {"loss": "focal", "sampler": "balanced"},
    {"smoothing_eps": 0.05},
    {"sam_asymmetric_rho": 0.05},
    {"n_members": 2, "sampler": "balanced"},
]


@pytest.fixture(scope="module")
def transactions():
    data = make_transactions(40_000, fraud_rate=0.02, random_state=0)
    order = np.random.default_rng(0).permutation(40_000)
    return data, order[:20_000], order[20_000:]


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_mean_probability_is_the_true_one(params, transactions):
    data, train, test = transactions
    clf = TabularMLPClassifier(
        **params, d_block=64, max_epochs=30, n_iter_no_change=5, random_state=0
    ).fit(data.X.iloc[train], data.y[train])
    p = clf.predict_proba(data.X.iloc[train])[:, 1]
    # By construction, on the rows given; members are solved one by one.
    assert p.mean() == pytest.approx(data.y[train].mean(), rel=1e-6)
    # On new rows, against the probabilities that drew the labels. The training labels
    # themselves are off their probabilities by chance, which `drawn` takes out.
    p = clf.predict_proba(data.X.iloc[test])[:, 1]
    drawn = data.y[train].mean() / data.proba[train].mean()
    assert p.mean() / drawn == pytest.approx(data.proba[test].mean(), rel=0.10)


def test_correction_helps_the_log_loss(transactions):
    data, train, test = transactions
    small = {"d_block": 64, "max_epochs": 15, "random_state": 0, "sampler": "balanced"}
    losses = {}
    for prior in ("train", None):
        clf = TabularMLPClassifier(**small, target_prior=prior)
        clf.fit(data.X.iloc[train], data.y[train])
        losses[prior] = log_loss(data.y[test], clf.predict_proba(data.X.iloc[test]))
    assert losses["train"] < 0.5 * losses[None]


def test_solved_intercept_meets_its_condition():
    rng = np.random.default_rng(0)
    log_p = np.log(rng.dirichlet(np.ones(4), 500))
    y = rng.choice(4, 500, p=[0.9, 0.07, 0.03, 0.0])
    weight = rng.uniform(0.5, 2, 500)
    b = solve_intercept(log_p, y, weight)
    p = np.exp(log_p[:, :3] + b[:3])
    p /= p.sum(1, keepdims=True)
    share = np.bincount(y, weights=weight)[:3] / weight.sum()
    np.testing.assert_allclose(weight @ p / weight.sum(), share, rtol=1e-8)
    assert b[3] == 0 and abs(b.sum()) < 1e-12
    # Nothing to solve, and probabilities of exactly 0 and 1.
    sure = np.log(np.clip(np.eye(2)[[0, 1, 0]], 1e-300, 1))
    assert np.abs(solve_intercept(sure, np.array([0, 1, 0]), np.ones(3))).max() < 1e-6
    one = np.zeros(3, dtype=int)
    assert not solve_intercept(sure, one, np.ones(3)).any()


def test_the_output_bias_is_solved_where_the_network_is_sure_of_everything():
    """Newton's method goes astray where all probabilities are 0 or 1."""
    log_p = np.array([[0.0, -300.0]] * 70 + [[-300.0, 0.0]] * 30)
    y = np.arange(100) % 2
    b = solve_intercept(log_p, y, np.ones(100))
    p = np.exp(log_p + b - np.logaddexp(*(log_p + b).T)[:, None])
    np.testing.assert_allclose(p.mean(0), 0.5, atol=1e-6)


def test_an_output_bias_that_cannot_be_solved_is_told_and_left_alone():
    log_p = np.array([[0.0, -30_000.0]] * 70 + [[-30_000.0, 0.0]] * 30)
    y = np.arange(100) % 2
    with pytest.warns(ConvergenceWarning, match="could not be solved"):
        b = solve_intercept(log_p, y, np.ones(100))
    np.testing.assert_array_equal(b, 0.0)
