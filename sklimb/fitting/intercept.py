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
    b, gap = bias_and_gap(log_p, y, weight, max_iter, tol)
    warn_of_gaps([gap])
    return b


def solve_intercepts(log_p, y, weight):
    """`solve_intercept` of each member of log_p, and one warning of all of them."""
    found = [bias_and_gap(member, y, weight) for member in log_p]
    warn_of_gaps([gap for _, gap in found])
    return np.stack([b for b, _ in found])


def warn_of_gaps(gaps):
    """Warn once of the members whose output bias could not be solved.

    `gaps` are what `bias_and_gap` returns.
    """
    missed = [gap for gap in gaps if not gap < _MOST_GAP]
    if missed:
        whose = f" of {len(missed)} of {len(gaps)} members" if len(gaps) > 1 else ""
        warnings.warn(
            f"The output bias{whose} could not be solved: the network is sure of wrong "
            "answers, and mean probabilities miss the class shares by "
            f"{np.max(missed):.2f}. It is left at 0. Lower lr, train for more epochs, "
            "or set clip_norm=1.0.",
            ConvergenceWarning,
            stacklevel=3,
        )


def floored(log_p, lowest=-1e30):
    """`log_p` without infinite entries, whose differences would not be numbers."""
    return np.maximum(log_p, lowest)


def scaled_to_one(weight):
    """Weights over a power of two: their sum neither overflows nor vanishes."""
    return np.ldexp(weight, -int(np.frexp(weight.max())[1]))


def bias_and_gap(log_p, y, weight, max_iter=50, tol=1e-10):
    """The offsets of `solve_intercept`, and the gap that they leave.

    Where it is not below 0.01, or NaN because log_p is, the offsets are 0.
    """
    n_classes = log_p.shape[1]
    b, weight = np.zeros(n_classes), scaled_to_one(weight)
    total = np.bincount(y, weights=weight, minlength=n_classes)
    present = np.flatnonzero(total / total.sum() > 0)
    if len(present) < 2:
        return b, 0.0
    if np.isnan(log_p[:, present]).any():
        return b, np.nan
    share = total[present] / total.sum()
    w = weight / weight.sum()
    # A million rows are many: what is made of them is made in place.
    shifted = floored(log_p[:, present])
    shifted -= shifted.max(1, keepdims=True)
    p, weighted = np.empty_like(shifted), np.empty_like(shifted)
    step = np.zeros(len(present))
    offset = np.zeros(len(present))
    for _ in range(max_iter):
        np.exp(np.add(shifted, offset, out=p), out=p)
        p /= p.sum(1, keepdims=True)
        np.multiply(p, w[:, None], out=weighted)
        gap = share - weighted.sum(0)
        if np.abs(gap).max() < tol * share.min():
            break
        curvature = np.diag(weighted.sum(0)) - weighted.T @ p
        # Adding one number to all offsets changes nothing; least squares adds none.
        step = np.linalg.lstsq(curvature, gap, rcond=1e-12)[0]
        offset += np.clip(step, -2.0, 2.0)
    if np.abs(gap).max() > _SOLVED:
        offset, gap = _scaled_iteratively(shifted, share, w)
    gap = float(np.abs(gap).max())
    if gap < _MOST_GAP and np.isfinite(offset).all():
        b[present] = offset - offset.mean()
    return b, gap


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
