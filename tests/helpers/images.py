"""A few small images of three classes, and quick fits to them."""

import numpy as np
from sklearn.datasets import load_digits

from sklimb import ImageResNetClassifier

DIGITS, LABELS = load_digits(n_class=3, return_X_y=True)
# Rare twos; bytes.
KEEP = np.sort(
    np.concatenate([np.flatnonzero(LABELS == c)[: 60 - 25 * c] for c in range(3)])
)
X = (DIGITS[KEEP] * 15).astype(np.uint8).reshape(-1, 8, 8)
Y = LABELS[KEEP]
SMALL = {
    "backbone": "resnet8",
    "max_epochs": 2,
    "batch_size": 16,
    "lr": 0.05,
    "random_state": 0,
}


def fit(X=X, y=Y, **params):
    return ImageResNetClassifier(**{**SMALL, **params}).fit(X, y)


def same(a, b, rows=X):
    return np.array_equal(a.predict_proba(rows), b.predict_proba(rows))
