"""Checks of labels, scores and weights that the metrics share."""

import numpy as np
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import unique_labels

from sklimb._messages import listed, short

# Reasons for which a metric needs a class, and the error without its rows.
POSITIVES = "The recall needs", "the positive class"
BOTH = "The false positive rate and the recall need", "both classes"


def check_predictions(y_true, y_pred, pos_label, sample_weight, needs=None):
    """Which rows are positive, which are called positive, and their weights.

    `needs` is None, POSITIVES or BOTH: the classes that y_true must have.

    Returns
    -------
    positive, called : ndarray of shape (n_samples,), bool
    weight : ndarray of shape (n_samples,), float64
    """
    y_true = check_column("y_true", y_true)
    y_pred = check_column("y_pred", y_pred)
    check_consistent_length(y_true, y_pred)
    weight = check_weight(sample_weight, y_true)
    labels = unique_labels(y_true, y_pred).tolist()
    _check_classes(y_true, weight, pos_label, needs)
    _check_pos_label(pos_label, labels)
    positive = _equals(y_true, pos_label, labels)
    return positive, _equals(y_pred, pos_label, labels), weight


def check_scores(y_true, y_score, pos_label, sample_weight, needs=None):
    """Which rows are positive, their scores and weights.

    `needs` is None, POSITIVES or BOTH: the classes that y_true must have.

    Returns
    -------
    positive : ndarray of shape (n_samples,), bool
    score, weight : ndarray of shape (n_samples,), float64
    """
    y_true = check_column("y_true", y_true)
    score = check_numbers("y_score", y_score, y_true)
    weight = check_weight(sample_weight, y_true)
    labels = unique_labels(y_true).tolist()
    _check_classes(y_true, weight, pos_label, needs)
    _check_pos_label(pos_label, labels)
    return _equals(y_true, pos_label, labels), score, weight


def check_weight(sample_weight, y_true):
    """Weights as float64, one per row; ones for None."""
    weight = np.ones(len(y_true))
    if sample_weight is not None:
        weight = check_numbers("sample_weight", sample_weight, y_true)
        if (weight < 0).any():
            raise ValueError(
                f"sample_weight must not be negative, got {short(weight.min().item())}."
            )
    if not weight.any():
        raise ValueError(
            f"y_true must hold a row of positive weight, got {len(weight)} rows "
            "without weight."
        )
    return weight


def check_column(name, values, dtype=None):
    """An array of shape (n_samples,) without NaN or infinity."""
    values = column_or_1d(values, dtype=dtype)
    assert_all_finite(values, input_name=name)
    return values


def check_numbers(name, values, y_true):
    """Finite numbers as float64, one per row."""
    values = check_column(name, values, np.float64)
    check_consistent_length(y_true, values)
    return values


def check_share(name, value):
    """A number in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {short(value)}.")


def check_count(name, value):
    """A number of rows (int) or a share of them (float)."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    part = isinstance(value, float | np.floating)
    if not ((whole and value >= 1) or (part and 0 < value <= 1)):
        raise ValueError(
            f"{name} must be an int >= 1 (rows) or a float in (0, 1] (a share of "
            f"them), got {short(value)}."
        )


def _check_classes(y_true, weight, pos_label, needs):
    if needs is None:
        return
    labels = np.unique(y_true[weight > 0]).tolist()
    if pos_label in labels and (needs is POSITIVES or len(labels) > 1):
        return
    what, which = needs
    raise ValueError(
        f"{what} rows of {which}, but y_true has the labels {listed(labels)} (rows of "
        f"weight 0 left out) and pos_label is {short(pos_label)}. Pass rows of "
        f"{which}, or the pos_label of y_true."
    )


def _check_pos_label(pos_label, labels):
    # If there is one class only, it may be the negative one.
    if pos_label not in labels and len(labels) > 1:
        raise ValueError(
            f"pos_label must be one of {listed(labels)}, got {short(pos_label)}."
        )


def _equals(y, pos_label, labels):
    # numpy warns where strings are compared with numbers.
    return y == pos_label if pos_label in labels else np.zeros(len(y), dtype=bool)
