"""The experiments of "On Representation Learning under Class Imbalance", fit by fit."""

import os
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from xgboost import XGBClassifier

from benchmarks.common.scores import timed_fit
from benchmarks.common.splits import table
from sklimb import ImageResNetClassifier, TabularEncoder, TabularMLPClassifier
from sklimb.datasets import load_cifar10, read_image_folder

# Minority and majority class. Covertype: two of its seven, as they take two classes
# of CIFAR-10; the rare one is spruce, the frequent one lodgepole pine. They do not say
# which two: ours are the first, airplanes and automobiles.
CLASSES = {
    "adult": (1, 0),
    "covertype": (1, 2),
    "cifar10": (0, 1),
    "cinic10": ("airplane", "automobile"),
}
IMAGES = ("cifar10", "cinic10")
MODELS = ("xgboost", "svm", "mlp", "resnet")
METHODS = {
    "xgboost": ("plain", "over"),
    "svm": ("plain", "over"),
    "mlp": ("plain", "over", "over_prior", "long"),
    "resnet": ("plain", "over"),
}
PARTS = ("train", "selection", "test")


@lru_cache(maxsize=2)
def rows_of(name, data_home):
    """Rows and labels of a table or of images.

    Raises
    ------
    FileNotFoundError
        The images are not here.
    """
    if name == "cifar10":
        bunch = load_cifar10(data_home=data_home)
        return bunch.X, bunch.y
    if name == "cinic10":  # in its published layout: train, valid, test
        home = Path(data_home or os.environ.get("SKLIMB_DATA", ".")) / "CINIC-10"
        if not home.is_dir():
            raise FileNotFoundError("the folder CINIC-10 is not here")
        parts = [read_image_folder(home / part) for part in ("train", "valid", "test")]
        return tuple(np.concatenate([part[k] for part in parts]) for k in ("X", "y"))
    bunch = table(name, data_home)
    return bunch.X, bunch.y


def take(X, rows):
    """Rows of a frame or of an array."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


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
    X_all, y_all = rows_of(name, data_home)
    pools = make_pools(y_all, CLASSES[name], settings["n_eval"], seed)
    for pool, n in zip(pools, (n_rare, n_frequent), strict=True):
        if len(pool["train"]) < n:
            raise ValueError(f"{name} has {len(pool['train'])} rows for {n}.")
        pool["train"] = pool["train"][:n]
    rows = np.concatenate([pool["train"] for pool in pools])
    y = np.repeat([1, 0], [n_rare, n_frequent])
    X = take(X_all, rows)
    with warnings.catch_warnings():
        # Epochs in which a rare class is never predicted.
        warnings.simplefilter("ignore", UserWarning)
        fitted, _, seconds = timed_fit(
            lambda: _FITS[model](method, seed, settings, X, y, device)
        )
    right = {
        part: [
            float((fitted.predict(take(X_all, pool[part])) == label).mean())
            for pool, label in zip(pools, (1, 0), strict=True)
        ]
        for part in PARTS
    }
    test = [take(X_all, pool["test"]) for pool in pools]
    shifted = {}
    if method == "prior":
        p = [fitted.predict_proba(part)[:, 1] for part in test]
        shifted = {
            str(ratio): after_prior_shift(p, ratio * n_frequent / n_rare)
            for ratio in settings["ratios"]
        }
    # Of as many rows of each class; it is the same at all test ratios.
    values = np.concatenate([ranking(fitted, part) for part in test])
    auc = roc_auc_score(np.repeat([1, 0], [len(part) for part in test]), values)
    return {**right, "auc": float(auc), "shifted": shifted, "seconds": seconds}


def ranking(model, X):
    """A number for each row that grows with how likely it is of the rare class."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)[:, 1]
    return model.decision_function(X)


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


def _fit_resnet(method, seed, settings, X, y, device):
    image = settings["image"]
    model = ImageResNetClassifier(
        backbone=image["backbone"],
        image_shape=(32, 32) if isinstance(X[0], str) else None,
        augment=["crop", "flip"],
        channels_last=True,
        sampler="over" if method == "over" else "uniform",
        batch_size=image["batch_size"],
        max_epochs=settings["epochs"],
        lr=0.1,
        early_stopping=False,
        target_prior=None,
        dtype=image["dtype"],
        device=device,
        random_state=seed,
    )
    return model.fit(X, y)


_FITS = {
    "xgboost": _fit_xgboost,
    "svm": _fit_svm,
    "mlp": _fit_mlp,
    "resnet": _fit_resnet,
}


def accuracy(pair, ratio):
    """Expected accuracy on rows with `ratio` rare rows per frequent one.

    `pair` are the class-wise accuracies (rare, frequent); all test rows serve every
    ratio, so the curves have no noise from drawing test sets.
    """
    rare, frequent = pair
    return (ratio * rare + frequent) / (1 + ratio)


# What else Figures 12 to 15 and S002's 21 and 22 may show: their axes are not legible.
FURTHER = ("recall", "precision", "f1", "g_mean")


def further(pair, ratio):
    """`FURTHER` scores of the rare class on rows of a ratio, as in `accuracy`."""
    rare, frequent = pair
    hits, alarms = ratio * rare, 1 - frequent
    precision = hits / (hits + alarms) if hits + alarms > 0 else 0.0
    f1 = 2 * hits / (hits + alarms + ratio)
    return dict(
        zip(FURTHER, (rare, precision, f1, (rare * frequent) ** 0.5), strict=True)
    )


def counts(total, ratio):
    """(rare, frequent) rows that add up to `total` with the given ratio."""
    rare = max(2, round(total * ratio / (1 + ratio)))
    return rare, total - rare
