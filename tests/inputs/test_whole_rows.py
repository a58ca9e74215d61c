"""Rows of equal X stay on one side of the internal split, whatever their labels."""

import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table
from sklearn.metrics import log_loss

from sklimb import TabularMLPClassifier
from sklimb.fitting.prepare import prepare, read_rows
from sklimb.inputs.splits import kept_whole, split_default, split_folds

STOPPED = {**PLAIN, "early_stopping": True, "max_epochs": 80, "batch_size": "auto"}


def survey(n=1500, seed=0):
    """Twelve different rows, each of both labels in its own share."""
    rng = np.random.default_rng(seed)
    X = np.array([[a, b, c] for a in range(3) for b in range(2) for c in range(2)])
    rows = rng.integers(len(X), size=n)
    p = 1 / (1 + np.exp(-(1.5 * X[:, 0] - 2.0 * X[:, 1] - 0.5)))
    return X[rows].astype(float), (rng.random(n) < p[rows]).astype(int)


def merged(X, y):
    rows = read_rows(TabularMLPClassifier(), X, y, None, None, reset=True)
    return rows.positive().canonical()


def test_a_table_of_few_different_rows_is_learned():
    for seed in range(4):
        X, y = survey(seed=seed)
        base = log_loss(y, np.full(len(y), y.mean()))
        best = {x: y[(X == x).all(1)].mean() for x in map(tuple, np.unique(X, axis=0))}
        best = log_loss(y, [best[tuple(x)] for x in X])
        clf = TabularMLPClassifier(**{**STOPPED, "random_state": seed}).fit(X, y)
        reached = log_loss(y, clf.predict_proba(X))
        assert (base - reached) / (base - best) > 0.7


@pytest.mark.parametrize("folds", [None, 3])
def test_equal_rows_are_on_one_side(folds):
    X, y = survey()
    rows = merged(X, y)
    x = rows.table.row_hash()
    if folds is None:
        parts = kept_whole(rows, [split_default(rows, 0.3, 0)])
    else:
        parts = split_folds(rows, folds, 0)
        assert sum(len(held_out) for _, held_out in parts) == len(rows)
    for train, held_out in parts:
        assert not set(x[train]) & set(x[held_out])
        assert sorted([*train, *held_out]) == list(range(len(rows)))
        assert set(rows.y[train]) == {0, 1}


def test_other_tables_are_split_as_before():
    rows = merged(*fixed_table())
    parts = split_folds(rows, 4, 0, merge=False)
    assert kept_whole(rows, parts) is parts
    X, y = survey()
    apart = prepare(TabularMLPClassifier(**STOPPED, merge_duplicates=False), X, y)
    x = apart.train.table.row_hash()
    assert set(x) & set(apart.held_out.table.row_hash())  # rows count as they are


def test_a_split_that_would_lose_a_class_stays_as_it_was():
    X = np.repeat([[0.0], [1.0]], 2, axis=0)
    rows = merged(X, np.array([0, 1, 0, 1]))
    train, held_out = kept_whole(rows, [split_default(rows, 0.5, 1)])[0]
    assert set(rows.y[train]) == set(rows.y[held_out]) == {0, 1}
    one = merged(np.array([[0.0], [0.0], [1.0], [2.0]]), np.array([0, 1, 0, 0]))
    parts = [split_default(one, 0.3, 0)]
    kept = kept_whole(one, parts)[0]
    assert set(one.y[kept[0]]) == {0, 1}


def test_weights_are_copies_there_too():
    X, y = survey()
    unique, n = np.unique(np.column_stack([X, y]), axis=0, return_counts=True)
    for params in ({}, {"validation_folds": 3}):
        clf = TabularMLPClassifier(**{**STOPPED, **params, "max_epochs": 5})
        other = TabularMLPClassifier(**clf.get_params())
        clf.fit(X, y)
        other.fit(unique[:, :3], unique[:, 3].astype(int), n.astype(float))
        assert np.array_equal(clf.predict_proba(X), other.predict_proba(X))
