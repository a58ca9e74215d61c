"""Checks that a second stage can be trained on its first stage."""

import numpy as np

from sklimb._messages import short
from sklimb.fitting.checks import resolve_prior
from sklimb.ft_transformer import FTTransformerClassifier
from sklimb.inputs.labels import check_labels
from sklimb.parameters.strategies import moves_prior_twice
from sklimb.tabular_mlp import TabularMLPClassifier

_WITHOUT_STATISTICS = (TabularMLPClassifier, FTTransformerClassifier)


def check_first_stage(p, classifier, y):
    """Refuse, before training, a first stage that the retrainer `p` cannot use."""
    if p.shift_statistics and isinstance(classifier, _WITHOUT_STATISTICS):
        raise ValueError(
            "shift_statistics=True needs a network with BatchNorm, such as "
            f"TabularResNetClassifier's; {type(classifier).__name__} has none. Set "
            "shift_statistics=False."
        )
    prior, why = p.target_prior, moves_prior_twice(p)
    if why is None:
        return
    if classifier.class_weight is not None:
        raise ValueError(
            f"target_prior={short(prior)} and "
            f"class_weight={short(classifier.class_weight)} of the estimator cannot be "
            f"combined: {why}"
        )
    if not isinstance(prior, str):
        classes = getattr(classifier, "classes_", None)
        classes = np.unique(check_labels(y)) if classes is None else classes
        resolve_prior(prior, None, classes)
