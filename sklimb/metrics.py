"""Scores that `sklearn.metrics` and `imblearn.metrics` lack."""

import numpy as np
from sklearn.metrics import roc_curve
from sklearn.utils import check_consistent_length, column_or_1d

__all__ = ["recall_at_false_positive_rate"]


def recall_at_false_positive_rate(
    y_true, y_score, *, max_fpr=0.01, pos_label=1, sample_weight=None
):
    """Largest recall among the thresholds that keep false alarms rare.

    The answer to "how many frauds are caught when at most 1 % of the good customers
    may be bothered?". Only thresholds that the scores can realise count: nothing is
    interpolated between them, and tied scores stand or fall together.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels. Every label but `pos_label` is the negative class.
    y_score : array-like of shape (n_samples,)
        Probability of the positive class, or any score that grows with it.
    max_fpr : float, default=0.01
        Largest allowed false positive rate, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights. None weighs every row 1.

    Returns
    -------
    recall : float
        True positive rate, in [0, 1]. It is 0 when even the highest score breaks
        `max_fpr`.

    Raises
    ------
    ValueError
        When `max_fpr` is not in [0, 1], or when one class has no row of positive
        weight.

    See Also
    --------
    sklearn.metrics.roc_curve : All pairs of false and true positive rates.

    Examples
    --------
    >>> from sklimb.metrics import recall_at_false_positive_rate
    >>> y_true = [0, 0, 0, 0, 1, 1, 1]
    >>> y_score = [0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8]
    >>> recall_at_false_positive_rate(y_true, y_score, max_fpr=0.0)
    0.6666666666666666
    >>> recall_at_false_positive_rate(y_true, y_score, max_fpr=0.25)
    1.0
    """
    if not 0 <= max_fpr <= 1:
        raise ValueError(f"max_fpr must be in [0, 1], got {max_fpr!r}.")
    y_true = column_or_1d(y_true)
    _check_both_classes(y_true, pos_label, sample_weight)
    # The default drops collinear points: thresholds that the scores do realise.
    false_alarms, recall, _ = roc_curve(
        y_true,
        y_score,
        pos_label=pos_label,
        sample_weight=sample_weight,
        drop_intermediate=False,
    )
    return float(recall[false_alarms <= max_fpr].max())


def _check_both_classes(y_true, pos_label, sample_weight):
    if sample_weight is not None:
        check_consistent_length(y_true, sample_weight)
        y_true = y_true[np.asarray(sample_weight) > 0]
    labels = np.unique(y_true).tolist()
    if len(labels) < 2 or pos_label not in labels:
        raise ValueError(
            "The false positive rate and the recall need rows of both classes, but "
            f"y_true has the labels {labels} (rows of weight 0 left out) and pos_label "
            f"is {pos_label!r}. Pass rows of both classes, or the pos_label of y_true."
        )
