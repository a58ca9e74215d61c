"""Scores that `sklearn.metrics` and `imblearn.metrics` lack.

Of scores: `recall_at_false_positive_rate`, `recall_at_precision`, `precision_at_k`.
Of labels, to tune a threshold by: `precision_with_recall_floor`,
`recall_within_alert_budget`, `expected_cost`. Of many classes: the recall of those
with many, some and few training rows. Of features: `rank_1_accuracy`. `get_scorer`
makes a scorer of each.
"""

from sklimb.metrics._groups import group_recall, many_medium_few_report
from sklimb.metrics._identification import rank_1_accuracy, rank_1_report
from sklimb.metrics._ranking import (
    precision_at_k,
    recall_at_false_positive_rate,
    recall_at_precision,
)
from sklimb.metrics._scorers import get_scorer, get_scorer_names
from sklimb.metrics._thresholds import (
    expected_cost,
    precision_with_recall_floor,
    recall_within_alert_budget,
)

__all__ = [
    "expected_cost",
    "get_scorer",
    "get_scorer_names",
    "group_recall",
    "many_medium_few_report",
    "precision_at_k",
    "precision_with_recall_floor",
    "rank_1_accuracy",
    "rank_1_report",
    "recall_at_false_positive_rate",
    "recall_at_precision",
    "recall_within_alert_budget",
]
