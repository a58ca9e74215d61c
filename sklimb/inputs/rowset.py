"""Sets of rows in one canonical order, without zero weights and duplicates.

An integer weight k and k repetitions, or two orders of the same rows, must give the
same bits. So rows are put into one canonical order (by a hash of their values) and
identical rows become one with the summed weight, before anything else is done.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class RowSet:
    """Rows of X with their label codes, weights and group codes (or None).

    `pseudo` marks rows labelled by a model, which are never used for validation.
    """

    table: object
    y: np.ndarray
    weight: np.ndarray
    group: np.ndarray | None = None
    pseudo: np.ndarray | None = None

    def __len__(self):
        return len(self.y)

    def take(self, rows):
        """The given rows."""
        group = None if self.group is None else self.group[rows]
        pseudo = None if self.pseudo is None else self.pseudo[rows]
        table = self.table.take(rows)
        return RowSet(table, self.y[rows], self.weight[rows], group, pseudo)

    def apart(self):
        """Rows labelled by the caller, and rows with pseudo-labels."""
        labelled = self.take(np.flatnonzero(np.logical_not(self.pseudo)))
        labelled.pseudo = None
        return labelled, self.take(np.flatnonzero(self.pseudo))

    def joined(self, pseudo):
        """These labelled rows, followed by rows with pseudo-labels."""
        parts = self, pseudo
        group = None
        if self.group is not None:
            group = np.concatenate([part.group for part in parts])
        return RowSet(
            self.table.joined(pseudo.table),
            np.concatenate([part.y for part in parts]),
            np.concatenate([part.weight for part in parts]),
            group,
            np.repeat([False, True], [len(part) for part in parts]),
        )

    def positive(self):
        """The rows of positive weight."""
        keep = self.weight > 0
        return self if keep.all() else self.take(np.flatnonzero(keep))

    def canonical(self, merge=True):
        """The same rows in canonical order, identical ones merged if `merge`."""
        group = (
            np.zeros(len(self), dtype=np.int64) if self.group is None else self.group
        )
        pseudo = np.zeros(len(self), dtype=bool) if self.pseudo is None else self.pseudo
        # Two different rows share a 64-bit hash once in 3e7 tables of a million rows.
        row_hash = self.table.row_hash()
        # Weight breaks ties only between rows that are not merged.
        order = np.lexsort((self.weight, pseudo, group, self.y, row_hash))
        if not merge:
            return self.take(order)
        keys = (row_hash[order], self.y[order], group[order], pseudo[order])
        first = np.ones(len(order), dtype=bool)
        first[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
        start = np.flatnonzero(first)
        merged = self.take(order[start])
        merged.weight = np.add.reduceat(self.weight[order], start)
        return merged
