"""Intercepts: output biases with which mean probabilities equal the class shares.

At a minimum of the (weighted) cross-entropy the weighted mean of the predicted
probabilities equals the weighted class shares: that is the condition of the output
bias. A network that was stopped early, or trained on re-sampled rows, misses it by 5 to
30 %, so the last step of `fit` solves for the bias alone, on the given rows before any
re-sampling. For two classes it changes no ranking.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

# Largest gap between mean probability and class share that counts as solved.
_MOST_GAP = 0.01
# A gap that Newton's method goes well below where it converges.
_SOLVED = 1e-6


def solve_intercept(log_p, y, weight, max_iter=50, tol=1e-10):
    """Offsets b with mean softmax(log_p + b) = class shares, all by weight.

    Newton's method on a convex problem, its steps cut to length 2.

    Parameters
    ----------
    log_p : array of shape (rows, classes)
    y : integer array of shape (rows,)
    weight : array of shape (rows,)

    Returns
    -------
    array of shape (classes,)
        Mean 0 over the classes that occur; 0 for the others.
    """
    n_classes = log_p.shape[1]
    total = np.bincount(y, weights=weight, minlength=n_classes)
    present = np.flatnonzero(total > 0)
    b = np.zeros(n_classes)
    if len(present) < 2:
        return b
    share = total[present] / total.sum()
    w = weight / weight.sum()
    shifted = log_p[:, present] - log_p[:, present].max(1, keepdims=True)
    step = np.zeros(len(present))
    offset = np.zeros(len(present))
    for _ in range(max_iter):
        p = np.exp(shifted + offset)
        p /= p.sum(1, keepdims=True)
        weighted = p * w[:, None]
        gap = share - weighted.sum(0)
        if np.abs(gap).max() < tol * share.min():
            break
        curvature = np.diag(weighted.sum(0)) - weighted.T @ p
        # Adding one number to all offsets changes nothing; least squares adds none.
        step = np.linalg.lstsq(curvature, gap, rcond=1e-12)[0]
        offset += np.clip(step, -2.0, 2.0)
    if np.abs(gap).max() > _SOLVED:
        offset, gap = _scaled_iteratively(shifted, share, w)
    b[present] = offset - offset.mean()
    if np.isfinite(b).all() and np.abs(gap).max() < _MOST_GAP:
        return b
    warnings.warn(
        "The output bias could not be solved: the network is sure of wrong answers, "
        f"and mean probabilities miss the class shares by {np.abs(gap).max():.2f}. It "
        "is left at 0. Lower lr, train for more epochs, or set clip_norm=1.0.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return np.zeros(n_classes)


def _scaled_iteratively(shifted, share, w, max_iter=3000):
    """Offsets and gap by generalised iterative scaling (Darroch and Ratcliff, 1972).

    Slower than Newton's method, but it also converges where all probabilities are 0
    or 1.
    """
    offset = np.zeros(len(share))
    for _ in range(max_iter):
        p = np.exp(shifted + (offset - offset.max()))
        p /= np.maximum(p.sum(1, keepdims=True), 1e-300)
        mean = w @ p
        if np.abs(share - mean).max() < 1e-8 * share.min():
            break
        offset += np.log(share) - np.log(np.maximum(mean, 1e-12))
    return offset, share - mean
