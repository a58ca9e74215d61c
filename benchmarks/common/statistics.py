"""Means over folds that share training rows, and their intervals."""

import numpy as np
from scipy import stats


def corrected_mean(values, test_share):
    """Mean and its standard error over folds that share training rows.

    The variance of the mean is var * (1 / J + n_test / n_train), after Nadeau and
    Bengio, "Inference for the Generalization Error" (2003); `test_share` is n_test /
    n_train, or 0 for independent values.
    """
    values = np.asarray(values, dtype=float)
    error = np.sqrt(values.var(ddof=1) * (1 / len(values) + test_share))
    return float(values.mean()), float(error)


def interval(mean, error, n):
    """95 % t interval of a mean of `n` values."""
    half = stats.t.ppf(0.975, n - 1) * error
    return [mean - half, mean + half]
