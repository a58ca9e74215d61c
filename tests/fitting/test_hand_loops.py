"""Folds, calls of partial_fit and bfloat16 against the loop written by hand."""

import numpy as np
import pytest
import torch
from helpers.oracles.hand_loop import epochs_by_hand, log_loss_by_hand, train_by_hand
from helpers.packs import PLAIN, fixed_table, weights

from sklimb import TabularMLPClassifier
from sklimb.inputs.rowset import RowSet
from sklimb.inputs.splits import split_folds
from sklimb.inputs.table import read_table

X, Y = fixed_table()
LOOP = {"width": 16, "lr": 5e-3, "batch_size": 32}


def canonical(X, y):
    """The rows in the order in which they are trained on."""
    rows = RowSet(read_table(X), np.arange(len(y)), np.ones(len(y)))
    order = np.argsort(rows.table.row_hash())
    return X[order], y[order]


def tensors(X, y, dtype=torch.float64):
    return (
        torch.from_numpy(X).to(dtype),
        torch.from_numpy(y),
        torch.ones(len(y), dtype=dtype),
    )


def test_each_fold_is_the_loop_on_its_rows_at_its_best_epoch():
    clf = TabularMLPClassifier(
        **{**PLAIN, "early_stopping": "auto", "lr": 2e-2},
        dtype="float64",
        validation_folds=3,
        n_iter_no_change=100,
    ).fit(X, Y)
    x, y = canonical(X, Y)
    rows = RowSet(read_table(x), y, np.ones(len(y)))
    folds = split_folds(rows, 3, 0)
    held_out = np.concatenate([held for _, held in folds])
    assert sorted(held_out) == list(range(len(y)))
    fitted, best_epochs = weights(clf), []
    for k, (train, held) in enumerate(folds):
        epochs = list(
            epochs_by_hand(
                [tensors(x[train], y[train])] * 5,
                **{**LOOP, "lr": 2e-2},
                seed=clf.member_seeds_[k],
            )
        )
        losses = [log_loss_by_hand(w, *tensors(x[held], y[held])) for w in epochs]
        best_epochs.append(int(np.argmin(losses)) + 1)
        assert clf.best_score_[k] == pytest.approx(min(losses), rel=1e-9)
        for got, want in zip(fitted.values(), epochs[best_epochs[-1] - 1], strict=True):
            # Folds train side by side: products of three members are summed otherwise.
            np.testing.assert_allclose(got[k], want[0].numpy(), rtol=0, atol=1e-9)
    assert clf.best_epoch_.tolist() == best_epochs
    assert len(set(best_epochs)) > 1 or best_epochs[0] < 5


def test_calls_of_partial_fit_are_epochs_of_the_loop():
    calls = [slice(0, 250), slice(250, 400), slice(100, 300)]
    clf = TabularMLPClassifier(**PLAIN, dtype="float64")
    for part in calls:
        clf.partial_fit(X[part], Y[part])
    *_, expected = epochs_by_hand(
        [tensors(*canonical(X[part], Y[part])) for part in calls], **LOOP, seed=0
    )
    for got, want in zip(weights(clf).values(), expected, strict=True):
        np.testing.assert_array_equal(got, want.numpy())


def test_bfloat16_is_the_loop_with_products_in_bfloat16():
    clf = TabularMLPClassifier(**PLAIN, dtype="bfloat16").fit(X, Y)
    rows = tensors(*canonical(X, Y), torch.float32)
    half = train_by_hand(*rows, **LOOP, epochs=5, seed=0, products=torch.bfloat16)
    full = train_by_hand(*rows, **LOOP, epochs=5, seed=0)
    apart = [float((a - b).abs().max()) for a, b in zip(half, full, strict=True)]
    assert max(apart) > 1e-3
    for got, want in zip(weights(clf).values(), half, strict=True):
        np.testing.assert_array_equal(got, want.numpy())
