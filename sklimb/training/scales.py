"""Factors of classes, larger for rare ones: one per class, 1 for balanced classes.

Shared by SAM-A (rho), class-conditional smoothing (eps) and class weights, so that
"inverse" means the same everywhere.
"""

import numpy as np

SCALES = ("uniform", "inverse", "complement", "max_ratio", "head", "printed")


def class_scale(scale, prior, cap=np.inf):
    """Factor r_c for each class.

    Parameters
    ----------
    scale : str or array of shape (classes,)
        "inverse": 1 / (K p); "complement": (1 - p) K / (K - 1); "max_ratio":
        max(p) / p, the code of Shwartz-Ziv et al. (2023); "uniform": 1; "head": K p,
        more for frequent classes, as in MiSLAS; "printed": 1 / (1 - p), equations 5 and
        6 of "Simplifying" (see SAMStep), which grow with the share, unlike its text.
    prior : array of shape (classes,)
        Share p of each class among the training rows.
    cap : float
        Largest factor.

    Returns
    -------
    array of shape (classes,)
    """
    prior = np.asarray(prior, dtype=np.float64)
    n_classes = len(prior)
    # A class without training rows has no loss to scale; 0 would only make a NaN.
    p = np.clip(prior, 1e-12, 1 - 1e-12)
    if not isinstance(scale, str):
        factor = np.asarray(scale, dtype=np.float64)
    elif scale == "uniform":
        factor = np.ones(n_classes)
    elif scale == "inverse":
        factor = 1 / (n_classes * p)
    elif scale == "complement":
        factor = (1 - p) * n_classes / (n_classes - 1)
    elif scale == "max_ratio":
        factor = p.max() / p
    elif scale == "head":
        factor = n_classes * p
    else:  # "printed"
        factor = 1 / (1 - p)
    return np.minimum(factor, cap)


def smoothing_table(eps, scale, maximum, prior):
    """Soft target of each class: row c is (1 - eps_c) onehot(c) + eps_c / K."""
    n_classes = len(prior)
    eps_c = np.minimum(eps * class_scale(scale, prior), maximum)
    return np.diag(1 - eps_c) + eps_c[:, None] / n_classes


def one_if_equal(arrays):
    """Arrays stacked, or only the first if all are the same."""
    if all(np.array_equal(arrays[0], array) for array in arrays):
        arrays = arrays[:1]
    return np.stack(arrays)
