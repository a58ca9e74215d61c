"""Imbalanced data sets made of balanced ones, with the counts of the papers."""

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklimb._compat import _safe_indexing
from sklimb._messages import short

# Added before int(), which would turn 500 - 1e-13 into 499.
_ROUNDING = 1e-9


def make_long_tailed(
    X,
    y,
    imbalance_ratio=100,
    kind="exponential",
    *,
    order="size",
    return_indices=False,
    random_state=None,
):
    """Leave out rows so that class sizes follow a long tail or a step.

    With K classes of n rows each, class i keeps ``int(n * ratio ** (-i / (K - 1)))``
    rows ("exponential") or, from class ``K // 2`` on, ``int(n / ratio)`` rows
    ("step"). So CIFAR-10 at 100 has 5000 2997 1796 1077 645 387 232 139 83 50 images.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, ...), data frame or list
        The rows, or images.
    y : array-like of shape (n_samples,)
        Their classes.
    imbalance_ratio : float, default=100
        Rows of the largest class over those of the smallest one, at least 1.
    kind : {"exponential", "step"}, default="exponential"
        Cui et al. (2019) and Cao et al. (2019), or Buda et al. (2018). Of an odd number
        of classes the greater part is small in a step.
    order : {"size", "label"}, default="size"
        Which class is the head: the largest one, or the first one by label. Equally
        large classes are in the order of their labels, so for balanced data both are
        the same.
    return_indices : bool, default=False
        Return the rows' positions too.
    random_state : int, RandomState instance or None, default=None
        Decides which rows stay. With one seed the rows at a larger ratio are among
        those at a smaller one, as long as the head stays as large.

    Returns
    -------
    X, y : of the types given
        The rows that stay, in their old order.
    indices : ndarray of shape (n_kept,)
        Their positions, ascending. Only with ``return_indices=True``.

    Raises
    ------
    ValueError
        A parameter is out of its range, or a class would lose all of its rows.

    Notes
    -----
    Where classes are unequal, the head gets the largest number of rows with which no
    class needs more rows than it has.

    References
    ----------
    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.
    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
    Loss", NeurIPS 2019. Buda et al., "A systematic study of the class imbalance problem
    in convolutional neural networks", Neural Networks 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklimb.datasets import make_long_tailed
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = make_long_tailed(X, y, imbalance_ratio=10, random_state=0)
    >>> np.sort(np.bincount(y))[::-1].tolist()
    [183, 141, 109, 84, 65, 50, 39, 30, 23, 18]
    """
    if not isinstance(imbalance_ratio, Real) or not 1 <= imbalance_ratio < np.inf:
        raise ValueError(
            "imbalance_ratio must be a number of at least 1 (largest / smallest class),"
            f" got {short(imbalance_ratio)}."
        )
    for name, value, known in [
        ("kind", kind, ("exponential", "step")),
        ("order", order, ("size", "label")),
    ]:
        if value not in known:
            raise ValueError(
                f"{name} must be one of {list(known)}, got {short(value)}."
            )
    check_consistent_length(X, y)
    labels, codes, sizes = np.unique(
        _checked(y), return_inverse=True, return_counts=True
    )
    if len(labels) < 2:
        raise ValueError(f"y must have at least two classes, got {len(labels)}.")
    rank = np.arange(len(labels))
    if order == "size":
        rank[np.argsort(-sizes, kind="stable")] = np.arange(len(labels))
    keep = _counts(sizes, rank, float(imbalance_ratio), kind)
    if keep.min() < 1:
        raise ValueError(
            f"imbalance_ratio={short(imbalance_ratio)} leaves the class "
            f"{short(labels.tolist()[keep.argmin()])} no row, because the largest "
            f"class has {keep.max()} rows. Choose a ratio of at most {keep.max()}."
        )
    rng = check_random_state(random_state)
    rows = [np.flatnonzero(codes == c) for c in range(len(labels))]
    indices = np.sort(
        np.concatenate(
            [rng.permutation(own)[:n] for own, n in zip(rows, keep, strict=True)]
        )
    )
    kept = _safe_indexing(X, indices), _safe_indexing(y, indices)
    return (*kept, indices) if return_indices else kept


def _checked(y):
    """Classes of the rows, none missing."""
    y = column_or_1d(y)
    missing = np.flatnonzero(pd.isna(y))
    if len(missing):
        raise ValueError(
            f"Input y contains NaN: row {missing[0]} has no label. Drop such rows, or "
            "give the missing label a name."
        )
    check_classification_targets(y)
    return y


def _counts(sizes, rank, ratio, kind):
    """Number of rows that each class keeps."""
    n_classes = len(sizes)
    if kind == "exponential":
        share = (1 / ratio) ** (rank / (n_classes - 1))
    else:
        # NOTE[DIFF]: LDAM-DRW gives n_classes // 2 classes to either part and so loses
        # the last one of an odd number.
        share = np.where(rank < n_classes // 2, 1.0, 1 / ratio)
    head = (sizes / share).min()
    return np.minimum((head * share + _ROUNDING).astype(np.int64), sizes)
