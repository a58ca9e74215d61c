"""One fitted estimator of each kind that a file holds, made once."""

from functools import cache

from sklearn.frozen import FrozenEstimator

from helpers.packs import PLAIN, fixed_table
from helpers.record import images, rows
from sklimb import (
    ImageResNetClassifier,
    TabularEncoder,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.two_stage import ClassifierRetrainer
from sklimb.two_stage._methods import METHODS

QUICK = {**PLAIN, "max_epochs": 1}
KINDS = [
    *METHODS,
    "members",
    "frozen",
    "drift",
    "tuned",
    "pseudo",
    "pseudo of a second stage",
    "scarf",
    "moco",
    "rotation",
    "encoder",
    "onehot",
]


def _small(**params):
    return TabularMLPClassifier(**{**QUICK, **params})


def _pseudo(base):
    X, y = fixed_table()
    return PseudoLabelClassifier(base).fit(X[:200], y[:200], X_unlabeled=X[200:])


def _second(base, method="tau", **params):
    return ClassifierRetrainer(base, method, n_epochs=2, **params).fit(*fixed_table())


def _images():
    return ImageResNetClassifier(
        backbone="resnet8", max_epochs=1, batch_size=16, random_state=0
    )


@cache
def fitted(kind):
    """(estimator, rows that it reads)."""
    X, y = fixed_table()
    if kind in METHODS:
        return _second(_small(), kind), X
    if kind in ("scarf", "moco"):
        own = {"max_epochs": 1, "random_state": 0}
        return SelfSupervisedPretrainer(_small(), kind, **own).fit(X), X
    if kind == "members":
        return _second(_small(n_members=3), "ncm"), X
    if kind == "frozen":
        return _second(FrozenEstimator(_small().fit(X, y))), X
    if kind == "drift":
        base = TabularResNetClassifier(max_epochs=1, random_state=0)
        return _second(base, shift_statistics=True), X
    if kind == "tuned":
        return _second(_small(early_stopping=True, decision="f1")), X
    if kind == "pseudo":
        return _pseudo(_small()), X
    if kind == "pseudo of a second stage":
        return _pseudo(ClassifierRetrainer(_small(), "tau")), X
    if kind == "rotation":
        pictures = images()[0]
        one = SelfSupervisedPretrainer(_images(), "rotation", max_epochs=1)
        return one.fit(pictures), pictures
    table = rows()[0]
    how = "onehot" if kind == "onehot" else "ordinal"
    return TabularEncoder(category_encoding=how).fit(table), table


def read_by(estimator, rows):
    """What a fitted estimator makes of rows."""
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(rows)
    return estimator.transform(rows)
