"""Bin edges of piecewise-linear embeddings: weighted quantiles."""

import numpy as np
import torch

# Edges nearer than this are one: in float32 the slope between them would be infinite.
_NEAREST = 2.0**-100


def weighted_edges(X, weight, n_bins):
    """Increasing edges of each column, at most `n_bins` bins.

    Parameters
    ----------
    X : array of shape (rows, columns)
    weight : array of shape (rows,)
        A row of weight k counts as k rows.
    n_bins : int
        At most the number of distinct values of a column.

    Returns
    -------
    tensor of shape (columns, edges), float64
        A column with fewer edges than the widest repeats its last one.
    """
    all_edges = []
    for column in np.asarray(X, dtype=np.float64).T:
        values, inverse = np.unique(column, return_inverse=True)
        total = np.bincount(inverse, weights=weight)
        upper = np.cumsum(total) / total.sum()
        if len(values) > n_bins + 1:
            wanted = np.linspace(0, 1, n_bins + 1)
            at = np.searchsorted(upper, wanted).clip(max=len(values) - 1)
            values = values[np.unique(np.r_[0, at, len(values) - 1])]
        all_edges.append(values[np.append(True, np.diff(values) > _NEAREST)])
    width = max(2, *(len(e) for e in all_edges)) if all_edges else 2
    padded = [np.r_[e, np.full(width - len(e), e[-1])] for e in all_edges]
    return torch.tensor(np.array(padded))
