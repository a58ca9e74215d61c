"""One fit on a long tail of images: features in two dimensions, and what leaks."""

import numpy as np

from benchmarks.common.scores import timed_fit
from benchmarks.papers.cifar_lt.measure import images
from benchmarks.papers.image_curves.measure import make_rows
from benchmarks.papers.inside.measure import _MINORITY
from sklimb import ImageResNetClassifier
from sklimb.plots import EmbeddingDisplay
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier

METHODS = ("erm", "unlabelled", "ssp")


def run(key, settings, data_home, device):
    """Fit one method; the rest of the line that is kept."""
    method, seed = key[:2]
    (X, y), (X_test, y_test) = images(data_home)
    labelled, n_more = settings["total"], settings["unlabelled"]
    tail, _, order = make_rows(y, labelled + n_more, settings["ratio"], 1, seed)
    random = np.random.default_rng(seed)
    # Of each class the same share has labels, but at least two images.
    train = np.concatenate(
        [
            random.permutation(own)[: max(2, round(len(own) * labelled / len(tail)))]
            for own in (tail[y[tail] == label] for label in order)
        ]
    )
    model = ImageResNetClassifier(
        backbone=settings["backbone"],
        augment=["crop", "flip"],
        max_epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        early_stopping=False,
        clip_norm=5.0,
        device=device,
        random_state=seed,
    )
    given = {}
    if method == "ssp":
        pretrainer = SelfSupervisedPretrainer(
            method="rotation",
            max_epochs=settings["epochs"],
            batch_size=settings["batch_size"],
        )
        model.set_params(pretrained=pretrainer)
    if method == "unlabelled":
        model = PseudoLabelClassifier(model)
        given = {"X_unlabeled": X[np.setdiff1d(tail, train)]}
    model, seconds, processor = timed_fit(
        lambda: model.fit(X[train], y[train], **given)
    )
    fitted = model.estimator_ if method == "unlabelled" else model
    test = np.random.default_rng(0).permutation(len(y_test))[: settings["test"]]
    few = order[-max(2, round(_MINORITY * len(order))) :]
    scores = separation(fitted, (X[train], y[train]), (X_test[test], y_test[test]), few)
    # Both parts in one projection, as in the paper.
    display = EmbeddingDisplay.from_estimator(
        fitted,
        np.concatenate([X[train], X_test[test]]),
        np.concatenate([y[train], y_test[test]]),
        method="tsne",
        max_rows=settings["shown"],
    )
    return {
        **scores,
        "points": np.round(np.asarray(display.points, float), 1).tolist(),
        "labels": np.asarray(display.labels).tolist(),
        "seconds": seconds,
        "processor_seconds": processor,
    }


def separation(model, train, test, few):
    """How far test images of rare classes lie with their own, by features and labels.

    Returns
    -------
    dict
        - accuracy: share of test images that are predicted rightly
        - few_recall: the same of rare classes
        - few_leakage: share of images of rare classes predicted as another one
        - few_ncm: share of images of rare classes whose nearest mean of training
          features is that of their class
    """
    means = np.stack(
        [model.embed(train[0])[train[1] == c].mean(0) for c in model.classes_]
    )
    features, called = model.embed(test[0]), model.predict(test[0])
    apart = np.linalg.norm(features[:, None] - means, axis=2)
    nearest, rare = model.classes_[apart.argmin(1)], np.isin(test[1], few)
    return {
        "accuracy": float((called == test[1]).mean()),
        "few_recall": float((called == test[1])[rare].mean()),
        "few_leakage": float((~np.isin(called, few))[rare].mean()),
        "few_ncm": float((nearest == test[1])[rare].mean()),
    }
