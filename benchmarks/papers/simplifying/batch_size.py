"""Accuracy by batch size and imbalance (Shwartz-Ziv et al., 2023, Figure 1)."""

import numpy as np

from benchmarks.common.scores import timed_fit
from benchmarks.common.splits import table
from sklimb import TabularMLPClassifier

TABLE = "otto"
BASE = 128  # the batch size that the paper compares with
# Wide enough that no batch size wants more: a rate at an end would be the finding.
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
CLIP_NORM = 1.0  # the largest rates diverge without


def exponential_counts(n_classes, total, ratio):
    """Rows per class, from n_max down to ratio * n_max, that add up to about `total`.

    n_i = n_max ratio^(i / (K - 1)), as in Cui et al. (2019); with the total fixed,
    imbalance is not confounded with the number of rows.
    """
    shares = ratio ** (np.arange(n_classes) / (n_classes - 1))
    return np.maximum(1, np.round(total * shares / shares.sum())).astype(int)


def make_rows(y, total, ratio, per_class, seed):
    """Imbalanced training rows, balanced validation and test rows, all disjoint."""
    rng = np.random.default_rng(seed)
    classes, sizes = np.unique(y, return_counts=True)
    order = np.argsort(-sizes, kind="stable")  # the largest class stays the largest
    counts = exponential_counts(len(classes), total, ratio)
    parts = ([], [], [])
    for code, count in zip(order, counts, strict=True):
        rows = rng.permutation(np.flatnonzero(y == classes[code]))
        if len(rows) < 2 * per_class + count:
            raise ValueError(
                f"Class {classes[code]!r} has {len(rows)} rows, and {count} to train "
                f"and {2 * per_class} to validate and test are wanted. Lower the total."
            )
        cuts = np.cumsum([per_class, per_class, count])
        test, validation, train, _ = np.split(rows, cuts)
        for part, chosen in zip(parts, (train, validation, test), strict=True):
            part.append(chosen)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


def run(key, settings, data_home, device):
    """One training with all learning rates side by side; the line that is kept."""
    _, ratio, batch_size, seed = key[:4]
    bunch = table(TABLE, data_home)
    rows = make_rows(bunch.y, settings["total"], ratio, settings["per_class"], seed)
    parts = [(bunch.X.iloc[part], bunch.y[part]) for part in rows]
    model = TabularMLPClassifier(
        num_embeddings=None,
        d_block=128,
        dropout=0.0,
        optimizer="sgd",
        lr_schedule="cosine",
        portfolio=[{"lr": rate} for rate in settings["rates"]],
        batch_size=batch_size,
        max_epochs=settings["epochs"],
        clip_norm=settings["clip_norm"],
        early_stopping=False,
        target_prior=None,
        random_state=seed,
        device=device,
    )
    model, _, seconds = timed_fit(lambda: model.fit(*parts[0]))
    validation, test = (_accuracy(model, *part) for part in parts[1:])
    best = int(np.argmax(validation))
    return {
        "accuracy": test[best],
        "lr": settings["rates"][best],
        "by_lr": test,
        "seconds": seconds,
    }


def _accuracy(model, X, y):
    """Of each member."""
    p = model.predict_proba_members(X)
    return [float(v) for v in (model.classes_[p.argmax(-1)] == y).mean(1)]
