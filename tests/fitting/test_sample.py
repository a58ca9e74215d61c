"""The sample of many rows: all of a rare class, each class with its weight."""

import numpy as np
import pytest
from helpers.packs import fixed_table

from sklimb import TabularMLPClassifier
from sklimb.fitting import sample
from sklimb.fitting.sample import sample_of

PLAIN = {"num_embeddings": None, "max_epochs": 2, "random_state": 0}


def test_few_rows_are_all_taken():
    given = np.zeros((9, 2)), np.arange(9) % 2, np.ones(9)
    assert all(a is b for a, b in zip(sample_of(*given), given, strict=True))


def test_classes_keep_their_weights_and_rare_ones_their_rows(monkeypatch):
    monkeypatch.setattr(sample, "SOLVED_ROWS", 400)
    rng = np.random.default_rng(0)
    y = (rng.random(5000) < 0.02).astype(int)
    weight, X = rng.integers(1, 4, 5000).astype(float), np.arange(5000.0)[:, None]
    rows, own_y, own = sample_of(X, y, weight)
    assert (own_y == y[rows[:, 0].astype(int)]).all() and len(own_y) <= 400
    assert (own_y == 1).sum() == (y == 1).sum()
    sums = np.bincount(y, weight)
    np.testing.assert_allclose(np.bincount(own_y, own), sums, rtol=1e-12)


def test_the_bias_and_the_baseline_of_a_sample_are_near_those_of_all(monkeypatch):
    X, y = fixed_table(2000)
    whole = TabularMLPClassifier(**PLAIN).fit(X, y)
    monkeypatch.setattr(sample, "SOLVED_ROWS", 1000)
    clf = TabularMLPClassifier(**PLAIN).fit(X, y)
    share, found = np.mean(y), clf.predict_proba(X)[:, 1].mean()
    # Exact on all rows; of 1000 the mean of p has a standard error of 0.01.
    assert found != whole.predict_proba(X)[:, 1].mean()
    assert found == pytest.approx(share, abs=0.03)
    # Medians of 500 rows per class of unit spread: 0.056 of standard error.
    np.testing.assert_allclose(clf.baseline_, whole.baseline_, atol=0.25)
