"""Groups of training rows that a sampler balances: the values of one column."""

import numpy as np

from sklimb._messages import listed, short
from sklimb.inputs.column_readers import Categories
from sklimb.training.samplers import column_of


def sampler_groups(sampler, table):
    """Code of each row's value of the column that a sampler balances, or None.

    Raises
    ------
    ValueError
        No such column, or nearly as many values as rows.
    """
    column = column_of(sampler)
    if column is None:
        return None
    position = _position(column, table)
    values = table.column(position)
    if isinstance(values, Categories):
        values = values.codes
    found, codes = np.unique(values, return_inverse=True)
    if len(found) > max(2, table.n_rows // 2):
        raise ValueError(
            f"Balanced(by={short(column)}) balances the rows of each value, and this "
            f"column has {len(found)} different values in {table.n_rows} training "
            "rows. Name a column of groups."
        )
    return codes


def _position(column, table):
    """Number of the column of X."""
    if not hasattr(table, "column"):
        raise ValueError(
            f"Balanced(by={short(column)}) names a column, and X holds images. Give "
            "the group of each class instead, in the order of classes_."
        )
    n_columns = table.shape[1]
    if isinstance(column, str):
        if table.names is not None and column in table.names:
            return table.names.index(column)
        there = f"{n_columns} columns without names"
        if table.names is not None:
            there = f"the columns {listed(table.names)}"
    else:
        if 0 <= column < n_columns:
            return column
        there = f"{n_columns} columns"
    raise ValueError(
        f"Balanced(by={short(column)}) names no column of X, which has {there}."
    )
