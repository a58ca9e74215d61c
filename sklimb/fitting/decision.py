"""Decisions: the factors of the classes by which `predict` chooses among them.

`predict` takes the class of the largest probability times factor. With two classes that
is a threshold on the probability of the second; factors 1 are the plain argmax.
"""

import warnings
from numbers import Real

import numpy as np
import torch
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer as sklearn_scorer
from sklearn.metrics import get_scorer_names as sklearn_names

from sklimb._messages import short, told
from sklimb.exceptions import DecisionWarning
from sklimb.fitting.portfolio import mixed
from sklimb.metrics import get_scorer, get_scorer_names

PLAIN = ("probability", "balanced")
# Held-out rows of the rarest class with which an objective is tuned: of fewer, each row
# is more than 20 points of recall.
MIN_ROWS = 5
# Thresholds that are tried: all between neighbouring scores if there are no more, else
# half of them at quantiles of the rarer class and half at quantiles of all rows.
N_THRESHOLDS = 256
# Three and more classes: factors of one class at a time, these around the best so far.
STEPS = np.exp(np.linspace(-2, 2, 17))
ROUNDS = 3


def is_tuned(decision):
    """Whether a decision is an objective, which needs held-out rows."""
    return not isinstance(decision, Real) and not (
        isinstance(decision, str) and decision in PLAIN
    )


def check_decision(decision, classes):
    """Refuse a decision that these classes cannot have."""
    if isinstance(decision, Real):
        if len(classes) != 2:
            raise ValueError(
                f"decision={short(decision)} is a threshold, for two classes, and y "
                f"has {len(classes)}. Use 'balanced' or the name of a score."
            )
    elif is_tuned(decision):
        Objective(decision, classes)


def factors_of_threshold(threshold):
    """Factors with which the second class is chosen where p exceeds the threshold."""
    return np.array([2 * threshold, 2 * (1 - threshold)])


def threshold_of(factors):
    """The inverse of `factors_of_threshold`."""
    return float(factors[0] / (factors[0] + factors[1]))


def balanced_factors(shares):
    """One over the class shares; 1 for a class without rows."""
    factors = np.where(shares > 0, 1 / np.where(shares > 0, shares, 1), 1.0)
    return factors * len(factors) / factors.sum()


class Objective:
    """The value of predicted labels: a scorer, and the labels that it is given.

    A name scores codes 0, 1, ... of the classes, so that of two the second is the
    positive one whatever it is called; a scorer object gets the labels themselves.

    Parameters
    ----------
    decision : str or scorer
        A name of `sklimb.metrics.get_scorer_names` or of scikit-learn's, or what
        `sklearn.metrics.make_scorer` returns.
    classes : array of shape (n_classes,)

    Raises
    ------
    ValueError
        No such name; a scorer that needs more than predicted labels, or does not take
        these classes.
    """

    def __init__(self, decision, classes):
        self.labels = np.arange(len(classes)) if isinstance(decision, str) else classes
        if not isinstance(decision, str):
            self.scorer = decision
        elif decision in get_scorer_names():
            self.scorer = get_scorer(decision)
        elif decision in sklearn_names():
            self.scorer = sklearn_scorer(decision)
        else:
            raise ValueError(
                f"decision must be 'probability', 'balanced', a threshold between 0 "
                f"and 1, a scorer, or the name of one that scores labels, such as "
                f"'f1' or 'expected_cost', got {short(decision)}."
            )
        codes = np.arange(len(classes))
        try:
            value = self(codes, codes, np.ones(len(codes)))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"decision={short(decision)} must score predicted labels of "
                f"{len(classes)} classes, as 'balanced_accuracy' does: {told(error)}"
            ) from error
        if not np.isfinite(value):
            raise ValueError(
                f"decision={short(decision)} must score by a finite number."
            )

    def __call__(self, y, called, weight):
        """Value of codes `called` where codes `y` are right; greater is better."""
        rows = _Called(self.labels)
        given = {}
        if (weight != weight[0]).any():
            given["sample_weight"] = weight
        return float(self.scorer(rows, self.labels[called], self.labels[y], **given))


class _Called(ClassifierMixin, BaseEstimator):
    """What a scorer takes for a classifier: it predicts the labels that it is given."""

    def __init__(self, labels):
        self.labels = labels
        self.classes_ = labels

    def predict(self, X):
        """The labels."""
        return X


def decide(decision, classes, shares, held_out):
    """Fitted attributes of `decision`.

    Parameters
    ----------
    decision : str, float or scorer
    classes : array of shape (n_classes,)
    shares : array of shape (n_classes,)
        Class shares that the probabilities assume.
    held_out : callable
        () -> probabilities, codes and weights of rows that an objective is tuned on.
    """
    if isinstance(decision, Real):
        return {"decision_factors_": factors_of_threshold(float(decision))}
    if not is_tuned(decision):
        balanced = decision == "balanced"
        ones = np.ones(len(shares))
        return {"decision_factors_": balanced_factors(shares) if balanced else ones}
    objective = Objective(decision, classes)
    p, y, weight = held_out()
    there = weight > 0
    p, y, weight = p[there], y[there], weight[there]
    rows = np.bincount(y, minlength=len(classes))
    if rows.min() < MIN_ROWS:
        rarest = rows.argmin()
        warnings.warn(
            f"decision={short(decision)} is tuned on held-out rows, and class "
            f"{short(classes[rarest])} has {rows[rarest]} of them, fewer than "
            f"{MIN_ROWS}: decision='balanced' is taken instead. Use validation_folds "
            "or give X_val.",
            DecisionWarning,
            stacklevel=5,
        )
        return {"decision_factors_": balanced_factors(shares)}
    tune = _tuned_threshold if len(classes) == 2 else _tuned_factors
    factors, tried = tune(p, y, weight, objective, balanced_factors(shares))
    return {"decision_factors_": factors, "decision_scores_": tried}


def held_out_of(jobs, weights):
    """Probabilities, codes and weights of the held-out rows of all folds of one fit.

    Each fold's rows are predicted by its own members, which have not seen them;
    `weights` are those of the members of all folds.
    """
    parts, begin = [], 0
    n_classes = len(jobs[0].recipe.classes)
    for job in jobs:
        own = weights[begin : begin + len(job.members)]
        begin += len(job.members)
        if job.validation is None:
            continue
        X, y, weight = job.validation
        log_p = job.attributes["net_"].blocks_log_probability(torch.from_numpy(X))
        parts.append((mixed(own / own.sum(), log_p.exp().cpu().numpy()), y, weight))
    if not parts:
        return np.empty((0, n_classes)), np.empty(0, int), np.empty(0)
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def floored(p):
    """Probabilities whose logarithms and quotients are finite."""
    return np.maximum(p.astype(np.float64), 1e-150)


def log_odds(p):
    """log(p1 / p0) of two columns, finite."""
    p = floored(p)
    return np.log(p[:, 1] / p[:, 0])


def decision_values(p, factors):
    """Log odds less those of the threshold, or shifted log probabilities of more."""
    if p.shape[1] == 2:
        return log_odds(p) + np.log(factors[1] / factors[0])
    return np.log(floored(p)) + np.log(factors)


def decided(p, factors):
    """Codes of the chosen classes; with equal factors the plain argmax."""
    if (factors == factors[0]).all():
        return p.argmax(1)
    values = decision_values(p, factors)
    return (values > 0).astype(int) if values.ndim == 1 else values.argmax(1)


def _tuned_threshold(p, y, weight, objective, balanced):
    """Factors of the best threshold, and (threshold, value) of all that were tried."""
    score = log_odds(p)
    rarer = score[y == np.bincount(y).argmin()]
    known = np.unique(score)
    if len(known) > N_THRESHOLDS:
        at = np.linspace(0, 1, N_THRESHOLDS // 2)
        known = np.unique(
            np.concatenate(
                [np.quantile(part, at, method="nearest") for part in (rarer, score)]
            )
        )
    between = (known[1:] + known[:-1]) / 2
    cuts = np.concatenate([[known[0] - 1], between, [known[-1] + 1]])
    values = np.array([objective(y, (score > cut).astype(int), weight) for cut in cuts])
    # Many thresholds may be equally good: the middle one is the safest.
    best = np.flatnonzero(values >= values.max() - 1e-12)
    threshold = float(expit(cuts[best[len(best) // 2]]))
    return factors_of_threshold(threshold), np.column_stack([expit(cuts), values])


def _tuned_factors(p, y, weight, objective, balanced):
    """The best factors, and (factors, value) of all that were tried."""
    log_p = np.log(floored(p))

    def value_of(factors):
        value = objective(y, (log_p + np.log(factors)).argmax(1), weight)
        tried.append([*factors, value])
        return value

    tried = []
    starts = [np.ones(p.shape[1]), balanced]
    values = [value_of(start) for start in starts]
    best = starts[int(np.argmax(values))]
    top = max(values)
    for _ in range(ROUNDS):
        before = top
        for k in range(p.shape[1]):
            trials = np.repeat(best[None], len(STEPS), 0)
            trials[:, k] *= STEPS
            values = np.array([value_of(trial) for trial in trials])
            if values.max() > top + 1e-12:
                top, best = values.max(), trials[values.argmax()]
        if top <= before:
            break
    return best * len(best) / best.sum(), np.array(tried)
