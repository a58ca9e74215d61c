"""A few rows are read and encoded at once, with the bits of many rows."""

import numpy as np
import pandas as pd
import pytest
from helpers.frames import TRANSFORMS, mixed_frame

from sklimb import FTTransformerClassifier, TabularMLPClassifier
from sklimb.inputs.few_rows import FEW_ROWS
from sklimb.preprocessing import TabularEncoder
from sklimb.training.device import BLOCK_ROWS, block_rows

# A column of the table is empty on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:X has columns without a value")


def frame():
    """Every kind of column, those too that are read one by one."""
    X = mixed_frame()
    rng = np.random.default_rng(1)
    n = len(X)
    X["wide"] = rng.integers(-(2**62), 2**62, n)
    X["byte"] = rng.integers(0, 200, n).astype(np.uint8)
    X["single"] = rng.normal(size=n).astype(np.float32)
    X["half"] = rng.normal(size=n).astype(np.float16)
    X["nullable"] = pd.array([None if i % 7 == 0 else i for i in range(n)], "Int64")
    X["objects"] = pd.Series(
        [None if i % 5 == 0 else i / 4 for i in range(n)], dtype=object
    )
    X["sparse"] = pd.arrays.SparseArray(rng.integers(0, 2, n).astype(float))
    X["text"] = X["job"].astype("category")
    X["coded"] = pd.Categorical(rng.integers(0, 9, n), range(8, -1, -1))
    return X


@pytest.mark.parametrize("encoding", ["ordinal", "onehot"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_few_rows_have_the_bits_of_many(transform, encoding):
    X = frame()
    encoder = TabularEncoder(
        numeric_transform=transform, category_encoding=encoding, min_frequency=0.05
    ).fit(X.iloc[:300])
    expected = encoder.transform(X)
    for rows in (slice(0, 1), slice(303, 304), slice(9, 12), slice(380, 400)):
        assert len(X.iloc[rows]) <= FEW_ROWS < len(X)
        np.testing.assert_array_equal(encoder.transform(X.iloc[rows]), expected[rows])


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", object])
def test_a_few_rows_of_an_array(dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 100, size=(100, 5)).astype(dtype)
    encoder = TabularEncoder(categorical_features=[1]).fit(X)
    expected = encoder.transform(X)
    for i in range(0, 100, 9):
        rows = X[i : i + 1].copy()
        np.testing.assert_array_equal(encoder.transform(rows), expected[i : i + 1])
        assert (rows == X[i : i + 1]).all()


def test_a_row_of_a_frame_is_not_changed():
    X = frame()
    encoder = TabularEncoder(numeric_transform="standard").fit(X)
    row = X.iloc[[5]]
    before = row.copy()
    encoder.transform(row)
    pd.testing.assert_frame_equal(row, before)
    numbers = np.ones((1, 3))
    TabularEncoder(numeric_transform="standard").fit(np.eye(3)).transform(numbers)
    assert (numbers == 1).all()


def test_a_few_rows_are_refused_like_many():
    X = frame()
    encoder = TabularEncoder().fit(X)
    row = X.iloc[[5]]
    with pytest.raises(ValueError, match=r"infinity.*'amount' \(index 0\) holds -inf"):
        encoder.transform(row.assign(amount=-np.inf))
    with pytest.raises(ValueError, match="feature names should match"):
        encoder.transform(row[row.columns[::-1]])
    with pytest.raises(ValueError, match="feature names should match"):
        encoder.transform(row.drop(columns="job"))
    with pytest.raises(ValueError, match=r"'amount' \(index 0\) as numbers.*'x'"):
        encoder.transform(row.assign(amount="x"))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        encoder.transform(row.to_numpy(object))
    encoder = TabularEncoder().fit(np.eye(3))
    with pytest.raises(ValueError, match="X has 2 features"):
        encoder.transform(np.eye(2)[:1])


def test_blocks_have_fewer_rows_where_a_row_is_more_work():
    assert block_rows("cpu", 0) == block_rows("cpu", 1000) == BLOCK_ROWS["cpu"]
    assert block_rows("cuda", 10**9) == BLOCK_ROWS["cuda"]
    sizes = [block_rows("cpu", 10**k) for k in range(10)]
    assert sizes == sorted(sizes, reverse=True) and 1 < sizes[-1] < sizes[0]


@pytest.mark.parametrize(
    "clf", [TabularMLPClassifier(), FTTransformerClassifier(d_block=16, n_blocks=1)]
)
def test_wide_tables_are_predicted_in_small_blocks_of_one_size(clf):
    """So that one row costs little, and has the bits that it has among others."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 150)).astype(np.float32)
    y = np.arange(60) % 2
    clf.set_params(max_epochs=1, random_state=0).fit(X, y)
    size = clf.net_._block_rows()
    assert size < BLOCK_ROWS["cpu"]
    p = clf.predict_proba(X)
    for i in (0, 31, 59):
        np.testing.assert_array_equal(clf.predict_proba(X[i : i + 1]), p[i : i + 1])
    assert clf.fit(X[:, :2], y).net_._block_rows() > size
