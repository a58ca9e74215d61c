"""Scorers by name, for searches, cross-validation and thresholds."""

import inspect

from sklearn.metrics import make_scorer

from sklimb._messages import listed, short, told
from sklimb.metrics._groups import GROUPS, group_recall
from sklimb.metrics._identification import Rank1Scorer
from sklimb.metrics._ranking import (
    precision_at_k,
    recall_at_false_positive_rate,
    recall_at_precision,
)
from sklimb.metrics._thresholds import (
    expected_cost,
    precision_with_recall_floor,
    recall_within_alert_budget,
)

RANKING = {"response_method": ("decision_function", "predict_proba")}
LABELS = {"response_method": "predict"}
RANK_1 = "rank_1_accuracy"  # of features, which make_scorer does not know
COST = {"response_method": "predict", "greater_is_better": False}

# Metric, arguments of make_scorer, and fixed parameters of the metric.
_SCORERS = {
    "expected_cost": (expected_cost, COST, {}),
    "precision_at_k": (precision_at_k, RANKING, {}),
    "precision_with_recall_floor": (precision_with_recall_floor, LABELS, {}),
    "recall_at_false_positive_rate": (recall_at_false_positive_rate, RANKING, {}),
    "recall_at_precision": (recall_at_precision, RANKING, {}),
    "recall_within_alert_budget": (recall_within_alert_budget, LABELS, {}),
    **{f"{group}_recall": (group_recall, LABELS, {"group": group}) for group in GROUPS},
}


def get_scorer_names():
    """Names that `get_scorer` takes.

    Returns
    -------
    names : list of str
        Sorted.

    Examples
    --------
    >>> from sklimb.metrics import get_scorer_names
    >>> get_scorer_names()[:3]
    ['expected_cost', 'few_recall', 'many_recall']
    """
    return sorted([*_SCORERS, RANK_1])


def get_scorer(scoring, **parameters):
    """Make a scorer of a metric of this module.

    The same as `sklearn.metrics.make_scorer` with the metric, whether it takes scores
    or labels, and whether greater is better.

    Parameters
    ----------
    scoring : str
        Name of the metric, see `get_scorer_names`. "many_recall", "medium_recall" and
        "few_recall" are `group_recall` of that group; "rank_1_accuracy" takes the
        classifier's features, and no parameters.
    **parameters : dict
        Parameters of the metric, such as `k` or `pos_label`. String labels need
        `pos_label`, and the recalls of groups `y_train`.

    Returns
    -------
    scorer : callable
        For `scoring=` of `GridSearchCV`, `PackedSearchCV`, `cross_validate` and, if
        the metric takes labels, `TunedThresholdClassifierCV`. Scores of
        `expected_cost` are negative: greater is better.

    Raises
    ------
    ValueError
        When no metric has this name.
    TypeError
        When the metric does not have one of the parameters, or needs another.

    See Also
    --------
    sklearn.metrics.get_scorer : The scorers of scikit-learn.

    Notes
    -----
    With scikit-learn's metadata routing a scorer requests its arguments per row:
    `scorer.set_score_request(sample_weight=True)`, or `amount=True` for
    `expected_cost`.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklimb.metrics import get_scorer
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> scorer = get_scorer("precision_at_k", k=0.05)
    >>> cross_val_score(LogisticRegression(), X, y, scoring=scorer, cv=3).shape
    (3,)
    """
    if scoring == RANK_1:
        if parameters:
            raise TypeError(
                f"The scorer {short(RANK_1)} takes no parameters, got "
                f"{listed(parameters)}."
            )
        return Rank1Scorer()
    if scoring not in _SCORERS:
        raise ValueError(
            f"scoring must be one of {get_scorer_names()}, got {short(scoring)}. "
            "scikit-learn's own are in sklearn.metrics.get_scorer."
        )
    metric, known, fixed = _SCORERS[scoring]
    signature = inspect.signature(metric)
    try:
        signature.bind(None, None, **fixed, **parameters)
    except TypeError as error:
        names = [name for name in list(signature.parameters)[2:] if name not in fixed]
        raise TypeError(
            f"The scorer {short(scoring)} takes the parameters {names}, got "
            f"{listed(parameters)}: {told(error)}."
        ) from None
    return make_scorer(metric, **known, **fixed, **parameters)
