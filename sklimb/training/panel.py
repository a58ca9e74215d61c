"""Validation rows of all members, block by block in one shape."""

import torch


class Panel:
    """Validation rows, each member its own, padded with rows of weight 0.

    Parameters
    ----------
    sets : list of Rows
    set_of : list of int
        Which set each member is validated on.
    """

    def __init__(self, sets, set_of):
        self.sets, self.set_of = sets, list(set_of)
        self._arrange()

    def take_(self, members):
        """Keep only the given members."""
        self.set_of = [self.set_of[k] for k in members]
        self._arrange()

    def _arrange(self):
        used = sorted(set(self.set_of))
        sets = [self.sets[i] for i in used]
        n = max(len(rows) for rows in sets)
        self.X = _stacked([rows.X for rows in sets], n)
        self.y = _stacked([rows.y for rows in sets], n)
        self.weight = _stacked([rows.weight for rows in sets], n)
        self._index = None
        if self.set_of != list(range(len(sets))) and len(sets) > 1:
            position = [used.index(i) for i in self.set_of]
            self._index = torch.tensor(position, device=self.y.device)
            self.y, self.weight = self.y[self._index], self.weight[self._index]

    def blocks(self, size):
        """Inputs (K or 1, size, columns), block by block, zeros at the end."""
        for begin, n, block in padded_blocks(self.X, size):
            block = block.to(self.y.device)  # a table that is larger than the device
            if self._index is not None:
                block = block.index_select(0, self._index)
            yield begin, n, block

    def rows_of(self, k):
        """The set of member k."""
        return self.sets[self.set_of[k]]


def _stacked(parts, n):
    if len(parts) == 1:
        return parts[0].unsqueeze(0)
    out = parts[0].new_zeros(len(parts), n, *parts[0].shape[1:])
    for i, part in enumerate(parts):
        out[i, : len(part)] = part
    return out


def padded_blocks(X, size):
    """Blocks of exactly `size` rows of X (sets, rows, columns), padded with zeros.

    Products of one row and of many rows differ in float32; with one shape they do not,
    so a prediction does not depend on its neighbours.
    """
    for begin in range(0, X.shape[1], size):
        block = X[:, begin : begin + size]
        n = block.shape[1]
        if n < size:
            rest = block.new_zeros(len(block), size - n, block.shape[2])
            block = torch.cat([block, rest], 1)
        yield begin, n, block
