"""The experiments of "On Representation Learning under Class Imbalance", fit by fit."""

import warnings

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from xgboost import XGBClassifier

from benchmarks.common.scores import timed_fit
from benchmarks.common.splits import table
from sklimb import TabularEncoder, TabularMLPClassifier

# Minority and majority class. Covertype: two of its seven, as they take two classes
# of CIFAR-10; the rare one is spruce, the frequent one lodgepole pine.
CLASSES = {"adult": (1, 0), "covertype": (1, 2)}
MODELS = ("xgboost", "svm", "mlp")
METHODS = {
    "xgboost": ("plain", "over"),
    "svm": ("plain", "over"),
    "mlp": ("plain", "over", "over_prior", "long"),
}
PARTS = ("train", "selection", "test")


def make_pools(y, classes, n_eval, seed):
    """Per class (rare, frequent): rows to train on, to select on and to test on."""
    rng = np.random.default_rng(seed)
    pools = []
    for label in classes:
        rows = rng.permutation(np.flatnonzero(y == label))
        test, selection, train = np.split(rows, [n_eval, 2 * n_eval])
        pools.append({"train": train, "selection": selection, "test": test})
    return pools


def run(key, settings, data_home, device):
    """Class-wise accuracies of one training; the line that is kept."""
    name, model, method, n_rare, n_frequent, seed = key[:6]
    bunch = table(name, data_home)
    pools = make_pools(bunch.y, CLASSES[name], settings["n_eval"], seed)
    for pool, n in zip(pools, (n_rare, n_frequent), strict=True):
        if len(pool["train"]) < n:
            raise ValueError(f"{name} has {len(pool['train'])} rows for {n}.")
        pool["train"] = pool["train"][:n]
    rows = np.concatenate([pool["train"] for pool in pools])
    y = np.repeat([1, 0], [n_rare, n_frequent])
    X = bunch.X.iloc[rows]
    with warnings.catch_warnings():
        # Epochs in which a rare class is never predicted.
        warnings.simplefilter("ignore", UserWarning)
        fitted, _, seconds = timed_fit(
            lambda: _FITS[model](method, seed, settings, X, y, device)
        )
    right = {
        part: [
            float((fitted.predict(bunch.X.iloc[pool[part]]) == label).mean())
            for pool, label in zip(pools, (1, 0), strict=True)
        ]
        for part in PARTS
    }
    shifted = {}
    if method == "prior":
        p = [fitted.predict_proba(bunch.X.iloc[pool["test"]])[:, 1] for pool in pools]
        shifted = {
            str(ratio): after_prior_shift(p, ratio * n_frequent / n_rare)
            for ratio in settings["ratios"]
        }
    return {**right, "shifted": shifted, "seconds": seconds}


def after_prior_shift(p, factor):
    """Class-wise accuracies once the odds of the rare class are multiplied.

    `p` are probabilities of the rare class on rare rows and on frequent ones.
    """
    rare, frequent = (factor * q > 1 - q for q in p)
    return [float(rare.mean()), float(1 - frequent.mean())]


def _over_sampled(X, y, seed):
    numbers = np.arange(len(y))[:, None]
    chosen = RandomOverSampler(random_state=seed).fit_resample(numbers, y)[0]
    rows = np.asarray(chosen)[:, 0]
    return X.iloc[rows], y[rows]


def _fit_xgboost(method, seed, settings, X, y, device):
    if method == "over":
        X, y = _over_sampled(X, y, seed)
    model = XGBClassifier(
        n_estimators=100,
        enable_categorical=True,
        tree_method="hist",
        n_jobs=1,
        random_state=seed,
    )
    return model.fit(X, y)


def _fit_svm(method, seed, settings, X, y, device):
    # The encoder learns from the rows as they are, whatever the over-sampler repeats.
    encoder = TabularEncoder(category_encoding="onehot").fit(X)
    if method == "over":
        X, y = _over_sampled(X, y, seed)
    model = make_pipeline(encoder, SVC())
    model.steps[-1][1].fit(encoder.transform(X), y)
    return model


def _fit_mlp(method, seed, settings, X, y, device):
    # The paper trains a fixed number of epochs: no rows are held out.
    changes = {
        "plain": {},
        "prior": {},
        "over": {"sampler": "over", "target_prior": None},
        "over_prior": {"sampler": "over"},
        "long": {"max_epochs": 5 * settings["epochs"], "lr": 3e-4},
    }[method]
    model = TabularMLPClassifier(
        **{
            "max_epochs": settings["epochs"],
            "early_stopping": False,
            "random_state": seed,
            "device": device,
            **changes,
        }
    )
    return model.fit(X, y)


_FITS = {"xgboost": _fit_xgboost, "svm": _fit_svm, "mlp": _fit_mlp}


def accuracy(pair, ratio):
    """Expected accuracy on rows with `ratio` rare rows per frequent one.

    `pair` are the class-wise accuracies (rare, frequent); all test rows serve every
    ratio, so the curves have no noise from drawing test sets.
    """
    rare, frequent = pair
    return (ratio * rare + frequent) / (1 + ratio)


def counts(total, ratio):
    """(rare, frequent) rows that add up to `total` with the given ratio."""
    rare = max(2, round(total * ratio / (1 + ratio)))
    return rare, total - rare
