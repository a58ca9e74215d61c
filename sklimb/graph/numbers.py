"""Numeric columns as a torch module: NumericColumn.encode, for all at once."""

import numpy as np
import torch
from torch import nn

from sklimb.graph.search import Search, entries
from sklimb.inputs.number_scales import FAR, REACH

_HUGE = 2.0**450


class Numbers(nn.Module):
    """Encoded numbers and missing indicators of fitted numeric columns.

    Parameters
    ----------
    columns : list of NumericColumn
    transform : {"quantile", "standard", "robust", None}
    dtype : {"float32", "float64"}

    **Shape**

    - Input: `(n, rows)`, float64, NaN where missing
    - Output: `(rows, n)` and `(rows, n_indicators)`, of `dtype`
    """

    def __init__(self, columns, transform, dtype):
        super().__init__()
        self.transform, self.dtype = transform, getattr(torch, dtype)
        self.limit = float(np.finfo(dtype).max)
        flags = [i for i, column in enumerate(columns) if column.has_indicator]
        self.register_buffer("flags", torch.tensor(flags, dtype=torch.long))
        self.register_buffer("live", _column([c.scale != 0 for c in columns]))
        kinds = {"quantile": Quantiles, "standard": Standard, "robust": Robust}
        self.inner = kinds.get(transform, Plain)(columns)

    def forward(self, x):
        missing = x.isnan()
        z = self.inner(x, missing)
        if self.transform != "quantile":
            z = z.clamp(-self.limit, self.limit)
        z = torch.where(self.live, z, 0.0)
        flags = missing.index_select(0, self.flags)
        return z.to(self.dtype).T, flags.to(self.dtype).T


class Quantiles(nn.Module):
    """Linear between knots; the end's value beyond them, and 0 where missing."""

    def __init__(self, columns):
        super().__init__()
        knots = [c.knots if c.knots.size else np.zeros((2, 1)) for c in columns]
        factors = [_factor(c) for c in columns]
        x = [own[0] * factor for own, factor in zip(knots, factors, strict=True)]
        self.search = Search(x)
        is_plain = all(factor == 1 for factor in factors)
        self.register_buffer("factor", None if is_plain else _column(factors))
        self.register_buffer("low", _column([own[0] for own in x]))
        self.register_buffer("high", _column([own[-1] for own in x]))
        z = [own[1] for own in knots]
        slopes = [_slopes(*pair) for pair in zip(x, z, strict=True)]
        self.register_buffer("z", self.search.flat(z, 0.0))
        self.register_buffer("slope", self.search.flat(slopes, 0.0))

    def forward(self, x, missing):
        if self.factor is not None:
            x = x * self.factor
        x = torch.where(missing, self.low, torch.clamp(x, self.low, self.high))
        at = self.search(x)
        z = (x - entries(self.search.table, at)) * entries(self.slope, at)
        z = z + entries(self.z, at)
        return torch.where(missing, 0.0, z)


class Standard(nn.Module):
    """Distance from the mean in standard deviations, 0 where missing."""

    def __init__(self, columns):
        super().__init__()
        # Differences of numbers near the largest would overflow.
        size = [max(-c.low, c.high) for c in columns]
        factors = _column([2.0**-10 if s > 2.0**1000 else 1.0 for s in size])
        self.register_buffer("factor", factors)
        scale = _column([c.scale or 1.0 for c in columns])
        self.register_buffer("center", _column([c.center for c in columns]) * factors)
        self.register_buffer("scale", scale * factors)

    def forward(self, x, missing):
        return torch.where(missing, 0.0, (x * self.factor - self.center) / self.scale)


class Robust(Standard):
    """Distance from the median, brought smoothly within a limit; 0 where missing."""

    def forward(self, x, missing):
        z = super().forward(x, missing).clamp(-FAR, FAR)
        return z / torch.sqrt(1 + (z / REACH) ** 2)


class Plain(nn.Module):
    """The numbers, the training mean where missing."""

    def __init__(self, columns):
        super().__init__()
        self.register_buffer("center", _column([c.center for c in columns]))

    def forward(self, x, missing):
        return torch.where(missing, self.center, x)


def _column(values):
    return torch.from_numpy(np.array(values)).unsqueeze(1)


def _factor(column):
    """A power of two that brings knots to where slopes between them are numbers."""
    if column.is_plain or not column.knots.size:
        return 1.0
    largest = np.abs(column.knots[0][[0, -1]]).max()
    return float(np.ldexp(1.0, int(np.clip(-np.frexp(largest)[1], -1000, 1000))))


def _slopes(x, z):
    """Slopes after each knot, 0 after the last; large, not infinite."""
    width, rise = np.diff(x, append=x[-1]), np.diff(z, append=z[-1])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        slopes = np.where(width > 0, rise / width, 0.0)
    return np.clip(slopes, -(_HUGE**2), _HUGE**2)
