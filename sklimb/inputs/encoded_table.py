"""Columns learned from a Table, and the matrix that they make of one, in threads."""

import numpy as np

from sklimb._threads import in_threads
from sklimb.inputs.column_encodings import CategoricalColumn, NumericColumn
from sklimb.inputs.few_rows import FEW_ROWS, write_few

# A block of rows fits the processor's cache while its columns are written; of fewer
# rows threads would take longer to begin than to work.
BLOCK_ROWS = 16384


def learned_columns(table, weights, *, transform, n_quantiles, min_frequency):
    """The fitted columns of a Table whose rows have positive weights (None: all 1)."""
    total = float(table.n_rows) if weights is None else weights.sum()

    def learned(i):
        column = table.column(i)
        if table.is_categorical[i]:
            return CategoricalColumn.fit(column, weights, total, min_frequency)
        return NumericColumn.fit(column, weights, total, transform, n_quantiles)

    return _mapped(learned, list(range(table.shape[1])), table.n_rows)


def encoded_matrix(
    table, columns, widths, *, transform, encoding, dtype, is_foreign=None
):
    """The encoded rows of a Table, and its categorical columns that are foreign.

    Parameters
    ----------
    table : Table
    columns : list of NumericColumn and CategoricalColumn
    widths : sequence of int
        Columns of the matrix for each categorical column.
    transform, encoding, dtype
        Parameters of TabularEncoder.
    is_foreign : callable or None
        (fitted column, Categories, their codes) -> whether training has not seen them.

    Returns
    -------
    matrix : array of shape (rows, numbers + indicators + sum of widths)
    foreign : dict
        {index: (fitted column, Categories)}
    """
    numeric = [i for i, column in enumerate(columns) if not table.is_categorical[i]]
    categorical = [i for i, column in enumerate(columns) if table.is_categorical[i]]
    first = len(numeric) + sum(columns[i].has_indicator for i in numeric)
    out = np.zeros((table.n_rows, first + sum(widths)), dtype=dtype)
    limit = np.finfo(dtype).max
    firsts = np.cumsum([first, *widths])[: len(widths)]

    def write_numbers(start):
        rows = slice(start, start + BLOCK_ROWS)
        _write_numbers(out[rows], table, rows, columns, numeric, transform, limit)

    def write_codes(place):
        i, begin = place
        column = table.column(i)
        codes = columns[i].encode(column)
        if encoding == "ordinal":
            out[:, begin] = codes
        else:
            out[np.arange(table.n_rows), begin + codes] = 1
        if is_foreign is not None and is_foreign(columns[i], column, codes):
            foreign[i] = columns[i], column

    foreign = {}
    _mapped(write_numbers, range(0, table.n_rows, BLOCK_ROWS), table.n_rows)
    places = list(zip(categorical, firsts, strict=True))
    _mapped(write_codes, places, table.n_rows)
    return out, {i: foreign[i] for i in sorted(foreign)}


def _mapped(function, parts, n_rows):
    """`function` of each part, in threads where the rows are many."""
    if n_rows <= BLOCK_ROWS:
        return [function(part) for part in parts]
    return in_threads(function, parts)


def _write_numbers(out, table, rows, columns, numeric, transform, limit):
    """Write the numeric columns and indicators of a block of rows."""
    fitted = [columns[i] for i in numeric]
    if 0 < len(out) <= FEW_ROWS and fitted and all(c.is_plain for c in fitted):
        values = [table.column(i, rows) for i in numeric]
        write_few(out, fitted, values, transform, limit)
        return
    indicator = len(numeric)
    for j, i in enumerate(numeric):
        values = table.column(i, rows).astype(np.float64)
        is_missing = np.isnan(values)
        if columns[i].has_indicator:
            out[:, indicator] = is_missing
            indicator += 1
        out[:, j] = columns[i].encode(values, is_missing, transform, limit)
