"""A few small images of three classes, quick fits to them, and files."""

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from sklimb import ImageResNetClassifier
from sklimb.inputs.images import read_pictures

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


def saved(image, format="PNG", **how):
    """The bytes of a file."""
    out = io.BytesIO()
    image.save(out, format, **how)
    return out.getvalue()


def write(folder, images, suffix="png"):
    """Files of arrays or pictures; their paths."""
    paths = [folder / f"{i}.{suffix}" for i in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        image = image if hasattr(image, "save") else Image.fromarray(image)
        image.save(path)
    return paths


def picture(path):
    """A picture that is read from memory, so that no file stays open."""
    return Image.open(io.BytesIO(path.read_bytes()))


def values(given, **how):
    return read_pictures(given, **how).values()
