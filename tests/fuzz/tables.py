"""Random tables: columns of usual and odd contents, in usual and odd containers."""

import datetime
import decimal
import fractions
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse as sp
import torch


def choice(*values, dtype=object):
    """A column of these values."""
    filled = np.empty(len(values), dtype=dtype)
    filled[:] = values
    return lambda rng, n: filled[rng.integers(len(values), size=n)]


def now_and_then(value):
    """Normal numbers, a third of them replaced."""
    return lambda rng, n: np.where(rng.random(n) < 0.3, value, rng.normal(size=n))


COLUMNS = {
    "usual": {
        "normal": lambda rng, n: rng.normal(size=n),
        "with NaN": now_and_then(np.nan),
        "integers": lambda rng, n: rng.integers(0, 5, n),
        "strings": choice("a", "b", "c"),
    },
    "odd": {
        "infinite": now_and_then(np.inf),
        "1e300": now_and_then(1e300),
        "3e38": now_and_then(3e38),
        "1e-300": now_and_then(1e-300),
        "constant": choice(1.0, dtype=float),
        "-0.0": choice(-0.0, 0.0, dtype=float),
        "all missing": choice(np.nan, dtype=float),
        "None": choice(None),
        "huge integers": choice(2**62, 2**62 + 1, -(2**63), dtype=np.int64),
        "endless integers": choice(2**70, 1, -(10**400)),
        "booleans": choice(True, False, dtype=bool),
        "blanks": choice("", " ", "a"),
        "numbers as text": choice("1", "2", "2.5", "nan"),
        "unicode": choice("é", "e\u0301", "\U0001f600", "\ud800"),
        "NUL": choice("a", "a\0", "\0"),
        "long text": lambda rng, n: choice("x" * 10_000, "y")(rng, n),
        "text for each row": lambda rng, n: np.array([f"t{i}" for i in range(n)], "O"),
        "mixed": choice(1, "a", None, 2.5, True),
        "missing of all kinds": choice(None, np.nan, pd.NA, pd.NaT, 1.0),
        "Decimals": choice(decimal.Decimal("1.5"), decimal.Decimal("NaN"), None),
        "Fractions": choice(fractions.Fraction(1, 3), fractions.Fraction(2)),
        "complex": choice(1 + 2j, 0j, dtype=complex),
        "dates": choice("2020-01-01", "2021-02-03", "NaT", dtype="datetime64[s]"),
        "Python dates": choice(datetime.date(2020, 1, 1), None),
        "durations": choice(1, 2, dtype="timedelta64[D]"),
        "lists": choice([1], [2, 3]),
        "dicts": choice({"a": 1}, {}),
        "bytes": choice(b"a", b"\xff"),
        "objects": choice(object(), len),
    },
}


def numbers(columns):
    """Columns as float64, NaN for what is no number."""
    with np.errstate(all="ignore"):
        values = [pd.to_numeric(c.astype(object), "coerce") for c in columns.values()]
        return np.array(values, dtype=object).T.astype(np.float64)


def matrix(dtype, **order):
    """Columns as an array of this type, numbers alone if it is one of numbers."""

    def make(columns):
        kind = np.dtype(dtype).kind
        values = stack(columns) if kind in "OSUV" else numbers(columns)
        if kind in "iu?b":
            values = np.nan_to_num(values).clip(0, 100)
        with np.errstate(all="ignore"):
            return np.array(values, dtype=dtype, **order)

    return make


def stack(columns):
    values = np.empty((len(next(iter(columns.values()))), len(columns)), dtype=object)
    for i, column in enumerate(columns.values()):
        values[:, i] = list(column)
    return values


def frame(columns):
    return pd.DataFrame({name: pd.Series(list(c)) for name, c in columns.items()})


def changed(make, change):
    """What `make` makes of columns, changed."""
    return lambda columns: change(make(columns))


def read_only(X):
    X.flags.writeable = False
    return X


def renamed(*names):
    return changed(frame, lambda X: X.set_axis((names * 9)[: X.shape[1]], axis=1))


def of_numbers(change):
    return changed(numbers, change)


SPARSE = [sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, sp.lil_matrix, sp.dok_matrix]
SPARSE += [sp.bsr_matrix, sp.dia_matrix, sp.csr_array, sp.coo_array]
f8, clean = matrix("f8"), of_numbers(lambda X: np.nan_to_num(X).clip(-9, 9))
TABLES = {
    "usual": {"float64": f8, "frame": frame, "float32": matrix("f4")},
    "odd": {
        **{f"array {t}": matrix(t) for t in "f2 g i1 i8 u1 u8 ? c16 O >f8 >i4".split()},
        "array U9": changed(matrix("O"), lambda X: X.astype(str)),
        "array S9": of_numbers(lambda X: X.astype("S9")),
        "array M8": changed(clean, lambda X: X.astype("M8[D]")),
        "Fortran": matrix("f8", order="F"),
        "read-only": changed(f8, read_only),
        "strided": changed(f8, lambda X: np.repeat(X, 2, 0)[::2]),
        "backwards": changed(f8, lambda X: X[::-1, ::-1]),
        "masked": of_numbers(lambda X: np.ma.masked_where(X > 0, X)),
        "structured": of_numbers(
            lambda X: np.array(
                [*map(tuple, X)], [(f"f{i}", "f8") for i in range(X.shape[1])]
            )
        ),
        "np.matrix": changed(f8, lambda X: np.asmatrix(X)),
        "nullable": changed(frame, lambda X: X.convert_dtypes()),
        "category": changed(frame, lambda X: X.astype(str).astype("category")),
        "category of numbers": of_numbers(lambda X: pd.DataFrame(X).astype("category")),
        "string": changed(frame, lambda X: X.astype("string")),
        "pandas with arrow": of_numbers(
            lambda X: pd.DataFrame(X).convert_dtypes(dtype_backend="pyarrow")
        ),
        "pandas object": changed(frame, lambda X: X.astype(object)),
        "sparse frame": of_numbers(
            lambda X: pd.DataFrame(X).astype(pd.SparseDtype(float, 0.0))
        ),
        "interval": changed(clean, lambda X: pd.DataFrame(X).apply(pd.cut, bins=3)),
        "datetime": changed(clean, lambda X: pd.DataFrame(X.astype("M8[s]"))),
        "time zones": changed(
            clean,
            lambda X: pd.DataFrame(X.astype("M8[s]")).apply(
                lambda c: c.dt.tz_localize("UTC")
            ),
        ),
        "same names": renamed("a", "a"),
        "numbers as names": renamed(0, 1, 2, 3),
        "mixed names": renamed("a", 1, None),
        "names of blanks": renamed("", " ", "\0", "é"),
        "pairs as names": changed(
            frame,
            lambda X: X.set_axis(
                pd.MultiIndex.from_tuples([("a", i) for i in range(X.shape[1])]), axis=1
            ),
        ),
        "index of pairs": changed(
            frame, lambda X: X.set_index([[*range(len(X))], ["a"] * len(X)])
        ),
        "same index": changed(frame, lambda X: X.set_index(pd.Index([7] * len(X)))),
        "Series": changed(frame, lambda X: X.iloc[:, 0]),
        "polars": of_numbers(lambda X: pl.DataFrame(X)),
        "polars of text": changed(
            frame, lambda X: pl.DataFrame({c: X[c].map(repr).tolist() for c in X})
        ),
        "polars lazy": of_numbers(lambda X: pl.DataFrame(X).lazy()),
        "polars Series": of_numbers(lambda X: pl.Series(X[:, 0])),
        "pyarrow": of_numbers(
            lambda X: pa.table({f"x{i}": c for i, c in enumerate(X.T)})
        ),
        "pyarrow batch": of_numbers(
            lambda X: pa.RecordBatch.from_arrays([pa.array(X[:, 0])], ["a"])
        ),
        "lists": changed(stack, lambda X: X.tolist()),
        "tuples": of_numbers(lambda X: tuple(map(tuple, X.tolist()))),
        "ragged": changed(stack, lambda X: [*X.tolist(), [1]]),
        "records": changed(frame, lambda X: X.to_dict("records")),
        "dict": changed(frame, lambda X: X.to_dict("list")),
        "generator": changed(stack, lambda X: (row for row in X)),
        "set": lambda columns: set(columns),
        "None": lambda columns: None,
        "number": lambda columns: 3.0,
        "text": lambda columns: "X",
        "0 dimensions": lambda columns: np.array(1.0),
        "1 dimension": of_numbers(lambda X: X[:, 0]),
        "3 dimensions": of_numbers(lambda X: X[:, :, None]),
        "no columns": of_numbers(lambda X: X[:, :0]),
        "no rows": of_numbers(lambda X: X[:0]),
        **{f"scipy {form.__name__}": changed(clean, form) for form in SPARSE},
        **{
            f"torch {name}": changed(
                clean, partial(torch.tensor, dtype=getattr(torch, name))
            )
            for name in "float32 float64 bfloat16 int64 bool complex64".split()
        },
        "torch with gradients": changed(
            clean, lambda X: torch.tensor(X, requires_grad=True)
        ),
        "a class": lambda columns: dict,
    },
}
