"""Fits that one process and several ones must agree on; each process runs this file.

    python tests/helpers/in_processes.py OUT [RANK NUMBER STORE]

With a rank, the process group is opened here; else accelerate opens what its launcher
asks for. The first process writes what all have found.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

if __name__ == "__main__":
    sys.path[:0] = map(str, (Path(__file__).parents[2], Path(__file__).parents[1]))

from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.distributed import data_parallel

# 48 rows train, in batches of 19, of which one of two processes has a row more.
N = 56
NET = {
    "backbone": "resnet8",
    "dtype": "float64",
    "max_epochs": 2,
    "batch_size": 19,
    "lr": 0.05,
    "random_state": 0,
    "device": "cpu",
}
SAM = {"sam_asymmetric_rho": 0.05, "clip_norm": 1.0}
MLP = {
    "dtype": "float64",
    "n_members": 1,
    "validation_folds": None,
    "max_epochs": 2,
    "batch_size": 16,
    "d_block": 16,
    "dropout": 0.2,
    "random_state": 0,
}
# name -> a classifier; images with BatchNorm, a table with dropout.
FITS = {
    "weights": ImageResNetClassifier(**NET, class_weight="balanced", augment="flip"),
    "sam": ImageResNetClassifier(**NET, **SAM, loss="ldam", monitor="roc_auc"),
    "mixed": ImageResNetClassifier(**NET, mix="mixup", channels_last=True),
    # The last batch has one row: fewer than there are processes.
    "table": TabularMLPClassifier(**{**MLP, "batch_size": 47}),
}


def rows():
    """Images, tables, labels and weights."""
    rng = np.random.default_rng(0)
    y = (np.arange(N) % 4 == 0).astype(int)
    images = rng.random((N, 3, 8, 8)) + 0.2 * y[:, None, None, None]
    return images.clip(0, 1), rng.normal(size=(N, 5)) + y[:, None], y, 1 + rng.random(N)


def found(clf, X, y, weight):
    """Weights, running statistics, losses and probabilities of a fit, as one array."""
    clf.fit(X, y, sample_weight=weight)
    state = clf.net_.module_.state_dict().values()
    numbers = [t.double().flatten().numpy() for t in state]
    losses = [row["train_loss"] for row in clf.history_]
    scores = [row["valid_score"] for row in clf.history_]
    return np.concatenate([*numbers, losses, scores, clf.predict_proba(X).ravel()])


def all_found():
    images, table, y, weight = rows()
    out = {}
    for name, clf in FITS.items():
        X = images if isinstance(clf, ImageResNetClassifier) else table
        out[name] = found(clf, X, y, weight)
    return out


def refusals():
    """What fits say that cannot be shared out."""
    images, _, y, _ = rows()
    rank, asked = dist.get_rank(), {}
    base = ImageResNetClassifier(**NET)
    asked["members"] = base.set_params(n_members=2), images
    asked["seed"] = ImageResNetClassifier(**{**NET, "random_state": None}), images
    asked["ssl"] = ImageResNetClassifier(**NET, joint_ssl="vicreg"), images
    asked["rows"] = ImageResNetClassifier(**NET), images + 1e-3 * rank
    said = {}
    for name, (clf, X) in asked.items():
        try:
            clf.fit(X, y)
        except ValueError as error:
            said[name] = str(error)
    return said


def main(out, rank=None, number=None, store=None):
    torch.set_num_threads(1)
    if rank is not None:
        where = {"rank": int(rank), "world_size": int(number)}
        dist.init_process_group("gloo", init_method=f"file://{store}", **where)
    with data_parallel():
        result = all_found()
        said = refusals()
    # Outside of it a process fits alone, whatever group there is.
    result["alone"] = found(FITS["weights"], *(rows()[i] for i in (0, 2, 3)))
    result["size"] = np.array(dist.get_world_size())
    result["said"] = np.array([f"{k}: {v}" for k, v in said.items()])
    np.savez(f"{out}.{dist.get_rank()}.npz", **result)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
