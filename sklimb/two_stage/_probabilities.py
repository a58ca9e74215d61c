"""From logits without a temperature to probabilities: one scale, one bias a class."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from sklimb.fitting.intercept import solve_intercept


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
        Within a factor of 20 of the logits' standard deviation in a row.
    """
    spread = float(np.sqrt(np.average(logits.var(1), weights=weight)))
    if not spread > 0:
        return 1.0

    def cost(log_t):
        log_p = log_softmax(logits / np.exp(log_t), axis=1)
        log_p = log_softmax(log_p + solve_intercept(log_p, y, weight), axis=1)
        return -np.average(log_p[np.arange(len(y)), y], weights=weight)

    center, reach = np.log(spread), np.log(20)
    best = minimize_scalar(
        cost, bounds=(center - reach, center + reach), method="bounded"
    )
    return float(np.exp(best.x))
