"""The reader of tables: arrays and data frames."""

import sys
from collections.abc import Mapping
from contextlib import contextmanager

import numpy as np
import pandas as pd
from pandas.util import hash_array
from scipy.sparse import issparse
from sklearn.utils import check_array

from sklimb._compat import validate_data
from sklimb._messages import listed, short
from sklimb.inputs.column_readers import (
    NUMBER,
    Categories,
    TextAmongNumbersError,
    column_label,
    open_matrix,
    open_pandas,
    open_polars,
    read_pandas,
    read_polars,
    read_values,
    to_float,
)
from sklimb.inputs.containers import as_rows
from sklimb.inputs.few_rows import FEW_ROWS, read_few
from sklimb.inputs.streams import is_stream, kind_of

_HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Table:
    """Columns of X: numpy arrays (numeric) or Categories, with names or None.

    `take` keeps row numbers and copies nothing: a column of a part of the rows is made
    when it is asked for, one at a time.
    """

    __slots__ = ("_columns", "_rows", "is_categorical", "n_rows", "names")

    def __init__(self, columns, is_categorical, names=None, rows=None):
        self._columns = columns
        self._rows = rows
        self.is_categorical = is_categorical
        self.names = names
        self.n_rows = len(columns[0]) if rows is None else len(rows)

    @property
    def shape(self):
        """(n_rows, n_columns), for scikit-learn's validation."""
        return self.n_rows, len(self._columns)

    @property
    def columns(self):
        """The columns one by one, as an iterator."""
        return (self.column(i) for i in range(len(self._columns)))

    def column(self, i, rows=slice(None)):
        """Column i, or some rows of it."""
        return self._columns[i][rows if self._rows is None else self._rows[rows]]

    def given(self, i):
        """Column i with all rows of the table of which this may be a part."""
        return self._columns[i]

    def take(self, rows):
        """Table of the given rows (indices, mask or slice)."""
        base = np.arange(self.n_rows) if self._rows is None else self._rows
        return Table(self._columns, self.is_categorical, self.names, base[rows])

    def joined(self, other):
        """Table of these rows, followed by those of another part of the same table."""
        rows = np.concatenate([self._rows, other._rows])
        return Table(self._columns, self.is_categorical, self.names, rows)

    def row_hash(self):
        """One 64-bit hash per row; equal values of any dtype have equal hashes."""
        result = np.zeros(self.n_rows, dtype=np.uint64)
        for column in self.columns:
            if isinstance(column, Categories):
                column = column.used()
                hashes = np.append(hash_values(column.values), hash_numbers([np.nan]))
                hashes = hashes[column.codes]
            else:
                hashes = hash_numbers(column)
            # A plain xor would ignore the order of the columns.
            result ^= hashes
            result *= _HASH_FACTOR
        return result


def hash_numbers(values):
    """64-bit hashes of numbers by value: -0.0 as 0.0 and one NaN."""
    values = np.array(values, dtype=np.float64)
    # Before 3.1 pandas hashed -0.0 and 0.0 by their different bits.
    values += 0.0
    values[np.isnan(values)] = np.nan
    return hash_array(values)


def hash_values(values):
    """64-bit hashes of category values: numbers by value, the rest by text."""
    numbers = np.array([_exact_float(value) for value in values], dtype=np.float64)
    hashes = hash_numbers(numbers)
    is_text = np.flatnonzero(np.isnan(numbers))
    texts = np.empty(len(is_text), dtype=object)
    for i, position in enumerate(is_text):
        value = values[position]
        texts[i] = value if isinstance(value, str) else f"{type(value)}{value!r}"
    hashes[is_text] = hash_array(texts, categorize=False)
    return hashes


def _exact_float(value):
    """The float that equals a category value, NaN if there is none."""
    if not isinstance(value, NUMBER):
        return np.nan
    number = to_float(value)
    return number if number == value else np.nan


def read_table(X, *, categorical_features="from_dtype", estimator=None, reset=None):
    """Read X as a Table; with reset given, also set or check names and count.

    categorical_features is "from_dtype", None, names, indices or a boolean mask.
    reset=True stores n_features_in_ and feature_names_in_ on the estimator, False
    compares with them (scikit-learn's messages), None does neither.
    """
    check_container(X)
    X = as_rows(X)
    polars = sys.modules.get("polars")
    if isinstance(X, pd.DataFrame):
        open_frame, read = open_pandas, read_pandas
    elif polars is not None and isinstance(X, polars.DataFrame):
        open_frame, read = open_polars, read_polars
    else:
        open_frame, read = open_matrix, read_values
        X = _as_matrix(X, categorical_features, estimator)
    _check_shape(X, estimator)
    names, parts, by_dtype = open_frame(X)
    if reset or (reset is False and not _has_names(estimator, names)):
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    mask = categorical_mask(categorical_features, names, by_dtype)
    columns = [None] * len(parts)
    if reset is False and X.shape[0] <= FEW_ROWS:
        columns = read_few(X, parts, mask)
    for i, (part, is_categorical) in enumerate(zip(parts, mask, strict=True)):
        if columns[i] is not None:
            continue
        label = column_label(names, i)
        try:
            columns[i] = read(part, is_categorical, label)
        except TextAmongNumbersError as error:
            raise ValueError(error.message(reset is False)) from None
        if not is_categorical:
            _check_finite(columns[i], label)
    return Table(columns, mask, names)


def check_container(X):
    """Refuse records and columns by name, of which numpy makes no table."""
    if is_stream(X):
        raise TypeError(
            f"X is {kind_of(X)}, whose rows are read in blocks, by fit, predict and "
            "what follows from predict_proba alone. Pass a data frame of rows instead."
        )
    first = X[0] if isinstance(X, list | tuple) and len(X) else None
    if isinstance(X, Mapping) and not issparse(X):  # one sparse format is a dict
        what = f"a {type(X).__name__} of columns"
    elif isinstance(first, Mapping):
        what = f"a {type(X).__name__} of records ({type(first).__name__})"
    elif isinstance(X, np.ndarray) and X.dtype.names is not None:
        what = "a structured array"
    else:
        return
    raise TypeError(
        f"X must be an array or a data frame, got {what}. Pass pd.DataFrame(X) instead."
    )


@contextmanager
def told_of_numbers():
    """One sentence for complex numbers, which scikit-learn prints, and ragged rows."""
    try:
        yield
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise ValueError(
                "X must have as many values in each row, got rows of unequal lengths."
            ) from error
        if "could not convert" in str(error):
            raise ValueError(
                "X must hold numbers, and one of its values cannot be read as one."
            ) from error
        if "Complex data" not in str(error):
            raise
        raise ValueError(
            "Complex data not supported: X holds complex numbers. Pass their real and "
            "imaginary parts as columns of their own."
        ) from None


def is_series(X):
    """Whether X is a column of a data frame, which scikit-learn refuses by its name.

    Other input with less than two dimensions it prints, all of it.
    """
    return hasattr(X, "to_frame")


def check_is_2d(X):
    """Refuse an array with less than two dimensions."""
    if X.ndim < 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead: X has shape {X.shape}. "
            "Reshape your data: X.reshape(-1, 1) if it is one column, X.reshape(1, -1) "
            "if it is one row."
        )


def _has_names(estimator, names):
    """Whether names are those of training, which is all that is left to validate."""
    known = getattr(estimator, "feature_names_in_", None)
    return known is not None and known.tolist() == names


def _as_matrix(X, categorical_features, estimator):
    """Input that is no data frame, as a 2-D array of numbers or objects."""
    by_dtype = categorical_features is None or isinstance(categorical_features, str)
    with told_of_numbers():
        X = check_array(
            X,
            # numpy would turn a list of numbers and strings into strings.
            dtype=object if isinstance(X, list | tuple) and not by_dtype else None,
            ensure_all_finite=False,
            ensure_2d=is_series(X),
            ensure_min_samples=0,
            ensure_min_features=0,
            estimator=estimator,
            input_name="X",
        )
    check_is_2d(X)
    if X.dtype.kind != "S":
        return X
    try:
        return X.astype(str)
    except UnicodeDecodeError:
        raise ValueError(
            "X holds bytes that are no ASCII text. Decode them first: str(value, "
            "encoding)."
        ) from None


def _check_shape(X, estimator):
    """Refuse input without rows or columns, with scikit-learn's messages."""
    for size, what in zip(X.shape, ("sample", "feature"), strict=True):
        if size == 0:
            by = "" if estimator is None else f" by {type(estimator).__name__}"
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 "
                f"is required{by}."
            )


def categorical_mask(spec, names, by_dtype):
    """Boolean mask of the categorical columns (HistGradientBoosting's rules)."""
    if isinstance(spec, str) and spec == "from_dtype":
        return by_dtype
    n_columns = len(by_dtype)
    mask = np.zeros(n_columns, dtype=bool)
    items = [] if spec is None else np.asarray(spec).tolist()
    if not isinstance(items, list):
        raise ValueError(
            "categorical_features must be 'from_dtype', None or an array-like of bool, "
            f"int or str, got {short(spec)}."
        )
    types = sorted({type(item).__name__ for item in items})
    if types == ["bool"]:
        if len(items) != n_columns:
            raise ValueError(
                "categorical_features set as a boolean mask must have shape "
                f"(n_features,) = ({n_columns},), got: ({len(items)},)."
            )
        mask[:] = items
    elif types == ["int"]:
        if max(items) >= n_columns or min(items) < 0:
            raise ValueError(
                "categorical_features set as integer indices must be in "
                f"[0, n_features - 1], here [0, {n_columns - 1}], got: "
                f"{listed(items)}."
            )
        mask[items] = True
    elif types == ["str"]:
        if names is None:
            raise ValueError(
                f"categorical_features={listed(items)} names columns, but X has no "
                "column names. Pass integer indices, a mask, or X as a data frame."
            )
        for name in items:
            if name not in names:
                raise ValueError(
                    f"categorical_features has an item value {short(name)} which is "
                    f"not a column of X. Columns of X: {listed(names)}."
                )
            mask[names.index(name)] = True
    elif types:
        raise ValueError(
            "categorical_features must be an array-like of bool, int or str, got: "
            f"{', '.join(types[:5])}."
        )
    return mask


def _check_finite(column, label):
    """Refuse infinity; NaN is allowed."""
    if column.dtype.kind != "f":
        return
    for value in (float(np.fmin.reduce(column)), float(np.fmax.reduce(column))):
        if np.isinf(value):
            raise ValueError(
                "Input X contains infinity or a value too large for float64: "
                f"{label} holds {short(value)}. Clip the column or replace such "
                "values by NaN, which is read as missing."
            )
