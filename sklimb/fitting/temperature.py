"""Temperature scaling: one temperature per member, found on its held-out rows.

A network that overfits predicts 0.99 where 0.9 would be right; `softmax(log_p / T)`
corrects that and keeps the order of the classes in each row (Guo et al., "On
Calibration of Modern Neural Networks", 2017). The output bias is solved afterwards on
all rows (intercept.py), so T is chosen together with the bias that belongs to it.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

from sklimb.fitting.intercept import bias_and_gap, floored, scaled_to_one

# Beyond them probabilities are nearly 0 and 1, or nearly the class shares.
LOWEST, HIGHEST = 0.1, 30.0
# Over the highest temperature it is still a probability of 0.
_LEAST = -1e6


def divided(log_p, scale):
    """`log_p` over the temperature 1 / scale, and the derivative by `scale`."""
    return scale * log_p, log_p


def solve_temperature(
    log_p, y, weight, log_shift=0.0, calibration=None, tempered=divided
):
    """The temperature of least weighted log loss, within [LOWEST, HIGHEST].

    Found as the root of the slope over log T: near its minimum the loss is flat within
    rounding, and members must equal single fits.

    Parameters
    ----------
    log_p : array of shape (rows, classes)
        log P(y | x) of the held-out rows, under the draw of training.
    y : integer array of shape (rows,)
    weight : array of shape (rows,)
    log_shift : array of shape (classes,), default=0.0
        Subtracted from `log_p / T`: the prior shift of sampler and loss.
    calibration : tuple (log_p, y, weight) or None, default=None
        Rows on which the output bias is solved for each T; None is no bias.
    tempered : callable, default=divided
        `(log_p, 1 / T)` -> the scaled log probabilities and their derivative by 1 / T,
        for a loss whose logits are divided in the place of `log_p`.

    Returns
    -------
    float
        1.0 if fewer than two classes have weight, or log_p is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sklimb.fitting.temperature import solve_temperature
    >>> log_p = np.log([[0.9, 0.1]] * 5)  # right in three of five cases
    >>> t = solve_temperature(log_p, np.array([0, 0, 0, 1, 1]), np.ones(5))
    >>> round(1 / (1 + (1 / 9) ** (1 / t)), 6)
    0.6
    """
    if (np.bincount(y, weights=weight) > 0).sum() < 2:
        return 1.0
    log_p, weight = floored(log_p, _LEAST), scaled_to_one(weight)
    if np.isnan(log_p).any() or (calibration and np.isnan(calibration[0]).any()):
        return 1.0
    if calibration is not None:
        calibration = floored(calibration[0], _LEAST), *calibration[1:]
    share = weight / weight.sum()

    def slope(log_t):
        """Derivative of the log loss with respect to log T, times T."""
        scale = np.exp(-log_t)
        b, db = _bias(scale, log_shift, log_p.shape[1], calibration, tempered)
        z, dz = tempered(log_p, scale)
        p = softmax(z - log_shift + b, axis=1)
        moved = dz + db  # the logits' derivative with respect to 1 / T
        own = np.take_along_axis(moved, y[:, None], 1)[:, 0]
        return float(share @ (own - (p * moved).sum(1)))

    low, high = np.log(LOWEST), np.log(HIGHEST)
    if slope(low) >= 0:
        return LOWEST
    if slope(high) <= 0:
        return HIGHEST
    return float(np.exp(brentq(slope, low, high, xtol=1e-13)))


def _bias(scale, log_shift, n_classes, calibration, tempered):
    """The solved output bias at 1 / T = `scale`, and its derivative by `scale`.

    With z = log_p / T - log_shift + b, the condition mean softmax(z) = class shares
    holds at every scale, so its derivative is 0.
    """
    b, derivative = np.zeros(n_classes), np.zeros(n_classes)
    if calibration is None:
        return b, derivative
    log_p, y, weight = calibration
    z, dz = tempered(log_p, scale)
    logits = z - log_shift
    weight = scaled_to_one(weight)
    b, _ = bias_and_gap(logits, y, weight)  # the last one, of the best T, may warn
    there = np.bincount(y, weights=weight, minlength=n_classes) > 0
    dz, p = dz[:, there], softmax((logits + b)[:, there], axis=1)
    weighted = p * (weight / weight.sum())[:, None]
    push = (weighted * (dz - (p * dz).sum(1, keepdims=True))).sum(0)
    curvature = np.diag(weighted.sum(0)) - weighted.T @ p
    moved = np.linalg.lstsq(curvature, -push, rcond=1e-12)[0]
    # Where all probabilities are 0 or 1 no bias moves them.
    derivative[there] = np.where(np.isfinite(moved), moved, 0.0)
    return b, derivative
