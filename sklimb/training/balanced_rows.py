"""Rows that are held back for row weighting, as many of each class.

Each member holds back its own draw from the same training rows, so that an ensemble
trains on all of them; class statistics stay those of all training rows.
"""

import numpy as np
import torch

from sklimb._messages import short
from sklimb._random import stream_seed
from sklimb.training.device import as_numbers
from sklimb.training.samplers import UniformOrder, WeightedOrder


def check_enough(y, n_rows, classes):
    """Refuse to hold back `n_rows` of each class where none would be left to train on.

    Raises
    ------
    ValueError
        With the class, the number of its rows and what to do.
    """
    counts = np.bincount(y, minlength=len(classes))
    c = int(counts.argmin())
    if counts[c] > n_rows:
        return
    do = "Give more rows of it, or set row_weighting=None."
    if counts[c] > 1:
        do = f"Set row_weighting_rows={counts[c] - 1} or less, or row_weighting=None."
    raise ValueError(
        f"row_weighting_rows={n_rows} rows of each class are kept apart to judge the "
        f"others by, at least one must be left to train on, and class "
        f"{short(classes.tolist()[c])} has {counts[c]} different training rows (after "
        f"the internal validation split). {do}"
    )


def keep_apart(y, n_rows, seed, pseudo=None):
    """Numbers of the rows held back, `n_rows` of each class, and of the rest.

    Within a class all rows are equally likely, whatever their sample weight.

    Parameters
    ----------
    y : integer array of shape (rows,)
    n_rows : int
    seed : int
        Seed of the member.
    pseudo : bool array of shape (rows,), optional
        Rows whose label was predicted by a model; they stay in the rest.

    Returns
    -------
    apart, rest : arrays of int, increasing within a class and overall
    """
    rng = np.random.default_rng(stream_seed(seed, "row_weighting"))
    sure = np.ones(len(y), dtype=bool) if pseudo is None else ~pseudo
    parts = [
        np.sort(rng.choice(np.flatnonzero(sure & (y == c)), n_rows, replace=False))
        for c in np.unique(y)
    ]
    apart = np.concatenate(parts)
    rest = np.ones(len(y), dtype=bool)
    rest[apart] = False
    return apart, np.flatnonzero(rest)


class RestOrder:
    """An order of the rest, drawn with the same class shares as all rows."""

    def __init__(self, order, y, rest):
        self.rows = torch.from_numpy(rest)
        self.order = UniformOrder(len(rest))
        if isinstance(order, WeightedOrder):
            p = np.diff(order.cumulative.numpy(), prepend=0.0)
            share = np.bincount(y, weights=p)
            left = np.bincount(y[rest], weights=p[rest], minlength=len(share))
            factor = share / np.where(left > 0, left, 1.0)
            self.order = WeightedOrder(p[rest] * factor[y[rest]])

    @property
    def n_rows(self):
        return self.order.n_rows

    def __call__(self, generator):
        return self.rows[self.order(generator)]


class Apart:
    """The rows held back per (plan, member), equal for equal rows and equal seeds."""

    def __init__(self, n_rows):
        self.n_rows, self._known = n_rows, {}

    def of(self, plan, seed):
        """Numbers of the rows held back, and the order of the rest."""
        key = id(plan.X), id(plan.y), plan.order, seed
        if key not in self._known:
            apart, rest = keep_apart(plan.y, self.n_rows, seed, plan.pseudo)
            self._known[key] = apart, RestOrder(plan.order, plan.y, rest)
        return self._known[key]


class JudgedBatches:
    """Batches with a further entry "balanced": each member's rows that were held back.

    Parameters
    ----------
    batches : Batches
    balanced : dict
        A batch (X, y, weight, target, masks), the same for all steps; weights sum to 1.
    """

    def __init__(self, batches, balanced):
        self.batches, self.balanced = batches, balanced

    def take_(self, members):
        """Keep only the given members."""
        self.batches.take_(members)
        self.balanced = {
            name: None if value is None else value[members]
            for name, value in self.balanced.items()
        }

    def __len__(self):
        return len(self.batches)

    @property
    def n_steps(self):
        """Steps per epoch of each member."""
        return self.batches.n_steps

    @property
    def batch_size(self):
        """Rows per step."""
        return self.batches.batch_size

    def __iter__(self):
        for batch in self.batches:
            yield {**batch, "balanced": self.balanced}


def balanced_batch(X, y, targets, index):
    """The batch of the rows `index`, (K, rows), each with the same weight, no dropout.

    Parameters
    ----------
    X, y, targets : tensors
        As `Batches` takes them.
    index : integer tensor of shape (K, rows)
    """
    device = y.device
    own = as_numbers(X[index.to(X.device)].to(device), targets.dtype)
    labels = y[index.to(device)]
    member = torch.arange(len(index), device=device).unsqueeze(1)
    target = targets[0][labels] if len(targets) == 1 else targets[member, labels]
    weight = torch.full_like(labels, 1, dtype=own.dtype) / index.shape[1]
    return {"X": own, "y": labels, "weight": weight, "target": target, "masks": None}
