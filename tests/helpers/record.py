"""Digests of today's results, against which changes of structure are held.

    python tests/helpers/record.py --write     # after a change that is meant to show
    python tests/helpers/record.py             # names each case whose bits have changed

A case is a fit; its digests are the sha256 of `predict_proba`, of `embed` and of
`history_` without `dur`, on one thread. Bits hold for one kind of processor and one set
of versions, so both are part of the file, and a comparison elsewhere is refused.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.datasets import make_transactions
from sklimb.model_selection import PackedSearchCV
from sklimb.two_stage import ClassifierRetrainer
from sklimb.two_stage._methods import METHODS

HERE = Path(__file__).resolve().parent
RECORD = HERE / "record.json"
SAVED = HERE.parent / "fixtures" / "saved"
# What each case was recorded with, whatever the defaults are.
ONE = {"n_members": 1, "validation_folds": None}
IMAGES = {
    "resnet8": {},
    "resnet8 of two members with SAM-A": {
        "n_members": 2,
        "sam_asymmetric_rho": 0.05,
        "sampler": "balanced",
    },
    "resnet8 augmented, with VICReg": {
        "augment": "randaugment",
        "joint_ssl": "vicreg",
    },
    "resnet8 with LDAM and deferral": {"loss": "ldam", "drw_start": 0.5},
}


def rows():
    """A mixed table with categories and missing values, of two uneven classes."""
    data = make_transactions(700, fraud_rate=0.15, random_state=0)
    X = data.X.copy()
    X.iloc[::17, 2] = np.nan
    return X, np.asarray(data.y)


def numbers():
    """The numeric columns of `rows`, complete."""
    X, y = rows()
    return X.select_dtypes("number").fillna(0.0).to_numpy(), y


def images():
    X, y = load_digits(n_class=3, return_X_y=True)
    keep = [np.flatnonzero(y == c)[: 60 - 20 * c] for c in range(3)]
    keep = np.sort(np.concatenate(keep))
    return (X[keep] * 15).astype(np.uint8).reshape(-1, 8, 8), y[keep]


def cases():
    """(name, function that returns a fitted estimator and rows to read)."""
    from helpers.strategies import META, NETWORKS, SMALL, STRATEGIES

    small = {**SMALL, **ONE, "max_epochs": 8, "random_state": 0}
    for strategy in STRATEGIES:
        name = ", ".join(f"{k}={v!r}" for k, v in list(strategy.items())[:1])
        numeric = strategy.get("m2m") is not None
        data = numbers if numeric else rows
        yield name or "plain", _fit(TabularMLPClassifier(**{**small, **strategy}), data)
    for estimator in NETWORKS:
        estimator = clone(estimator).set_params(**ONE, max_epochs=4, random_state=0)
        yield type(estimator).__name__, _fit(estimator, rows)
    for estimator in META:
        estimator = clone(estimator).set_params(estimator__max_epochs=8)
        estimator.estimator.set_params(**ONE)
        yield type(estimator).__name__, _fit(estimator, rows)
    tiny = {"backbone": "resnet8", "max_epochs": 2, "batch_size": 16, "lr": 0.05}
    tiny["channels_last"] = False
    for name, strategy in IMAGES.items():
        clf = ImageResNetClassifier(**tiny, random_state=0, **strategy)
        yield f"images: {name}", _fit(clf, images)
    yield "partial_fit", _partial(TabularMLPClassifier(**small))
    yield "warm_start", _warm(TabularMLPClassifier(**small, warm_start=True))
    stage = TabularMLPClassifier(**small, target_prior=None)
    for method in sorted(METHODS):
        yield f"second stage: {method}", _second(stage, method)
    clf = TabularMLPClassifier(**{**small, "max_epochs": 4})
    grid = {"lr": [1e-3, 5e-3], "dropout": [0.0, 0.2], "sam_asymmetric_rho": [0, 0.05]}
    search = PackedSearchCV(clf, grid, cv=2, scoring="roc_auc", max_members=8)
    yield "PackedSearchCV", _fit(search, rows)


def _fit(estimator, data):
    def run():
        X, y = data()
        return estimator.fit(X, y), X

    return run


def _partial(estimator):
    def run():
        X, y = rows()
        for part in (slice(0, 350), slice(350, 700)):
            estimator.partial_fit(X[part], y[part], classes=[0, 1])
        return estimator, X

    return run


def _warm(estimator):
    def run():
        X, y = rows()
        return estimator.fit(X, y).fit(X, y), X

    return run


def _second(stage, method):
    def run():
        X, y = rows()
        frozen = FrozenEstimator(clone(stage).fit(X, y))
        return ClassifierRetrainer(frozen, method, random_state=0).fit(X, y), X

    return run


def digests(fitted, X):
    """{what: sha256} of what a fitted estimator tells of rows."""
    found = {"predict_proba": _of_array(fitted.predict_proba(X))}
    inner = getattr(fitted, "best_estimator_", fitted)
    inner = getattr(inner, "estimator_", inner)
    if hasattr(inner, "embed"):
        found["embed"] = _of_array(inner.embed(X))
    history = [{k: v for k, v in r.items() if k != "dur"} for r in inner.history_]
    found["history"] = _of_text(json.dumps(history, sort_keys=True))
    if hasattr(fitted, "cv_results_"):
        scores = {k: v for k, v in fitted.cv_results_.items() if "score" in k}
        scores = {k: np.asarray(v) for k, v in scores.items() if "_time" not in k}
        found["scores"] = _of_text(str({k: v.tolist() for k, v in scores.items()}))
    return found


def _of_array(array):
    array = np.ascontiguousarray(array)
    return _of_text(f"{array.dtype}{array.shape}", array.tobytes())


def _of_text(text, data=b""):
    return hashlib.sha256(text.encode() + data).hexdigest()


def _vendor():
    """Intel's and AMD's products differ in their bits, with equal instructions."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"vendor_id\s*: (\S+)", info.read_text() if info.exists() else "")
    return found[1] if found else platform.machine()


def environment():
    """What bits depend on besides the code."""
    names = ("torch", "numpy", "scikit-learn", "imbalanced-learn", "skorch")
    return {
        "processor": f"{_vendor()} {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in names},
    }


def write_saved():
    """One file per classifier, with the probabilities that it gave when written."""
    SAVED.mkdir(parents=True, exist_ok=True)
    small = {"max_epochs": 2, "random_state": 0}
    table = (TabularMLPClassifier, TabularResNetClassifier, FTTransformerClassifier)
    strategies = {
        "class_weight": {0: 1.0, 1: 3.0},
        "loss": "focal",
        "metabalance_sampler": "balanced",
        "metabalance_inner_lr": 0.02,
    }
    fits = [(cls(**small, d_block=8), rows()) for cls in table]
    fits[0][0].set_params(**strategies, n_members=2, num_embeddings="plr")
    fits.append((ImageResNetClassifier(backbone="resnet8", **small), images()))
    for clf, (X, y) in fits:
        name = type(clf).__name__
        clf.fit(X, y).save(SAVED / f"{name}.safetensors")
        np.save(SAVED / f"{name}.npy", clf.predict_proba(X[:40]))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="replace the record")
    parser.add_argument("--saved", action="store_true", help="write the saved files")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if args.saved:
        write_saved()
        return 0
    old = json.loads(RECORD.read_text()) if RECORD.exists() else None
    if not args.write and old["environment"] != environment():
        print(f"recorded with {old['environment']}, this is {environment()}")
        return 2
    new, changed = {}, []
    for name, run in cases():
        if args.only not in name:
            continue
        new[name] = digests(*run())
        if not args.write and new[name] != old["cases"].get(name):
            changed.append(name)
            print("changed:", name, flush=True)
    if args.write:
        text = json.dumps({"environment": environment(), "cases": new}, indent=1)
        RECORD.write_text(text + "\n")
    elif not args.only:
        changed += sorted(set(old["cases"]) - set(new))
    print(f"{len(new)} cases, {len(changed)} changed")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
