"""Readers of one column of an array or a data frame, as numbers or Categories."""

import datetime
import sys
from decimal import Decimal
from numbers import Complex, Real

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from sklimb._compat import pandas_column
from sklimb._messages import listed, short

FLOAT32_MAX = float(np.finfo(np.float32).max)
NUMBER = Real | Decimal | np.bool_
_DATE = datetime.date | datetime.time | np.datetime64 | pd.Period
_DURATION = datetime.timedelta | np.timedelta64


class TextAmongNumbersError(Exception):
    """A text in a column that is read as numbers, to be refused with `message`."""

    def message(self, is_served):
        """What to do, which is not the same before and after training."""
        label, value, row = self.args
        known = ", and it was numeric in training" if is_served else ""
        instead = (
            ", or make it categorical: list it in categorical_features, or pass a data "
            "frame in which it has a category or string dtype"
        )
        return (
            f"Cannot read {label} as numbers: it holds {short(value)} in row {row}"
            f"{known}. Convert it by pd.to_numeric(..., errors='coerce'), after which "
            f"such values are missing{'' if is_served else instead}."
        )


class Categories:
    """A categorical column: integer codes into a list of values, -1 where missing."""

    __slots__ = ("codes", "values")

    def __init__(self, codes, values):
        self.codes = codes
        self.values = values

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, rows):
        return Categories(self.codes[rows], self.values)

    def used(self):
        """The same column without values that do not occur, where that is cheaper."""
        if len(self.codes) >= len(self.values):
            return self
        used, codes = np.unique(self.codes, return_inverse=True)
        n_missing = int(np.any(used[:1] < 0))
        return Categories(codes - n_missing, [self.values[i] for i in used[n_missing:]])


def column_label(names, index):
    """The name of a column in messages: 'age' (index 3), or 3 without a name."""
    name = index if names is None else f"{short(names[index])} (index {index})"
    return f"column {name}"


def to_float(value):
    """float(value), infinite where Python refuses the conversion."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def is_plain(dtype):
    """Whether a column of a dtype is read as the numbers that it holds."""
    return isinstance(dtype, np.dtype) and (
        dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8)
    )


def open_matrix(X):
    """No names, the columns of an array, none of them categorical by dtype."""
    return None, list(X.T), np.zeros(X.shape[1], dtype=bool)


def open_pandas(X):
    """Names, column arrays and which of them are categorical by dtype."""
    if not X.columns.is_unique:
        names = X.columns[X.columns.duplicated()].unique().tolist()
        raise ValueError(
            f"X has duplicate column names: {listed(names)}. Rename or drop them, so "
            "that every column has a name of its own."
        )
    names = X.columns.tolist()
    arrays = [_unwrap(pandas_column(X, i)) for i in range(X.shape[1])]
    by_dtype = np.array([_is_categorical_pandas(array) for array in arrays])
    named = all(isinstance(name, str) for name in names)
    return names if named else None, arrays, by_dtype


def _unwrap(array):
    """The numpy array, not a copy, under a column of a numpy dtype."""
    is_numpy = isinstance(array, pd.arrays.NumpyExtensionArray)
    return array.to_numpy() if is_numpy else array


def _is_categorical_pandas(array):
    """Whether a pandas column is categorical by its dtype or, if object, values."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return False
    if isinstance(dtype, pd.CategoricalDtype | pd.StringDtype):
        return True
    if isinstance(dtype, pd.ArrowDtype):
        return dtype.kind == "U" or str(dtype).startswith("dictionary")
    return dtype.kind == "O" and infer_dtype(array, skipna=True) == "string"


def read_pandas(array, is_categorical, label):
    """One pandas column as numbers or Categories."""
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        column = Categories(array.codes, array.categories.tolist())
        if is_categorical:
            return column
        column = column.used()
        values = np.fromiter(column.values, dtype=object, count=len(column.values))
        numbers = _objects_to_numbers(values, label, column.codes)
        return np.append(numbers, np.nan)[column.codes]
    if isinstance(dtype, pd.SparseDtype | np.dtype):
        return read_values(np.asarray(array), is_categorical, label)
    if dtype.kind in "Mm" or isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        _refuse_time(label, dtype)
    if is_categorical:
        return _factorize(array, label)
    if dtype.kind in "biuf":
        return array.to_numpy(dtype=np.float64, na_value=np.nan)
    return _objects_to_numbers(array.to_numpy(dtype=object), label)


def open_polars(X):
    """Names, series and which of them are categorical by dtype."""
    kinds = ("String", "Utf8", "Categorical", "Enum")
    series = X.get_columns()
    return (
        X.columns,
        series,
        np.array([type(s.dtype).__name__ in kinds for s in series]),
    )


def read_polars(series, is_categorical, label):
    """One polars column as numbers or Categories, without pyarrow."""
    pl = sys.modules["polars"]
    dtype = series.dtype
    if dtype.is_temporal():
        _refuse_time(label, dtype)
    is_long = len(series) > 1000
    # The codes of polars are faster to make for many rows and slower for few.
    if is_categorical and is_long and dtype in (pl.String, pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
        values = series.drop_nulls().unique(maintain_order=True)
        codes = series.cast(pl.Enum(values)).to_physical().cast(pl.Int32)
        return Categories(codes.fill_null(-1).to_numpy(), values.to_list())
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        # numpy has no 128-bit integers.
        is_plain = dtype.is_float() or (dtype.is_integer() and "128" not in str(dtype))
        if not is_plain:
            series = series.cast(pl.Float64)
        return read_values(series.to_numpy(), is_categorical, label)
    values = np.fromiter(series.to_list(), dtype=object, count=len(series))
    return read_values(values, is_categorical, label)


def read_values(values, is_categorical, label):
    """One numpy column as numbers or Categories."""
    if not values.dtype.isnative:  # pandas factorizes and hashes no others
        values = values.astype(values.dtype.newbyteorder("="))
    kind = values.dtype.kind
    if kind in "Mm":
        _refuse_time(label, values.dtype)
    if kind == "c":
        raise ValueError(f"Complex data not supported: {label} is {values.dtype}.")
    if is_categorical:
        return _factorize(values, label)
    if is_plain(values.dtype):
        return values
    if kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(np.float64)
    if kind == "U":
        # numpy made strings of the numbers beside a column of strings.
        try:
            return values.astype(np.float64)
        except ValueError:
            values = values.astype(object)
    return _objects_to_numbers(values, label)


def _factorize(values, label):
    """Codes and values in order of appearance, -1 where missing."""
    try:
        codes, uniques = pd.factorize(values)
    except TypeError:
        for value in np.asarray(values, dtype=object):
            if type(value).__hash__ is None:
                _refuse_object(value, label)
        raise
    uniques = uniques.tolist()
    if values.dtype == object:
        # A Decimal cannot be compared with numpy's scalars.
        plain = np.number | np.bool_
        uniques = [v.item() if isinstance(v, plain) else v for v in uniques]
    return Categories(codes, uniques)


def _objects_to_numbers(values, label, codes=None):
    """float64 of an object column of numbers, Decimals, booleans and missing.

    codes are those of the rows, if they are not the values themselves.
    """
    is_missing = pd.isna(values)
    present = values[~is_missing]
    if infer_dtype(present) not in ("floating", "integer", "boolean", "decimal"):
        for i in np.flatnonzero(~is_missing):
            if isinstance(values[i], str | bytes):
                row = i if codes is None else np.argmax(codes == i)
                raise TextAmongNumbersError(label, values[i], row)
            _check_number(values[i], label)
    numbers = np.full(len(values), np.nan)
    numbers[~is_missing] = [to_float(value) for value in present]
    return numbers


def _check_number(value, label):
    """Refuse values that an object column of numbers cannot hold."""
    if isinstance(value, _DATE | _DURATION):
        _refuse_time(label, type(value).__name__)
    if not isinstance(value, NUMBER):
        if isinstance(value, Complex):
            raise ValueError(
                f"Complex data not supported: {label} holds {short(value)}."
            )
        _refuse_object(value, label)


def _refuse_time(label, what):
    """Error for dates, durations, periods and intervals."""
    raise ValueError(
        f"Cannot encode {label}: it holds values of type {what}. Replace it by "
        "numbers, such as the days since a fixed date, or drop it."
    )


def _refuse_object(value, label):
    """Error for values that are neither numbers nor categories."""
    raise TypeError(
        f"Cannot read {label}: a value's argument must be a string or a real number, "
        f"got {short(value)} of type {type(value).__name__}. Turn such values into "
        "numbers or strings, or drop the column."
    )
