"""Warnings of columns that hardly say what their owner means."""

import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.packs import PLAIN

from sklimb import TabularEncoder, TabularMLPClassifier
from sklimb.exceptions import InputWarning

N = 600
RNG = np.random.default_rng(0)
AMOUNT = RNG.gamma(2, 900, N)
SMALL = {**PLAIN, "max_epochs": 1}
LOOKS = {
    "number as text": [
        " " if i % 20 == 0 else f"{v:.2f}" for i, v in enumerate(AMOUNT)
    ],
    "currency": [f"${v:,.2f}" for v in AMOUNT],
    "percent": [f"{v:.0f} %" for v in RNG.uniform(0, 100, N)],
    "decimal comma": [f"{v:.1f}".replace(".", ",") for v in RNG.uniform(0, 9, N)],
    "date": pd.date_range("2024-01-01", periods=N, freq="5h").strftime("%Y-%m-%d"),
    "identifier": [f"C-{v:08d}" for v in RNG.integers(0, 10**8, N)],
}
ALSO = {
    "number as text": [
        [f"{int(v * 1000)}" for v in AMOUNT],
        [f"-{v:,.3f}" for v in AMOUNT],
        [f"{v:.2e}" for v in AMOUNT],
    ],
    "currency": [
        [f"{v:.2f} EUR" for v in AMOUNT],
        [f"({v:,.2f})€" for v in AMOUNT],
        [f"-£{v:,.2f}" for v in AMOUNT],
    ],
    "percent": [[f"{v:.1f}%" for v in AMOUNT / 99]],
    "decimal comma": [[f"{v:,.2f}".translate({44: 46, 46: 44}) for v in AMOUNT]],
    "date": [
        pd.date_range("2024-01-01", periods=N, freq="9h").strftime(form)
        for form in ("%d.%m.%Y", "%m/%d/%y", "%d %b %Y", "%B %d, %Y", "%Y-%m-%dT%H:%M")
    ],
    "identifier": [
        [f"{v:09d}" for v in RNG.integers(0, 10**8, N)],
        [f"a note of {v} words or so" for v in range(N)],
    ],
}
CURES = {
    "number as text": r'pd\.to_numeric\(\.\.\., errors="coerce"\)',
    "currency": r"strip signs.*pd\.to_numeric",
    "percent": r"strip signs.*pd\.to_numeric",
    "decimal comma": r"strip signs.*pd\.to_numeric",
    "date": r"pd\.to_datetime",
    "identifier": "drop identifiers",
}
GOOD = {
    "postcodes": [f"{v:05d}" for v in RNG.integers(1000, 1120, N)],
    "long postcodes": [f"{v}" for v in RNG.integers(10000, 10120, N)],
    "diagnoses": [f"{v / 5:g}" if v % 5 else f"V{v}" for v in RNG.integers(99, 199, N)],
    "versions": [f"{v}.{w}" for v, w in RNG.integers(0, 5, (N, 2))],
    "lines": [f"bus {v}" for v in RNG.integers(1, 60, N)],
    "rare levels": [*(["cook", "clerk", "judge"] * 190), *map(str, range(30))],
    "few percents": [f"{v * 10} %" for v in RNG.integers(0, 11, N)],
    "half missing": [f"shop {i % 40}" if i % 2 else None for i in range(N)],
}


def warned(X, expected=1, **params):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TabularEncoder(**params).fit(X)
    assert [w.category for w in caught] == [InputWarning] * expected
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("form", LOOKS)
def test_text_that_is_something_else_is_named(form):
    for values in (LOOKS[form], *ALSO[form]):
        X = pd.DataFrame({"fine": AMOUNT, "charges": np.asarray(values, dtype=object)})
        (text,) = warned(X)
        assert f"'charges' ({form})" in text and "fine" not in text
        assert "lower min_frequency" in text
        with pytest.warns(InputWarning, match=CURES[form]):
            TabularEncoder().fit(X.astype({"charges": "category"}))


def test_one_warning_names_all_columns_and_a_fit_gives_it_once():
    X = pd.DataFrame({f"a {form}": np.asarray(v, object) for form, v in LOOKS.items()})
    (text,) = warned(X)
    for form in LOOKS:
        assert f"'a {form}' ({form})" in text
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TabularMLPClassifier(**SMALL).fit(X, np.arange(N) % 2)
    assert [str(w.message) for w in caught] == [text]


def test_many_columns_of_long_names_make_no_long_text():
    kinds = [*LOOKS.values(), *(v for values in ALSO.values() for v in values)]
    X = pd.DataFrame({f"{i}" * 90: np.asarray(v, object) for i, v in enumerate(kinds)})
    (text,) = warned(X)
    assert len(text) < 600 and " more. Nothing was converted" in text


def test_rare_levels_of_many_rows():
    values = [f"shop {v}" for v in np.arange(9000) // 3]
    (text,) = warned(pd.DataFrame({"shop": values}))
    assert "'shop' (rare category)" in text and "min_frequency" in text
    assert not warned(pd.DataFrame({"shop": values}), 0, min_frequency=1)
    listed = pd.DataFrame({"x": AMOUNT})
    (text,) = warned(listed, categorical_features=["x"])
    assert "'x' (number): " not in text and "'x' (number)" in text


@pytest.mark.parametrize("case", GOOD)
def test_real_categories_do_not_warn(case):
    X = pd.DataFrame({"x": GOOD[case]})
    warned(X, 0)
    warned(X.astype("category"), 0)
    warned(X, 0, categorical_features=["x"])


def test_a_level_per_row_of_few_rows_is_no_matter():
    warned(pd.DataFrame({"x": LOOKS["currency"][:29]}), 0)
    warned(pd.DataFrame({"x": LOOKS["currency"][:31]}))


def test_copies_that_were_merged_still_count():
    X = pd.DataFrame({"city": [f"city {i % 40}" for i in range(N)]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TabularMLPClassifier(**SMALL).fit(X, np.arange(N) // 40 % 2)


# Columns without values.


def test_an_empty_column_is_named_and_ignored():
    y = np.arange(200) % 2
    X = pd.DataFrame(
        {
            "x": y + RNG.normal(size=200),
            "n": np.full(200, np.nan),
            "c": pd.Categorical([None] * 200, ["a", "b"]),
            "s": pd.array([None] * 200, dtype="string"),
        }
    )
    with pytest.warns(InputWarning, match="without a value.*'n', 'c', 's'") as caught:
        clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 3}).fit(X, y)
    assert len(caught) == 1
    later = X.assign(n=7.0, c="a", s="new")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = clf.predict_proba(later)
    assert np.isfinite(p).all()
    np.testing.assert_array_equal(p, clf.predict_proba(X))
    with pytest.warns(InputWarning, match="without a value"):
        encoder = TabularEncoder(category_encoding="onehot").fit(X)
    np.testing.assert_array_equal(encoder.transform(later), encoder.transform(X))


def test_a_column_that_is_empty_only_in_the_training_rows():
    X = pd.DataFrame({"x": [1.0, 2.0, 3.0], "late": [np.nan, np.nan, 5.0]})
    with pytest.warns(InputWarning, match="'late'"):
        TabularEncoder().fit(X, sample_weight=[1, 1, 0])


# Values that training has not seen.

SHOPS = pd.DataFrame(
    {
        "shop": np.repeat(["a", "b", "c"], 20),
        "zip": np.repeat(["01067", "10115", "20095"], 20),
    }
)


def test_columns_of_unseen_values_are_named_once_per_call():
    y = np.arange(60) % 2
    clf = TabularMLPClassifier(**{**SMALL, "batch_size": "auto"}).fit(SHOPS, y)
    new = SHOPS.assign(shop=SHOPS["shop"].str.upper(), zip="x")
    pattern = r"'shop' \('A', not 'a'\), 'zip' \('x', not '01067'\).*input_report"
    with pytest.warns(InputWarning, match=pattern) as caught:
        clf.predict(new)
    assert len(caught) == 1
    with pytest.warns(InputWarning, match="'zip'") as caught:
        TabularEncoder().fit(SHOPS).transform(SHOPS.assign(zip="x"))
    assert len(caught) == 1 and "shop" not in str(caught[0].message)


def test_few_rows_warn_only_of_another_kind_of_value():
    encoder = TabularEncoder().fit(SHOPS)
    new = SHOPS.assign(shop="x", zip=[None] * 59 + ["10115"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(new[:9])
        encoder.transform(SHOPS.assign(zip=[10115, *[None] * 59]))
    with pytest.warns(InputWarning, match="'shop'"):
        encoder.transform(new[:10])
    lost_zero = SHOPS.assign(zip=1067)
    with pytest.warns(InputWarning, match=r"'zip' \(1067, not '01067'\)"):
        encoder.transform(lost_zero[:1])


def of_towns(towns):
    return pd.DataFrame({"n": np.arange(40) % 7, "town": towns * 20})


@pytest.mark.parametrize("name", ["X_val", "X_unlabeled", "baseline"])
def test_rows_beside_X_are_warned_of_by_their_name(name):
    X, y = of_towns(["a", "b"]), np.tile([0, 0, 1, 1], 10)
    foreign = of_towns([1, 2])
    params = {**SMALL, "categorical_features": ["town"], "batch_size": 8}
    with pytest.warns(InputWarning, match=f"^{name} has columns of which") as told:
        if name == "X_val":
            TabularMLPClassifier(**params).fit(X, y, X_val=foreign, y_val=y)
        elif name == "X_unlabeled":
            params["joint_ssl"] = "scarf"
            TabularMLPClassifier(**params).fit(X, y, X_unlabeled=foreign)
        else:
            TabularMLPClassifier(**params).fit(X, y).explain(X, baseline=foreign[:1])
    assert len(told) == 1


def test_rare_values_of_training_are_no_unseen_ones():
    X = pd.DataFrame({"x": [*["a"] * 100, *(f"r{i}" for i in range(20))]})
    encoder = TabularEncoder(min_frequency=2).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(X[100:])
    with pytest.warns(InputWarning, match=r"'x' \('new', not 'a'\)"):
        encoder.transform(pd.DataFrame({"x": ["new"] * 10}))


def test_tables_without_names():
    X = np.array([["a"], ["b"]] * 20, dtype=object)
    encoder = TabularEncoder(categorical_features=[0]).fit(X)
    with pytest.warns(InputWarning, match=r"column 0 \('c', not 'a'\)"):
        encoder.transform(np.full((20, 1), "c", dtype=object))
