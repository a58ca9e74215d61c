"""What workers of a packed search are sent: rows as one file that all of them map."""

import os
import re

import numpy as np
import pandas as pd
import pytest

from sklimb import TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.model_selection._candidates import Folds, make_candidate
from sklimb.model_selection._checkpoint import Checkpoint
from sklimb.model_selection._packs import Work
from sklimb.model_selection._workers import run_packs

# 1.3 megabytes: joblib maps arrays from one on.
N_ROWS = 40_000
ESTIMATOR = TabularMLPClassifier(
    num_embeddings=None, d_block=4, batch_size=8192, max_epochs=1, random_state=0
)
GRID = {"lr": [1e-3, 3e-3, 1e-2, 3e-2]}


def make_rows():
    X = np.random.default_rng(0).normal(size=(N_ROWS, 4))
    return X, (X[:, 0] > 1).astype(int)


def file_of(array):
    """The file that an array is mapped from, and its size; None of one in memory."""
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    if array is None:
        return None
    return array.filename, os.path.getsize(array.filename)


class Telling(Folds):
    """Rows that tell in the error of each fit where they are mapped from."""

    def job(self, *_):
        raise ValueError(f"rows of {file_of(np.asarray(self.X))}")


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame])
def test_rows_are_mapped_from_one_file(make):
    X, y = make_rows()
    X = make(X)
    cv = [(np.arange(N_ROWS // 2), np.arange(N_ROWS // 2, N_ROWS))]
    folds = Telling(X, y, cv, {})
    search = PackedSearchCV(ESTIMATOR, GRID, cv=cv)
    candidates = [make_candidate(ESTIMATOR, {"lr": lr}) for lr in GRID["lr"]]
    task = Work(candidates, None, {}, 0, search)
    packs = [(i, [(i, 0)]) for i in range(len(candidates))]
    told = [
        re.search(r"rows of \('(.*)', (\d+)\)", results[0]["fit_error"]).groups()
        for _, results in run_packs(task, folds, packs, 2, Checkpoint(None, {}))
    ]
    assert len(told) == 4 and len(set(told)) == 1, "four packs, one file"
    nbytes = N_ROWS * 4 * 8
    assert nbytes <= int(told[0][1]) < 1.1 * nbytes


def test_mapped_rows_train_as_rows_in_memory():
    X, y = make_rows()
    settings = {"cv": 2, "scoring": "neg_log_loss", "max_members": 1, "refit": False}
    grid = {"lr": GRID["lr"][:2]}
    here, there = (
        PackedSearchCV(ESTIMATOR, grid, n_jobs=n, **settings).fit(X, y) for n in (1, 2)
    )
    for key in ("split0_test_score", "split1_test_score"):
        assert np.array_equal(here.cv_results_[key], there.cv_results_[key])
