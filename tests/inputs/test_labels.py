"""Labels of dtype object: numbers, booleans and text, but no mixture."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from helpers.packs import PLAIN, fixed_table

from sklimb import TabularMLPClassifier
from sklimb.inputs.labels import check_labels
from sklimb.model_selection import PackedSearchCV

X, Y = fixed_table()


def objects(*values):
    y = np.empty(len(values), dtype=object)
    y[:] = values
    return y


KINDS = {
    "integers": (objects(0, 1), [0, 1], "i"),
    "numpy integers": (objects(np.int8(3), np.int64(5)), [3, 5], "i"),
    "booleans": (objects(True, False), [False, True], "b"),
    "numpy booleans": (objects(np.bool_(True), False), [False, True], "b"),
    "booleans and integers": (objects(True, 0), [0, 1], "i"),
    "decimals": (objects(Decimal(2), Decimal("1.0")), [1, 2], "i"),
    "decimals and integers": (objects(Decimal(2), 1), [1, 2], "i"),
    "floats": (objects(1.0, np.float32(0)), [0.0, 1.0], "f"),
    "text": (objects("b", np.str_("a")), ["a", "b"], "U"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_objects_become_an_array_of_their_kind(kind):
    values, classes, dtype = KINDS[kind]
    y = values[Y]
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(X, y)
    assert clf.classes_.tolist() == classes and clf.classes_.dtype.kind == dtype
    assert set(clf.predict(X).tolist()) <= set(values.tolist())
    plain = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1})
    plain.fit(X, np.searchsorted(classes, [*values])[Y])
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("a", 1), r"y mixes text and numbers: row 0 holds 'a', row 1 1\. .*astype"),
        ((True, 2, "b"), "y mixes text and numbers: row 2 holds 'b', row 0 True"),
        ((1, b"b"), "y must hold numbers, strings or booleans, got b'b' .* row 1"),
        ((1, (2, 3)), r"got \(2, 3\) of type tuple in row 1"),
        ((pd.Timestamp(0), 1), "of type Timestamp in row 0"),
        ((10**30, 1), "integers of at most 64 bits"),
        ((2**63, -1), "integers of at most 64 bits"),
        ((Decimal("0.5"), 1), "continuous"),
        ((Decimal("Infinity"), 1), "contains infinity"),
        ((1, None), "row 1 has no label"),
        ((1, Decimal("nan")), "row 1 has no label"),
    ],
)
def test_what_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        check_labels(objects(*values))


def test_a_search_takes_objects_too():
    y = objects(Decimal(0), Decimal(1))[Y]
    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1})
    for labels in (y, pd.Series(y), y.tolist()):
        search = PackedSearchCV(clf, {"lr": [0.01]}, cv=2).fit(X, labels)
        assert 0 <= search.best_score_ <= 1 and search.classes_.tolist() == [0, 1]


def test_the_name_of_other_labels():
    with pytest.raises(ValueError, match="y_val mixes text"):
        check_labels(objects("a", 1), "y_val")
