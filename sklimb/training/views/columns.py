"""Views of rows of a table: some of the columns come from other rows.

Each corrupted cell gets a value of that column's empirical distribution over the
training rows, by their weight (Bahri et al., SCARF, 2022): a number together with its
missing indicator, and a category as well.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sklimb._random import stream_generator, stream_seed
from sklimb.inputs.on_disk import joined_rows
from sklimb.training.device import array_as_numbers, to_device


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows that the values of corrupted cells are drawn from.

    Attributes
    ----------
    X : array of shape (rows, columns)
        Encoded.
    weight : array of shape (rows,)
    draws_rows : bool
        Whether the rows of views are drawn from here too, by weight, because some of
        these rows have no label; otherwise they are the batch's rows.
    """

    X: np.ndarray
    weight: np.ndarray
    draws_rows: bool = False

    @classmethod
    def joined(cls, parts, weights, *, draws_rows=False):
        """The rows of all parts in order; bytes beside floats become floats in [0, 1].

        Such bytes are pixels, and the floats are pixels that the encoder scaled to it.
        """
        if len({part.dtype for part in parts}) > 1:
            parts = [array_as_numbers(part) for part in parts]
        return cls(joined_rows(parts), np.concatenate(weights), draws_rows)


class PoolDraws:
    """Rows that views are made of: those of the batch, or drawn from a pool.

    A subclass makes the views, by `make(X, draws, generators, left, table, size)`.
    """

    def __init__(self):
        self._cumulative = {}

    def start(self, draws, epoch, device):
        """Generators of an epoch, one per draw."""
        return [
            stream_generator(draw.seed, "views", epoch, device=device) for draw in draws
        ]

    def drawn(self, X, draws, generators, sizes, table):
        """X (draws, n, columns), or its first `sizes` rows from the draws' pools."""
        if not any(draw.pool.draws_rows for draw in draws):
            return X
        X = X.clone()
        for d, (draw, generator) in enumerate(zip(draws, generators, strict=True)):
            if draw.pool.draws_rows and sizes[d]:
                rows = self._rows(draw, sizes[d], generator)
                X[d, : sizes[d]] = _take(table, rows, X.device)
        return X

    def _rows(self, draw, n, generator):
        """Row numbers of the table, from a draw's pool by weight."""
        pool, device = draw.pool, generator.device
        if id(pool) not in self._cumulative:
            cumulative = None
            if (pool.weight != pool.weight[0]).any():
                total = np.cumsum(pool.weight, dtype=np.float64)
                cumulative = torch.from_numpy(total / total[-1])
                cumulative = to_device(cumulative, device)
            self._cumulative[id(pool)] = cumulative
        cumulative, n_rows = self._cumulative[id(pool)], len(pool.weight)
        if cumulative is None:
            shape = {"size": (n,), "generator": generator, "device": device}
            return torch.randint(n_rows, **shape) + draw.pool_begin
        u = torch.rand(n, generator=generator, dtype=torch.float64, device=device)
        rows = torch.searchsorted(cumulative, u, right=True)
        return rows.clamp_max(n_rows - 1) + draw.pool_begin


class Views(PoolDraws):
    """Makes two corrupted views of each row.

    Parameters
    ----------
    rates : pair of float
        Share of the columns that are corrupted in each view; 0 draws nothing.
    groups : list of int
        For each encoded column the column of the table that it belongs to: columns of
        one group are corrupted together.
    """

    def __init__(self, rates, groups):
        super().__init__()
        self.rates, self.groups = rates, torch.tensor(groups)
        self.n_groups = max(groups) + 1

    def make(self, X, draws, generators, left, table, size=None):
        """Two views of X (draws, n, columns), each of its shape.

        `left` are the rows that each draw still has: nothing is drawn for padding.
        `table` holds all rows, on any device. `size`, rows of a batch, is not used.
        """
        n_draws, n, _ = X.shape
        sizes = [min(n, int(rows)) for rows in left]
        X = self.drawn(X, draws, generators, sizes, table)
        groups = to_device(self.groups, X.device)
        views = []
        for rate in self.rates:
            if rate == 0.0:
                views.append(X)
                continue
            shape = (n_draws, n, self.n_groups)
            corrupted = torch.zeros(shape, dtype=torch.bool, device=X.device)
            donors = torch.zeros(shape, dtype=torch.long, device=X.device)
            for d, (draw, generator) in enumerate(zip(draws, generators, strict=True)):
                m = sizes[d]
                if not m:
                    continue
                cells = (m, self.n_groups)
                u = torch.rand(cells, generator=generator, device=X.device)
                corrupted[d, :m] = u < rate
                rows = self._rows(draw, m * self.n_groups, generator)
                donors[d, :m] = rows.view(cells)
            cells = donors.index_select(2, groups).flatten(0, 1)
            other = table.gather(0, cells.to(table.device)).to(X.device).view(X.shape)
            views.append(torch.where(corrupted.index_select(2, groups), other, X))
        return views


def views_of_columns(numeric_columns, term, layout):
    """Views of tables in a layout, with the rates of a term.

    Parameters
    ----------
    numeric_columns : array of int
        Which column of the table each encoded number belongs to.
    term : object
    layout : Layout
    """
    n, numbers = layout.n_numeric, numeric_columns.tolist()
    flags = [numbers.index(i) for i in layout.indicators]
    codes = range(n, n + len(layout.cardinalities))
    return Views(term.rates, [*range(n), *flags, *codes])


def mask_seed(seed):
    """Seed of the dropout masks of the views, another one than of the clean rows'."""
    return stream_seed(seed, "views", 0, 0)


def _take(table, rows, device):
    return table.index_select(0, rows.to(table.device)).to(device)
