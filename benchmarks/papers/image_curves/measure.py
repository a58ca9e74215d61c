"""Images of a tail of one ratio, and one fit on them."""

import os
from pathlib import Path

import numpy as np

from benchmarks.common.scores import timed_fit
from benchmarks.papers.cifar_lt.measure import images
from benchmarks.papers.simplifying.batch_size import exponential_counts
from sklimb import ImageResNetClassifier
from sklimb.selfsup import SelfSupervisedPretrainer

AUGMENTS = {
    "none": None,
    "crop, flip": ["crop", "flip"],
    "cutout": ["crop", "flip", "cutout"],
    "trivial": ["crop", "flip", "trivial"],
    "randaugment": ["crop", "flip", "randaugment"],
    "augmix": ["crop", "flip", "augmix"],
    "autoaugment": ["crop", "flip", "autoaugment"],
    "erasing": ["crop", "flip", "erasing"],
    "mixup": ["crop", "flip"],
}
# Of S000's Figures 6 and 10, by imbalance ratio.
METHODS = {
    "erm": {},
    "over": {"sampler": "balanced"},
    "simclr": {"pretrained": "simclr"},
    "sam": {"sam_asymmetric_rho": 0.05, "sam_scale": "uniform"},
    "sam_a": {"sam_asymmetric_rho": 0.05},
}

# Of S002's Figures 4 and 10: files of ResNet-50's weights in timm's names, in a folder
# `pretrained` of `SKLIMB_DATA`. Nothing is downloaded.
WEIGHTS = {
    "random": None,
    "imagenet1k": "resnet50_imagenet1k.safetensors",
    "imagenet21k": "resnet50_imagenet21k.safetensors",
    "simclr_imagenet1k": "resnet50_simclr.safetensors",
    "vicreg_imagenet1k": "resnet50_vicreg.safetensors",
}
TIMM = "timm/resnet50"


def weights_file(method, data_home):
    """The file of pre-trained weights, or None.

    Raises
    ------
    FileNotFoundError
        It is not here.
    """
    if WEIGHTS[method] is None:
        return None
    home = Path(data_home or os.environ.get("SKLIMB_DATA", "."))
    path = home / "pretrained" / WEIGHTS[method]
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is not in {path.parent.name}")
    return str(path)


def make_rows(y, total, ratio, per_class, seed):
    """Rows of the long tail and of balanced validation images; the classes by size."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.unique(y))
    counts = exponential_counts(len(order), total, ratio)
    train, validation = [], []
    for label, count in zip(order, counts, strict=True):
        rows = rng.permutation(np.flatnonzero(y == label))
        if len(rows) < per_class + count:
            raise ValueError(
                f"Class {label!r} has {len(rows)} images, and {count} to train and "
                f"{per_class} to validate are wanted. Lower the total."
            )
        validation.append(rows[:per_class])
        train.append(rows[per_class : per_class + count])
    return np.concatenate(train), np.concatenate(validation), order


def run(key, settings, data_home, device):
    """Fit one setting; the rest of the line that is kept."""
    ratio, batch_size, augment, backbone, rate, method, seed = key[:7]
    if method in WEIGHTS:
        parameters = {"pretrained": weights_file(method, data_home)}
    else:
        parameters = dict(METHODS[method])
    if method == "simclr":  # on the same images
        parameters["pretrained"] = SelfSupervisedPretrainer(
            method=parameters["pretrained"],
            max_epochs=settings["pretraining_epochs"],
            batch_size=batch_size,
        )
    (X, y), (X_test, y_test) = images(data_home)
    train, validation, order = make_rows(
        y, settings["total"], ratio, settings["per_class"], seed
    )
    model = ImageResNetClassifier(
        backbone=backbone,
        augment=AUGMENTS[augment],
        mix="mixup" if augment == "mixup" else None,
        channels_last=True,
        batch_size=batch_size,
        max_epochs=settings["epochs"],
        lr=rate,
        clip_norm=5.0,  # small batches with the largest rate diverge without
        early_stopping=False,
        target_prior=None,
        dtype=settings["dtype"],
        device=device,
        random_state=seed,
        **parameters,
    )
    model, seconds, processor = timed_fit(lambda: model.fit(X[train], y[train]))
    test = np.random.default_rng(0).permutation(len(y_test))[: settings["test"]]
    right = model.predict(X_test[test]) == y_test[test]
    rare = np.isin(y_test[test], order[-(len(order) // 3) :])
    known = model.predict(X[validation]) == y[validation]
    return {
        "accuracy": float(right.mean()),
        "rare": float(right[rare].mean()),
        "validation": float(known.mean()),
        # The class with the most training images first.
        "by_class": [float(right[y_test[test] == c].mean()) for c in order],
        "validation_by_class": [float(known[y[validation] == c].mean()) for c in order],
        "seconds": seconds,
        "processor_seconds": processor,
    }
