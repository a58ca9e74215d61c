"""TabularEncoder: oracles, weights, categories, reports and containers."""

import pickle
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from helpers.frames import TRANSFORMS, mixed_frame
from scipy import stats
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklimb.exceptions import InputWarning
from sklimb.inputs.table import read_table
from sklimb.preprocessing import TabularEncoder

pl = pytest.importorskip("polars")
nan = float("nan")
# Their tables have a column without a value.
pytestmark = pytest.mark.filterwarnings("ignore:X has columns without a value")


@parametrize_with_checks(
    [
        TabularEncoder(),
        TabularEncoder(numeric_transform="standard"),
        TabularEncoder(numeric_transform="robust"),
        TabularEncoder(numeric_transform=None, category_encoding="onehot"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def oracle(values):
    """Normal scores of the mid-ranks, standardised, by the definition."""
    scores = []
    for v in values:
        below, equal = sum(u < v for u in values), sum(u == v for u in values)
        scores.append(NormalDist().inv_cdf((below + equal / 2) / len(values)))
    scores = np.array(scores)
    return (scores - scores.mean()) / scores.std()


def test_quantiles_equal_the_definition():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.exp(rng.normal(size=200)), rng.integers(0, 5, 200)])
    weight = rng.integers(1, 5, 200)
    encoder = TabularEncoder(dtype="float64")
    rows = np.repeat(X, weight, axis=0)
    expected = np.column_stack([oracle(column) for column in rows.T])
    np.testing.assert_allclose(encoder.fit_transform(rows), expected, atol=1e-10)
    encoder.fit(X, sample_weight=weight)
    np.testing.assert_allclose(encoder.transform(rows), expected, atol=1e-10)


def test_quantiles_interpolate_and_clamp():
    encoder = TabularEncoder(dtype="float64").fit(np.array([[0.0], [1.0], [5.0]]))
    out = encoder.transform(np.array([[-9.0], [0.5], [3.0], [99.0]])).ravel()
    z = oracle([0, 1, 5])
    np.testing.assert_allclose(out, [z[0], z[:2].mean(), z[1:].mean(), z[2]])


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_integer_weights_equal_repetitions_bit_for_bit(transform):
    X = mixed_frame(3000)
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    params = {"numeric_transform": transform, "n_quantiles": 50, "min_frequency": 0.05}
    weighted = TabularEncoder(**params, dtype="float64").fit(X, sample_weight=weight)
    repeated = X.loc[X.index.repeat(weight)].sample(frac=1, random_state=0)
    repeated = TabularEncoder(**params, dtype="float64").fit(repeated)
    np.testing.assert_array_equal(weighted.transform(X), repeated.transform(X))
    assert weighted.categories_ == repeated.categories_
    assert weighted.input_report(X).equals(repeated.input_report(X))


def test_rows_of_weight_zero_teach_nothing():
    X = mixed_frame()
    weight = np.ones(len(X))
    weight[:5] = 0
    spoiled = X.copy()
    spoiled.loc[:4, ["amount", "same"]] = 1e9
    spoiled.loc[:4, "never"] = 1.0
    spoiled.loc[:4, "job"] = "pirate"
    one = TabularEncoder(min_frequency=1).fit(X, sample_weight=weight)
    two = TabularEncoder(min_frequency=1).fit(spoiled, sample_weight=weight)
    np.testing.assert_array_equal(one.transform(X), two.transform(X))
    assert two.categories_[0] == ["clerk", "cook", "judge", None]


def test_fractional_weights_make_no_indicator():
    X = np.random.default_rng(0).normal(size=(1000, 3))
    weight = np.random.default_rng(1).random(1000)
    encoder = TabularEncoder().fit(X, sample_weight=weight)
    assert encoder.n_indicators_ == 0
    assert (encoder.input_report(X)["missing_train"] == 0).all()


def test_output_is_nearly_gaussian():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.exp(2 * rng.normal(size=20_000)), rng.random(20_000)])
    new = np.column_stack([np.exp(2 * rng.normal(size=20_000)), rng.random(20_000)])
    encoder = TabularEncoder().fit(X)
    for column, fitted in zip(X.T, encoder._columns, strict=True):
        assert 900 < fitted.knots.shape[1] <= 1000
        assert fitted.knots[0, 0] == column.min()
        assert fitted.knots[0, -1] == column.max()
    assert TabularEncoder(n_quantiles=9).fit(X[:50])._columns[0].knots.shape[1] == 9
    for column in encoder.transform(X).T:
        assert stats.kstest(column, "norm").statistic < 0.002
        assert abs(column.mean()) < 1e-6 and abs(column.std() - 1) < 1e-6
    for column in encoder.transform(new).T:
        assert stats.kstest(column, "norm").statistic < 0.02


def test_discrete_columns_are_standardised():
    X = np.array([[0.0], [0], [0], [1]])
    out = TabularEncoder(dtype="float64").fit_transform(X).ravel()
    np.testing.assert_allclose(out, (X.ravel() - 0.25) / np.sqrt(3 / 16))
    weight = np.array([1.0, 0.5, 2.5, 0.7])
    out = TabularEncoder(dtype="float64").fit_transform(X, sample_weight=weight).ravel()
    assert abs(np.average(out, weights=weight)) < 1e-14
    assert np.average(out**2, weights=weight) == pytest.approx(1)


def test_standard_is_a_standard_scaler():
    X = np.random.default_rng(0).gamma(2, size=(500, 3)) * [1, 1e-6, 1e6]
    weight = np.random.default_rng(1).random(500)
    encoder = TabularEncoder(numeric_transform="standard", dtype="float64")
    scaler = StandardScaler()
    np.testing.assert_allclose(
        encoder.fit_transform(X, sample_weight=weight),
        scaler.fit_transform(X, sample_weight=weight),
    )
    encoder.set_params(dtype="float32").fit(X * 1e-12)
    assert np.isfinite(encoder.transform(X * 1e31)).all()


def test_none_leaves_numbers_alone_and_fills_the_mean():
    X = pd.DataFrame({"a": [1.0, 2.0, nan, 6.0], "b": [0.1, 0.2, 0.3, 1e30]})
    encoder = TabularEncoder(numeric_transform=None)
    out = encoder.fit_transform(X, sample_weight=[1, 1, 1, 2])
    assert out[:, 0].tolist() == [1, 2, 3.75, 6]
    np.testing.assert_array_equal(out[:, 1], X["b"].to_numpy(np.float32))
    assert out[:, 2].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_row_is_encoded_the_same_in_any_company(transform):
    X = mixed_frame(40_000)
    X.loc[X.index[:100], "amount"] = nan
    encoder = TabularEncoder(numeric_transform=transform).fit(X[:30_000])
    state = pickle.dumps(encoder)
    whole = encoder.transform(X)
    pieces = [encoder.transform(X.iloc[i : i + 1]) for i in range(0, 40_000, 997)]
    np.testing.assert_array_equal(whole[::997], np.vstack(pieces))
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(encoder.transform(X.iloc[order]), whole[order])
    assert pickle.dumps(encoder) == state
    assert len(np.unique(whole[:, 0])) > 20_000


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_constant_columns_become_zeros_in_their_place(transform):
    X = pd.DataFrame(
        {"c": [0.1, 0.1, 0.1], "x": [1.0, 2, 3], "m": [nan] * 3, "p": [4, nan, 4]}
    )
    encoder = TabularEncoder(numeric_transform=transform).fit(X)
    assert encoder.constant_columns_.tolist() == [0, 2, 3]
    assert encoder.indicator_columns_.tolist() == [3]
    new = pd.DataFrame(
        {"c": [7.0, nan], "x": [1.0, nan], "m": [1.0, nan], "p": [9, nan]}
    )
    out = encoder.transform(new)
    assert (out[:, [0, 2, 3]] == 0).all()
    assert out[:, 4].tolist() == [0, 1]
    assert out[1, 1] == (0 if transform else 2)
    assert out[0, 1] != out[1, 1]


def codes(encoder, *values):
    """Codes of single values of a one-column table."""
    column = pd.Series(list(values), dtype=object)
    return encoder.transform(pd.DataFrame({"x": column})).ravel().tolist()


def test_codes_of_frequent_rare_unseen_and_missing():
    X = pd.DataFrame({"x": ["b"] * 6 + ["a"] * 2 + ["rare"] + [None] * 3})
    encoder = TabularEncoder(min_frequency=2).fit(X)
    assert encoder.categories_ == [["a", "b", None]]
    assert encoder.cardinalities_ == (4,)
    assert codes(encoder, "a", "b", None, "rare", "new", pd.NA) == [1, 2, 3, 0, 0, 3]
    assert TabularEncoder(min_frequency=2 / 12).fit(X).categories_ == [["a", "b", None]]
    assert TabularEncoder(min_frequency=0.2).fit(X).categories_ == [["b", None]]
    encoder = TabularEncoder(min_frequency=7).fit(X)
    assert encoder.categories_ == [[]] and encoder.cardinalities_ == (1,)
    assert codes(encoder, "b", None) == [0, 0]
    weight = np.r_[np.full(8, 0.25), 1, np.full(3, 7)]
    encoder = TabularEncoder(min_frequency=1 / 24).fit(X, sample_weight=weight)
    assert encoder.categories_ == [["b", "rare", None]]
    weight = np.r_[np.ones(8), 2, np.full(3, 0.5)]
    encoder = TabularEncoder(min_frequency=2).fit(X, sample_weight=weight)
    assert encoder.categories_ == [["a", "b", "rare"]]
    assert codes(encoder, None) == [0]


def test_codes_do_not_depend_on_order_or_type():
    X = mixed_frame()
    encoder = TabularEncoder().fit(X)
    expected = encoder.transform(X)
    other = X.copy()
    other["job"] = pd.Categorical(X["job"], ["x", "judge", "cook", "clerk"])
    other["level"] = pd.Categorical(X["level"].astype(float), [4.0, 1.0, 3.0, 2.0])
    np.testing.assert_array_equal(encoder.transform(other), expected)
    np.testing.assert_array_equal(TabularEncoder().fit_transform(other), expected)
    order = np.random.default_rng(0).permutation(len(X))
    again = TabularEncoder().fit(other.iloc[order])
    np.testing.assert_array_equal(again.transform(X), expected)
    assert again.categories_ == [["clerk", "cook", "judge", None], [1, 2, 3, 4]]


def test_codes_of_a_few_rows_of_a_large_category():
    values = pd.Categorical(["d", None, "b"], list("abcdefgh"))
    encoder = TabularEncoder().fit(pd.DataFrame({"x": ["a", "b", "d", None]}))
    new = pd.DataFrame({"x": values})
    assert encoder.transform(new).ravel().tolist() == [3, 4, 2]
    assert encoder.transform(new[1:2]).tolist() == [[4]]


def test_values_of_many_types_in_one_column():
    X = pd.DataFrame({"x": pd.Series(["b", 2, 1.5, None, "a", True], dtype=object)})
    encoder = TabularEncoder(categorical_features=["x"]).fit(X)
    assert encoder.categories_ == [[True, 1.5, 2, "a", "b", None]]
    assert codes(encoder, 1, 2.0, "2", "b", nan) == [1, 3, 3, 5, 6]


def test_a_categorical_column_stays_one_whatever_its_type_later():
    X = pd.DataFrame({"x": ["a", "b", None, None]})
    encoder = TabularEncoder().fit(X)
    assert encoder.transform(pd.DataFrame({"x": [nan]})).tolist() == [[3]]
    with pytest.warns(InputWarning, match=r"'x' \(7, not 'a'\)"):
        assert encoder.transform(pd.DataFrame({"x": [7]})).tolist() == [[0]]
    numeric = TabularEncoder().fit(pd.DataFrame({"x": [1, 2]}))
    assert codes(numeric, None) == [0]
    with pytest.raises(ValueError, match=r"column 'x' .* as numbers: it holds 'a'"):
        numeric.transform(X)


def test_onehot():
    X = pd.DataFrame({"n": [1, 2, 3], "x": ["b", "a", None], "y": [2.0, 1.0, 2.0]})
    encoder = TabularEncoder(
        category_encoding="onehot", categorical_features=["x", "y"]
    )
    new = pd.DataFrame({"n": [2] * 4, "x": ["a", "b", None, "new"], "y": [3, 2, 1, 1]})
    out = encoder.fit(X).set_output(transform="pandas").transform(new)
    x = ["x_infrequent", "x_a", "x_b", "x_missing"]
    y = ["y_infrequent", "y_1", "y_2"]
    assert list(out) == ["n", *x, *y]
    assert out[x].to_numpy().argmax(axis=1).tolist() == [1, 2, 3, 0]
    assert out[y].to_numpy().argmax(axis=1).tolist() == [0, 2, 1, 1]
    assert (out[x + y].sum(axis=1) == 2).all()


def test_feature_names():
    X = pd.DataFrame({"a": [1, nan], "a_missing": [1, 2], "b": ["u", "v"]})
    encoder = TabularEncoder().fit(X)
    expected = ["a", "a_missing", "a_missing_", "b"]
    assert encoder.get_feature_names_out().tolist() == expected
    assert encoder.feature_names_in_.tolist() == ["a", "a_missing", "b"]
    encoder.fit(np.array([[nan, 1], [1, 2], [2, 3]]))
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1", "x0_missing"]
    assert not hasattr(encoder, "feature_names_in_")
    encoder.fit(X)._fit_table(read_table(np.eye(2)))
    assert not hasattr(encoder, "feature_names_in_")


def test_indicators_follow_the_numbers():
    X = np.array([[1, nan, 1, nan], [nan, nan, 2, 2], [1, nan, 3, 3.0]])
    encoder = TabularEncoder().fit(X)
    assert encoder.indicator_columns_.tolist() == [0, 3]
    assert encoder.transform(X)[:, 4:].tolist() == [[0, 1], [1, 0], [0, 0]]


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(container):
    X = mixed_frame(50)
    X.index = np.arange(50) + 100
    out = TabularEncoder().set_output(transform=container).fit_transform(X)
    np.testing.assert_array_equal(out.to_numpy(), TabularEncoder().fit_transform(X))
    names = ["amount", "count", "gap", "same", "never", "flag", "gap_missing"]
    assert list(out.columns) == [*names, "job", "level"]
    if container == "pandas":
        assert out.index.equals(X.index) and (out.dtypes == np.float32).all()
    else:
        assert isinstance(out, pl.DataFrame)


def test_every_container_gives_the_same_encoding():
    X = mixed_frame()
    expected = TabularEncoder(dtype="float64").fit_transform(X)
    nullable = X.astype({"count": "Int8", "gap": "Float64", "flag": "boolean"})
    strings = X.astype({"job": "string", "level": "Int64"})
    objects = X.astype(object).where(X.notna(), pd.NA)
    polars = pl.DataFrame(
        {k: v.astype(object).where(v.notna(), None) for k, v in X.items()}
    )
    spec = ["job", "level"]
    for other in (nullable, strings, objects, polars, X[::1]):
        encoder = TabularEncoder(categorical_features=spec, dtype="float64")
        np.testing.assert_array_equal(encoder.fit_transform(other), expected)
    encoder = TabularEncoder(categorical_features=[6, 7], dtype="float64")
    np.testing.assert_array_equal(encoder.fit_transform(objects.to_numpy()), expected)


def test_missing_where_training_had_none():
    X = pd.DataFrame({"a": [1.0, 2, 3], "b": ["u", "v", "w"]})
    for transform, expected in (("quantile", 0), ("standard", 0), (None, 2)):
        encoder = TabularEncoder(numeric_transform=transform).fit(X)
        out = encoder.transform(pd.DataFrame({"a": [pd.NA], "b": [pd.NA]}))
        assert out.tolist() == [[expected, 0]]


def test_input_is_left_alone():
    X = mixed_frame()
    before = X.copy(deep=True)
    encoder = TabularEncoder(numeric_transform="standard").fit(X)
    encoder.transform(X)
    encoder.input_report(X)
    pd.testing.assert_frame_equal(X, before)
    array = np.asfortranarray(np.random.default_rng(0).normal(size=(50, 3)))
    array.flags.writeable = False
    TabularEncoder(numeric_transform="standard").fit_transform(array)


def test_input_report():
    X = pd.DataFrame(
        {"n": [1, 2, 3, nan], "c": ["a", "a", "rare", None], "m": [nan] * 4}
    )
    encoder = TabularEncoder(min_frequency=2).fit(X, sample_weight=[1, 1, 1, 2])
    new = pd.DataFrame(
        {
            "n": [0, 1, 3, 4, nan],
            "c": ["a", "rare", "new", "newer", None],
            "m": [1.0, nan, nan, nan, nan],
        }
    )
    expected = pd.DataFrame(
        {
            "kind": ["numeric", "categorical", "numeric"],
            "unseen": [nan, 0.4, nan],
            "missing": [0.2, 0.2, 0.8],
            "missing_train": [0.4, 0.4, 1.0],
            "out_of_range": [0.4, nan, 0.2],
        },
        index=["n", "c", "m"],
    )
    pd.testing.assert_frame_equal(encoder.input_report(new), expected)
    levels = pd.DataFrame({"c": pd.Categorical(["a", "b"], ["a", "b", "c"])})
    new = pd.DataFrame({"c": ["a", "b", "c", "c"]})
    report = TabularEncoder(min_frequency=0.0).fit(levels).input_report(new)
    assert report.loc["c", "unseen"] == 0.5
    own = encoder.input_report(X)
    assert (own["unseen"].dropna() == 0).all()
    assert (own["out_of_range"].dropna() == 0).all()


def test_columns_of_another_byte_order():
    """Arrays of some files are big-endian, which pandas does not factorize."""
    values = np.array([[1.0, 2], [3, 4], [1, 5], [3, np.nan]])
    for mask in ([0], [], [0, 1]):
        encoder = TabularEncoder(categorical_features=mask)
        expected = encoder.fit_transform(values)
        for dtype in (">f8", "<f8", ">f4"):
            got = encoder.transform(values.astype(dtype))
            np.testing.assert_array_equal(got, expected)
            got = encoder.fit_transform(values.astype(dtype))
            np.testing.assert_array_equal(got, expected)
