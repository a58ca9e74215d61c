"""The methods of the papers on long-tailed images, and one fit of one of them."""

from functools import lru_cache

import numpy as np
from _shared import source_digest, timed_fit

from sklimb import ImageResNetClassifier
from sklimb.calibration import ClassifierRetrainer
from sklimb.datasets import load_cifar10, make_long_tailed
from sklimb.metrics import many_medium_few_report
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.training.losses import FocalLoss

GROUPS = ("many", "medium", "few")
_JOINT = {"joint_ssl": "vicreg", "joint_ssl_weight": 0.1}
_SAM = {"sam_asymmetric_rho": 0.05}
# name -> title, parameters of the classifier, second stage.
METHODS = {
    "erm": ("ERM", {}, None),
    "erm_uniform": ("ERM, prior divided out", {"target_prior": "uniform"}, None),
    "reweighting": ("re-weighting", {"class_weight": "balanced"}, None),
    "resampling": ("re-sampling", {"sampler": "balanced"}, None),
    "focal": ("focal loss", {"loss": FocalLoss(1.0)}, None),
    "class_balanced": ("class-balanced loss", {"loss": "class_balanced"}, None),
    # Its decisions are those of the raw logits, which favour no class.
    "logit_adjusted": (
        "logit adjustment",
        {"loss": "logit_adjusted", "target_prior": "uniform"},
        None,
    ),
    "ldam_drw": ("LDAM-DRW", {"loss": "ldam", "drw_start": 0.8}, None),
    "mixup": ("mixup", {"mix": "mixup"}, None),
    "crt": ("cRT", {}, "crt"),
    "mislas": ("MiSLAS", {"mix": "mixup"}, "mislas"),
    "m2m": ("M2m", {"m2m": "default"}, None),
    "ssp": ("SSP (rotation), then ERM", {"pretrained": "rotation"}, None),
    "sam_a": ("SAM-A", _SAM, None),
    "joint_ssl": ("Joint-SSL", _JOINT, None),
    "joint_sam": (
        "Joint-SSL + SAM-A + smoothing",
        {**_JOINT, **_SAM, "smoothing_eps": 0.1},
        None,
    ),
    "metabalance": (
        "MetaBalance (natural, over)",
        {"metabalance_sampler": ("natural", "over")},
        None,
    ),
}
# S003's set-ups: which of them the methods are run on besides.
SEVERE = ("erm", "erm_uniform", "reweighting", "resampling", "sam_a", "metabalance")


@lru_cache(maxsize=2)
def images(data_home):
    """CIFAR-10: training part, test part."""
    bunch = load_cifar10(data_home=data_home)
    train = bunch.split == "train"
    return (bunch.X[train], bunch.y[train]), (bunch.X[~train], bunch.y[~train])


def make_rows(setup, n_max, seed, data_home):
    """Training images and labels of a set-up, another draw for each seed.

    "lt100" is a long tail of ratio 100; "severe" has n_max images of one random class
    and 5 of the others, "moderate" 0.1 % to 1.1 % of the full classes (S003).
    """
    (X, y), _ = images(data_home)
    rng = np.random.default_rng(seed)
    if setup.startswith("lt"):
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(y == c))[:n_max] for c in range(10)]
        )
        ratio = int(setup.removeprefix("lt"))
        return make_long_tailed(X[rows], y[rows], ratio, random_state=seed)
    large = rng.integers(10)
    counts = np.full(10, 5)
    if setup == "moderate":
        counts = ((0.001 + rng.random(10) / 100) * 5000).astype(int)
    counts[large] = n_max
    rows = [
        rng.permutation(np.flatnonzero(y == c))[:n]
        for c, n in enumerate(np.minimum(counts, n_max))
    ]
    rows = np.concatenate(rows)
    return X[rows], y[rows]


def classifier(method, settings, seed, device):
    """The estimator of a method."""
    _, parameters, stage = METHODS[method]
    parameters = dict(parameters)
    if "pretrained" in parameters:
        parameters["pretrained"] = SelfSupervisedPretrainer(
            method=parameters["pretrained"],
            max_epochs=settings["pretraining_epochs"],
            batch_size=settings["batch_size"],
        )
    if method == "metabalance":
        parameters |= {
            "metabalance_steps": settings["meta_steps"],
            "max_epochs": settings["meta_epochs"],
            "lr": 0.01,
        }
    network = ImageResNetClassifier(
        **{
            "backbone": settings["backbone"],
            "augment": ["crop", "flip"],
            "channels_last": True,
            "batch_size": settings["batch_size"],
            "max_epochs": settings["epochs"],
            "warmup_epochs": settings["warmup"],
            "lr": settings["lr"],
            "weight_decay": 2e-4,
            "early_stopping": False,
            "target_prior": None,
            "dtype": settings["dtype"],
            "device": device,
            "random_state": seed,
            **parameters,
        }
    )
    if stage is None:
        return network
    return ClassifierRetrainer(network, stage, target_prior=None, random_state=seed)


def run(key, settings, data_home, device):
    """Fit one method on one set-up; the line that is kept."""
    setup, method, seed = key[:3]
    X, y = make_rows(setup, settings["n_max"], seed, data_home)
    _, (X_test, y_test) = images(data_home)
    test = np.random.default_rng(0).permutation(len(y_test))[: settings["test"]]
    model = classifier(method, settings, seed, device)
    model, seconds, processor = timed_fit(lambda: model.fit(X, y))
    predicted = model.predict(X_test[test])
    report = many_medium_few_report(y_test[test], predicted, y_train=y)
    names = ("setup", "method", "seed", "digest")
    return {
        **dict(zip(names, key, strict=True)),
        "accuracy": float((predicted == y_test[test]).mean()),
        **{group: _recall(report, group) for group in GROUPS},
        "seconds": seconds,
        "processor_seconds": processor,
        "source": source_digest(),
    }


def _recall(report, group):
    value = report.loc[group, "recall"]
    return None if np.isnan(value) else float(value)
