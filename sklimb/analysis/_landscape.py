"""The training loss around a fit: along random directions, or to another fit."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import nn

from sklimb._messages import short
from sklimb.analysis._fitted import (
    check_classifier,
    labelled,
    n_members,
    objective_of,
)
from sklimb.analysis._loss import loss_weights, row_losses
from sklimb.explanation import check_count
from sklimb.nn import PackedCategoryEmbeddings
from sklimb.nn.embeddings import (
    PackedLinearEmbeddings,
    PackedPeriodicEmbeddings,
    PackedPiecewiseLinearEmbeddings,
)
from sklimb.nn.line import PackedLineCategories, PackedLines
from sklimb.nn.packed import PackedCosineLinear, PackedLinear

BATCH_NORM = ("stored", "re-estimated")
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_EMBEDDINGS = (
    PackedCategoryEmbeddings,
    PackedLinearEmbeddings,
    PackedPeriodicEmbeddings,
    PackedPiecewiseLinearEmbeddings,
)
# Rows at once.
_BLOCK_ROWS = 2048


@dataclass(frozen=True)
class LossLandscape:
    """The result of `loss_landscape`, which tells what each field is."""

    positions: np.ndarray
    loss: np.ndarray
    loss_members: np.ndarray
    classes: np.ndarray
    class_loss: np.ndarray
    class_loss_members: np.ndarray
    class_recall: np.ndarray
    directions: int
    to_other: bool


def loss_landscape(
    clf,
    X,
    y,
    directions=1,
    other=None,
    *,
    span=1.0,
    n_points=21,
    batch_norm="stored",
    sample_weight=None,
    random_state=0,
):
    """The training loss along random directions of the weights, or to another fit.

    The loss is that of `hessian_eigenvalues`: without regularisation, with the weights
    of rows and classes. Directions are filter-normalised: normal draws, of which the
    part of each filter (the weights into one unit) is as long as the filter itself;
    biases and the weights of normalisations stay. So distances mean the same in
    networks of different scale.

    Parameters
    ----------
    clf : sklimb classifier
        Fitted.
    X : array-like or data frame of shape (n_samples, n_features)
        By rights the training rows.
    y : array-like of shape (n_samples,)
    directions : {1, 2}, default=1
        Random directions, each member its own.
    other : sklimb classifier or None, default=None
        Fitted to the same rows with the same network: then the weights go on the
        straight line from those of `clf` at 0 to those of `other` at 1.
    span : float, default=1.0
        Positions are from -span to span in the lengths of filters; with `other` from 0
        to 1.
    n_points : int, default=21
        Positions along a direction; an odd number holds the fit itself.
    batch_norm : {"stored", "re-estimated"}, default="stored"
        Statistics of BatchNorm: those of the fit (on a line, between both), or anew at
        each position from the rows of X.
    sample_weight : array-like of shape (n_samples,), default=None
    random_state : int, RandomState instance or None, default=0
        Of the directions.

    Returns
    -------
    result : LossLandscape
        - positions: array of shape (n_points,)
        - loss: array of shape (n_points,) or (n_points, n_points), mean over members
        - loss_members: array of shape (n_members, n_points) or so
        - classes: array of shape (n_classes,)
        - class_loss: array of shape (n_points, n_classes) or (n_points, n_points,
          n_classes), mean loss of the rows of each class, NaN without rows
        - class_loss_members: the same of each member, with n_members first
        - class_recall: of the shape of `class_loss`, share of the rows of a class whose
          most probable class is theirs
        - directions: int
        - to_other: bool, whether positions lead to `other`

    Raises
    ------
    ValueError
        `clf` or `other` is no fitted classifier of sklimb; rows of one class; `other`
        has another network, other classes or other encoded rows.

    References
    ----------
    Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import loss_landscape
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0).fit(data.X, data.y)
    >>> loss_landscape(clf, data.X, data.y, n_points=5).class_loss.shape
    (5, 2)
    """
    name = "loss_landscape"
    if directions not in (1, 2) or isinstance(directions, bool):
        raise ValueError(f"directions must be 1 or 2, got {short(directions)}.")
    check_count("n_points", n_points)
    if batch_norm not in BATCH_NORM:
        raise ValueError(
            f"batch_norm must be one of {list(BATCH_NORM)}, got {short(batch_norm)}."
        )
    if not isinstance(span, Real) or not 0 < float(span) < np.inf:
        raise ValueError(f"span must be a number above 0, got {short(span)}.")
    rows = labelled(clf, X, y, sample_weight, function=name)
    if other is not None:
        _check_other(clf, other, X, rows, directions)
    weight = loss_weights(clf, rows)
    surface = _Surface(clf, rows, weight, batch_norm == "re-estimated")
    if other is None:
        random = check_random_state(random_state)
        ways = [surface.random_direction(random) for _ in range(directions)]
        positions = float(span) * np.linspace(-1, 1, n_points)
    else:
        ways = [surface.way_to(objective_of(other).model)]
        positions = np.linspace(0, 1, n_points)
    grid = np.stack(np.meshgrid(*[positions] * len(ways), indexing="ij"), -1)
    flat = grid.reshape(-1, len(ways))
    found = [surface.at(ways, place) for place in flat]
    losses, class_losses, recalls = (
        np.stack(parts, 1) for parts in zip(*found, strict=True)
    )
    shape = grid.shape[:-1]
    losses = losses.reshape(len(losses), *shape)
    class_losses = class_losses.reshape(len(losses), *shape, -1)
    recalls = recalls.reshape(len(losses), *shape, -1)
    return LossLandscape(
        positions,
        losses.mean(0),
        losses,
        clf.classes_.copy(),
        class_losses.mean(0),
        class_losses,
        recalls.mean(0),
        len(ways),
        other is not None,
    )


def _check_other(clf, other, X, rows, directions):
    """Refuse another fit to which there is no straight line."""
    check_classifier(other, "other of loss_landscape")
    if directions != 1:
        raise ValueError("other is one direction: set directions=1.")
    alike = (
        type(other) is type(clf)
        and other.module_config_ == clf.module_config_
        and n_members(other) == n_members(clf)
    )
    if not alike:
        raise ValueError(
            "other must have the network of clf, with as many members, and has another."
        )
    if not np.array_equal(other.classes_, clf.classes_):
        raise ValueError("other must have the classes of clf, and has others.")
    theirs = other._encode(X)
    if len(theirs) == len(rows.X) and not torch.equal(theirs, rows.X):
        raise ValueError(
            "other encodes the rows of X in another way, so that there is no line "
            "between the two: fit both to the same rows."
        )


class _Surface:
    """The loss of all members at weights beside those of the fit."""

    def __init__(self, clf, rows, weight, estimates):
        self.objective, self.device = objective_of(clf), torch.device(clf.net_.device)
        self.objective.requires_grad_(False)
        self.model, self.n_classes = self.objective.model, len(clf.classes_)
        self.places = [
            (module, name, p)
            for module in self.model.modules()
            for name, p in module.named_parameters(recurse=False)
        ]
        self.buffers = [b for b in self.model.buffers() if b.is_floating_point()]
        self.weights = [p.clone() for *_, p in self.places]
        self.statistics = [b.clone() for b in self.buffers]
        self.rows, self.weight, self.estimates = rows, weight, estimates
        norms = [m for m in self.model.modules() if isinstance(m, _BATCH_NORMS)]
        self.norms = [m for m in norms if m.running_mean is not None]
        n_blocks = -(-len(rows) // min(_BLOCK_ROWS, self.model.block_rows or np.inf))
        self.blocks = np.array_split(np.arange(len(rows)), int(n_blocks))

    def random_direction(self, random):
        """A filter-normalised direction: one tensor per parameter."""
        way = []
        for module, name, p in self.places:
            dims = _filter_dims(module, name, p)
            if dims is None:
                way.append(torch.zeros_like(p))
                continue
            draw = torch.from_numpy(random.standard_normal(tuple(p.shape))).to(p)
            length, wanted = (
                torch.linalg.vector_norm(t, dim=dims, keepdim=True) for t in (draw, p)
            )
            way.append(draw / length.clamp_min(1e-10) * wanted)
        return way, [torch.zeros_like(b) for b in self.buffers]

    def way_to(self, model):
        """The direction to the weights and statistics of another network."""
        theirs = [p for m in model.modules() for p in m.parameters(recurse=False)]
        buffers = [b for b in model.buffers() if b.is_floating_point()]
        return (
            [t - w for t, w in zip(theirs, self.weights, strict=True)],
            [t - s for t, s in zip(buffers, self.statistics, strict=True)],
        )

    @torch.no_grad()
    def at(self, ways, place):
        """Loss (K,), loss and recall of each class (K, classes) at a position."""
        for i, (*_, p) in enumerate(self.places):
            moved = [float(a) * way[0][i] for a, way in zip(place, ways, strict=True)]
            p.copy_(self.weights[i] + sum(moved))
        for i, b in enumerate(self.buffers):
            moved = [float(a) * way[1][i] for a, way in zip(place, ways, strict=True)]
            b.copy_(self.statistics[i] + sum(moved))
        if self.estimates and self.norms:
            self._estimate()
        total, by_class, right = 0.0, 0.0, 0.0
        for block in self.blocks:
            x, y = self._block(block)
            logits = self.model(x)
            losses = row_losses(self.objective, logits, y).double()
            hits = self.objective.log_probability(logits).argmax(-1) == y
            own = torch.from_numpy(self.weight[block]).to(self.device)
            given = torch.from_numpy(self.rows.weight[block]).to(self.device)
            total = total + losses @ own
            of = nn.functional.one_hot(y, self.n_classes).double() * given[:, None]
            by_class = by_class + losses @ of
            right = right + hits.double() @ of
        counts = np.bincount(self.rows.y, self.rows.weight, self.n_classes)
        with np.errstate(invalid="ignore"):
            return (
                total.cpu().numpy(),
                by_class.cpu().numpy() / counts,
                right.cpu().numpy() / counts,
            )

    def _block(self, block):
        x = self.rows.X[block].unsqueeze(0).to(self.device)
        return x, torch.from_numpy(self.rows.y[block]).to(self.device)

    def _estimate(self):
        """Statistics of BatchNorm as the mean of those of all blocks."""
        self.model.train()
        momenta = [m.momentum for m in self.norms]
        for i, block in enumerate(self.blocks):
            for norm in self.norms:
                norm.momentum = 1 / (i + 1)
            self.model(self._block(block)[0])
        for norm, momentum in zip(self.norms, momenta, strict=True):
            norm.momentum = momentum
        self.model.eval()


def _filter_dims(module, name, p):
    """Dimensions that make up one filter of a parameter (K, ...); None is held."""
    if name.startswith("bias") or isinstance(
        module, PackedLines | PackedLineCategories
    ):
        return None
    if isinstance(module, PackedLinear | PackedCosineLinear):
        return (1,)
    if isinstance(module, _EMBEDDINGS):
        sums = name == "weight" and isinstance(
            module, PackedPeriodicEmbeddings | PackedPiecewiseLinearEmbeddings
        )
        return (2,) if sums else (p.ndim - 1,)
    # One of a torch layer, (K, units, ...); vectors belong to normalisations.
    return None if p.ndim < 3 else tuple(range(2, p.ndim))
