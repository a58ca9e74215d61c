"""Images of S002 and S004 in their published layouts, where they are at hand.

Each lies in a folder of `SKLIMB_DATA` (or --data-home) by its published name; nothing
is downloaded. A set-up whose folder is absent says "not run".
"""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from sklimb.datasets import (
    load_cifar100,
    load_medmnist,
    load_svhn,
    read_image_folder,
    read_image_list,
)


def _home(data_home):
    return Path(data_home or os.environ.get("SKLIMB_DATA", "."))


def _there(path):
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not in {path.parent.name or '.'}")
    return path


def _pneumonia(home):
    """Train and test part; the labels are whether a chest shows pneumonia."""
    if not list(home.glob("pneumoniamnist*.npz")):
        _there(home / "pneumoniamnist.npz")
    bunch = load_medmnist("pneumoniamnist")
    test = bunch.split == "test"
    return (bunch.X[~test], bunch.y[~test]), (bunch.X[test], bunch.y[test])


def _array(load, *files):
    """Train and test part of a collection whose files are here already."""

    def read(home):
        for file in files:
            _there(home / file)
        bunch = load()
        test = bunch.split == "test"
        return (bunch.X[~test], bunch.y[~test]), (bunch.X[test], bunch.y[test])

    return read


def _folders(folder, *parts):
    """A folder for each part, with one for each class."""

    def read(home):
        root = _there(home / folder)
        found = [read_image_folder(root / part) for part in parts]
        return tuple((part.X, part.y) for part in found)

    return read


def _tiny_imagenet(home):
    """Its validation part for tests: the labels of those are not published."""
    root = _there(home / "tiny-imagenet-200")
    train = read_image_folder(root / "train")
    lines = (root / "val" / "val_annotations.txt").read_text().splitlines()
    rows = [line.split("\t")[:2] for line in lines]
    paths = [str(root / "val" / "images" / name) for name, _ in rows]
    test = np.array(paths), np.array([label for _, label in rows])
    return (train.X, train.y), test


def _lists(folder, train, test, images="."):
    """Two list files with a path and a label per line."""

    def read(home):
        root = _there(home / folder)
        parts = (read_image_list(root / n, root / images) for n in (train, test))
        return tuple((part.X, part.y) for part in parts)

    return read


def _split(read):
    """A fifth of each class for tests, where no test labels are published."""

    def both(home):
        data = read(home)
        return _halves(data.X, data.y)

    return both


def _halves(X, y):
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=0
    )
    return (X, y), (X_test, y_test)


_CIFAR_100 = _array(load_cifar100, "cifar-100-binary.tar.gz")
_CINIC_10 = _folders("CINIC-10", "train", "test")
# Ratios of the tails that are made of balanced collections.
TAILS = {
    "cifar100_lt100": 100,
    "cifar100_lt50": 50,
    "cinic10_lt100": 100,
    "cinic10_lt50": 50,
    "tiny_imagenet_lt10": 10,
    "svhn_lt100": 100,
    "cifar100_plain100": 100,
}
READERS = {
    "cifar100_plain100": _CIFAR_100,
    "cifar100_lt100": _CIFAR_100,
    "cifar100_lt50": _CIFAR_100,
    "cinic10_lt100": _CINIC_10,
    "cinic10_lt50": _CINIC_10,
    "tiny_imagenet_lt10": _tiny_imagenet,
    "svhn_lt100": _array(load_svhn, "train_32x32.mat", "test_32x32.mat"),
    "pneumonia": _pneumonia,
    "eurosat": _split(lambda home: read_image_folder(_there(home / "EuroSAT_RGB"))),
    "aptos": _split(
        lambda home: read_image_list(
            _there(home / "aptos2019") / "train.csv",
            home / "aptos2019" / "train_images",
            columns=("id_code", "diagnosis"),
            suffix=".png",
        )
    ),
    "siim_isic": _split(
        lambda home: read_image_list(
            _there(home / "siim-isic-melanoma") / "train.csv",
            home / "siim-isic-melanoma" / "jpeg" / "train",
            columns=("image_name", "target"),
            suffix=".jpg",
        )
    ),
    "imagenet_lt": _lists(
        "ImageNet_LT", "ImageNet_LT_train.txt", "ImageNet_LT_test.txt", "images"
    ),
    "inaturalist": _lists(
        "iNaturalist18", "iNaturalist18_train.txt", "iNaturalist18_val.txt"
    ),
}


@lru_cache(maxsize=1)
def real_images(setup, data_home):
    """Training part and test part, pixels or paths with labels.

    Raises
    ------
    FileNotFoundError
        The images are not here.
    """
    return READERS[setup](_home(data_home))


def take(X, y, n_max, seed):
    """Rows with at most `n_max` of the largest class and the shares of all of them."""
    rng = np.random.default_rng(seed)
    labels, counts = np.unique(y, return_counts=True)
    keep = np.maximum(2, np.round(counts * min(1.0, n_max / counts.max()))).astype(int)
    rows = np.concatenate(
        [
            rng.permutation(np.flatnonzero(y == c))[:n]
            for c, n in zip(labels, keep, strict=True)
        ]
    )
    return X[rows], y[rows]


def absent(setups, data_home):
    """{set-up: why} of the set-ups whose images are not here."""
    why = {}
    for setup in setups:
        if setup in READERS:
            try:
                real_images(setup, data_home)
            except FileNotFoundError as error:
                why[setup] = str(error)
    return why
