"""Rank-1 identification: is the nearest other image one of the same identity?"""

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, check_consistent_length

from sklimb._messages import short
from sklimb.metrics._checks import check_column, check_weight

# Similarities that are held at once.
_BLOCK = 2**22


def rank_1_accuracy(y_true, embedding, *, sample_weight=None):
    """Share of images whose nearest other image shows the same identity.

    Each image is compared with all others by the cosine of their features, so the
    identities need not be among those of training. An image that is alone with its
    identity is never right.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Identities.
    embedding : array-like of shape (n_samples, d) or (n_members, n_samples, d)
        Features, as `embed` of a classifier gives them; those of several members by
        the mean of their cosines.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the images in the share. None weighs every image 1.

    Returns
    -------
    accuracy : float
        In [0, 1].

    Raises
    ------
    ValueError
        When there are fewer than two images, features that are not finite, or not one
        row of them per identity.

    See Also
    --------
    rank_1_report : The same by groups.

    References
    ----------
    Bansal et al., "MetaBalance: High-Performance Neural Networks for Class-Imbalanced
    Data", 2021, section 4.3.

    Examples
    --------
    >>> from sklimb.metrics import rank_1_accuracy
    >>> rank_1_accuracy([0, 0, 1, 1], [[1, 0], [2, 0.1], [0, 1], [1, 0.2]])
    0.75
    """
    right = _right(y_true, embedding)
    return float(np.average(right, weights=check_weight(sample_weight, right)))


def rank_1_report(y_true, embedding, *, groups):
    """Rank-1 accuracy of the images of each group.

    Every image is compared with those of all groups.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Identities.
    embedding : array-like of shape (n_samples, d) or (n_members, n_samples, d)
        Features, as in `rank_1_accuracy`.
    groups : array-like of shape (n_samples,)
        Group of each image, such as the sex of the person.

    Returns
    -------
    report : DataFrame of shape (n_groups + 1, 3)
        A row for each group in sorted order and "all"; the columns

        - images: int, images of the group
        - identities: int, identities that they show
        - accuracy: float, share whose nearest other image shows the same identity

    Raises
    ------
    ValueError
        As `rank_1_accuracy`.

    Examples
    --------
    >>> from sklimb.metrics import rank_1_report
    >>> features = [[1, 0], [2, 0.1], [0, 1], [1, 0.2]]
    >>> rank_1_report([0, 0, 1, 1], features, groups=["f", "f", "m", "m"])
         images  identities  accuracy
    f         2           1      1.00
    m         2           1      0.50
    all       4           2      0.75
    """
    y_true, right = check_column("y_true", y_true), _right(y_true, embedding)
    groups = check_column("groups", groups)
    check_consistent_length(y_true, groups)
    parts = {group: groups == group for group in np.unique(groups).tolist()}
    parts["all"] = np.ones(len(right), dtype=bool)
    report = {
        name: (int(own.sum()), len(np.unique(y_true[own])), right[own].mean())
        for name, own in parts.items()
    }
    columns = ["images", "identities", "accuracy"]
    return pd.DataFrame.from_dict(report, orient="index", columns=columns)


class Rank1Scorer:
    """Scorer of `rank_1_accuracy`, by the features of a fitted classifier."""

    def __call__(self, estimator, X, y, sample_weight=None):
        return rank_1_accuracy(y, estimator.embed(X), sample_weight=sample_weight)

    def __repr__(self):
        return "get_scorer('rank_1_accuracy')"


def _right(y_true, embedding):
    """Whether the nearest other image of each is of its identity."""
    y_true = check_column("y_true", y_true)
    features = np.asarray(embedding, dtype=np.float64)
    features = features[None] if features.ndim == 2 else features
    if features.ndim != 3:
        raise ValueError(
            "embedding must have the shape (n_samples, d) or (n_members, n_samples, "
            f"d), got {short(np.shape(embedding))}."
        )
    assert_all_finite(features, input_name="embedding")
    check_consistent_length(y_true, features[0])
    n = len(y_true)
    if n < 2:
        raise ValueError(f"y_true must hold two images at least, got {n}.")
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    features = features / np.where(length > 0, length, 1.0)
    right = np.empty(n, dtype=bool)
    step = max(1, _BLOCK // n)
    for begin in range(0, n, step):
        rows = np.arange(begin, min(begin + step, n))
        cosines = np.einsum("kid,kjd->ij", features[:, rows], features, optimize=True)
        cosines[np.arange(len(rows)), rows] = -np.inf
        right[rows] = y_true[cosines.argmax(1)] == y_true[rows]
    return right
