"""pickle, joblib, cloudpickle and copies keep all that an estimator has."""

import copy
import io
import pickle

import cloudpickle
import joblib
import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table
from helpers.saved import KINDS, fitted, read_by

from sklimb import TabularMLPClassifier

X, Y = fixed_table()


def _joblib(one):
    file = io.BytesIO()
    joblib.dump(one, file)
    file.seek(0)
    return joblib.load(file)


WAYS = {
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
    "protocol 2": lambda one: pickle.loads(pickle.dumps(one, protocol=2)),
    "joblib": _joblib,
    "cloudpickle": lambda one: pickle.loads(cloudpickle.dumps(one)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS)
def test_partial_fit_goes_on_with_the_state_of_its_optimiser(way):
    clf = TabularMLPClassifier(**PLAIN).partial_fit(X, Y)
    again = WAYS[way](clf)
    assert set(vars(again)) == set(vars(clf)) and "_states" in vars(again)
    p = copy.deepcopy(clf).partial_fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(again.partial_fit(X, Y).predict_proba(X), p)
    # With a new optimiser it would be another one.
    del clf._states
    assert abs(clf.partial_fit(X, Y).predict_proba(X) - p).max() > 1e-6


class Own:
    """A loss with a posterior of its own."""

    def __call__(self, logits, target):
        return -(target * (2 * logits).log_softmax(-1)).sum(-1)

    def log_probability(self, logits):
        return (2 * logits.double()).log_softmax(-1)


@pytest.mark.parametrize("way", WAYS)
def test_losses_of_ones_own_are_kept(way):
    clf = TabularMLPClassifier(**PLAIN, loss=Own()).fit(X, Y)
    again = WAYS[way](clf)
    assert isinstance(again.loss, Own)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_estimator(kind):
    one, rows = fitted(kind)
    for way in WAYS.values():
        again = way(one)
        assert set(vars(again)) == set(vars(one))
        np.testing.assert_array_equal(read_by(again, rows), read_by(one, rows))


class Counted(TabularMLPClassifier):
    """A subclass that says itself what is pickled."""

    def __getstate__(self):
        return {**vars(self), "net_": None, "told": 1}


def test_a_subclass_decides_what_is_pickled():
    again = pickle.loads(pickle.dumps(Counted(**PLAIN).fit(X, Y)))
    assert again.net_ is None and again.told == 1


def test_what_is_not_fitted():
    clf = TabularMLPClassifier(d_block=7, loss=Own())
    for way in WAYS.values():
        assert way(clf).d_block == 7 and vars(way(clf)).keys() == vars(clf).keys()
