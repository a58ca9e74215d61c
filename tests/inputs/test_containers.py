"""Tables, labels and weights of other libraries: names, missing values, refusals."""

import os
import subprocess
import sys
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.inputs.containers import as_column, as_rows
from sklimb.inputs.table import read_table
from sklimb.model_selection import PackedSearchCV
from sklimb.preprocessing import TabularEncoder
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier

pa = pytest.importorskip("pyarrow")
SMALL = {"max_epochs": 1, "d_block": 8, "random_state": 0}
N = 90
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "amount": RNG.normal(size=N),
        "count": RNG.integers(0, 9, N),
        "gap": np.where(np.arange(N) % 7 == 0, np.nan, RNG.normal(size=N)),
        "job": RNG.choice(["cook", "clerk", "judge"], N),
    }
)
Y = np.arange(N) % 3 // 2
WEIGHT = RNG.integers(1, 4, N).astype(float)
TABLES = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
    "record batch": pa.RecordBatch.from_pandas,
    "narwhals": nw.from_native,
    "narwhals of polars": lambda frame: nw.from_native(pl.from_pandas(frame)),
}
COLUMNS = {
    "list": list,
    "polars": pl.Series,
    "pyarrow": lambda values: pa.chunked_array([values[:50], values[50:]]),
    "pyarrow array": pa.array,
    "narwhals": lambda values: nw.from_native(pd.Series(values), series_only=True),
    "tensor": torch.tensor,
    "masked array": np.ma.masked_array,
}


@pytest.mark.parametrize("kind", TABLES)
def test_frames_keep_their_names_and_values(kind):
    make = TABLES[kind]
    clf = TabularMLPClassifier(**SMALL).fit(make(FRAME), Y)
    assert clf.feature_names_in_.tolist() == FRAME.columns.tolist()
    expected = TabularMLPClassifier(**SMALL).fit(FRAME, Y).predict_proba(FRAME)
    for other in TABLES.values():
        np.testing.assert_array_equal(clf.predict_proba(other(FRAME)), expected)
    one = FRAME.iloc[[5]]
    np.testing.assert_array_equal(clf.predict_proba(make(one)), expected[5:6])


@pytest.mark.parametrize("kind", TABLES)
def test_swapped_and_renamed_columns_are_refused(kind):
    make = TABLES[kind]
    encoder = TabularEncoder().fit(FRAME)
    for wrong in (FRAME[FRAME.columns[::-1]], FRAME.rename(columns={"gap": "gaps"})):
        with pytest.raises(ValueError, match="feature names should match"):
            encoder.transform(make(wrong))
    with pytest.raises(ValueError, match="feature names should match"):
        encoder.transform(make(FRAME[["amount"]]))


@pytest.mark.parametrize("kind", COLUMNS)
def test_labels_weights_and_groups_of_any_container(kind):
    make = COLUMNS[kind]
    groups = np.arange(N) // 5
    clf = TabularMLPClassifier(**SMALL, early_stopping=True)
    clf.fit(FRAME, make(Y), make(WEIGHT), groups=make(groups))
    plain = TabularMLPClassifier(**SMALL, early_stopping=True)
    plain.fit(FRAME, Y, WEIGHT, groups=groups)
    expected = plain.predict_proba(FRAME)
    np.testing.assert_array_equal(clf.predict_proba(FRAME), expected)
    encoder = TabularEncoder().fit(FRAME, sample_weight=make(WEIGHT))
    np.testing.assert_array_equal(
        encoder.transform(FRAME),
        TabularEncoder().fit(FRAME, None, WEIGHT).transform(FRAME),
    )


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_labels_that_are_texts(kind):
    names = np.array(["no", "yes"], dtype=object)[Y]
    clf = TabularMLPClassifier(**SMALL).fit(FRAME, COLUMNS[kind](names))
    assert clf.classes_.tolist() == ["no", "yes"]
    with pytest.raises(ValueError, match="row 1 has no label"):
        clf.fit(FRAME, COLUMNS[kind]([names[0], None, *names[2:]]))


@pytest.mark.parametrize("kind", ["pyarrow", "record batch", "narwhals"])
def test_meta_estimators_take_frames(kind):
    make = TABLES[kind]
    clf = TabularMLPClassifier(**SMALL)
    y = COLUMNS["pyarrow"](Y)
    search = PackedSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2).fit(make(FRAME), y)
    again = PackedSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2).fit(FRAME, Y)
    for name in ("mean_test_score", "params"):
        np.testing.assert_array_equal(search.cv_results_[name], again.cv_results_[name])
    parts = make(FRAME.iloc[:60]), COLUMNS["polars"](Y[:60])
    pseudo = PseudoLabelClassifier(clf).fit(*parts, X_unlabeled=make(FRAME.iloc[60:]))
    plain = PseudoLabelClassifier(clf).fit(
        FRAME.iloc[:60], Y[:60], X_unlabeled=FRAME.iloc[60:]
    )
    np.testing.assert_array_equal(
        pseudo.predict_proba(make(FRAME)), plain.predict_proba(FRAME)
    )
    pretrainer = SelfSupervisedPretrainer(clf, max_epochs=1, random_state=0)
    pretrainer.fit(make(FRAME), X_unlabeled=make(FRAME.iloc[:9]))
    assert pretrainer.transform(make(FRAME)).shape == (N, 8)
    wrong = make(FRAME[FRAME.columns[::-1]])
    with pytest.raises(
        ValueError, match="X_unlabeled must have the columns of X in th"
    ):
        pretrainer.fit(make(FRAME), X_unlabeled=wrong)


def test_types_of_pyarrow():
    table = pa.table(
        {
            "int": [1, None],
            "bool": [True, None],
            "decimal": pa.array([Decimal("1.5"), None]),
            "null": [None, None],
            "text": pa.array(["a", None], pa.large_string()),
            "code": pa.array(["a", None]).dictionary_encode(),
        }
    )
    read = read_table(table)
    assert read.is_categorical.tolist() == [False] * 4 + [True] * 2
    first = [column[:1] for column in read.columns]
    assert [float(column[0]) for column in first[:3]] == [1, 1, 1.5]
    assert [column.values[column.codes[0]] for column in first[4:]] == ["a", "a"]
    with pytest.raises(ValueError, match="X has duplicate column names"):
        read_table(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(ValueError, match=r"column 'day'.*(timestamp|datetime)"):
        read_table(pa.table({"day": pd.to_datetime(["2024-01-01"])}))


class Unknown:
    """A frame that no library knows."""

    columns = ("a", "b")


def test_frames_that_are_not_in_memory_are_refused():
    lazy = pl.from_pandas(FRAME).lazy()
    with pytest.raises(TypeError, match=r"X is a polars LazyFrame. Pass X.collect\(\)"):
        as_rows(lazy)
    dd = pytest.importorskip("dask.dataframe")
    dask = dd.from_pandas(FRAME[["amount"]], npartitions=2)
    clf = TabularMLPClassifier(**SMALL)
    with pytest.raises(TypeError, match=r"dask DataFrame. Pass X.compute\(\) instead"):
        clf.fit(dask, Y)
    with pytest.raises(TypeError, match=r"narwhals LazyFrame. Pass X.collect\(\)"):
        as_rows(nw.from_native(lazy))
    with pytest.raises(TypeError, match=r"X_unlabeled is a dask.*X_unlabeled.compute"):
        PseudoLabelClassifier(clf).fit(FRAME, Y, X_unlabeled=dask)
    with pytest.raises(
        TypeError, match=r"Unknown, which narwhals cannot read. Pass a p"
    ):
        as_rows(Unknown())


def test_frames_without_narwhals_get_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals.stable.v2", None)
    with pytest.raises(
        ImportError, match=r"X is a pyarrow Table.*pip install narwhals"
    ):
        as_rows(pa.Table.from_pandas(FRAME))
    assert as_rows(FRAME) is FRAME


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "int64", "uint8", "bool", object]
)
def test_masked_values_are_missing(dtype):
    values = RNG.integers(0, 2, size=(40, 3)).astype(dtype)
    mask = RNG.random((40, 3)) < 0.3
    filled = values.astype(object)
    filled[mask] = None
    masked = np.ma.masked_array(values, mask, fill_value=1)
    encoder = TabularEncoder(categorical_features=[2])
    expected = encoder.fit_transform(filled)
    np.testing.assert_array_equal(encoder.fit_transform(masked), expected)
    for i in range(5):
        np.testing.assert_array_equal(
            encoder.transform(masked[i : i + 1]), expected[i : i + 1]
        )
    assert (masked.mask == mask).all() and (masked.data == values).all()
    bare = np.ma.masked_array(values)
    np.testing.assert_array_equal(encoder.transform(bare), encoder.transform(values))


def test_masked_texts_are_missing():
    table = read_table(
        np.ma.masked_array([["a"], ["b"]], [[0], [1]]), categorical_features=[0]
    )
    assert table.column(0).codes.tolist() == [0, -1]


def test_masked_labels_and_weights_are_refused():
    clf = TabularMLPClassifier(**SMALL)
    y = np.ma.masked_array(Y, np.arange(N) < 2)
    with pytest.raises(
        ValueError, match=r"y must have a value.*2 of 90 are masked. Drop"
    ):
        clf.fit(FRAME, y)
    weight = np.ma.masked_array(WEIGHT, np.arange(N) == 5)
    for fit in (clf.fit, PseudoLabelClassifier(clf).fit, TabularEncoder().fit):
        with pytest.raises(ValueError, match=r"sample_weight must have.*1 of 90"):
            fit(FRAME, Y, sample_weight=weight)
    with pytest.raises(ValueError, match="y_val must have a value for every row"):
        clf.fit(FRAME, Y, X_val=FRAME, y_val=y)
    with pytest.raises(ValueError, match="y must have a value for every row"):
        PackedSearchCV(clf, {"lr": [1e-3]}, cv=2).fit(FRAME, y)


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "bfloat16", "int32"]
)
def test_tensors(dtype):
    numbers = FRAME[["amount", "count"]].to_numpy().round()
    tensor = torch.tensor(numbers).to(getattr(torch, dtype))
    if tensor.is_floating_point():
        tensor.requires_grad_()
    clf = TabularMLPClassifier(**SMALL)
    expected = clf.fit(tensor.detach().double().numpy(), Y, WEIGHT).predict_proba(
        numbers
    )
    weight = torch.tensor(WEIGHT, requires_grad=True)
    p = clf.fit(tensor, torch.tensor(Y), weight).predict_proba(tensor)
    np.testing.assert_array_equal(p, expected)
    assert isinstance(p, np.ndarray) and clf.score(tensor.detach().float(), Y) >= 0
    search = PackedSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2)
    assert search.fit(tensor, torch.tensor(Y)).predict(tensor).shape == (N,)


def test_tensors_that_are_not_dense():
    X = torch.eye(4).to_sparse()
    with pytest.raises(TypeError, match=r"X must be a dense tensor.*X.to_dense\(\)"):
        read_table(X)
    assert as_column(None, "y") is None


def test_tensors_of_images():
    X = torch.randint(0, 255, (40, 8, 8), dtype=torch.uint8)
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    p = clf.fit(X, torch.arange(40) % 2).predict_proba(X)
    again = clf.fit(X.numpy(), np.arange(40) % 2).predict_proba(X.numpy())
    np.testing.assert_array_equal(p, again)
    masked = np.ma.masked_array(X.numpy(), X.numpy() > 250)
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(masked, np.arange(40) % 2)


DISPATCH = """
import numpy as np, torch
from sklearn import config_context
from sklimb import TabularMLPClassifier
rng = np.random.default_rng(0)
X, y = rng.normal(size=(80, 3)), np.arange(80) % 2
small = dict(max_epochs=1, d_block=8, random_state=0)
plain = TabularMLPClassifier(**small).fit(X, y, np.ones(80)).predict_proba(X)
with config_context(array_api_dispatch=True):
    T, t = torch.tensor(X, requires_grad=True), torch.tensor(y)
    clf = TabularMLPClassifier(**small, early_stopping=True).fit(T, t)
    clf = TabularMLPClassifier(**small).fit(T, t, torch.ones(80))
    p = clf.predict_proba(T)
assert isinstance(p, np.ndarray) and (p == plain).all()
"""


def test_tensors_under_array_api_dispatch():
    """In a process of its own, since scipy reads the variable when it is imported."""
    env = {
        **os.environ,
        "SCIPY_ARRAY_API": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", DISPATCH], env=env, check=True)
