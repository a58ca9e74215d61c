"""Reading any kind of X into a Table: kinds, values, refusals and hashes."""

import datetime as dt
import os
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sklimb.inputs.table import Categories, read_table

pl = pytest.importorskip("polars")
nan = float("nan")


def values_of(column):
    """A column of a Table as a list, None where missing."""
    if isinstance(column, Categories):
        return [None if c < 0 else column.values[c] for c in column.codes]
    return [None if np.isnan(v) else float(v) for v in column]


def obj(*values):
    return pd.Series(list(values), dtype=object)


PANDAS = {
    "float": ([1.5, nan], False, [1.5, None]),
    "int8": (np.array([1, 2], dtype="int8"), False, [1, 2]),
    "bool": ([True, False], False, [1, 0]),
    "Int64": (pd.array([1, pd.NA], dtype="Int64"), False, [1, None]),
    "Float32": (pd.array([1.5, pd.NA], dtype="Float32"), False, [1.5, None]),
    "boolean": (pd.array([True, pd.NA], dtype="boolean"), False, [1, None]),
    "sparse": (pd.arrays.SparseArray([0.0, 2.0]), False, [0, 2]),
    "object numbers": (obj(1, pd.NA), False, [1, None]),
    "object decimals": (obj(Decimal("1.5"), None), False, [1.5, None]),
    "object booleans": (obj(True, None), False, [1, None]),
    "object bool and float": (obj(np.bool_(True), 2.5), False, [1, 2.5]),
    "object empty": (obj(None, pd.NA), False, [None, None]),
    "category": (pd.Categorical(["b", None], ["c", "b"]), True, ["b", None]),
    "category of ints": (pd.Categorical([3, None]), True, [3, None]),
    "string": (pd.array(["b", pd.NA], dtype="string"), True, ["b", None]),
    "str": (["b", None], True, ["b", None]),
    "object strings": (obj("b", pd.NA), True, ["b", None]),
    "object strings, NaN": (obj("b", nan), True, ["b", None]),
}
POLARS = {
    "float": (pl.Series([1.5, None]), False, [1.5, None]),
    "int": (pl.Series([1, None]), False, [1, None]),
    "uint8": (pl.Series([1, 2], dtype=pl.UInt8), False, [1, 2]),
    "bool": (pl.Series([True, None]), False, [1, None]),
    "null": (pl.Series([None, None]), False, [None, None]),
    "int128": (pl.Series([1, 2], dtype=pl.Int128), False, [1, 2]),
    "decimal": (pl.Series([Decimal("1.5"), None]), False, [1.5, None]),
    "string": (pl.Series(["b", None]), True, ["b", None]),
    "no string": (pl.Series([None, None], dtype=pl.String), True, [None, None]),
    "categorical": (pl.Series(["b", None], dtype=pl.Categorical), True, ["b", None]),
    "enum": (pl.Series(["b", None], dtype=pl.Enum(["a", "b"])), True, ["b", None]),
}


@pytest.mark.parametrize("kind", PANDAS)
def test_pandas_dtypes(kind):
    column, is_categorical, expected = PANDAS[kind]
    table = read_table(pd.DataFrame({"other": [0, 1], "x": column}))
    assert table.is_categorical.tolist() == [False, is_categorical]
    assert values_of(table.column(1)) == expected
    assert table.names == ["other", "x"]


@pytest.mark.parametrize("n_copies", [1, 600])
@pytest.mark.parametrize("kind", POLARS)
def test_polars_dtypes(kind, n_copies):
    column, is_categorical, expected = POLARS[kind]
    frame = pl.DataFrame({"other": [0, 1], "x": column})
    table = read_table(pl.concat([frame] * n_copies))
    assert table.is_categorical.tolist() == [False, is_categorical]
    assert values_of(table.column(1)) == expected * n_copies
    assert table.names == ["other", "x"]


@pytest.mark.parametrize(
    ("type_name", "data", "is_categorical", "expected"),
    [
        ("int64", [1, None], False, [1, None]),
        ("float32", [1.5, None], False, [1.5, None]),
        ("bool_", [True, None], False, [1, None]),
        ("decimal", [Decimal("1.5"), None], False, [1.5, None]),
        ("null", [None, None], False, [None, None]),
        ("string", ["b", None], True, ["b", None]),
        ("dictionary", ["b", None], True, ["b", None]),
    ],
)
def test_pyarrow_dtypes(type_name, data, is_categorical, expected):
    pa = pytest.importorskip("pyarrow")
    pa_type = {
        "decimal": lambda: pa.decimal128(5, 2),
        "dictionary": lambda: pa.dictionary(pa.int8(), pa.string()),
    }.get(type_name) or getattr(pa, type_name)
    array = pd.arrays.ArrowExtensionArray(pa.array(data, type=pa_type()))
    table = read_table(pd.DataFrame({"x": array}))
    assert table.is_categorical.tolist() == [is_categorical]
    assert values_of(table.column(0)) == expected


def test_arrays_and_lists():
    mixed = [[1, "a"], [2.5, None]]
    for X in (mixed, np.array(mixed, dtype=object)):
        table = read_table(X, categorical_features=[1])
        assert table.names is None
        assert [values_of(c) for c in table.columns] == [[1, 2.5], ["a", None]]
    table = read_table(np.array([["1", "a"], ["2", "b"]]), categorical_features=[1])
    assert [values_of(c) for c in table.columns] == [[1, 2], ["a", "b"]]
    table = read_table([[1, pd.NA], [None, 2]])
    assert [values_of(c) for c in table.columns] == [[1, None], [None, 2]]

    table = read_table([[True, "a"], [2, "b"]], categorical_features=[1])
    assert [values_of(c) for c in table.columns] == [[1, 2], ["a", "b"]]
    with pytest.raises(ValueError, match="no ASCII text"):
        read_table(np.array([[b"\xff", b"1"]]), categorical_features=[0])
    table = read_table(np.array([[b"a", b"1"]]), categorical_features=[0])
    assert [values_of(c) for c in table.columns] == [["a"], [1]]


def test_column_labels_that_are_not_strings():
    X = pd.DataFrame([[1.0, np.inf]])
    assert read_table(X[[0]]).names is None
    with pytest.raises(ValueError, match="column 1 holds inf"):
        read_table(X)


def test_listed_columns_compare_by_equality():
    X = pd.DataFrame({"mixed": obj("a", 1, 1.0, None), "code": [1, 2, 2, 1]})
    table = read_table(X, categorical_features=["mixed", "code"])
    codes = table.column(0).codes
    assert codes[1] == codes[2] != codes[0] and codes[3] == -1
    assert values_of(table.column(1)) == [1, 2, 2, 1]


def test_category_of_numbers_can_be_read_as_numeric():
    X = pd.DataFrame({"x": pd.Categorical([3, None, 1], categories=[1, 3, 7])})
    table = read_table(X, categorical_features=None)
    assert values_of(table.column(0)) == [3, None, 1]


def test_numeric_columns_are_views():
    X = np.zeros((5, 3), dtype=np.float32)
    X.flags.writeable = False
    assert all(np.shares_memory(c, X) for c in read_table(X).columns)
    frame = pd.DataFrame({"f": np.zeros(5), "i": np.zeros(5, dtype=np.int16)})
    for name, column in zip(frame, read_table(frame).columns, strict=True):
        assert np.shares_memory(column, frame[name].to_numpy())
        assert column.dtype == frame[name].dtype


FRAME = pd.DataFrame({"age": [1, 2], "job": ["a", "b"]})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("from_dtype", [False, True]),
        (["age", "job"], [True, True]),
        ([1], [False, True]),
        (np.array([False, True]), [False, True]),
        ((1, 0), [True, True]),
    ],
)
def test_categorical_features(spec, expected):
    assert (
        read_table(FRAME, categorical_features=spec).is_categorical.tolist() == expected
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("age", "categorical_features must be 'from_dtype', None or .* got 'age'"),
        (["wage"], r"item value 'wage' which is not a column of X.*\['age', 'job'\]"),
        ([2], r"indices must be in \[0, n_features - 1\], here \[0, 1\], got: \[2\]"),
        ([-1], r"got: \[-1\]"),
        ([True], r"mask must have shape \(n_features,\) = \(2,\), got: \(1,\)"),
        ([0.5], "array-like of bool, int or str, got: float"),
        (
            None,
            r"column 'job' \(index 1\) as numbers: it holds 'a'.*category or string",
        ),
    ],
)
def test_bad_categorical_features(spec, message):
    with pytest.raises(ValueError, match=message):
        read_table(FRAME, categorical_features=spec)


def test_names_need_a_data_frame():
    with pytest.raises(ValueError, match=r"\['a'\] names columns, but X has no column"):
        read_table(np.zeros((2, 2)), categorical_features=["a"])


def frame_with(column):
    return pd.DataFrame({"fine": [0.0, 1.0], "x": column})


BAD = {
    "infinity": (frame_with([np.inf, 0]), "infinity.*{x} holds inf. Clip .* NaN"),
    "too large int": (frame_with(obj(10**400, 1)), "infinity.*{x} holds inf"),
    "inf in array": (np.array([[0, np.inf]]), "infinity.*column 1 holds inf"),
    "float16 inf": (np.array([[0, np.inf]], "f2"), "infinity.*column 1 holds inf"),
    "polars inf": (pl.DataFrame({"x": [np.inf]}), r"infinity.*'x' \(index 0\) holds"),
    "datetime": (frame_with(pd.to_datetime(["2020", None])), "{x}: .*datetime64.*days"),
    "time zone": (frame_with(pd.to_datetime(["2020"] * 2, utc=True)), "{x}: .*UTC"),
    "timedelta": (frame_with(pd.to_timedelta([1, 2])), "{x}: .*timedelta.*numbers"),
    "period": (frame_with(pd.period_range("2020", periods=2)), "{x}: .*period"),
    "date": (frame_with(obj(dt.date(2020, 1, 1), None)), "{x}: .*date.*numbers"),
    "numpy duration": (frame_with(obj(np.timedelta64(1), 1)), "{x}: .*timedelta64"),
    "datetime array": (np.array([["2020"]], dtype="M8[D]"), "column 0: .*datetime64"),
    "polars date": (pl.DataFrame({"x": [dt.date(2020, 1, 1)]}), "column 'x'.*Date"),
    "complex": (frame_with([1j, 1]), "Complex data not supported: {x}"),
    "complex object": (frame_with(obj(1j, 1)), "Complex data not supported: {x}"),
    "mixed": (frame_with(obj("a", 1)), "{x} as numbers: it holds 'a'.*list it in cat"),
    "bytes": (frame_with(obj(b"a", b"b")), "{x} as numbers: it holds b'a'"),
    "string in array": (
        np.array([[1, "a"]], object),
        "column 1 as numbers.*'a'.*frame",
    ),
    "string array": (np.array([["1", "a"]]), "column 1 as numbers: it holds 'a'"),
    "list of strings": ([[1, "a"], [2, "b"]], "column 1 as numbers: it holds 'a'"),
    "list": (frame_with(obj([1], [2])), r"{x}: .* got \[1\] of type list.*or drop"),
    "dict": (np.array([[1, {}]], object), "argument must be a string or a real number"),
    "polars list": (pl.DataFrame({"x": [[1, 2]]}), r"'x' .*got \[1, 2\] of type list"),
    "duplicate names": (
        pd.DataFrame([[1, 2, 3]], columns=["x", "y", "x"]),
        r"duplicate column names: \['x'\]. Rename or drop",
    ),
    "sparse": (sparse.csr_array([[1.0]]), "Sparse data was passed"),
    "sparse dict": (sparse.dok_array((2, 2)), "Sparse data was passed"),
    "1-D": (np.zeros(3), "Expected 2D array, got 1D array"),
    "series": (pd.Series([1.0]), "Expected a 2-dimensional container"),
    "no rows": (pd.DataFrame({"x": []}), r"0 sample\(s\) \(shape=\(0, 1\)\)"),
    "no columns": (np.zeros((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\)"),
    "lazy": (pl.DataFrame({"x": [1]}).lazy(), r"LazyFrame. Pass X.collect\(\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_sentence(case):
    X, message = BAD[case]
    message = message.replace("{x}", r"column 'x' \(index 1\)")
    with pytest.raises((ValueError, TypeError), match=message):
        read_table(X)


@pytest.mark.parametrize("case", ["datetime", "time zone", "complex"])
def test_listed_column_is_refused_all_the_same(case):
    X, message = BAD[case]
    with pytest.raises(ValueError, match=message[:3].replace("{x}", "column 'x'")):
        read_table(X, categorical_features=["x"])


def test_listed_column_of_lists_is_refused():
    with pytest.raises(TypeError, match=r"'x' .*got \[2\] of type list"):
        read_table(frame_with(obj("a", [2])), categorical_features=["x"])


MIXED = {"n": [1.0, -0.0, nan, 2.0], "c": ["a", "b", None, "a"]}


def mixed_hash(X, **kwargs):
    return read_table(X, **kwargs).row_hash()


def test_hash_is_of_values_not_of_types():
    expected = mixed_hash(pd.DataFrame(MIXED))
    assert expected.dtype == np.uint64 and len(set(expected)) == 4
    c = pd.Categorical(MIXED["c"], ["z", "b", "a"])
    reordered = pd.DataFrame({"n": np.float32(MIXED["n"]), "c": c})
    nullable = pd.DataFrame(
        {"n": pd.array([1, 0, None, 2], dtype="Int8"), "c": obj("a", "b", nan, "a")}
    )
    array = np.array([[1, "a"], [False, "b"], [None, pd.NA], [2, "a"]], dtype=object)
    polars = pl.DataFrame({"n": [1, 0, None, 2], "c": MIXED["c"]})
    for X in (reordered, nullable, polars):
        np.testing.assert_array_equal(mixed_hash(X), expected)
    np.testing.assert_array_equal(mixed_hash(array, categorical_features=[1]), expected)


def test_hash_of_number_categories():
    X = pd.DataFrame({"c": [1, 0, 7, 1]})
    expected = mixed_hash(X, categorical_features=["c"])
    for dtype in ("float32", "Int64", "category", object):
        same = mixed_hash(X.astype(dtype), categorical_features=["c"])
        np.testing.assert_array_equal(same, expected)
    large = X["c"].astype(pd.CategoricalDtype([*range(9, -1, -1)])).to_frame()
    for rows in (slice(0, 1), slice(1, 4)):
        same = mixed_hash(large[rows], categorical_features=["c"])
        np.testing.assert_array_equal(same, expected[rows])
    text = mixed_hash(X.astype(str), categorical_features=["c"])
    assert not np.isin(text, expected).any()


def test_hash_follows_rows_and_tells_them_apart():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.integers(0, 3, size=(3000, 6)))
    X[0] = X[0].map({0: "a", 1: "b", 2: None})
    hashes = mixed_hash(X)
    order = rng.permutation(len(X))
    np.testing.assert_array_equal(mixed_hash(X.iloc[order]), hashes[order])
    rows = X.apply(lambda row: repr(row.tolist()), axis=1)
    assert len(set(hashes)) == rows.nunique()
    assert len(set(zip(rows, hashes, strict=True))) == rows.nunique()


def test_hash_of_zeros_and_nans():
    other_nan = np.array([0xFFF8000000000001], dtype=np.uint64).view(np.float64)[0]
    a, b, c, d = mixed_hash(np.array([[0.0], [-0.0], [nan], [other_nan]]))
    assert a == b and c == d and a != c
    a, b = (mixed_hash(pd.DataFrame({"x": obj(v)})) for v in ("a", np.str_("a")))
    assert a == b


def test_hash_depends_on_column():
    a, b = mixed_hash(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert a != b
    assert (
        mixed_hash(np.array([[3.0, 3.0]]))[0] != mixed_hash(np.array([[4.0, 4.0]]))[0]
    )


def test_take():
    table = read_table(pd.DataFrame(MIXED))
    taken = table.take(np.array([3, 1]))
    assert [values_of(c) for c in taken.columns] == [[2, 0], ["a", "b"]]
    assert taken.shape == (2, 2) and taken.names == table.names
    np.testing.assert_array_equal(taken.row_hash(), table.row_hash()[[3, 1]])
    mask = np.array([True, False, False, False])
    np.testing.assert_array_equal(table.take(mask).row_hash(), table.row_hash()[:1])


CODE = """
import sys
sys.modules["pyarrow"] = None
import numpy as np, pandas as pd, polars as pl
from sklimb.inputs.table import read_table
data = {"n": [1.5, -0.0, None], "i": [1, None, 2], "b": [True, None, False],
        "c": ["a", "b", None]}
frame = pl.DataFrame(data).with_columns(
    pl.col("c").cast(pl.Categorical).alias("d"),
    pl.col("c").cast(pl.Enum(["b", "a"])).alias("e"))
print(read_table(pl.concat([frame] * 400)).row_hash()[:3].tolist())
print(read_table(pd.DataFrame(data)).row_hash().tolist())
"""


def test_hash_is_the_same_in_every_process_without_pyarrow():
    output = [
        subprocess.run(
            [sys.executable, "-c", CODE],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert output[0] == output[1]
    data = {"n": [1.5, -0.0, None], "i": [1, None, 2], "b": [1, None, 0]}
    data["c"] = ["a", "b", None]
    here = [mixed_hash(pd.DataFrame({**data, "d": data["c"], "e": data["c"]}))]
    here.append(mixed_hash(pd.DataFrame(data)))
    assert output[0].splitlines() == [str(h.tolist()) for h in here]
