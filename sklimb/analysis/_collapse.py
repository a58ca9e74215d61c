"""Neural collapse: how tightly the features of a class lie around their mean."""

from dataclasses import dataclass

import numpy as np

from sklimb.analysis._fitted import labelled, log_probability

# Rows at once: what stays in the caches.
_BLOCK = 1024


@dataclass(frozen=True)
class NeuralCollapse:
    """The result of `neural_collapse`, which tells what each field is."""

    classes: np.ndarray
    n_rows: np.ndarray
    cdnv_members: np.ndarray
    cdnv: np.ndarray
    cdnv_mean: float
    class_cdnv: np.ndarray
    ncm_accuracy_members: np.ndarray
    ncm_accuracy: float
    ncm_agreement_members: np.ndarray
    ncm_agreement: float
    class_ncm_accuracy: np.ndarray
    class_ncm_agreement: np.ndarray


def neural_collapse(clf, X, y, sample_weight=None, *, means_from=None):
    """How far the features of each class have collapsed to their mean.

    The class-distance normalised variance (CDNV) of two classes is the mean of their
    variances over the squared distance of their means: 0 is full collapse. The nearest
    class mean (NCM) is a classifier of its own on the same features; in collapse it
    says what the network says.

    Parameters
    ----------
    clf : sklimb classifier
        Fitted.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows of training or of a test.
    y : array-like of shape (n_samples,)
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in all means and shares.
    means_from : tuple (X, y) or None, default=None
        Rows whose class means are those of NCM, such as the training rows when X are
        rows of a test. By default X itself.

    Returns
    -------
    result : NeuralCollapse
        - classes: array of shape (n_classes,), labels
        - n_rows: array of shape (n_classes,), rows by weight
        - cdnv_members: array of shape (n_members, n_classes, n_classes), NaN on the
          diagonal and for a class without rows
        - cdnv: array of shape (n_classes, n_classes), mean over members
        - cdnv_mean: float, mean over pairs
        - class_cdnv: array of shape (n_classes,), mean over the pairs of a class
        - ncm_accuracy_members: array of shape (n_members,)
        - ncm_accuracy: float, share of rows whose nearest mean is their class
        - ncm_agreement_members: array of shape (n_members,)
        - ncm_agreement: float, share of rows whose nearest mean is the class that the
          same network finds most probable
        - class_ncm_accuracy, class_ncm_agreement: arrays of shape (n_classes,), of the
          rows of each class

        Means over members count each network alike.

    Raises
    ------
    ValueError
        `clf` is no fitted classifier of sklimb; rows of one class; a class of `y`
        without rows in `means_from`.

    References
    ----------
    Galanti et al., "On the Role of Neural Collapse in Transfer Learning", 2022 (CDNV).
    Papyan et al., "Prevalence of Neural Collapse during the Terminal Phase of Deep
    Learning Training", 2020. Shwartz-Ziv et al., 2023, Table 4.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import neural_collapse
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0).fit(data.X, data.y)
    >>> neural_collapse(clf, data.X, data.y).cdnv.shape
    (2, 2)
    """
    name = "neural_collapse"
    rows = labelled(clf, X, y, sample_weight, function=name)
    features = clf.net_.blocks_embed(rows.X).cpu().numpy()
    n_classes = len(clf.classes_)
    means = nearest_to = _means(features, rows.y, rows.weight, n_classes)
    if means_from is not None:
        others = labelled(clf, *means_from, function=name)
        theirs = clf.net_.blocks_embed(others.X).cpu().numpy()
        nearest_to = _means(theirs, others.y, others.weight, n_classes)
        lost = np.setdiff1d(rows.y, others.y)
        if len(lost):
            raise ValueError(
                "means_from must hold rows of all classes of y, and has none of class "
                f"{clf.classes_.tolist()[lost[0]]!r}."
            )
    variance, nearest = _distances(features, rows.y, rows.weight, means, nearest_to)
    says = log_probability(clf, rows.X).argmax(-1)
    cdnv = _cdnv(means, variance)
    right, same = nearest == rows.y, nearest == says
    accuracy, class_accuracy = _shares(right, rows.y, rows.weight, n_classes)
    agreement, class_agreement = _shares(same, rows.y, rows.weight, n_classes)
    pairs = cdnv.mean(0)
    return NeuralCollapse(
        clf.classes_.copy(),
        np.bincount(rows.y, rows.weight, n_classes),
        cdnv,
        pairs,
        float(np.nanmean(pairs)),
        _nanmean(pairs),
        accuracy,
        float(accuracy.mean()),
        agreement,
        float(agreement.mean()),
        class_accuracy.mean(0),
        class_agreement.mean(0),
    )


def _blocks(features):
    """(member, rows, features of them in float64)."""
    for k, own in enumerate(features):
        for begin in range(0, len(own), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            yield k, rows, own[rows].astype(np.float64)


def _means(features, y, weight, n_classes):
    """Means (K, classes, d) of each class in float64, NaN without rows."""
    sums = np.zeros((len(features), n_classes, features.shape[2]))
    share = weight[:, None] * (y[:, None] == np.arange(n_classes))
    for k, rows, own in _blocks(features):
        sums[k] += share[rows].T @ own
    with np.errstate(invalid="ignore"):
        return sums / share.sum(0)[:, None]


def _distances(features, y, weight, means, nearest_to):
    """Variance (K, classes) around `means`, and the nearest of `nearest_to` (K, n)."""
    n_classes = means.shape[1]
    sums = np.zeros(means.shape[:2])
    nearest = np.empty(features.shape[:2], dtype=np.int64)
    there = np.flatnonzero(~np.isnan(nearest_to[0, :, 0]))
    for k, rows, own in _blocks(features):
        known = nearest_to[k, there]
        apart = np.square(known).sum(1) - 2 * own @ known.T
        nearest[k, rows] = there[apart.argmin(1)]
        own -= means[k, y[rows]]
        squares = weight[rows] * np.einsum("ij,ij->i", own, own)
        sums[k] += np.bincount(y[rows], squares, n_classes)
    with np.errstate(invalid="ignore"):
        return sums / np.bincount(y, weight, n_classes), nearest


def _cdnv(means, variance):
    """(K, classes, classes); NaN on the diagonal, infinite for means that coincide."""
    apart = np.square(means[:, :, None] - means[:, None]).sum(-1)
    both = variance[:, :, None] + variance[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cdnv = both / (2 * apart)
    diagonal = np.arange(cdnv.shape[-1])
    cdnv[:, diagonal, diagonal] = np.nan
    return cdnv


def _shares(hit, y, weight, n_classes):
    """Share of hits (K, rows) of all rows, (K,), and of each class, (K, classes)."""
    every = hit @ weight / weight.sum()
    totals = np.bincount(y, weight, n_classes)
    hits = np.stack([np.bincount(y, weight * own, n_classes) for own in hit])
    with np.errstate(invalid="ignore"):
        return every, hits / totals


def _nanmean(pairs):
    """Mean of the pairs of each class, NaN for a class without any."""
    there = ~np.isnan(pairs).all(1)
    out = np.full(len(pairs), np.nan)
    out[there] = np.nanmean(pairs[there], axis=1)
    return out
