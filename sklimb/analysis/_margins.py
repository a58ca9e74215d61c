"""Margins: how far rows are from the boundary at which the prediction changes."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_random_state

from sklimb._messages import short
from sklimb.analysis._fitted import (
    check_classifier,
    log_probability,
    mean_over,
    n_members,
)
from sklimb.analysis._lines import crossing, lead
from sklimb.analysis._scores import Scores
from sklimb.explanation import check_count
from sklimb.inputs.labels import check_labels, label_codes

BOUNDARIES = ("argmax", "decision")
# Rows at once; rivals of each row whose boundary is tried first, at most.
_BLOCK_ROWS, _MAX_RIVALS = 2048, 9
# Shortening by less than this share is not worth a line.
_WORTH = 1e-3
# Rows that are drawn by default: 5,600 rows then cost less than 3 passes.
_AUTO_ROWS = 800
# Rows of each predicted class towards which the others are moved, at most.
_MAX_OTHERS = 256


@dataclass(frozen=True)
class Margins:
    """The result of `margins`, which tells what each field is."""

    rows: np.ndarray
    distance: np.ndarray
    distance_members: np.ndarray
    predicted: np.ndarray
    classes: np.ndarray
    class_of: np.ndarray
    class_mean: np.ndarray
    class_median: np.ndarray
    class_lowest: np.ndarray
    class_not_found: np.ndarray


def margins(
    clf,
    X,
    y=None,
    *,
    boundary="argmax",
    n_steps=2,
    members=False,
    max_rows="auto",
    random_state=0,
):
    """Signed distance of rows to the boundary at which the prediction changes.

    Distances are Euclidean in encoded space: standard deviations of the transformed
    numbers of a table, whose categories and missing indicators are held as they are, or
    pixels from 0 to 1 of images. Each Newton-like step aims at the nearest point of the
    boundary, linearised at the row and then where it was met, and finds where its line
    crosses the boundary; the way to the nearest of those rows that is predicted
    otherwise is tried, too, and the shortest is kept. So a margin is exact on a linear
    network and otherwise an upper bound, close where the boundary is not too curved.

    Parameters
    ----------
    clf : sklimb classifier
        Fitted.
    X : array-like or data frame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,), default=None
        Labels: then distances of rows that are predicted wrongly are negative. Without
        labels they are positive where `classes_[1]` of two classes is predicted and
        negative elsewhere; of more classes all are positive.
    boundary : {"argmax", "decision"}, default="argmax"
        Of the largest probability, or of what `predict` decides by `decision`.
    n_steps : int, default=2
        Steps, of which each takes a gradient; more of them find shorter ways.
    members : bool, default=False
        Also find the margins of each member's own prediction, at more than twice the
        cost; otherwise `distance_members` has no rows where there are several.
    max_rows : int, "auto" or None, default="auto"
        Rows of each class (of `y`, or as predicted) that are looked at, drawn at
        random; None looks at all. "auto" looks at all of up to 800 rows, and of more
        at 800: as many of each class, or all that there are of a rare one.
    random_state : int, RandomState instance or None, default=0
        Of the draw.

    Returns
    -------
    result : Margins
        - rows: array of shape (n_rows,), positions in X of the rows that are looked at
        - distance: array of shape (n_rows,), of the classifier's prediction, NaN
          where no boundary was found
        - distance_members: array of shape (n_members, n_rows), of each member
        - predicted: array of shape (n_rows,), labels on this side of the boundary
        - classes: array of shape (n_classes,)
        - class_of: array of shape (n_rows,), the label each row is summarised by:
          that of `y`, or the predicted one
        - class_mean, class_median, class_lowest: arrays of shape (n_classes,), mean,
          median and 5 % quantile of the distances of each class
        - class_not_found: array of shape (n_classes,), share without a boundary

    Raises
    ------
    ValueError
        `clf` is no fitted classifier of sklimb; a table without a number; an unknown
        `boundary`.

    Notes
    -----
    Two steps take 12 passes of `predict_proba` over the rows that are looked at, and
    one step 10: a gradient is 2 passes, and each point on a line one. The default on
    5,600 rows is below 3 passes over all of them, on more rows less; fewer rows than
    800 are all looked at, which costs milliseconds.

    On a network with embeddings of numbers more steps go on finding shorter ways: on
    simulated transactions half of the distances of 1, 2 and 4 steps were at least 36,
    20 and 4 % above those of 8, and the mean of the frequent class 2.4, 2.0 and 1.4
    times theirs. Compare margins of the same `n_steps` alone; `class_lowest` hardly
    changes.

    References
    ----------
    Moosavi-Dezfooli et al., "DeepFool", 2016. Hasofer & Lind, "Exact and Invariant
    Second-Moment Code Format", 1974 (the steps). Huang et al., "Understanding
    Generalization through Visualizations", 2020.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import margins
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0).fit(data.X, data.y)
    >>> margins(clf, data.X, data.y).distance.shape
    (500,)
    """
    check_classifier(clf, "margins")
    if boundary not in BOUNDARIES:
        raise ValueError(
            f"boundary must be one of {list(BOUNDARIES)}, got {short(boundary)}."
        )
    if type(n_steps) is not int or n_steps < 1:
        raise ValueError(f"n_steps must be an int of at least 1, got {short(n_steps)}.")
    if max_rows not in ("auto", None):
        check_count("max_rows", max_rows)
    encoded = clf._encode(X)
    codes = None
    if y is not None:
        y = check_labels(y)
        codes = label_codes(y, clf.classes_, np.arange(len(y)))
        if len(codes) != len(encoded):
            raise ValueError(
                f"y must have one label a row, {len(encoded)}, got {len(codes)}."
            )
    rows = np.arange(len(encoded))
    if max_rows == "auto" and len(encoded) <= _AUTO_ROWS:
        max_rows = None
    if max_rows is not None:
        of = codes
        if of is None:
            p = mean_over(clf.member_weights_, np.exp(log_probability(clf, encoded)))
            of = p.argmax(1)
        if max_rows == "auto":
            max_rows = _even_share(np.bincount(of), _AUTO_ROWS)
        rows = _drawn(of, max_rows, check_random_state(random_state))
        encoded, codes = encoded[rows], None if codes is None else codes[rows]
    scores = Scores(clf, "margins", boundary)
    distance, predicted = _distances(scores, encoded, n_steps)
    each = distance
    own = predicted
    if n_members(clf) > 1:
        each = np.empty((0, len(encoded)))
        if members:
            scores = Scores(clf, "margins", boundary, mixed=False)
            each, own = _distances(scores, encoded, n_steps)
    distance = _signed(distance, predicted, codes, len(clf.classes_))[0]
    if len(each):
        each = _signed(each, own, codes, len(clf.classes_))
    predicted = predicted[0]
    of = predicted if codes is None else codes
    return Margins(
        rows,
        distance,
        each,
        clf.classes_[predicted],
        clf.classes_.copy(),
        clf.classes_[of],
        *_by_class(distance, of, len(clf.classes_)),
    )


def _even_share(counts, total):
    """Most rows of a class, if `total` are shared evenly and small ones are whole."""
    counts = np.sort(counts[counts > 0])
    for i, count in enumerate(counts):
        share = total // (len(counts) - i)
        if count > share:
            break
        total -= count
    return max(1, share)


def _drawn(codes, most, random):
    """Positions of at most `most` rows of each class, in their order."""
    order = random.permutation(len(codes))
    kept = [order[codes[order] == c][:most] for c in np.unique(codes)]
    return np.sort(np.concatenate(kept))


def _signed(distance, predicted, codes, n_classes):
    """Distances (groups, rows) with their sign."""
    if codes is not None:
        return np.where(predicted == codes, distance, -distance)
    if n_classes == 2:
        return np.where(predicted == 1, distance, -distance)
    return distance


def _by_class(distance, of, n_classes):
    """Mean, median, 5 % quantile and share of NaN of each class; NaN without rows."""
    out = np.full((4, n_classes), np.nan)
    for c in np.unique(of):
        own = distance[of == c]
        known = own[~np.isnan(own)]
        out[3, c] = 1 - len(known) / len(own)
        if len(known):
            out[:3, c] = known.mean(), np.median(known), np.quantile(known, 0.05)
    return out


def _distances(scores, encoded, n_steps):
    """Distances (groups, rows), NaN where none was found, and predicted codes."""
    blocks = []
    with torch.inference_mode(False), torch.enable_grad():
        for begin in range(0, len(encoded), _BLOCK_ROWS):
            blocks.append(_Block(scores, encoded[begin : begin + _BLOCK_ROWS]))
        for block in blocks:
            block.try_path(block.every, block.first)
        _towards_other_rows(blocks)
        for block in blocks:
            block.share.fill_(1.0)
            for _ in range(n_steps - 1):
                block.shorten()
        distance = torch.cat([block.distance for block in blocks], 1)
        predicted = torch.cat([block.predicted for block in blocks], 1)
    distance = torch.where(distance.isinf(), torch.nan, distance)
    return distance.cpu().numpy(), predicted.cpu().numpy()


class _Block:
    """A few encoded rows, whose free columns move and whose others are held.

    `path` leads from each row to a point of the boundary, which is `distance` away;
    where none is known, `distance` is infinite.
    """

    def __init__(self, scores, encoded):
        self.scores = scores
        x, n_free = scores.rows(encoded)
        self.start, self.rest = x[..., :n_free].double(), x[..., n_free:]
        self.first, self.value, self.predicted = _first_step(self.at, self.start)
        self.every = torch.arange(self.start.shape[1], device=x.device)
        self.path = torch.zeros_like(self.first)
        self.distance = torch.full_like(self.value, torch.inf)
        self.share = torch.ones_like(self.value)

    def at(self, free, rows=slice(None)):
        """Scores where the free columns of these rows are `free`."""
        fixed = self.rest[:, rows]
        return self.scores(torch.cat([free.to(fixed.dtype), fixed], -1))

    def try_path(self, rows, path, reach=torch.inf):
        """Follow `path` from some rows, and keep it where it is shorter.

        Not beyond `reach` times the path.
        """
        length = path.norm(dim=-1)
        limit = torch.minimum(self.distance[:, rows], reach * length)

        def at(free, some):
            return self.at(free, rows[some])

        t = crossing(
            at,
            self.start[:, rows],
            path,
            self.value[:, rows],
            self.predicted[:, rows],
            limit,
        )
        distance = torch.where(t.isinf(), torch.inf, t * length)
        better = distance < self.distance[:, rows]
        self.distance[:, rows] = torch.where(better, distance, self.distance[:, rows])
        path = torch.where(better.unsqueeze(-1), t.unsqueeze(-1) * path, 0.0)
        self.path[:, rows] = torch.where(better.unsqueeze(-1), path, self.path[:, rows])
        self.share[:, rows] *= torch.where(better, 1.0, 0.25).to(t.dtype)

    def shorten(self):
        """Linearise the boundary where it was met, and aim at its nearest point."""
        rows = self.distance.isfinite().any(0).nonzero()[:, 0]
        if not len(rows):
            return
        path = self.path[:, rows]
        _, slope = _gap(
            self.at, self.start[:, rows] + path, self.predicted[:, rows], rows
        )
        squares = slope.square().sum(-1, keepdim=True)
        along = (slope * path).sum(-1, keepdim=True)
        aim = torch.where(squares > 0, slope * along / squares, path)
        aim = path + self.share[:, rows].unsqueeze(-1) * (aim - path)
        shorter = aim.norm(dim=-1) < (1 - _WORTH) * path.norm(dim=-1)
        turned = shorter.any(0)
        if turned.any():
            self.try_path(rows[turned], aim[:, turned], reach=1.5)


def _towards_other_rows(blocks):
    """Try the way from each row to the nearest one that is predicted otherwise.

    The row keeps its own held columns, so that this way need not meet a boundary.
    """
    there = torch.cat([block.start for block in blocks], 1)
    predicted = torch.cat([block.predicted for block in blocks], 1)
    some = torch.zeros(there.shape[1], dtype=torch.bool, device=there.device)
    for code in predicted.unique():
        of = (predicted == code).any(0).nonzero()[:, 0]
        some[of[:: -(-len(of) // _MAX_OTHERS)]] = True
    there, predicted = there[:, some], predicted[:, some]
    for block in blocks:
        # Which is nearest, not how near: float32 is enough.
        apart = torch.cdist(block.start.float(), there.float())
        same = block.predicted.unsqueeze(-1) == predicted.unsqueeze(1)
        nearest, target = apart.masked_fill_(same, torch.inf).min(-1)
        target = target.unsqueeze(-1).expand(*target.shape, there.shape[-1])
        path = there.gather(1, target) - block.start
        path = torch.where(nearest.isinf().unsqueeze(-1), 0.0, path)
        block.try_path(block.every, path, reach=1.0)


def _first_step(at, start):
    """The step to the nearest linearised boundary, the gap here, the prediction."""
    x = start.clone().requires_grad_()
    s = at(x)
    order = torch.argsort(s.detach(), dim=-1, descending=True, stable=True)
    predicted = order[..., 0]
    own = s.gather(-1, predicted.unsqueeze(-1))[..., 0]
    n_rivals = min(s.shape[-1] - 1, _MAX_RIVALS)
    nearest = torch.full(predicted.shape, torch.inf, dtype=s.dtype, device=s.device)
    step = torch.zeros_like(start)
    first_gap = None
    for r in range(1, n_rivals + 1):
        gap = own - s.gather(-1, order[..., r : r + 1])[..., 0]
        (slope,) = torch.autograd.grad(gap.sum(), x, retain_graph=r < n_rivals)
        gap = gap.detach()
        first_gap = gap if first_gap is None else first_gap
        squares = slope.square().sum(-1)
        distance = torch.where(squares > 0, gap / squares.sqrt(), torch.inf)
        closer = distance < nearest
        nearest = torch.where(closer, distance, nearest)
        scale = (-gap / squares.clamp_min(1e-300)).unsqueeze(-1)
        step = torch.where(closer.unsqueeze(-1), slope * scale, step)
    return step, first_gap, predicted


def _gap(at, free, predicted, rows):
    """Score of the predicted class less the best other one, and its slope."""
    x = free.clone().requires_grad_()
    gap = lead(at(x, rows), predicted)
    (slope,) = torch.autograd.grad(gap.sum(), x)
    return gap.detach(), slope
