"""A category is the same whatever its type: 10115, 10115.0, "10115"; True, "True"."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from helpers.packs import PLAIN

import sklimb
from sklimb import TabularEncoder, TabularMLPClassifier
from sklimb.inputs.category_texts import texts_of, twins_of

pl = pytest.importorskip("polars")


def table(values):
    return pd.DataFrame({"x": pd.Series(list(values), dtype=object)})


def fitted(values, **params):
    return TabularEncoder(categorical_features=["x"], **params).fit(table(values))


def codes(encoder, *values):
    return [int(encoder.transform(table([v]))[0, 0]) for v in values]


SAME = [
    [10115, "10115", 10115.0, np.int32(10115), np.float32(10115), Decimal("10115.0")],
    [10115, "10115.0"],
    [True, "True", np.bool_(True)],
    [0.5, "0.5", Decimal("0.50"), np.float64(0.5)],
    [-3, "-3", -3.0],
    [Decimal("1.1"), 1.1, "1.1"],
    [10**20, str(10**20), Decimal(10**20)],
]


@pytest.mark.parametrize("same", SAME, ids=str)
def test_equal_text_is_the_same_category(same):
    for known in same:
        encoder = fitted([known, "other"] * 3)
        code = codes(encoder, known)
        assert code != [0]
        assert codes(encoder, *same) == code * len(same)


@pytest.mark.filterwarnings("ignore:X has columns of which training has seen no value")
def test_what_stays_apart():
    assert codes(fitted(["010", "1.0"] * 3), "10", 10, "1", "01") == [0, 0, 0, 0]
    # True equals 1, as ever, and its text is not "1".
    assert codes(fitted([True, False] * 3), 1, 0, "1", "0") == [2, 1, 0, 0]
    assert codes(fitted([1, 0] * 3), True, False, "True", "1") == [2, 1, 0, 2]
    assert codes(fitted(["1", "0"] * 3), 1, 1.0, True) == [2, 2, 0]
    assert codes(fitted(["1", "1.0"] * 3), 1, "1", "1.0") == [1, 1, 2]


def test_one_training_column_of_several_types():
    mixed = ["1", 1, 1.0, 2, "2", "b"] * 5
    encoder = fitted(mixed)
    assert encoder.categories_ == [[1, 2, "b"]]
    assert encoder.transform(table(mixed)).ravel().tolist() == [1, 1, 1, 2, 2, 3] * 5
    assert fitted(mixed[::-1]).categories_ == encoder.categories_
    # Together they are frequent enough, and either alone is not.
    assert fitted([*["a"] * 6, *["7"] * 2, 7], min_frequency=3).categories_ == [
        [7, "a"]
    ]
    weight = np.array([1, 1, 0, 1])
    encoder = TabularEncoder(categorical_features=["x"])
    encoder.fit(table([5, 6, "5", "b"]), sample_weight=weight)
    assert encoder.categories_ == [[5, 6, "b"]]


def unseen(encoder, *values):
    return [encoder.input_report(table([v]))["unseen"].iloc[0] for v in values]


def test_rare_categories_of_another_type_are_seen_ones():
    encoder = fitted([*[1] * 9, 77], min_frequency=2)
    shares = [
        encoder.input_report(table([v]))["unseen"].iloc[0] for v in ("77", 77.0, "78")
    ]
    assert shares == [0, 0, 1]
    encoder = fitted([*["1"] * 9, "77", "077"], min_frequency=2)
    shares = [
        encoder.input_report(table([v]))["unseen"].iloc[0] for v in (77, 77.0, 78)
    ]
    assert shares == [0, 0, 1]


@pytest.mark.parametrize("dtype", ["str", "int64", "float64", "category", "string"])
def test_probabilities_do_not_depend_on_the_type_served(dtype, tmp_path):
    rng = np.random.default_rng(0)
    zips = rng.choice([10115, 20095, 80331], 200)
    X = pd.DataFrame({"zip": zips.astype(object), "n": rng.normal(size=200)})
    y = (zips == 80331) & (rng.random(200) < 0.8)
    params = {**PLAIN, "max_epochs": 3, "categorical_features": ["zip"]}
    clf = TabularMLPClassifier(**params).fit(X.astype({"zip": dtype}), y)
    expected = clf.predict_proba(X)
    assert np.ptp(expected[:, 1]) > 0.01
    clf.save(tmp_path / "clf.safetensors")
    for model in (clf, sklimb.load(tmp_path / "clf.safetensors")):
        for other in ("int64", "float64", "str", "string", "Int64", "category"):
            served = X.astype({"zip": other})
            np.testing.assert_array_equal(model.predict_proba(served), expected)
        served = pl.DataFrame({"zip": zips.astype(str), "n": X["n"].to_numpy()})
        np.testing.assert_array_equal(model.predict_proba(served), expected)


def test_texts_of_odd_values():
    odd = [None, "a", b"a", (1,), np.nan, np.inf, Decimal("nan"), Decimal("1e999999")]
    for value in odd:
        assert texts_of(value) == ()
    assert len(texts_of(10**400)) == 0 and len(texts_of(1e300)) == 1
    for text in ("1_0", " 1", "٣", "1e5", "9" * 5000, "", "nan", "inf"):
        assert twins_of(text) == ()
    assert twins_of("1e+20") == () and twins_of("1e-05") == (1e-05,)
    assert twins_of("False") == (False,) and twins_of("-7") == (-7,)
