"""Scores of probabilities, and seconds per fit."""

import time

from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

# Sign of each score: +1 if more is better.
SCORES = {
    "average_precision": 1,
    "roc_auc": 1,
    "log_loss": -1,
    "brier": -1,
    "balanced_accuracy": 1,
}


def score(y, p):
    """All `SCORES` of the probabilities of class 1."""
    return {
        "average_precision": average_precision_score(y, p),
        "roc_auc": roc_auc_score(y, p),
        "log_loss": log_loss(y, p, labels=[0, 1]),
        "brier": brier_score_loss(y, p),
        "balanced_accuracy": balanced_accuracy_score(y, p >= 0.5),
    }


def timed_fit(fit):
    """Run `fit`; its result, its wall-clock and its processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    model = fit()
    return (
        model,
        time.perf_counter() - wall,
        time.process_time() - processor,
    )
