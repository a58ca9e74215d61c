"""Splits of a table, and one fit of one setting on one split."""

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks.common.kept import digest, source_digest
from benchmarks.common.scores import score, timed_fit
from benchmarks.common.splits import Unit, folds, hold_out, table
from sklimb import TabularMLPClassifier

ADULT_ROWS = 8000
N_FOLDS = 3


def selection_rows(name, bunch):
    """The rows of a table that may choose defaults."""
    if bunch.split is None:
        return np.arange(len(bunch.y))
    rows = np.flatnonzero(bunch.split == "train")
    rows, _ = train_test_split(
        rows, train_size=ADULT_ROWS, stratify=bunch.y[rows], random_state=0
    )
    return rows


def make_units(name, repeats, data_home):
    """The splits of one table."""
    bunch = table(name, data_home)
    rows = selection_rows(name, bunch)
    for repeat in range(repeats):
        for fold, (train, test) in enumerate(
            folds(bunch.y[rows], None, N_FOLDS, repeat)
        ):
            train, validation = hold_out(
                bunch.y, None, rows[train], 100 * repeat + fold
            )
            yield Unit(name, repeat, fold, train, validation, rows[test])


def run(unit, setting, config, data_home):
    """Fit one setting on one split; the line that is kept."""
    bunch = table(unit.table, data_home)
    X, y = bunch.X, bunch.y
    model = TabularMLPClassifier(**config, random_state=unit.seed, device="cpu")
    model, wall, processor = timed_fit(
        lambda: model.fit(
            X.iloc[unit.train],
            y[unit.train],
            X_val=X.iloc[unit.validation],
            y_val=y[unit.validation],
        )
    )
    p = model.predict_proba(X.iloc[unit.test])[:, 1]
    return {
        "table": unit.table,
        "repeat": unit.repeat,
        "fold": unit.fold,
        "digest": digest(config),
        "setting": setting,
        "config": config,
        **score(y[unit.test], p),
        "fit_seconds": wall,
        "fit_cpu_seconds": processor,
        "n_iter": model.n_iter_,
        "source": source_digest(),
    }
