"""Region volumes: the share of the input space that each class takes."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_random_state

from sklimb._messages import short
from sklimb.analysis._fitted import labelled
from sklimb.analysis._scores import Scores
from sklimb.explanation import check_count

TRIPLES = ("classes", "rows")
# Draws of three rows that may lie on one line before giving up; points at once.
_MAX_DRAWS, _BLOCK_POINTS = 50, 4096


@dataclass(frozen=True)
class RegionVolumes:
    """The result of `region_volumes`, which tells what each field is."""

    classes: np.ndarray
    n_rows: np.ndarray
    share: np.ndarray
    share_error: np.ndarray
    share_members: np.ndarray
    share_planes: np.ndarray
    corners: np.ndarray


def region_volumes(
    clf,
    X,
    y,
    n_planes=100,
    *,
    resolution=21,
    margin=0.25,
    triples="classes",
    sample_weight=None,
    random_state=0,
):
    """Share of planes through random triples of rows that each class takes.

    A plane is looked at on a square grid around its three rows, in encoded space, and
    each point is predicted by the largest probability. Categories and missing
    indicators of a point are those of the nearest of the three rows.

    Parameters
    ----------
    clf : sklimb classifier
        Fitted.
    X : array-like or data frame of shape (n_samples, n_features)
        By rights the training rows.
    y : array-like of shape (n_samples,)
    n_planes : int, default=100
        Triples that are drawn.
    resolution : int, default=21
        Points along a side of the square, at least 2.
    margin : float, default=0.25
        By which share of its side the square goes beyond the rows, on each side.
    triples : {"classes", "rows"}, default="classes"
        "classes" draws each row from another class, every class alike, in turn where
        there are two only; "rows" draws rows, most of which are of frequent classes.
    sample_weight : array-like of shape (n_samples,), default=None
        Only for `n_rows`; rows of weight 0 are no corners.
    random_state : int, RandomState instance or None, default=0
        Of the triples.

    Returns
    -------
    result : RegionVolumes
        - classes: array of shape (n_classes,), labels
        - n_rows: array of shape (n_classes,), rows of X of each class, by weight
        - share: array of shape (n_classes,), mean over planes, sums to 1
        - share_error: array of shape (n_classes,), its standard error over planes
        - share_members: array of shape (n_members, n_classes), as each member predicts
        - share_planes: array of shape (n_planes, n_classes)
        - corners: array of shape (n_planes, 3), labels of the three rows

    Raises
    ------
    ValueError
        `clf` is no fitted classifier of sklimb; rows of one class; a table without a
        number; rows that all lie on one line.

    References
    ----------
    Somepalli et al., "Can Neural Nets Learn the Same Model Twice?", 2022 (the planes).
    Shwartz-Ziv et al., 2023, Figure 19.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import region_volumes
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0).fit(data.X, data.y)
    >>> region_volumes(clf, data.X, data.y, n_planes=5).share.shape
    (2,)
    """
    if triples not in TRIPLES:
        raise ValueError(
            f"triples must be one of {list(TRIPLES)}, got {short(triples)}."
        )
    check_count("n_planes", n_planes)
    check_count("resolution", resolution)
    if resolution < 2:
        raise ValueError("resolution must be at least 2, for a square.")
    name = "region_volumes"
    rows = labelled(clf, X, y, sample_weight, function=name)
    scores = Scores(clf, name, mixed=False)
    random = check_random_state(random_state)
    x, n_free = scores.rows(rows.X)
    x = x[0].double()
    n_classes = len(clf.classes_)
    of_members, mixture, corners = [], [], []
    for _ in range(n_planes):
        triple, axes = _draw(rows.y, x[:, :n_free], triples, random)
        points = _points(x[triple], n_free, axes, resolution, margin)
        log_p = _log_p(scores, points)
        weights = torch.tensor(clf.member_weights_, device=log_p.device)
        p = torch.tensordot(weights, log_p.exp(), 1)
        of_members.append([_share(own, n_classes) for own in log_p])
        mixture.append(_share(p, n_classes))
        corners.append(rows.y[triple])
    planes = np.array(mixture)
    error = np.full(n_classes, np.nan)
    if n_planes > 1:
        error = planes.std(0, ddof=1) / np.sqrt(n_planes)
    return RegionVolumes(
        clf.classes_.copy(),
        np.bincount(rows.y, rows.weight, n_classes),
        planes.mean(0),
        error,
        np.mean(of_members, 0),
        planes,
        clf.classes_[np.array(corners)],
    )


def _draw(y, free, triples, random):
    """Positions of three rows, and orthonormal axes (2, columns) of their plane."""
    there = np.unique(y)
    for _ in range(_MAX_DRAWS):
        if triples == "rows":
            triple = random.choice(len(y), 3, replace=len(y) < 3)
        else:
            codes = np.resize(random.permutation(there), 3)
            triple = [random.choice(np.flatnonzero(y == c)) for c in codes]
        corners = free[triple]
        if free.shape[1] == 1:  # a table of one number has a line for a plane
            return triple, free.new_ones(1, 1)
        sides = (corners[1:] - corners[0]).T
        axes, triangle = torch.linalg.qr(sides)
        length = triangle.diagonal().abs()
        if length.min() > 1e-6 * length.max():
            return triple, axes.T
    raise ValueError(
        "region_volumes needs three rows that span a plane, and the rows of X lie on "
        "one line, or are too alike."
    )


def _points(corners, n_free, axes, resolution, margin):
    """Points of the square around three rows, (points, columns)."""
    centre = corners[:, :n_free].mean(0)
    at = (corners[:, :n_free] - centre) @ axes.T  # (3, axes)
    low, high = at.min(0).values, at.max(0).values
    middle = (low + high) / 2
    half = (high - low).max() * (0.5 + margin)
    line = torch.linspace(-1, 1, resolution, dtype=corners.dtype, device=corners.device)
    grid = torch.cartesian_prod(*[line] * len(axes)).view(-1, len(axes))
    place = middle + half * grid
    points = corners[torch.cdist(place, at).argmin(1)].clone()
    points[:, :n_free] = centre + place @ axes
    return points


@torch.no_grad()
def _log_p(scores, points):
    """(members, points, classes)."""
    parts = [
        scores(part.to(scores.dtype).expand(scores.n_groups, *part.shape))
        for part in points.split(_BLOCK_POINTS)
    ]
    return torch.cat(parts, 1)


def _share(values, n_classes):
    """Share of the points at which each class has the largest value."""
    found = np.bincount(values.argmax(-1).cpu().numpy(), minlength=n_classes)
    return found / found.sum()
