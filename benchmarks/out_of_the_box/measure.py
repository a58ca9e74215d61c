"""Splits of a table, and one fit of one model on one split."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from benchmarks.common.kept import source_digest
from benchmarks.common.scores import score, timed_fit
from benchmarks.common.splits import folds
from benchmarks.out_of_the_box.models import MODELS
from benchmarks.out_of_the_box.tables import load

TEST_SHARE = 0.2


@dataclass(frozen=True)
class Unit:
    """One split of one table; its number is the seed of every model."""

    table: str
    split: int
    train: np.ndarray
    test: np.ndarray
    n_merged: int
    in_time: bool


def make_unit(name, split, data_home):
    """Four fifths that train and one that tests, stratified; groups stay whole."""
    data = load(name, data_home)
    rows = np.arange(len(data.y))
    if data.in_time:
        train, test = np.split(rows, [round((1 - TEST_SHARE) * len(rows))])
    elif data.groups is not None:
        train, test = next(folds(data.y, data.groups, round(1 / TEST_SHARE), split))
    else:
        train, test = train_test_split(
            rows, test_size=TEST_SHARE, stratify=data.y, random_state=split
        )
    merged = data.X.iloc[train].assign(target=data.y[train]).drop_duplicates()
    return Unit(name, split, train, test, len(merged), data.in_time)


def run(unit, name, code, data_home):
    """Fit one model on one split; the line that is kept."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # of logistic regression
    entry, data = MODELS[name], load(unit.table, data_home)
    X, y = data.X if entry.read is None else entry.read(data.X), data.y
    groups = None if data.groups is None else data.groups[unit.train]
    X_train, y_train = X.iloc[unit.train], y[unit.train]
    model, wall, processor = timed_fit(
        lambda: entry.fit(entry.make(unit.split), X_train, y_train, groups, unit.split)
    )
    X_test = X.iloc[unit.test]
    p, predict_wall, _ = timed_fit(lambda: model.predict_proba(X_test)[:, 1])
    return {
        "table": unit.table,
        "split": unit.split,
        "model": name,
        "digest": code,
        "n_train": len(unit.train),
        "n_merged": unit.n_merged,
        "n_positive": int(y_train.sum()),
        "n_test": len(unit.test),
        **score(y[unit.test], p),
        "fit_seconds": wall,
        "fit_cpu_seconds": processor,
        "predict_seconds": predict_wall,
        "source": source_digest(),
    }
