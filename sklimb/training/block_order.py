"""The order of rows in blocks, for rows that are mapped from a file."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class BlockOrder:
    """Every row once: blocks in a new order each epoch, and the rows within each.

    Of rows that are in random order already: neighbours are then read together.
    """

    n_rows: int
    block_rows: int

    def __call__(self, generator):
        begins = torch.arange(0, self.n_rows, self.block_rows)
        begins = begins[torch.randperm(len(begins), generator=generator)].tolist()
        rows = torch.empty(self.n_rows, dtype=torch.long)
        end = 0
        for begin in begins:
            n = min(self.block_rows, self.n_rows - begin)
            own = rows[end : end + n]
            torch.randperm(n, generator=generator, out=own)
            own += begin
            end += n
        return rows
