"""The order of rows in blocks, for rows that are mapped from a file."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class BlockOrder:
    """Every row once: blocks in a new order each epoch, and the rows within each.

    Of rows that are in random order already: neighbours are then read together.
    `after` is called without arguments when the next block begins.
    """

    n_rows: int
    block_rows: int
    after: Callable = field(default=list, compare=False, repr=False)

    def __call__(self, generator):
        return torch.cat(list(self.blocks(generator)))

    def blocks(self, generator):
        """The same rows block by block, so that no order of all is in memory."""
        begins = torch.arange(0, self.n_rows, self.block_rows)
        begins = begins[torch.randperm(len(begins), generator=generator)].tolist()
        for begin in begins:
            n = min(self.block_rows, self.n_rows - begin)
            yield torch.randperm(n, generator=generator).add_(begin)
            self.after()


class Taken:
    """Row numbers of an epoch, taken from the front.

    Parameters
    ----------
    order : callable
        generator -> row numbers; its `blocks`, if it has any, come one by one.
    generator : torch Generator
    n_rows : int
        Rows of the epoch: the rest are left out.
    """

    def __init__(self, order, generator, n_rows):
        blocks = getattr(order, "blocks", None)
        self._blocks = iter([order(generator)] if blocks is None else blocks(generator))
        self._waiting = torch.empty(0, dtype=torch.long)
        self._left = n_rows

    def take(self, n):
        """The next n, or as many as there are."""
        n = min(n, self._left)
        parts, there = [self._waiting], len(self._waiting)
        while there < n:
            parts.append(next(self._blocks))
            there += len(parts[-1])
        rows = parts[-1] if there == len(parts[-1]) else torch.cat(parts)
        self._waiting = rows[n:]
        self._left -= n
        return rows[:n]
