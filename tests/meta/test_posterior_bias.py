"""Posteriors: mean probabilities are the class shares, also with few rare rows."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from sklimb import TabularMLPClassifier
from sklimb.bayes import LaplaceClassifier, SGHMCClassifier
from sklimb.bayes._gauss_newton import scaled

X, Y = fixed_table()
THREE = np.where(X[:, 0] > 1.5, 2, Y)
SMALL = {**PLAIN, "d_block": 8}
QUICK = {"n_samples": 4, "cycles": 2, "n_epochs": 4, "lr": 0.01}


def laplace(clf, predictive="probit"):
    """Around a classifier that is fitted to three classes."""
    model = LaplaceClassifier(FrozenEstimator(clf), predictive=predictive)
    return model.fit(X, THREE)


RARE = np.random.default_rng(0).permutation(len(X))
RARE = RARE[np.cumsum(Y[RARE]) * Y[RARE] <= 12]  # 12 rare rows, and all others


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"class_weight": {0: 1.0, 1: 3.0}},
        {"sampler": "balanced", "early_stopping": "auto"},
        {"validation_folds": 3, "early_stopping": "auto"},
    ],
    ids=lambda p: "-".join(p) or "plain",
)
@pytest.mark.parametrize("structure", ["diag", "kron"])
@pytest.mark.parametrize("predictive", ["probit", "sampling"])
def test_mean_probabilities_are_the_class_shares(structure, predictive, params):
    x, y = X[RARE], Y[RARE]
    clf = TabularMLPClassifier(**{**PLAIN, **params}, n_members=2).fit(x, y)
    model = LaplaceClassifier(
        FrozenEstimator(clf), structure=structure, predictive=predictive
    ).fit(x, y)
    factor = (params.get("class_weight") or {0: 1.0, 1: 1.0})[1]
    weight = np.where(y == 1, factor, 1.0)
    share = np.average(y, weights=weight)
    assert share < 0.1
    n = len(clf.member_seeds_)
    assert model.intercept_.shape == (n, 2)
    # Newton's method ends at 1e-10; the network counts in float32.
    got = np.average(model.predict_proba(x)[:, 1], weights=weight)
    assert got == pytest.approx(share, rel=1e-4)
    # Without what is solved again it misses.
    model.intercept_ = np.zeros_like(model.intercept_)
    far = np.average(model.predict_proba(x)[:, 1], weights=weight)
    assert abs(far / share - 1) > 1e-3


def test_the_bias_is_solved_before_the_target_prior():
    params = {**PLAIN, "class_weight": None}
    clf = TabularMLPClassifier(**params).fit(X, THREE)
    p = laplace(clf).predict_proba(X)
    wanted = np.array([0.2, 0.5, 0.3])
    moved = TabularMLPClassifier(**params, target_prior=wanted).fit(X, THREE)
    for predictive in ("probit", "sampling"):
        p = laplace(clf, predictive).predict_proba(X)
        want = p * wanted / (np.bincount(THREE) / len(THREE))
        got = laplace(moved, predictive).predict_proba(X)
        if predictive == "probit":  # draws are moved one by one
            want /= want.sum(1, keepdims=True)
            np.testing.assert_allclose(got, want, rtol=1e-9)
        assert abs(got.mean(0) - wanted).max() < abs(p.mean(0) - wanted).max()
    never = TabularMLPClassifier(**params, target_prior=None).fit(X, THREE)
    assert (laplace(never).intercept_ == 0).all()


def test_defaults_keep_what_few_rare_rows_teach():
    """With 21 rare rows a diagonal makes rows alike: the default does not."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 6)).astype(np.float32)
    y = (x[:, 0] + 0.5 * rng.normal(size=3000) > 2.2).astype(int)
    clf = TabularMLPClassifier(d_block=64, max_epochs=30, random_state=0)
    clf.fit(x[:1000], y[:1000])
    assert y[:1000].sum() == 21

    def loss(model):
        return log_loss(y[1000:], model.predict_proba(x[1000:]))

    default, diag = (
        LaplaceClassifier(FrozenEstimator(clf), structure=s).fit(x[:1000], y[:1000])
        for s in ("auto", "diag")
    )
    # Measured: 1.04 and 1.37 of the network's own.
    assert loss(default) < 1.1 * loss(clf)
    assert loss(diag) > 1.2 * loss(clf)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sampler": "balanced", "class_weight": {0: 1.0, 1: 3.0}},
        {"validation_folds": 3, "early_stopping": "auto"},
    ],
    ids=lambda p: "-".join(p) or "plain",
)
def test_mean_probabilities_of_chains_are_the_class_shares(params):
    """A strong prior draws biases to 0; it is the intercept that holds the share."""
    clf = TabularMLPClassifier(**{**SMALL, **params}, n_members=2).fit(X, Y)
    model = SGHMCClassifier(FrozenEstimator(clf), **QUICK, prior_precision=100.0)
    p = model.fit(X, Y).predict_proba(X)[:, 1]
    factor = (params.get("class_weight") or {1: 1.0})[1]
    weight = np.where(Y == 1, factor, 1.0)
    # Newton's method ends at 1e-10; the network counts in float32.
    assert np.average(p, weights=weight) == pytest.approx(
        np.average(Y, weights=weight), rel=1e-4
    )
    assert model.intercept_.shape == (len(clf.member_seeds_), 2)
    assert np.abs(model.intercept_).min() > 0.01
    clf = TabularMLPClassifier(**SMALL, target_prior=None).fit(X, Y)
    model = SGHMCClassifier(FrozenEstimator(clf), **QUICK).fit(X, Y)
    assert (model.intercept_ == 0).all()


def test_factors_of_the_logits_scale_both_sides_of_their_covariance():
    """As those of the "vs" loss and a temperature do, before the mean is taken."""
    root = torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(0))
    covariance, scale = root @ root.mT, torch.tensor([0.5, 1.0, 2.0])
    both = torch.diag(scale) @ covariance @ torch.diag(scale)
    torch.testing.assert_close(scaled(covariance, scale), both)
    assert scaled(covariance, None) is covariance
