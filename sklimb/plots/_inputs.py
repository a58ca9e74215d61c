"""What Displays are given: fitted classifiers, Pipelines, rows and labels."""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklimb._messages import listed, short
from sklimb.base import BaseNeuralClassifier


def last_step(estimator):
    """The classifier inside Pipelines and searches."""
    while True:
        if isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def fitted_inside(estimator):
    """The sklimb classifier inside Pipelines and wrappers such as second stages.

    What ends in none, and a search, is returned as it is where it ends.
    """
    check_is_fitted(estimator)
    while not isinstance(estimator, BaseNeuralClassifier):
        if isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "estimator_"):
            estimator = estimator.estimator_
        else:
            return estimator
    return estimator


def classifier_and_rows(display, estimator, X, needs):
    """The fitted sklimb classifier of a Pipeline, and the rows that it sees.

    Parameters
    ----------
    display : type
        For messages.
    estimator : sklimb classifier, or Pipeline that ends in one
    X : array-like, data frame or None
    needs : str
        The method or fitted attribute that is drawn.
    """
    name = display.__name__
    if hasattr(estimator, "best_estimator_") or hasattr(estimator, "cv_results_"):
        raise ValueError(
            f"{name} draws one fitted classifier, got a {type(estimator).__name__}. "
            "Give its best_estimator_."
        )
    check_is_fitted(estimator)
    while isinstance(estimator, Pipeline):
        steps = estimator[:-1]
        if X is not None and len(steps):
            X = steps.transform(X)
        estimator = estimator[-1]
    if not isinstance(estimator, BaseNeuralClassifier) or not hasattr(estimator, needs):
        inside = [n for n in ("classifier_", "estimator_") if hasattr(estimator, n)]
        give = f" Give its {inside[0]}." if inside else ""
        if hasattr(estimator, "calibrated_classifiers_"):
            give = " Give the estimator of one of its calibrated_classifiers_."
        elif hasattr(estimator, "estimators_"):
            give = " Give one of its estimators_."
        raise ValueError(
            f"{name} needs a fitted sklimb classifier that has {needs}, or a Pipeline "
            f"that ends in one, got a {type(estimator).__name__}.{give}"
        )
    return estimator, X


def positive_label(classes, pos_label):
    """The class whose probability is drawn: by default the second of two."""
    classes = np.asarray(classes).tolist()
    if pos_label is None:
        if len(classes) != 2:
            raise ValueError(
                f"There are {len(classes)} classes, and one of them is drawn against "
                f"the others. Set pos_label to one of {listed(classes)}."
            )
        return classes[1]
    if pos_label not in classes:
        raise ValueError(
            f"pos_label must be one of the classes {listed(classes)}, got "
            f"{short(pos_label)}."
        )
    return pos_label


def probability_of(display, estimator, X, pos_label):
    """Probability of one class by any classifier: (pos_label, array of shape (n,))."""
    check_is_fitted(estimator)
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"{display.__name__}.from_estimator needs predict_proba, which "
            f"{type(estimator).__name__} lacks. Give scores of your own to "
            "from_predictions."
        )
    pos_label = positive_label(estimator.classes_, pos_label)
    p = np.asarray(estimator.predict_proba(X))
    return pos_label, p[:, np.asarray(estimator.classes_).tolist().index(pos_label)]


def label_of_predictions(y_true, pos_label):
    """`pos_label`, or what it is for labels {0, 1} and {-1, 1}, or of one of them."""
    if pos_label is not None:
        return pos_label
    labels = np.unique(np.asarray(y_true)).tolist()
    if set(labels) <= {0, 1} or set(labels) <= {-1, 1}:
        return 1
    raise ValueError(
        f"y_true has the labels {listed(labels)}: set pos_label to the one that is "
        "positive."
    )
