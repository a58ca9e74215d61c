"""Images of a set-up, and one fit of the methods that share a network."""

from functools import lru_cache

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback

from benchmarks.common.scores import timed_fit
from benchmarks.papers.cifar_lt.methods import GROUPS, METHODS
from benchmarks.papers.cifar_lt.real_images import (
    READERS,
    TAILS,
    real_images,
    take,
)
from sklimb import ImageResNetClassifier
from sklimb.datasets import load_cifar10, make_long_tailed
from sklimb.metrics import many_medium_few_report
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.two_stage import ClassifierRetrainer


@lru_cache(maxsize=2)
def images(data_home):
    """CIFAR-10: training part, test part."""
    bunch = load_cifar10(data_home=data_home)
    train = bunch.split == "train"
    return (bunch.X[train], bunch.y[train]), (bunch.X[~train], bunch.y[~train])


def make_rows(setup, n_max, seed, data_home):
    """Training images and labels of a set-up, another draw for each seed.

    "lt100" and "recipe100" are a long tail of ratio 100; "severe" has n_max images of
    one random class and 5 of the others, "moderate" 0.1 % to 1.1 % of the full classes
    (Bansal et al., 2021). Real images keep the shares of their classes.
    """
    if setup in READERS:
        rows = take(*real_images(setup, data_home)[0], n_max, seed)
        if setup in TAILS:
            rows = make_long_tailed(*rows, TAILS[setup], random_state=seed)
        return rows
    (X, y), _ = images(data_home)
    rng = np.random.default_rng(seed)
    if setup.startswith(("lt", "recipe")):
        ratio = int(setup.removeprefix("lt").removeprefix("recipe"))
        rows = drawn(X, y, [n_max] * 10, rng)
        return make_long_tailed(*rows, ratio, random_state=seed)
    large = rng.integers(10)
    counts = np.full(10, 5)
    if setup == "moderate":
        counts = ((0.001 + rng.random(10) / 100) * 5000).astype(int)
    counts[large] = n_max
    return drawn(X, y, np.minimum(counts, n_max), rng)


def drawn(X, y, counts, rng):
    """`counts[c]` images of each class c, or all that there are, and their labels."""
    rows = [rng.permutation(np.flatnonzero(y == c))[:n] for c, n in enumerate(counts)]
    rows = np.concatenate(rows)
    return X[rows], y[rows]


def make_test_rows(setup, n, data_home):
    """`n` test images and their labels, the same for all fits."""
    _, (X, y) = real_images(setup, data_home) if setup in READERS else images(data_home)
    rows = np.random.default_rng(0).permutation(len(y))[:n]
    return X[rows], y[rows]


def network_of(names):
    """What fits of equal networks have in common: set-up, parameters, seed."""
    setup, method, seed = names[:3]
    return setup, repr(METHODS[method][1]), seed


def classifier(method, settings, seed, device):
    """The estimator of a method, without its second stage."""
    parameters = {**settings.get("recipe", {}), **METHODS[method][1]}
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
    return ImageResNetClassifier(
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


def raw_labels(model, X):
    """Labels by the network alone: what `target_prior` did is undone."""
    log_p = np.log(model.predict_proba(X))
    log_p += np.log(model.prior_shift_) - model.intercept_[0]
    return model.classes_[log_p.argmax(1)]


def matched_accuracies(model, X, y, majority):
    """(accuracy on the largest class, on all) of all thresholds of that class.

    Bansal et al. (2021), section 6: a look at what the network knows, with the test
    labels in hand, and no method.
    """
    log_p = np.log(model.predict_proba(X))
    own = list(model.classes_).index(majority)
    others = np.delete(log_p, own, axis=1)
    best = np.delete(model.classes_, own)[others.argmax(1)]
    margin, large = log_p[:, own] - others.max(1), y == majority
    pairs = []
    for bar in [*np.sort(margin[large]), np.inf]:
        right = np.where(margin >= bar, majority, best) == y
        pairs.append([float(right[large].mean()), float(right.mean())])
    return pairs


def largest_outputs(model, X):
    """Labels by the largest output of the network."""
    parts = [model.net_.blocks_logits(model._encode(part)) for part in model._parts(X)]
    largest = [part[0].argmax(-1).cpu().numpy() for part in parts]
    return model.classes_[np.concatenate(largest)]


class EpochCurves(Callback):
    """Callback that records the accuracy on the largest class and the mean of others.

    Of the raw network, after each epoch, on the training rows and on given test rows:
    Figure 2 of Bansal et al. (2021).

    Parameters
    ----------
    X, y : arrays
        Test images and their labels as codes of the classes.
    largest : int
        Code of the largest class.
    """

    def __init__(self, X, y, largest):
        self.X, self.y, self.largest = X, y, largest

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        rows = torch.from_numpy(np.ascontiguousarray(flat(self.X)))
        parts = {
            "train": (dataset_train.X, dataset_train.y.cpu().numpy()),
            "test": (rows, self.y),
        }
        for part, (X, y) in parts.items():
            hit = net.blocks_logits(X)[0].argmax(-1).cpu().numpy() == y
            recall = {c: hit[y == c].mean() for c in np.unique(y)}
            others = [v for c, v in recall.items() if c != self.largest]
            net.history.record(f"{part}_largest", float(recall[self.largest]))
            net.history.record(f"{part}_others", float(np.mean(others)))


def flat(X):
    """Images (n, ...) with the channels first as rows of pixels."""
    if X.ndim == 4 and X.shape[1] > 4:
        X = X.transpose(0, 3, 1, 2)
    return X.reshape(len(X), -1)


# Methods of Figure 2 of Bansal et al. (2021).
WITH_CURVES = ("erm", "os_mixup", "metabalance")
CURVES = [
    f"{part}_{own}" for part in ("train", "test") for own in ("largest", "others")
]


def run(keys, settings, data_home, device):
    """Fit methods that share a network on one set-up; the lines that are kept."""
    setup, method, seed = keys[0][:3]
    train = make_rows(setup, settings["n_max"], seed, data_home)
    test = make_test_rows(setup, settings["test"], data_home)
    network, has_largest = classifier(method, settings, seed, device), False
    if setup in READERS and isinstance(train[0][0], str):  # paths
        network.set_params(image_shape=settings["image_shape"])
    elif setup in ("severe", "moderate"):
        has_largest = True
        if method in WITH_CURVES:
            labels, counts = np.unique(train[1], return_counts=True)
            codes = np.searchsorted(labels, test[1])
            curves = EpochCurves(test[0], codes, int(counts.argmax()))
            network.set_params(callbacks=[curves])
    return fit_methods([key[1] for key in keys], network, train, test, has_largest)


def fit_methods(methods, network, train, test, has_largest=False):
    """A line for each of the methods, whose network is trained once.

    Its seconds are in the first line. `train` and `test` are images and labels; with
    `has_largest` one class is larger than all others, which are alike.
    """
    (X, y), (X_test, y_test) = train, test
    seed = network.random_state
    network, *spent = timed_fit(lambda: network.fit(X, y))
    lines = []
    for method in methods:
        stage = METHODS[method][2]
        if stage == "raw":
            predicted = raw_labels(network, X_test)
        elif stage == "largest":
            predicted = largest_outputs(network, X_test)
        elif stage is None:
            predicted = network.predict(X_test)
        else:
            second = ClassifierRetrainer(
                FrozenEstimator(network), stage, target_prior=None, random_state=seed
            )
            second, *added = timed_fit(lambda model=second: model.fit(X, y))
            spent = [a + b for a, b in zip(spent, added, strict=True)]
            predicted = second.predict(X_test)
        more = {}
        if has_largest:
            labels, counts = np.unique(y, return_counts=True)
            largest = labels[counts.argmax()]
            order = [largest, *labels[labels != largest]]
            hit = predicted == y_test
            more["by_class"] = [float(hit[y_test == c].mean()) for c in order]
            if method == "erm":
                more["matched"] = matched_accuracies(network, X_test, y_test, largest)
            if "test_others" in network.history_[-1]:
                more |= {name: [r[name] for r in network.history_] for name in CURVES}
        lines.append(_line(predicted, y_test, y, spent, **more))
        spent = [0.0, 0.0]
    return lines


def _line(predicted, y_test, y, spent, **more):
    report = many_medium_few_report(y_test, predicted, y_train=y)
    return {
        "accuracy": float((predicted == y_test).mean()),
        **{group: _recall(report, group) for group in GROUPS},
        "seconds": spent[0],
        "processor_seconds": spent[1],
        **more,
    }


def _recall(report, group):
    value = report.loc[group, "recall"]
    return None if np.isnan(value) else float(value)
