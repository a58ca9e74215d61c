"""A few rows of many columns, whose numbers are read and encoded as one matrix.

One row costs what is done per column. So the numbers of a few rows are read at once,
and only what differs from column to column is done column by column. The bits are those
of columns that are read one by one.
"""

import numpy as np
import pandas as pd

from sklimb.inputs.column_readers import FLOAT32_MAX, Categories, is_plain
from sklimb.inputs.number_scales import within_reach

# Up to here the work per column outweighs that per value.
FEW_ROWS = 32


def read_few(X, parts, is_categorical):
    """Columns of a few rows of a pandas frame or a matrix: float64 and Categories.

    None stands where a column must be read, or refused, by itself.

    Parameters
    ----------
    X : frame or array of shape (rows, columns)
    parts : list
        Its columns as arrays.
    is_categorical : array of bool of shape (columns,)
    """
    columns = [None] * len(parts)
    if not isinstance(X, pd.DataFrame | np.ndarray):
        return columns
    plain = np.array([is_plain(part.dtype) for part in parts]) & ~is_categorical
    plain = np.flatnonzero(plain).tolist()
    if plain:
        numbers = np.array([parts[i] for i in plain], dtype=np.float64)
        fine = ~(np.abs(numbers) > FLOAT32_MAX).any(1)
        for i, column, is_fine in zip(plain, numbers, fine, strict=True):
            columns[i] = column if is_fine else None
    for i in np.flatnonzero(is_categorical).tolist():
        if isinstance(parts[i].dtype, pd.CategoricalDtype):
            columns[i] = _few_categories(parts[i])
    return columns


def _few_categories(array):
    """Categories of a few rows of a pandas categorical, without its unused values."""
    places = {}
    codes = [
        -1 if code < 0 else places.setdefault(code, len(places))
        for code in array.codes.tolist()
    ]
    categories = array.categories.array
    values = [categories[code] for code in places]
    values = [v.item() if isinstance(v, np.generic) else v for v in values]
    return Categories(np.array(codes), values)


def write_few(out, columns, values, transform, limit):
    """Write the encoded numbers of a few rows, then their missing indicators.

    Parameters
    ----------
    out : array of shape (rows, encoded columns)
    columns : sequence of NumericColumn
    values : sequence of arrays of shape (rows,), one per column
    transform, limit
        As in NumericColumn.encode.
    """
    values = np.array(values, dtype=np.float64)
    is_missing = np.isnan(values)
    scale = np.array([[column.scale] for column in columns])
    fill = 0.0
    if transform == "quantile":
        for row, column in zip(values, columns, strict=True):
            if column.scale != 0:
                row[:] = np.interp(row, *column.knots)
    elif transform in ("standard", "robust"):
        values -= np.array([[column.center] for column in columns])
        with np.errstate(over="ignore"):
            values /= np.where(scale == 0, 1.0, scale)
    else:
        fill = np.array([[column.center] for column in columns])
    np.copyto(values, fill, where=is_missing)
    if transform == "robust":
        within_reach(values)
    if transform != "quantile":
        np.clip(values, -limit, limit, out=values)
    np.copyto(values, 0.0, where=scale == 0)
    flags = is_missing[[column.has_indicator for column in columns]]
    out[:, : len(values)] = values.T
    out[:, len(values) : len(values) + len(flags)] = flags.T
