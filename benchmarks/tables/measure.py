"""Splits of a table, and one fit of one model on one split."""

import statistics
import warnings

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from benchmarks.common.kept import source_digest
from benchmarks.common.scores import score, timed_fit
from benchmarks.common.splits import Unit, folds, hold_out, table
from benchmarks.tables.models import MODELS, make_one

N_FOLDS = 5
OFFICIAL_SEEDS = 3
SPEED_SHAPE = (5600, 19)


def make_units(name, repeats, data_home):
    """The splits of one table."""
    bunch = table(name, data_home)
    y, groups = bunch.y, bunch.groups
    if bunch.split is not None:
        rows, test = (np.flatnonzero(bunch.split == part) for part in ("train", "test"))
        parts = [(seed, 0, rows, test) for seed in range(OFFICIAL_SEEDS)]
    else:
        parts = [
            (repeat, fold, train, test)
            for repeat in range(repeats)
            for fold, (train, test) in enumerate(folds(y, groups, N_FOLDS, repeat))
        ]
    for repeat, fold, rows, test in parts:
        train, validation = hold_out(y, groups, rows, 100 * repeat + fold)
        yield Unit(name, repeat, fold, train, validation, test)


def run(unit, name, code, data_home):
    """Fit one model on one split; the line that is kept."""
    # MLPClassifier says so when its 200 epochs are used up.
    warnings.simplefilter("ignore", ConvergenceWarning)
    entry, bunch = MODELS[name], table(unit.table, data_home)
    X, y = bunch.X if entry.read is None else entry.read(bunch.X), bunch.y
    parts = [(X.iloc[rows], y[rows]) for rows in (unit.train, unit.validation)]
    model, wall, processor = timed_fit(
        lambda: entry.fit(entry.make(unit.seed), *parts[0], *parts[1])
    )
    X_test = X.iloc[unit.test]
    p, predict_wall, _ = timed_fit(lambda: model.predict_proba(X_test)[:, 1])
    return {
        "table": unit.table,
        "repeat": unit.repeat,
        "fold": unit.fold,
        "model": name,
        "digest": code,
        "n_train": len(unit.train) + len(unit.validation),
        "n_test": len(unit.test),
        **score(y[unit.test], p),
        "fit_seconds": wall,
        "fit_cpu_seconds": processor,
        "predict_seconds": predict_wall,
        "source": source_digest(),
    }


def time_default_fit(data_home):
    """Median seconds of three fits of one network on the loans, one-hot: 5,600 x 19."""
    bunch = table("loan", data_home)
    X = pd.get_dummies(bunch.X, dtype=np.int8).iloc[: SPEED_SHAPE[0]]
    if X.shape != SPEED_SHAPE:
        raise ValueError(f"The timed table must be {SPEED_SHAPE}, got {X.shape}.")
    y = bunch.y[: len(X)]
    seconds = [
        timed_fit(lambda seed=seed: make_one(seed).fit(X, y))[1] for seed in range(3)
    ]
    return {
        "table": "5,600 x 19",
        "repeat": 0,
        "fold": 0,
        "model": "sklimb",
        "digest": MODELS["sklimb"].digest(),
        "fit_seconds": statistics.median(seconds),
        "source": source_digest(),
    }
