"""Temperature and class biases that turn logits of a new head into probabilities."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from sklimb.fitting.checks import resolve_prior
from sklimb.fitting.class_weights import class_shares, class_weight_vector
from sklimb.fitting.decision import decide
from sklimb.fitting.intercept import bias_and_gap, solve_intercepts
from sklimb.fitting.portfolio import mixed
from sklimb.two_stage._methods import CHOOSING, NO_PROBABILITIES

# Rows of features per block, which bounds the memory of a head.
_BLOCK_ROWS = 4096


def best_temperature(logits, y, weight):
    """T > 0 that minimises the log loss of softmax(logits / T + b), b solved for each.

    Parameters
    ----------
    logits : array of shape (rows, classes)
    y : integer array of shape (rows,)
    weight : array of shape (rows,)

    Returns
    -------
    float
        Within a factor of 20 of the logits' standard deviation within rows.
    """
    spread = float(np.sqrt(np.average(logits.var(1), weights=weight)))
    if not spread > 0:
        return 1.0

    def cost(log_t):
        log_p = log_softmax(logits / np.exp(log_t), axis=1)
        log_p = log_softmax(log_p + bias_and_gap(log_p, y, weight)[0], axis=1)
        return -np.average(log_p[np.arange(len(y)), y], weights=weight)

    center, reach = np.log(spread), np.log(20)
    best = minimize_scalar(
        cost, bounds=(center - reach, center + reach), method="bounded"
    )
    return float(np.exp(best.x))


def set_probabilities(p, chosen, everything):
    """Temperature and bias of each member of a ClassifierRetrainer `p`.

    `chosen` and `everything` are (features, y, weight) of the rows by which a
    temperature is chosen, and of all rows.
    """
    n_members, n_classes = len(chosen[0]), len(p.classes_)
    p.temperature_ = np.ones(n_members)
    needing = NO_PROBABILITIES if p.target_prior is None else CHOOSING
    if p.method in needing:
        h, y, weight = chosen
        p.temperature_ = np.array(
            [best_temperature(z, y, weight) for z in logits_of(p.head_, h)]
        )
    p.intercept_ = np.zeros((n_members, n_classes))
    prior = class_shares([everything], n_classes)
    wanted = resolve_prior(p.target_prior, prior, p.classes_)
    if wanted is None:
        return
    h, y, weight = everything
    log_p = logits_of(p.head_, h) / p.temperature_[:, None, None]
    p.intercept_ = solve_intercepts(log_p, y, weight) + np.log(wanted / prior)


def probabilities_of(p, h):
    """Probabilities of features, of each member: (n_members, rows, n_classes)."""
    logits = logits_of(p.head_, h) / p.temperature_[:, None, None]
    return softmax(logits + p.intercept_[:, None, :], axis=-1)


def set_decision(p, classifier, chosen):
    """How a ClassifierRetrainer decides: as its first stage, by its own probabilities.

    An objective is tuned on `chosen`, (features, y, weight).
    """
    h, y, weight = chosen
    mixture = mixed(classifier.member_weights_, probabilities_of(p, h))
    shares = np.average(mixture, axis=0, weights=weight)
    if isinstance(classifier.class_weight, dict):  # which no decision undoes
        factor = class_weight_vector(classifier.class_weight, y, weight, p.classes_)
        shares = shares / np.where(factor > 0, factor, 1)
        shares /= shares.sum()
    vars(p).pop("decision_scores_", None)  # of an earlier fit
    found = decide(
        classifier.decision, p.classes_, shares, lambda: (mixture, y, weight)
    )
    vars(p).update(found)


def joined(parts):
    """(features, y, weight) of all parts, joined."""
    h, y, weight = zip(*parts, strict=True)
    return torch.cat(h, 1), np.concatenate(y), np.concatenate(weight)


@torch.no_grad()
def logits_of(head, h):
    """Logits of features (n_members, rows, d), in float64 on the CPU."""
    parts = [head(part).double() for part in h.split(_BLOCK_ROWS, 1)]
    return torch.cat(parts, 1).cpu().numpy()
