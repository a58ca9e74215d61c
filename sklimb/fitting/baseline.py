"""The class-balanced median row of a fit, which explanations start from."""

import numpy as np


def balanced_median_row(X, y, weight, encoder):
    """The encoded median row over all classes, with equal weight per class.

    Numbers are medians over the rows without a missing value, indicators and codes the
    most frequent value, all weighted by `weight` over the class's sum.

    Parameters
    ----------
    X : array of shape (rows, encoded columns)
    y : integer array of shape (rows,)
    weight : array of shape (rows,)
    encoder : TabularEncoder
        The encoder of X.

    Returns
    -------
    array of shape (encoded columns,), float64
    """
    share = weight / np.bincount(y, weights=weight)[y]
    row = np.array([_mode(column, share) for column in X[:, encoder.n_numeric_ :].T])
    numbers = np.empty(encoder.n_numeric_)
    indicators = encoder.indicator_columns_.tolist()
    for j, i in enumerate(encoder.numeric_columns_.tolist()):
        column, own = X[:, j], share
        if i in indicators:
            k = indicators.index(i)
            like = X[:, encoder.n_numeric_ + k] == row[k]
            column, own = column[like], share[like]
        numbers[j] = _median(column, own)
    return np.concatenate([numbers, row])


def _mode(column, weight):
    values, inverse = np.unique(column, return_inverse=True)
    return values[np.bincount(inverse, weights=weight).argmax()]


def _median(column, weight):
    """The weighted median; the mean of the two middle values if there are two."""
    values, inverse = np.unique(column, return_inverse=True)
    upper = np.cumsum(np.bincount(inverse, weights=weight))
    half = upper[-1] / 2
    # Between classes that do not overlap the weight is one half, but for rounding.
    low, high = np.searchsorted(upper, [half * (1 - 1e-9), half * (1 + 1e-9)])
    return (float(values[low]) + float(values[min(high, len(values) - 1)])) / 2
