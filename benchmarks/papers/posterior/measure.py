"""One network, five, Laplace and SGHMC on the same rows of two classes of a table."""

import warnings

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score, log_loss

from benchmarks.common.scores import timed_fit
from benchmarks.common.splits import table
from sklimb import TabularMLPClassifier
from sklimb.bayes import LaplaceClassifier, SGHMCClassifier

# Table, rare class and frequent class.
TASKS = {
    "adult": ("adult", 1, 0),
    "bank": ("bank", 1, 0),
    "taiwan": ("taiwan", 1, 0),
    "loan": ("loan", 1, 0),
    "phoneme": ("phoneme", 1, 0),
    "covertype, spruce": ("covertype", 1, 2),
    "covertype, fir": ("covertype", 6, 3),
    "otto, 3 of 2": ("otto", "Class_3", "Class_2"),
}
METHODS = ("single", "ensemble", "laplace", "sghmc")
N_BINS = 15


def counts(total, ratio):
    """Rare and frequent rows of `total`, `ratio` rare ones a frequent one."""
    n_rare = round(total * ratio / (1 + ratio))
    return n_rare, total - n_rare


def rows_of(y, labels, wanted, n_test, seed):
    """Per class (rare, frequent): rows that train and rows that test, disjoint."""
    rng = np.random.default_rng(seed)
    train, test = [], []
    for label, n in zip(labels, wanted, strict=True):
        rows = rng.permutation(np.flatnonzero(y == label))
        if len(rows) < n + n_test:
            raise ValueError(f"class {label} has {len(rows)} rows for {n + n_test}.")
        test.append(rows[:n_test])
        train.append(rows[n_test : n_test + n])
    return train, test


def calibration_error(y, p, weight):
    """Expected calibration error of the rare class, in 15 bins of equal width."""
    bins = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(bins, weights=weight * (y - p), minlength=N_BINS)
    return float(np.abs(gaps).sum() / weight.sum())


def scores(y, p, ratio):
    """Of test rows weighed to the ratio of training, and of balanced ones.

    For balanced rows the odds are divided by the ratio.
    """
    weight = np.where(y == 1, ratio, 1.0)
    p = np.clip(p, 1e-9, 1 - 1e-9)
    even = p / (p + ratio * (1 - p))
    return {
        "log_loss": log_loss(y, p, sample_weight=weight),
        "ece": calibration_error(y, p, weight),
        "average_precision": average_precision_score(y, p, sample_weight=weight),
        "balanced_log_loss": log_loss(y, even),
        "balanced_ece": calibration_error(y, even, np.ones(len(y))),
        "balanced_error": float(np.mean((even > 0.5) != y)),
    }


def run(key, settings, data_home, device):
    """Scores and processor seconds of all methods; the line that is kept."""
    name, ratio, seed = key[:3]
    source, *labels = TASKS[name]
    bunch = table(source, data_home)
    wanted = counts(settings["total"], ratio)
    train, test = rows_of(bunch.y, labels, wanted, settings["n_test"], seed)
    X, y = bunch.X.iloc[np.concatenate(train)], np.repeat([1, 0], wanted)
    X_test = bunch.X.iloc[np.concatenate(test)]
    y_test = np.repeat([1, 0], settings["n_test"])
    own = {"max_epochs": settings["max_epochs"], "random_state": seed, "device": device}
    chains = {k: settings[k] for k in ("n_samples", "cycles", "n_epochs")}
    one = TabularMLPClassifier(n_members=1, **own)
    found, total = {}, 0.0
    with warnings.catch_warnings():
        # Epochs in which a rare class is never predicted, and codes of rare values.
        warnings.simplefilter("ignore", UserWarning)
        single, _, seconds = timed_fit(lambda: one.fit(X, y))
        frozen = FrozenEstimator(single)
        models = {
            "single": lambda: single,
            "ensemble": lambda: TabularMLPClassifier(n_members=5, **own).fit(X, y),
            "laplace": lambda: LaplaceClassifier(frozen, structure="diag").fit(X, y),
            "sghmc": lambda: SGHMCClassifier(frozen, **chains).fit(X, y),
        }
        for method, make in models.items():
            model, _, added = timed_fit(make)
            p = model.predict_proba(X_test)[:, 1]
            # Laplace and SGHMC begin with the single network.
            whole = added if method == "ensemble" else seconds + added
            found[method] = {**scores(y_test, p, ratio), "seconds": whole}
            total += added
    return {"scores": found, "seconds": seconds + total}
