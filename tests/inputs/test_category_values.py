"""Category values of every type survive JSON, and those of no type are refused."""

import datetime as dt
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import sklimb
from sklimb import TabularMLPClassifier
from sklimb.inputs.category_values import tagged, untagged
from sklimb.preprocessing import TabularEncoder

DAY, HOUR = pd.Timestamp("2024-03-31"), pd.Timedelta("1h")
VALUES = [
    None,
    True,
    7,
    -(2**70),
    "text",
    0.1,
    float("inf"),
    np.int8(3),
    np.float32(0.1),
    Decimal("1.50"),
    DAY,
    pd.Timestamp("2024-01-01 12:30:01.123456789"),
    DAY.as_unit("s"),
    pd.Timestamp("2024-03-31 12:00", tz="Europe/Berlin"),
    pd.Timestamp("2024-03-31 12:00+05:30"),
    pd.Timestamp("2024-03-31 12:00", tz="UTC"),
    HOUR,
    pd.Timedelta(-1, "ns"),
    dt.datetime(2024, 1, 2, 3, 4, 5, 6),
    dt.date(2024, 2, 29),
    pd.Period("2024Q1"),
    pd.Period("2024-01-02 03:04", "h"),
    *(pd.Interval(0, 1, closed) for closed in ("left", "right", "both", "neither")),
    pd.Interval(0.1, float("inf")),
    pd.Interval(DAY, DAY + HOUR),
    pd.Interval(HOUR, 2 * HOUR),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_survive_json(value):
    again = untagged(*json.loads(json.dumps(tagged(value))))
    value = value.item() if isinstance(value, np.generic) else value
    assert again == value and type(again) is type(value)
    assert hash(again) == hash(value)
    assert repr(again) == repr(value)


def test_other_values_are_refused():
    for value in (b"bytes", (1, 2), 1j, frozenset()):
        with pytest.raises(TypeError, match=type(value).__name__):
            tagged(value)
    X = pd.DataFrame({"x": pd.Categorical([b"a", b"b"])})
    with pytest.raises(ValueError, match=r"save column 'x' \(index 0\).*bytes.*text"):
        TabularEncoder().fit(X)._get_state()
    with pytest.raises(ValueError, match="'pickle', which this sklimb does not know"):
        untagged("pickle", "x")


def test_classifiers_with_cut_columns_are_saved(tmp_path):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=120)
    days = pd.date_range("2024-01-01", periods=120, freq="h").to_series()
    X = pd.DataFrame(
        {
            "cut": pd.cut(numbers, 4),
            "quarter": pd.qcut(numbers, 4),
            "given": pd.cut(numbers, [-9, 0, 9], right=False),
            "days": pd.cut(days.to_numpy(), 3),
            "month": pd.Categorical(days.dt.to_period("D")),
            "date": pd.Categorical(days.dt.date),
        }
    )
    X.loc[::10, "cut"] = None
    clf = TabularMLPClassifier(max_epochs=1, random_state=0).fit(X, np.arange(120) % 2)
    clf.save(tmp_path / "clf.safetensors")
    again = sklimb.load(tmp_path / "clf.safetensors")
    assert again.encoder_.categories_ == clf.encoder_.categories_
    codes = clf.encoder_.transform(X)
    assert all(len(np.unique(column)) > 1 for column in codes.T)
    np.testing.assert_array_equal(again.encoder_.transform(X), codes)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    one = X.iloc[[7]]
    np.testing.assert_array_equal(again.predict_proba(one), clf.predict_proba(one))
