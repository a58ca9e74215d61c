"""Metrics of scores that look at the highest ones."""

from numbers import Integral

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from sklimb.metrics._checks import (
    BOTH,
    POSITIVES,
    check_count,
    check_scores,
    check_share,
)


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
    recall_at_precision : The false alarms as a share of the alarms.

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
    check_share("max_fpr", max_fpr)
    positive, score, weight = check_scores(
        y_true, y_score, pos_label, sample_weight, BOTH
    )
    # The default drops collinear points: thresholds that the scores do realise.
    false_alarms, recall, _ = roc_curve(
        positive, score, sample_weight=weight, drop_intermediate=False
    )
    return float(recall[false_alarms <= max_fpr].max())


def recall_at_precision(
    y_true, y_score, *, min_precision=0.5, pos_label=1, sample_weight=None
):
    """Largest recall among the thresholds whose alarms are mostly right.

    The answer to "how many frauds are caught when at least half of the alarms have to
    be frauds?". Only thresholds that the scores can realise count: nothing is
    interpolated between them, and tied scores stand or fall together.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels. Every label but `pos_label` is the negative class.
    y_score : array-like of shape (n_samples,)
        Probability of the positive class, or any score that grows with it.
    min_precision : float, default=0.5
        Smallest allowed precision, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights. None weighs every row 1.

    Returns
    -------
    recall : float
        Recall, in [0, 1]. It is 0 when no threshold reaches `min_precision`.

    Raises
    ------
    ValueError
        When `min_precision` is not in [0, 1], or when no row of positive weight is
        positive.

    See Also
    --------
    sklearn.metrics.precision_recall_curve : All pairs of precision and recall.
    precision_with_recall_floor : The labels of one threshold, to tune it.

    Examples
    --------
    >>> from sklimb.metrics import recall_at_precision
    >>> y_true = [0, 0, 0, 0, 1, 1, 1]
    >>> y_score = [0.1, 0.2, 0.3, 0.6, 0.5, 0.7, 0.8]
    >>> recall_at_precision(y_true, y_score, min_precision=0.75)
    1.0
    >>> recall_at_precision(y_true, y_score, min_precision=0.8)
    0.6666666666666666
    """
    check_share("min_precision", min_precision)
    positive, score, weight = check_scores(
        y_true, y_score, pos_label, sample_weight, POSITIVES
    )
    # The curve ends at (1, 0), a threshold above all scores.
    precision, recall, _ = precision_recall_curve(positive, score, sample_weight=weight)
    return float(recall[precision >= min_precision].max())


def precision_at_k(y_true, y_score, *, k=100, pos_label=1, sample_weight=None):
    """Share of positives among the k rows of the highest scores.

    The answer to "of the 100 alerts that we can look at, how many are frauds?". Where
    tied scores compete for the last places, the value is the mean over all orders of
    the tied rows, exactly.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels. Every label but `pos_label` is the negative class.
    y_score : array-like of shape (n_samples,)
        Probability of the positive class, or any score that grows with it.
    k : int or float, default=100
        Number of alerts. An int >= 1 counts rows, a float in (0, 1] is a share of
        them, which means the same in folds of any size. A share that comes to a
        fraction of a row takes that fraction of it.
    pos_label : int, float, bool or str, default=1
        Label of the positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights. A row of weight w takes w of the k places.

    Returns
    -------
    precision : float
        Precision, in [0, 1]. It is 0 when no row is positive.

    Raises
    ------
    ValueError
        When `k` is neither of the two, or larger than the number of rows (the sum of
        the weights).

    See Also
    --------
    recall_within_alert_budget : The labels of one threshold, to tune it.

    Notes
    -----
    The recall of the same k alerts is this value times k over the number of positives:
    both rank classifiers alike.

    References
    ----------
    .. [1] McSherry, F. and Najork, M. (2008). Computing information retrieval
       performance measures efficiently in the presence of tied scores. ECIR,
       pp. 414-421.

    Examples
    --------
    >>> from sklimb.metrics import precision_at_k
    >>> y_true = [0, 1, 1, 0, 1]
    >>> y_score = [0.1, 0.9, 0.5, 0.5, 0.2]
    >>> precision_at_k(y_true, y_score, k=2)  # the second place is tied
    0.75
    >>> precision_at_k(y_true, y_score, k=0.6)
    0.6666666666666666
    """
    check_count("k", k)
    positive, score, weight = check_scores(y_true, y_score, pos_label, sample_weight)
    # Rows of weight 0 take no place.
    positive, score, weight = (a[weight > 0] for a in (positive, score, weight))
    places = k if isinstance(k, Integral) else k * weight.sum()
    if places > weight.sum():
        raise ValueError(
            "k must be at most the number of rows (the sum of their weights), "
            f"{weight.sum():g}, got {k!r}. Give a share of the rows, such as k=0.01."
        )
    _, level = np.unique(-score, return_inverse=True)
    in_level = np.bincount(level, weights=weight)
    positive_in_level = np.bincount(level, weights=weight * positive)
    before = np.cumsum(in_level) - in_level
    taken = np.clip(places - before, 0, in_level)
    return float(np.average(positive_in_level / in_level, weights=taken))
