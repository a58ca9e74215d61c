"""What PseudoLabelClassifier refuses, or warns of, before any training."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from sklimb.base import BaseNeuralClassifier
from sklimb.exceptions import UnlabeledWarning


def check_estimator(params, sample_weight, given):
    """Refuse an estimator that cannot do what the parameters ask for."""
    estimator = params.estimator
    name = type(estimator).__name__
    if params.threshold is not None and not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"threshold={params.threshold} needs probabilities, and {name} has no "
            "predict_proba. Set threshold=None, or calibrate the estimator."
        )
    if isinstance(estimator, BaseNeuralClassifier):
        return
    if isinstance(estimator, Pipeline) and isinstance(
        estimator[-1], BaseNeuralClassifier
    ):
        raise ValueError(
            "estimator must not be a Pipeline around a sklimb classifier, which "
            "would validate on pseudo-labels. Put PseudoLabelClassifier into the "
            'Pipeline as its last step, with transform_input=["X_unlabeled"].'
        )
    needs_weights = sample_weight is not None or params.omega not in (0, 1)
    if needs_weights and not has_fit_parameter(estimator, "sample_weight"):
        raise ValueError(
            f"omega={params.omega} and sample_weight need an estimator whose fit "
            f"takes sample_weight, and that of {name} does not. Set omega=1 and "
            "give no sample_weight, or take another estimator."
        )
    if not params.count_pseudo_labels:
        raise ValueError(
            "count_pseudo_labels=False needs a sklimb classifier: "
            f"{name} cannot tell pseudo-labels from labels. Set it to True."
        )
    if given:
        raise ValueError(
            f"{', '.join(given)} can be given to sklimb classifiers only, got "
            f"{name} as the estimator. Leave them out."
        )


def check_readable(estimator, X, X_unlabeled):
    """Refuse values of X_unlabeled that could not be labelled, before training."""
    if not isinstance(estimator, BaseNeuralClassifier):
        return
    reader = clone(estimator)
    reader._read_table(X, reset=True)
    try:
        reader._read_table(X_unlabeled, reset=False)
    except (ValueError, TypeError) as error:
        raise type(error)(f"X_unlabeled cannot be read: {error}") from error


def warn_of_minus_one(y):
    """Warn of a label that other classifiers take for none."""
    labels = np.asarray(y).ravel().tolist()
    labels = {x for x in labels if isinstance(x, int | float | str)}
    if len(labels) > 2 and -1 in labels:
        warnings.warn(
            f"y holds -1 among {len(labels)} labels, and PseudoLabelClassifier learns "
            "it as a class. If these rows have no label, as SelfTrainingClassifier "
            "takes them, set unlabeled=-1.",
            UnlabeledWarning,
            stacklevel=4,
        )
