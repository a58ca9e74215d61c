"""uncertainty and refer against entropies and errors that are counted by hand."""

import copy
from functools import partial

import numpy as np
import pytest
from helpers.analysed import blobs
from scipy.stats import entropy
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from sklimb import TabularMLPClassifier
from sklimb.analysis import refer, uncertainty
from sklimb.bayes import LaplaceClassifier, SGHMCClassifier


class Posterior:
    """Any classifier that tells the probabilities of its members."""

    def __init__(self, p, weights=None):
        self.p, self.classes_ = np.asarray(p), np.arange(np.shape(p)[-1])
        if weights is not None:
            self.member_weights_ = np.asarray(weights)

    def predict_proba_members(self, X):
        return self.p


@pytest.fixture(scope="module")
def fitted():
    X, y = blobs(n=120)
    clf = TabularMLPClassifier(d_block=8, max_epochs=2, n_members=3, random_state=0)
    return clf.fit(X, y), X, y


def test_parts_by_hand():
    agree = [[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]]
    other = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    found = uncertainty(Posterior([agree, other]), np.zeros((3, 1)))
    two = np.log(2)
    np.testing.assert_allclose(found.total, [0, two, two])
    np.testing.assert_allclose(found.expected, [0, two, 0])
    np.testing.assert_allclose(found.mutual_information, [0, 0, two], atol=1e-15)


def test_equals_entropies_of_scipy(fitted):
    clf, X, _ = fitted
    found = uncertainty(clf, X)
    np.testing.assert_allclose(found.total, entropy(clf.predict_proba(X), axis=1))
    each = entropy(clf.predict_proba_members(X), axis=2)
    np.testing.assert_allclose(found.entropy_members, each)
    np.testing.assert_allclose(found.expected, each.mean(0))
    np.testing.assert_allclose(
        found.total, found.expected + found.mutual_information, atol=1e-12
    )
    assert (found.mutual_information > 1e-6).any()


def test_members_count_by_their_weights():
    p = [[[0.9, 0.1]], [[0.2, 0.8]]]
    found = uncertainty(Posterior(p, [1.0, 0.0]), np.zeros((1, 1)))
    np.testing.assert_allclose(found.total, entropy([0.9, 0.1]))
    np.testing.assert_allclose(found.mutual_information, 0, atol=1e-15)


def test_a_single_network_has_no_mutual_information():
    X, y = blobs(n=60)
    clf = TabularMLPClassifier(d_block=4, max_epochs=1, random_state=0).fit(X, y)
    assert (uncertainty(clf, X).mutual_information == 0).all()


def test_networks_of_a_posterior(fitted):
    """One network has a posterior, whose draws disagree."""
    _, X, y = fitted
    one = TabularMLPClassifier(d_block=8, max_epochs=2, random_state=0).fit(X, y)
    laplace = LaplaceClassifier(FrozenEstimator(one)).fit(X, y)
    found = uncertainty(laplace, X)
    draws = laplace.predict_proba_members(X)
    np.testing.assert_allclose(found.total, entropy(draws.mean(0), axis=1))
    assert found.entropy_members.shape == draws.shape[:2] and len(draws) > 1
    assert (found.mutual_information > 1e-6).any()
    assert refer(laplace, X, 10, y).error <= refer(laplace, X, 0, y).error


@pytest.mark.parametrize(
    "posterior",
    [
        partial(LaplaceClassifier, predictive="sampling", n_samples=5),
        partial(SGHMCClassifier, n_samples=2, cycles=1, n_epochs=4),
    ],
    ids=["laplace", "sghmc"],
)
def test_draws_count_by_the_weights_of_their_members(fitted, posterior):
    clf, X, y = fitted
    clf = copy.copy(clf)
    n = len(clf.member_weights_)
    clf.member_weights_ = np.arange(1.0, n + 1) / (n * (n + 1) / 2)
    model = posterior(FrozenEstimator(clf)).fit(X, y)
    p = model.predict_proba(X)
    np.testing.assert_allclose(uncertainty(model, X).total, entropy(p, axis=1))
    members = model.predict_proba_members(X)
    assert np.abs(members.mean(0) - p).max() > 1e-3


def test_a_posterior_that_is_not_fitted(fitted):
    _, X, _ = fitted
    laplace = LaplaceClassifier(TabularMLPClassifier())
    for function in (uncertainty, lambda clf, X: refer(clf, X, 1)):
        with pytest.raises(NotFittedError, match="this LaplaceClassifier is not"):
            function(laplace, X)


def test_referred_rows_by_hand():
    p = [[[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.55, 0.45]]]
    y = [1, 1, 1, 1]
    found = refer(Posterior(p), np.zeros((4, 1)), 2, y)
    assert found.rows.tolist() == [3, 1]
    assert found.referred.tolist() == [False, True, False, True]
    assert found.expected_error_before == pytest.approx((0.1 + 0.4 + 0.2 + 0.45) / 4)
    assert found.expected_error == pytest.approx((0.1 + 0.2) / 4)
    assert (found.error_before, found.error) == (0.5, 0.25)
    np.testing.assert_allclose(found.error_curve, [0.5, 0.25, 0.25, 0.25, 0])
    np.testing.assert_allclose(found.share_referred, [0, 0.25, 0.5, 0.75, 1])
    weighed = refer(Posterior(p), np.zeros((4, 1)), 2, y, sample_weight=[5, 1, 1, 1])
    assert weighed.error == pytest.approx(5 / 8)


def test_a_share_is_rows_and_all_rows_leave_nothing(fitted):
    clf, X, y = fitted
    assert len(refer(clf, X, 0.25).rows) == 30
    everything = refer(clf, X, len(X), y)
    assert everything.expected_error == everything.error == 0
    nothing = refer(clf, X, 0, y)
    assert nothing.error == nothing.error_before == pytest.approx(1 - clf.score(X, y))


@pytest.mark.parametrize("by", ["total", "mutual_information"])
def test_rows_in_order_of_a_part(fitted, by):
    clf, X, _ = fitted
    found = refer(clf, X, 10, by=by)
    np.testing.assert_allclose(
        found.score, getattr(uncertainty(clf, X), by), atol=1e-12
    )
    assert set(found.rows) == set(np.argsort(-found.score)[:10])
    assert set(found.rows) != set(refer(clf, X, 10).rows)


def test_the_error_is_that_of_the_decision():
    """With a threshold of 0.9, predicting 0 at p = 0.8 is wrong with 0.8."""
    clf = Posterior([[[0.2, 0.8], [0.45, 0.55]]])
    clf.decision_factors_ = np.array([1.8, 0.2])
    found = refer(clf, np.zeros((2, 1)), 1, [1, 0])
    np.testing.assert_allclose(found.score, [0.8, 0.55])
    assert found.rows.tolist() == [0] and found.error == 0


@pytest.mark.parametrize("budget", [-1, 121, 1.0, 1.5, True, "10", None])
def test_budgets_that_are_refused(fitted, budget):
    clf, X, _ = fitted
    with pytest.raises(ValueError, match="budget must be a number of rows from 0 to"):
        refer(clf, X, budget)


def test_other_arguments_that_are_refused(fitted):
    clf, X, y = fitted
    with pytest.raises(ValueError, match="by must be one of"):
        refer(clf, X, 1, by="margin")
    with pytest.raises(ValueError, match="one label a row, 120, got 60"):
        refer(clf, X, 1, y[:60])
