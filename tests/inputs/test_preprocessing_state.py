"""TabularEncoder: saved state, refusals, a real table and speed."""

import json
import os
import pickle
import time

import numpy as np
import pandas as pd
import pytest
from helpers.frames import TRANSFORMS, mixed_frame
from sklearn.base import clone

from sklimb.preprocessing import TabularEncoder

# Its table has a column without a value.
pytestmark = pytest.mark.filterwarnings("ignore:X has columns without a value")


@pytest.mark.filterwarnings("ignore:X has categorical columns with too many values")
@pytest.mark.parametrize("encoding", ["ordinal", "onehot"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_state_survives_json_bit_for_bit(transform, encoding):
    X = mixed_frame()
    X["code"] = np.arange(len(X)) % 7 / 3
    X["rare"] = np.arange(len(X)).astype(str)
    encoder = TabularEncoder(
        numeric_transform=transform,
        category_encoding=encoding,
        categorical_features=["job", "level", "code", "flag", "rare"],
        min_frequency=0.01,
        n_quantiles=np.int64(20),
    ).fit(X)
    config, arrays = encoder._get_state()
    assert not any(a.dtype.hasobject or a.dtype == np.uint64 for a in arrays.values())
    again = TabularEncoder._from_state(json.loads(json.dumps(config)), arrays)
    new = mixed_frame(seed=1).assign(code=X["code"] * 2, rare="7")
    for rows in (X, new):
        np.testing.assert_array_equal(again.transform(rows), encoder.transform(rows))
        pd.testing.assert_frame_equal(
            again.input_report(rows), encoder.input_report(rows)
        )
    assert again.get_params() == encoder.get_params()
    assert again.categories_ == encoder.categories_
    names = encoder.get_feature_names_out()
    assert again.get_feature_names_out().tolist() == names.tolist()
    assert vars(again).keys() == vars(encoder).keys()


def test_state_of_tables_without_numbers_or_categories():
    for X in (np.eye(3), pd.DataFrame({"x": ["a", "b"]})):
        encoder = TabularEncoder().fit(X)
        again = TabularEncoder._from_state(*encoder._get_state())
        np.testing.assert_array_equal(again.transform(X), encoder.transform(X))


def test_state_refuses_categories_that_json_has_not():
    X = pd.DataFrame({"n": [1, 2, 3], "raw": pd.Categorical([b"a", b"a", b"b"])})
    encoder = TabularEncoder().fit(X)
    assert encoder.transform(X)[:, 1].tolist() == [1, 1, 2]
    with pytest.raises(ValueError, match=r"save column 'raw' \(index 1\).*bytes.*text"):
        encoder._get_state()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"numeric_transform": "normal"}, "'numeric_transform'.*'normal'"),
        ({"n_quantiles": 1}, "'n_quantiles'.*Got 1"),
        ({"min_frequency": 1.5}, "'min_frequency'.*1.5"),
        ({"category_encoding": "target"}, "'category_encoding'.*'target'"),
        ({"dtype": "float16"}, "'dtype'.*'float16'"),
        ({"categorical_features": ["wage"]}, "'wage' which is not a column"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder(**params).fit(mixed_frame())


def test_bad_input_names_the_trouble():
    X = mixed_frame()
    encoder = TabularEncoder().fit(X)
    with pytest.raises(ValueError, match=r"feature names should match.*\n.*unseen"):
        encoder.transform(X.rename(columns={"job": "work"}))
    with pytest.raises(ValueError, match="X has 2 features, but TabularEncoder is exp"):
        TabularEncoder().fit(np.eye(3)).transform(np.eye(2))
    with pytest.raises(ValueError, match=r"infinity.*column 'amount' \(index 0\).*NaN"):
        encoder.transform(X.assign(amount=np.inf))
    with pytest.raises(ValueError, match=r"Negative values in data passed to.*weight"):
        encoder.fit(X, sample_weight=np.r_[-1.0, np.ones(len(X) - 1)])
    with pytest.raises(ValueError, match="zero"):
        encoder.fit(X, sample_weight=np.zeros(len(X)))


def test_clone_and_pickle():
    X = mixed_frame()
    encoder = TabularEncoder(categorical_features=[6, 7]).fit(X)
    expected = encoder.transform(X)
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.transform(X), expected)
    np.testing.assert_array_equal(clone(encoder).fit_transform(X), expected)


def test_adult():
    path = os.path.join(os.environ["SKLIMB_DATA"], "adult.parquet")
    table = pd.read_parquet(path)
    is_train = table["split"] == "train"
    X = table.drop(columns=["income", "split"])
    encoder = TabularEncoder().fit(X[is_train])
    out = encoder.transform(X)
    assert out.shape == (48842, 14) and np.isfinite(out).all()
    assert encoder.n_numeric_ == 6 and encoder.n_indicators_ == 0
    train = out[is_train.to_numpy()].astype(float)
    np.testing.assert_allclose(train[:, :6].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train[:, :6].std(axis=0), 1, atol=1e-6)
    missing = X["workclass"].isna().to_numpy()
    code = encoder.categories_[0].index(None) + 1
    np.testing.assert_array_equal(out[:, 6] == code, missing)
    share = X.loc[is_train, "workclass"].value_counts() / is_train.sum()
    assert encoder.categories_[0][:-1] == sorted(share.index[share >= 0.0005])
    report = encoder.input_report(X[~is_train])
    assert report.loc["workclass", "missing_train"] == pytest.approx(1836 / 32561)
    assert report.loc["workclass", "missing"] == pytest.approx(963 / 16281)
    assert report.loc["occupation", "unseen"] == 0


@pytest.mark.slow
def test_speed():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(300_000, 30))).add_prefix(
        "c"
    )
    start = time.perf_counter()
    encoder = TabularEncoder()
    encoder.fit_transform(X)
    assert time.perf_counter() - start < 3
    row = X.iloc[:1]
    start = time.perf_counter()
    for _ in range(20):
        encoder.transform(row)
    assert (time.perf_counter() - start) / 20 < 0.01


def test_a_refused_fit_leaves_the_encoder_as_it_was():
    X = np.arange(12.0).reshape(6, 2)
    fresh = TabularEncoder()
    fitted = TabularEncoder().fit(X)
    before, expected = dict(vars(fitted)), fitted.transform(X)
    for wrong in (
        {"X": np.full((6, 2), np.inf)},
        {"X": X, "sample_weight": np.zeros(6)},
    ):
        for encoder in (fresh, fitted):
            with pytest.raises(ValueError):
                encoder.fit(**wrong)
    assert vars(fresh) == vars(TabularEncoder())
    assert vars(fitted) == before
    np.testing.assert_array_equal(fitted.transform(X), expected)
