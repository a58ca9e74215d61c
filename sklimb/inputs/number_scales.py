"""Centres, scales and knots of weighted numbers, and the ways between them and z."""

import numpy as np
from scipy.special import ndtri

# A flag set in one row of a hundred has this standard deviation.
_SMALLEST_SCALE = 0.25
_SMALLEST_P = 2.0**-53
# Half of the values lie within so many standard deviations of normal ones.
_QUARTILES_APART = 2 * 0.6744897501960817
# Squares and differences of numbers within 2**-+900 neither overflow nor vanish.
PLAIN_EXPONENT = 450
# Where "robust" numbers end, in scales from the centre; and beyond what, in scales,
# they are there already (their squares would overflow); float32 holds both, for graphs.
REACH, FAR = 3.0, 2.0**100


def distinct_values(values, weights=None):
    """Sorted distinct values as float64, with their summed weights."""
    values = np.asarray(values, dtype=np.float64)
    if weights is None:
        values = np.sort(values)
    else:
        order = np.argsort(values)
        values, weights = values[order], weights[order]
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    # Counts and sums of whole weights are exact, hence equal to the last bit.
    if weights is None:
        sums = np.diff(starts, append=len(values)).astype(np.float64)
    else:
        sums = np.add.reduceat(weights, starts)
    return values[starts], sums


def mean_and_scale(values, weights):
    """Weighted mean and standard deviation, of numbers of any size."""
    exponent = int(np.frexp(np.abs(values).max())[1])
    if abs(exponent) > PLAIN_EXPONENT:
        found = mean_and_scale(np.ldexp(values, -exponent), weights)
        return tuple(np.ldexp(number, exponent) for number in found)
    total = weights.sum()
    mean = (weights * values).sum() / total
    return mean, np.sqrt((weights * (values - mean) ** 2).sum() / total)


def middle_and_spread(values, weights):
    """Weighted median, and the quartiles' distance as a standard deviation.

    From the mid-ranks of `distinct_values`. Where one value has half of the weight,
    which is where quartiles say nothing of the others, mean and standard deviation.
    """
    cumulative = np.cumsum(weights)
    total = cumulative[-1]
    if weights.max() >= total / 2:
        return mean_and_scale(values, weights)
    ranks = (cumulative - weights / 2) / total
    low, center, high = interpolate(np.array([0.25, 0.5, 0.75]), ranks, values * 0.25)
    # Quarters of numbers, whose differences do not overflow.
    scale = min((high - low) / _QUARTILES_APART, np.finfo(float).max / 8)
    return center * 4, scale * 4


def gaussian_knots(values, weights, n_quantiles):
    """Knots (x, z) that give a column mean 0, variance at most 1 and a Gaussian shape.

    values and weights come from distinct_values; z is the normal quantile of the
    mid-rank of x, standardised over the column.
    """
    cumulative = np.cumsum(weights)
    p = (cumulative - weights / 2) / cumulative[-1]
    x = values
    if len(x) > n_quantiles:
        keep = np.searchsorted(p, np.linspace(p[0], p[-1], n_quantiles))
        keep[0], keep[-1] = 0, len(x) - 1
        keep = np.unique(keep)
        x, p = x[keep], p[keep]
    z = ndtri(np.clip(p, _SMALLEST_P, 1 - _SMALLEST_P))
    mean, scale = mean_and_scale(interpolate(values, x, z), weights)
    # Without the bound a flag that is set once in 300,000 rows is encoded as 550.
    return np.stack([x, (z - mean) / max(scale, _SMALLEST_SCALE)])


def interpolate(values, x, z):
    """np.interp, which is many times faster where each value is near the last one."""
    if not has_plain_slopes(x):
        return _interpolate_shares(values, x, z)
    if len(values) < 1024 or len(x) < 32:
        return np.interp(values, x, z)
    # Half of a float32 tells values apart well enough, and is sorted by its digits.
    with np.errstate(over="ignore"):
        near = (values - x[len(x) // 2]).astype(np.float32)
    order = np.argsort((near.view(np.uint32) >> 16).astype(np.uint16), kind="stable")
    result = np.empty(len(values))
    result[order] = np.interp(values[order], x, z)
    return result


def has_plain_slopes(x):
    """Whether no difference of knots overflows, and no slope between them."""
    largest = 2.0**PLAIN_EXPONENT
    fits = -largest < x[0] and x[-1] < largest
    return fits and (len(x) < 2 or np.diff(x).min() > 1 / largest**2)


def _interpolate_shares(values, x, z):
    """np.interp by shares of intervals instead of slopes, which may be infinite."""
    values = np.clip(values, x[0], x[-1])
    i = np.clip(np.searchsorted(x, values, side="right") - 1, 0, len(x) - 2)
    ends = x[i], x[i + 1]
    exponent = np.frexp(np.maximum(np.abs(ends[0]), np.abs(ends[1])))[1]
    low, high, own = (np.ldexp(t, -exponent) for t in (*ends, values))
    return z[i] + (own - low) / (high - low) * (z[i + 1] - z[i])


def within_reach(values):
    """Bring numbers, in scales from their centre, smoothly within +-REACH, in place."""
    np.clip(values, -FAR, FAR, out=values)
    values /= np.sqrt(1 + (values / REACH) ** 2)
    return values


def out_of_reach(z):
    """The inverse of `within_reach`."""
    z = np.clip(z, -REACH * (1 - 1e-12), REACH * (1 - 1e-12))
    return z / np.sqrt(1 - (z / REACH) ** 2)
