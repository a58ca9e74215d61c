"""Tables, the half of them on which defaults were chosen, and splits of their rows."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)

from sklimb.datasets import load_table

# The binary tasks in alphabetical order, one by one to either half.
CHOSEN = ("abalone_19", "adult", "ecoli_imU", "german", "phoneme", "thyroid")
CHOSEN += ("yeast_me2",)
CONFIRMED = ("abalone_7", "bank", "fraud", "loan", "taiwan", "wine")
ALL_TABLES = tuple(sorted(CHOSEN + CONFIRMED, key=str.lower))


@dataclass(frozen=True)
class Unit:
    """One split of one table: rows that train, validate and test, and the seed."""

    table: str
    repeat: int
    fold: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def seed(self):
        """Seed of every model that is fitted on this split."""
        return 100 * self.repeat + self.fold

    @property
    def key(self):
        """What names the split in the kept results."""
        return self.table, self.repeat, self.fold


@lru_cache(maxsize=2)
def table(name, data_home=None):
    """`load_table`, kept for the next fit of the same process."""
    return load_table(name, data_home=data_home)


def folds(y, groups, n_splits, seed):
    """Stratified folds as (training rows, test rows); groups stay whole."""
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_splits, shuffle=True, random_state=seed)
    return splitter.split(np.zeros((len(y), 1)), y, groups)


def hold_out(y, groups, rows, seed):
    """Split `rows` into training and 15 % validation rows, stratified.

    With groups, validation is the first of seven folds that keep groups whole.
    """
    if groups is None:
        return train_test_split(
            rows, test_size=0.15, stratify=y[rows], random_state=seed
        )
    train, validation = next(folds(y[rows], groups[rows], 7, seed))
    return rows[train], rows[validation]
