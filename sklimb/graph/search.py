"""Positions of numbers in sorted tables, by operations that every runtime has."""

import numpy as np
import torch
from torch import nn


class Search(nn.Module):
    """The last entry of each column's table that is not above a number.

    Halving, one step for each power of two: `torch.searchsorted` has no ONNX operator.
    All columns are searched at once.

    Parameters
    ----------
    tables : list of arrays
        Increasing numbers, at least one for each column.

    **Shape**

    - Input: `(n, rows)`, float64; NaN is found at the first entry
    - Output: `(n, rows)`, int32, positions in `flat` of such tables
    """

    table: torch.Tensor
    start: torch.Tensor

    def __init__(self, tables):
        super().__init__()
        self.depth = (max(map(len, tables)) - 1).bit_length()
        self.register_buffer("table", self.flat(tables, np.inf))
        start = torch.arange(len(tables), dtype=torch.int32) << self.depth
        self.register_buffer("start", start.unsqueeze(1))

    def flat(self, tables, rest):
        """Tables of equal lengths in one row, filled up by `rest`."""
        out = np.full((len(tables), 1 << self.depth), rest)
        for row, table in zip(out, tables, strict=True):
            row[: len(table)] = table
        return torch.from_numpy(out).flatten()

    def forward(self, x):
        at = self.start
        for step in reversed(range(self.depth)):
            further = at + (1 << step)
            at = torch.where(entries(self.table, further) <= x, further, at)
        # Without a step there is nothing that has the shape of x.
        return at if self.depth else at.expand(x.shape)


def entries(flat, at):
    """`flat[at]`, which becomes a slower operator."""
    return flat.index_select(0, at.flatten()).view(at.shape)
