"""Output biases of posteriors: mean probabilities that equal the class shares.

A mean over weights is nearer to equal probabilities than the network in its middle, so
it misses the shares that the classifier's own intercept was solved for.
"""

import numpy as np

from sklimb.fitting.intercept import bias_and_gap

# Most numbers that one solution looks at.
_MOST_NUMBERS = 2**24


def calibration_rows(job, n_each):
    """(X, y, weight) of the rows that a classifier solves its intercept on, or None.

    Where there are too many for `n_each` numbers a row, every second or so of them.
    """
    if job.calibration is None:
        return None
    parts = [np.concatenate(part) for part in zip(*job.calibration, strict=True)]
    step = -(-len(parts[1]) * n_each // _MOST_NUMBERS)
    return [part[::step] for part in parts]


def posterior_bias(log_p, y, weight):
    """Offset of all networks with which their mean probabilities are the shares.

    Parameters
    ----------
    log_p : array of shape (networks, rows, classes)
    y, weight : arrays of shape (rows,)

    Returns
    -------
    bias : array of shape (classes,)
    gap : float
        What it leaves, as `bias_and_gap` says.
    """
    n, classes = len(log_p), log_p.shape[-1]
    return bias_and_gap(log_p.reshape(-1, classes), np.tile(y, n), np.tile(weight, n))


def moved_prior(job):
    """Logarithms of what `target_prior` makes of each class's share.

    Biases are solved before it, as the classifier's own intercept is.
    """
    return np.log(job.plan.last.shift) - np.log(job.attributes["prior_shift_"])
