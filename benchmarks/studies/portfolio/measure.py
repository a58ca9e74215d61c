"""The candidates and their fits, whose probabilities are kept."""

import json

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from benchmarks.common.kept import digest, source_digest
from benchmarks.common.scores import timed_fit
from benchmarks.common.splits import Unit, folds, hold_out, table
from sklimb import TabularMLPClassifier

CANDIDATES = (
    {"frequency_scale": 0.1},
    {"frequency_scale": 0.3},
    {"frequency_scale": 1.0},
    {"frequency_scale": 5.0},
    {"frequency_scale": 0.1, "dropout": 0.3},
    {"frequency_scale": 0.1, "lr": 3e-4},
    {"frequency_scale": 0.3, "dropout": 0.3},
    {"frequency_scale": 0.1, "smoothing_eps": 0.02, "dropout": 0.0},
)
SEEDS = 4  # networks per candidate
N_FOLDS = 3  # of which so many are run:
FOLDS_RUN = {
    "loan": 2,
    "german": 3,
    "thyroid": 2,
    "phoneme": 2,
    "abalone_19": 3,
    "abalone_7": 2,
    "yeast_me2": 3,
    "ecoli_imU": 3,
    "wine": 2,
    "adult": 2,
    "taiwan": 2,
    "bank": 2,
    "covertype": 2,
    "fraud": 2,
}
SAMPLED = ("adult", "taiwan", "bank", "covertype", "fraud")
SAMPLE = 6000  # rows of the tables in SAMPLED
TIMED = {"rows": 5600, "columns": 19, "validation": 988, "seeds": 3}


def rows_of(name, data_home):
    """Table, label codes and the rows that take part: no two alike, at most SAMPLE.

    No group is torn apart: the groups of "fraud" are its identical rows.
    """
    bunch = table(name, data_home)
    _, y = np.unique(bunch.y, return_inverse=True)
    rows = np.flatnonzero(~bunch.X.duplicated().to_numpy())
    if name in SAMPLED:
        rows, _ = train_test_split(
            rows, train_size=SAMPLE, stratify=y[rows], random_state=0
        )
    if bunch.groups is not None and len(np.unique(bunch.groups[rows])) < len(rows):
        raise ValueError(f"{name} has groups of several different rows.")
    return bunch.X, y, np.sort(rows)


def make_units(name, data_home):
    """The splits of one table, those of them that are run."""
    _, y, rows = rows_of(name, data_home)
    splits = list(folds(y[rows], None, N_FOLDS, 0))[: FOLDS_RUN[name]]
    for fold, (train, test) in enumerate(splits):
        train, validation = hold_out(y, None, rows[train], fold)
        yield Unit(name, 0, fold, train, validation, rows[test])


def fit(X, y, unit, seed, **params):
    """A timed fit on one split."""
    model = TabularMLPClassifier(random_state=seed, device="cpu", **params)
    return timed_fit(
        lambda: model.fit(
            X.iloc[unit.train],
            y[unit.train],
            X_val=X.iloc[unit.validation],
            y_val=y[unit.validation],
        )
    )


def path_of(folder, unit):
    """Where the probabilities of one split are kept."""
    code = digest([CANDIDATES, SEEDS, SAMPLE, N_FOLDS])
    return folder / f"{unit.table}-{unit.fold}-{code}.npz"


def collect(tables, folder, data_home):
    """Fit all candidates on all splits and keep their probabilities."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = [
        unit
        for name in tables
        for unit in make_units(name, data_home)
        if not path_of(folder, unit).exists()
    ]
    for unit in tqdm(todo):
        X, y, _ = rows_of(unit.table, data_home)
        model, wall, processor = fit(
            X, y, unit, unit.seed, portfolio=list(CANDIDATES), n_members=SEEDS
        )
        path = path_of(folder, unit)
        part = path.with_suffix(".part.npz")
        np.savez_compressed(
            part,
            p_validation=model.predict_proba_members(X.iloc[unit.validation]),
            p_test=model.predict_proba_members(X.iloc[unit.test]),
            y_validation=y[unit.validation],
            y_test=y[unit.test],
            n_train=len(unit.train),
            weights=model.member_weights_,
            best_epoch=model.best_epoch_,
            fit_seconds=wall,
            fit_cpu_seconds=processor,
            source=source_digest(),
        )
        part.rename(path)


def fits_to_time(settings):
    """What is timed: {name: parameters}."""
    singles = {f"single {json.dumps(s)}": s for s in settings}
    return singles | {
        "default": {},
        "n_members": {"n_members": len(settings)},
        "portfolio": {"portfolio": list(settings)},
    }


def time_fits(tables, settings, kept, data_home):
    """Processor seconds on the first split of every table and on synthetic rows."""
    units = [(next(make_units(name, data_home)), 0) for name in tables]
    n, n_validation = TIMED["rows"], TIMED["validation"]
    rows = np.arange(n + n_validation)
    synthetic = Unit("synthetic", 0, 0, rows[:n], rows[n:], rows[:0])
    units += [(synthetic, seed) for seed in range(TIMED["seeds"])]
    for unit, seed in tqdm(units):
        X = None
        for name, params in fits_to_time(settings).items():
            key = unit.table, seed, digest([name, params])
            if key in kept:
                continue
            if X is None:
                X, y = _timed_rows(unit.table, len(rows), data_home)
                fit(X, y, unit, seed, max_epochs=1)  # warm
            model, wall, processor = fit(X, y, unit, seed, **params)
            kept.add(
                {
                    "table": unit.table,
                    "seed": seed,
                    "digest": key[-1],
                    "fit": name,
                    "fit_seconds": wall,
                    "fit_cpu_seconds": processor,
                    "n_iter": model.n_iter_,
                    "source": source_digest(),
                }
            )


def _timed_rows(name, n_rows, data_home):
    if name != "synthetic":
        X, y, _ = rows_of(name, data_home)
        return X, y
    X, y = make_classification(
        n_rows, TIMED["columns"], n_informative=8, weights=[0.84], random_state=0
    )
    return pd.DataFrame(X), y
