"""Metrics of labels by which `TunedThresholdClassifierCV` chooses a threshold."""

from numbers import Integral

import numpy as np

from sklimb._messages import short
from sklimb.metrics._checks import (
    POSITIVES,
    check_count,
    check_numbers,
    check_predictions,
    check_share,
)

# Subtracted when a floor or a budget is broken. TunedThresholdClassifierCV takes the
# mean over folds: up to 99 folds that keep it cannot make up for one that does not.
_BROKEN = -100.0


def precision_with_recall_floor(
    y_true, y_pred, *, min_recall=0.8, pos_label=1, sample_weight=None
):
    """Precision, where the recall reaches a floor.

    The objective for "catch at least 80 % of the frauds, with as few false alarms as
    possible": the threshold of the largest value is the answer.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels. Every label but `pos_label` is the negative class.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    min_recall : float, default=0.8
        Smallest allowed recall, in [0, 1].
    pos_label : int, float, bool or str, default=1
        Label of the positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights. None weighs every row 1.

    Returns
    -------
    value : float
        The precision, in [0, 1], if the recall is at least `min_recall`; 0 if no row
        is called positive. Otherwise recall - min_recall - 100: below 0, and better
        the smaller the gap.

    Raises
    ------
    ValueError
        When `min_recall` is not in [0, 1], or when no row of positive weight is
        positive.

    See Also
    --------
    recall_at_precision : For searches: no threshold to choose.
    sklearn.model_selection.TunedThresholdClassifierCV : Takes the best threshold.

    Notes
    -----
    `TunedThresholdClassifierCV` takes the threshold of the best mean over folds. The
    100 makes sure that it keeps the floor in every fold (of up to 100), and that a
    `best_score_` below 0 says that none of its thresholds does. It tries 100 between
    the smallest and the largest score and interpolates; where scores are small, as
    probabilities of rare classes are, give it `thresholds=`, an increasing array,
    which it takes as they are.

    A floor in every fold is stricter than a floor of the mean, most of all when folds
    have few positives. With one set of rows (cv="prefit") the floor holds on these
    rows; on new rows the recall varies around it, more so with few positives.

    scikit-learn's issues 20266 and 28944 ask for this constraint; its interface has
    none yet.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import TunedThresholdClassifierCV
    >>> from sklimb.metrics import get_scorer
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> scorer = get_scorer("precision_with_recall_floor", min_recall=0.9)
    >>> clf = TunedThresholdClassifierCV(LogisticRegression(), scoring=scorer, cv=5)
    >>> bool(clf.fit(X, y).best_score_ > 0)  # the floor is kept in all five folds
    True
    """
    check_share("min_recall", min_recall)
    positive, called, weight = check_predictions(
        y_true, y_pred, pos_label, sample_weight, POSITIVES
    )
    caught = weight[positive & called].sum()
    recall = caught / weight[positive].sum()
    if recall < min_recall:
        return float(recall - min_recall + _BROKEN)
    alerts = weight[called].sum()
    return float(caught / alerts) if alerts > 0 else 0.0


def recall_within_alert_budget(
    y_true, y_pred, *, max_alerts=0.01, pos_label=1, sample_weight=None
):
    """Recall, where the alerts keep to a budget.

    The objective for "catch what can be caught by looking at 1 % of the payments": the
    threshold of the largest value is the answer.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels. Every label but `pos_label` is the negative class.
    y_pred : array-like of shape (n_samples,)
        Predicted labels. A row that is called positive is an alert.
    max_alerts : int or float, default=0.01
        Largest number of alerts. A float in (0, 1] is a share of the rows, an int >= 1
        counts them: then five folds of n rows allow `max_alerts` among n / 5 rows
        each.
    pos_label : int, float, bool or str, default=1
        Label of the positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights. A row of weight w counts as w rows and as w alerts.

    Returns
    -------
    value : float
        The recall, in [0, 1], if the alerts keep to the budget. Otherwise minus the
        share of rows that are one alert too many, minus 100: below 0, and better the
        fewer they are.

    Raises
    ------
    ValueError
        When `max_alerts` is neither of the two, or when no row of positive weight is
        positive.

    See Also
    --------
    precision_at_k : For searches: no threshold to choose.
    sklearn.model_selection.TunedThresholdClassifierCV : Takes the best threshold.

    Notes
    -----
    As for `precision_with_recall_floor`, the budget is kept in every fold, and a
    `best_score_` below 0 says that none of the thresholds does. That happens when more
    rows than the budget allows are tied at the largest score, because its own
    thresholds call at least those: then add one above to `thresholds=`.

    Examples
    --------
    >>> from sklimb.metrics import recall_within_alert_budget
    >>> y_true = [1, 0, 1, 0, 0]
    >>> recall_within_alert_budget(y_true, [1, 0, 0, 0, 0], max_alerts=0.2)
    0.5
    >>> recall_within_alert_budget(y_true, [1, 0, 1, 0, 0], max_alerts=2)
    1.0
    >>> recall_within_alert_budget(y_true, [1, 1, 1, 0, 0], max_alerts=2)
    -100.2
    """
    check_count("max_alerts", max_alerts)
    positive, called, weight = check_predictions(
        y_true, y_pred, pos_label, sample_weight, POSITIVES
    )
    alerts, rows = weight[called].sum(), weight.sum()
    # Quotients of whole numbers meet a share such as 0.29 exactly, products do not.
    if isinstance(max_alerts, Integral):
        excess = (alerts - max_alerts) / rows
    else:
        excess = alerts / rows - max_alerts
    if excess > 0:
        return float(_BROKEN - excess)
    return float(weight[positive & called].sum() / weight[positive].sum())


def expected_cost(
    y_true,
    y_pred,
    *,
    cost_matrix=((0.0, 1.0), (1.0, 0.0)),
    amount=None,
    pos_label=1,
    sample_weight=None,
):
    """Mean cost per row, where the cost of a missed positive may differ by row.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels. Every label but `pos_label` is the negative class.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    cost_matrix : array-like of shape (2, 2), default=((0, 1), (1, 0))
        Costs in units of money, laid out as `sklearn.metrics.confusion_matrix`: the
        first row for true negatives and false positives, the second for false
        negatives and true positives. Negative costs are gains. The default counts
        errors.
    amount : array-like of shape (n_samples,), default=None
        With it, a missed positive (false negative) costs `cost_matrix[1][0]` times the
        amount of its row. None is an amount of 1.
    pos_label : int, float, bool or str, default=1
        Label of the positive class.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights. None weighs every row 1.

    Returns
    -------
    cost : float
        Weighted mean of the rows' costs, in units of money. Smaller is better.

    Raises
    ------
    ValueError
        When `cost_matrix` is not of shape (2, 2) or not finite, when `amount` does not
        fit the rows or is not finite, or when `pos_label` is no label of the rows.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : Takes the best threshold.

    Notes
    -----
    Amounts reach the scorer by scikit-learn's metadata routing, cut to the folds:
    `get_scorer("expected_cost", ...).set_score_request(amount=True)`, and then
    `fit(X, y, amount=amount)`. Without routing a constant cost does without them.

    One threshold for all rows is not the cheapest rule where amounts differ: with
    probabilities p that can be trusted, that is to call a row positive when
    p (C10 amount - C11) > (1 - p) (C01 - C00), row by row (Bayes minimum risk [1]_).

    References
    ----------
    .. [1] Correa Bahnsen, A., Stojanovic, A., Aouada, D. and Ottersten, B. (2013).
       Cost sensitive credit card fraud detection using Bayes minimum risk. ICMLA,
       pp. 333-338, whose costs are ((0, c), (1, c)): c for each alert, and the amount
       of each missed fraud.

    Examples
    --------
    >>> from sklimb.metrics import expected_cost
    >>> y_true, y_pred = [0, 0, 1, 1], [0, 1, 0, 1]
    >>> expected_cost(y_true, y_pred, cost_matrix=[[0, 5], [20, 5]])
    7.5
    >>> amount = [10, 20, 100, 300]
    >>> expected_cost(y_true, y_pred, cost_matrix=[[0, 5], [1, 5]], amount=amount)
    27.5
    """
    costs = np.asarray(cost_matrix, dtype=np.float64)
    if costs.shape != (2, 2) or not np.isfinite(costs).all():
        raise ValueError(
            "cost_matrix must be finite numbers of shape (2, 2), got "
            f"{short(cost_matrix)}."
        )
    positive, called, weight = check_predictions(
        y_true, y_pred, pos_label, sample_weight
    )
    cost = costs[positive.astype(int), called.astype(int)]
    if amount is not None:
        missed = positive & ~called
        cost[missed] *= check_numbers("amount", amount, y_true)[missed]
    return float(np.average(cost, weights=weight))
