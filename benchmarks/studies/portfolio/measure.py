"""What portfolio.py fits and what it asks of each split."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
from _common import (
    SCORES,
    Unit,
    digest,
    folds,
    hold_out,
    source_digest,
    table,
    timed_fit,
)
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import label_binarize
from tqdm import tqdm

from sklimb import TabularMLPClassifier
from sklimb.fitting.portfolio import MIN_MINORITY_ROWS, select

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
SEEDS = 4  # networks a candidate
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

METRICS = ("roc_auc", "average_precision", "log_loss")
SIGN = np.array([SCORES[name] for name in METRICS])
LIST_SIZE = 4
LISTS = list(combinations(range(len(CANDIDATES)), LIST_SIZE))
DRAWS = 10  # of validation rows, for each number of rare ones


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


def scores(y, p):
    """`METRICS` of the probabilities of one mixture, shape (rows, classes)."""
    one_hot = label_binarize(y, classes=np.arange(p.shape[1]))
    p_rank = p[:, 1:] if p.shape[1] == 2 else p
    return np.array(
        [
            roc_auc_score(one_hot, p_rank, average="macro"),
            average_precision_score(one_hot, p_rank, average="macro"),
            nll(p[np.arange(len(y)), y]),
        ]
    )


def nll(p_true):
    """Log loss from the probabilities of the labels that came."""
    return -np.log(np.maximum(p_true, 1e-300)).mean()


def greedy(p_true):
    """Weights as `TabularMLPClassifier` chooses them, from (members, rows)."""
    return select(lambda mixture: nll(mixture @ p_true), len(p_true), False)


class Split:
    """What is known of one split: scores of networks, ensembles and lists.

    Attributes
    ----------
    minority : int
        Validation rows of the rarest class.
    single : array of shape (candidates, SEEDS, metrics)
    members : array of shape (candidates, metrics)
        All networks of a candidate, averaged.
    greedy, equal : arrays of shape (lists, SEEDS, metrics)
        One network each of the candidates of a list, combined.
    """

    def __init__(self, path):
        with np.load(path) as data:
            kept = dict(data)
        k = len(CANDIDATES)
        shape = (SEEDS, k, *kept["p_test"].shape[1:])
        self.p = kept["p_test"].astype(float).reshape(shape)
        self.y, self.y_validation = kept["y_test"], kept["y_validation"]
        p_validation = kept["p_validation"].astype(float)
        p_true = p_validation[:, np.arange(len(self.y_validation)), self.y_validation]
        self.p_true = p_true.reshape(SEEDS, k, -1)
        counts = np.bincount(self.y_validation)
        self.minority = int(counts[counts > 0].min())
        self.n_train, self.n_test = int(kept["n_train"]), len(self.y)
        self.n_classes = self.p.shape[-1]
        self.cpu_seconds = float(kept["fit_cpu_seconds"])
        self.source = str(kept["source"])
        # The estimator's own weights of all its networks must be ours.
        own = np.full(len(p_true), 1 / len(p_true))
        own = greedy(p_true) if self.minority >= MIN_MINORITY_ROWS else own
        self.weights_agree = bool(np.allclose(own, kept["weights"], atol=1e-6))
        self.best_epoch = kept["best_epoch"].reshape(SEEDS, k).mean(0)
        self.single = np.array(
            [[scores(self.y, self.p[s, c]) for s in range(SEEDS)] for c in range(k)]
        )
        self.members = np.array(
            [scores(self.y, self.p[:, c].mean(0)) for c in range(k)]
        )
        shape = (len(LISTS), SEEDS, len(METRICS))
        self.greedy, self.equal = np.empty(shape), np.empty(shape)
        for i, chosen in enumerate(LISTS):
            for s in range(SEEDS):
                p = self.p[s, list(chosen)]
                weights = greedy(self.p_true[s, list(chosen)])
                self.greedy[i, s] = scores(self.y, np.tensordot(weights, p, 1))
                self.equal[i, s] = scores(self.y, p.mean(0))

    def with_rule(self, least=MIN_MINORITY_ROWS):
        """Scores of lists, weighted greedily from `least` rare validation rows on."""
        return (self.greedy if self.minority >= least else self.equal).mean(1)

    def half_way(self, chosen, least):
        """Score of a list with weights half-way from equal to greedy."""
        found = []
        for s in range(SEEDS):
            weights = np.full(len(chosen), 1 / len(chosen))
            if self.minority >= least:
                weights = (weights + greedy(self.p_true[s, list(chosen)])) / 2
            found.append(
                scores(self.y, np.tensordot(weights, self.p[s, list(chosen)], 1))
            )
        return np.mean(found, 0)

    def from_fewer_rows(self, chosen, n_rare, rng):
        """Greedy minus equal (metrics, more is better) with `n_rare` rare rows."""
        y, rare = self.y_validation, np.bincount(self.y_validation).argmin()
        n_others = round(n_rare * (y != rare).sum() / (y == rare).sum())
        gains = []
        for s in range(SEEDS):
            p = self.p[s, list(chosen)]
            equal = scores(self.y, p.mean(0))
            for _ in range(DRAWS):
                rows = np.concatenate(
                    [
                        rng.choice(np.flatnonzero(y == rare), n_rare, replace=False),
                        rng.choice(np.flatnonzero(y != rare), n_others, replace=False),
                    ]
                )
                weights = greedy(self.p_true[s, list(chosen)][:, rows])
                gains.append(scores(self.y, np.tensordot(weights, p, 1)) - equal)
        return SIGN * np.mean(gains, 0)
