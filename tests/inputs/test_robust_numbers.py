"""numeric_transform="robust": what it is, and where "auto" stands for it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sklimb import TabularEncoder, TabularMLPClassifier, TabularResNetClassifier
from sklimb.explanation import baseline_values
from sklimb.fitting import schedule
from sklimb.fitting.budget import NETWORKS
from sklimb.inputs.number_scales import out_of_reach, within_reach
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer

SHORT = {
    "validation_folds": 2,
    "max_epochs": "auto",
    "n_iter_no_change": 2,
    "n_members": 1,
    "d_block": 8,
    "d_embedding": 4,
    "n_frequencies": 4,
    "random_state": 0,
}
# One split, but a short training, where "auto" may be folds.
SPLIT = {**SHORT, "validation_folds": "auto", "validation_fraction": 0.2}


def table(n=240, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.lognormal(0, 2, n), rng.normal(size=n)])
    return X, (np.log(X[:, 0]) + X[:, 1] + rng.normal(size=n) > 1).astype(int)


def encode(values, **params):
    encoder = TabularEncoder(numeric_transform="robust", dtype="float64", **params)
    return encoder.fit_transform(np.asarray(values, dtype=float)[:, None])[:, 0]


def test_it_equals_the_definition():
    # Mid-ranks .1, .3, .5, .7, .9: quartiles at 3/4 and 1/4 of the way.
    values = np.array([0.0, 2.0, 3.0, 7.0, 1000.0])
    scale = ((7 + 0.25 * 993) - 1.5) / 1.3489795003921634
    z = (values - 3) / scale
    np.testing.assert_allclose(encode(values), z / np.sqrt(1 + (z / 3) ** 2))


def test_normal_numbers_keep_their_scale_and_far_ones_end_at_3():
    values = np.random.default_rng(0).normal(5, 7, 20_001)
    z = (values - 5) / 7
    # Quartiles of so many rows are known within some hundredths.
    np.testing.assert_allclose(encode(values), within_reach(z), atol=0.03)
    encoder = TabularEncoder(numeric_transform="robust", dtype="float64")
    far = encoder.fit(values[:, None]).transform([[5e3], [-1e300], [1e308]])[:, 0]
    np.testing.assert_allclose(far, [3, -3, 3], atol=1e-3)
    assert (abs(far) <= 3).all()


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_where_one_value_has_half_it_takes_mean_and_deviation(share):
    values = np.zeros(2000)
    values[: round(2000 * (1 - share))] = 8.0
    z = (values - values.mean()) / values.std()
    np.testing.assert_allclose(encode(values), within_reach(z))


def test_a_missing_value_is_0_and_an_outlier_moves_nothing():
    values = np.arange(100.0)
    moved = np.where(values == 99, 1e9, values)
    np.testing.assert_array_equal(encode(values)[:-1], encode(moved)[:-1])
    encoder = TabularEncoder(numeric_transform="robust").fit(values[:, None])
    assert encoder.transform([[np.nan]]).tolist() == [[0.0]]


def test_the_inverse_is_one():
    z = np.linspace(-50, 50, 1001)
    np.testing.assert_allclose(out_of_reach(within_reach(z.copy())), z, rtol=1e-9)
    assert np.isfinite(out_of_reach(np.array([-3.0, 3.0]))).all()


def test_explanations_start_at_a_value_of_the_column():
    X, y = table()
    clf = TabularMLPClassifier(**{**SHORT, "numeric_transform": "robust"}).fit(X, y)
    raw = TabularMLPClassifier(
        **{**SHORT, "numeric_transform": None, "dtype": "float64"}
    ).fit(X, y)
    np.testing.assert_allclose(baseline_values(clf), baseline_values(raw), rtol=1e-5)


@pytest.mark.parametrize(("less", "there"), [(0, "quantile"), (1, "robust")])
@pytest.mark.parametrize("how", [SHORT, SPLIT])
def test_auto_is_robust_below_so_many_merged_rows(monkeypatch, less, there, how):
    X, y = table()
    monkeypatch.setattr(TabularMLPClassifier, "_networks", NETWORKS)
    monkeypatch.setattr(schedule, "FEW_ROWS", len(X) + less)
    for rows in (X, np.vstack([X, X])):  # copies are merged
        clf = TabularMLPClassifier(**how).fit(rows, np.resize(y, len(rows)))
        assert clf.encoder_.numeric_transform == there
    same = TabularMLPClassifier(**how, numeric_transform=there).fit(X, y)
    clf = TabularMLPClassifier(**how).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), same.predict_proba(X))


def test_rows_of_the_caller_that_validate_do_not_count(monkeypatch):
    X, y = table()
    monkeypatch.setattr(schedule, "FEW_ROWS", 201)
    monkeypatch.setattr(TabularMLPClassifier, "_networks", NETWORKS)
    clf = TabularMLPClassifier(**{**SHORT, "validation_folds": "auto"})
    clf.fit(X[:200], y[:200], X_val=X, y_val=y)
    assert clf.encoder_.numeric_transform == "robust"


@pytest.mark.parametrize(
    "patient",
    [
        {"max_epochs": 2},
        {"validation_folds": None},
        {"lr_schedule": "constant"},
        {"optimizer": "sgd"},
    ],
)
def test_auto_is_quantile_in_another_training(patient):
    X, y = table(80)
    clf = TabularMLPClassifier(**{**SHORT, **patient, "n_iter_no_change": 1}).fit(X, y)
    assert clf.encoder_.numeric_transform == "quantile"


def test_partial_fit_which_sees_more_rows_later_is_quantile():
    X, y = table(80)
    clf = TabularMLPClassifier(**SHORT).partial_fit(X, y, classes=[0, 1])
    assert clf.encoder_.numeric_transform == "quantile"
    clf.partial_fit(X, y)


def test_what_goes_on_keeps_its_encoder():
    X, y = table(80)
    clf = TabularMLPClassifier(**SHORT).fit(X, y)
    clf.partial_fit(X, y)
    assert clf.encoder_.numeric_transform == "robust"
    clf.set_params(numeric_transform="quantile")
    with pytest.raises(ValueError, match="cannot change from 'robust' to 'quantile'"):
        clf.partial_fit(X, y)


def test_it_changes_what_is_learned():
    X, y = table()
    p = [
        TabularMLPClassifier(**SHORT, numeric_transform=t).fit(X, y).predict_proba(X)
        for t in ("robust", "quantile", "standard")
    ]
    assert abs(p[0] - p[1]).max() > 0.01 and abs(p[0] - p[2]).max() > 0.01


def test_other_classifiers_take_it_but_have_no_auto():
    X, y = table(80)
    clf = TabularResNetClassifier(
        max_epochs=1, d_block=8, n_blocks=1, numeric_transform="robust"
    )
    assert np.isfinite(clf.fit(X, y).predict_proba(X)).all()
    with pytest.raises(ValueError, match="numeric_transform"):
        clf.set_params(numeric_transform="auto").fit(X, y)
    assert clf.get_params()["numeric_transform"] == "auto"
    assert TabularResNetClassifier().numeric_transform == "quantile"


def test_a_packed_search_reads_rows_for_each_way_to_train():
    X, y = table(120)
    # Candidates that differ in what "auto" stands for, on the same folds.
    grid = {"max_epochs": ["auto", 3], "lr": [0.01]}
    inner = StratifiedKFold(2)
    own = {**SHORT, "validation_folds": 2}
    packed = PackedSearchCV(TabularMLPClassifier(**own), grid, cv=inner, refit=False)
    plain = GridSearchCV(TabularMLPClassifier(**own), grid, cv=inner, refit=False)
    scores = [s.fit(X, y).cv_results_["mean_test_score"] for s in (packed, plain)]
    np.testing.assert_allclose(*scores)


def test_a_frozen_pretrainer_says_how_numbers_are_read():
    X, y = table(120)
    small = {**SHORT, "max_epochs": 1, "validation_folds": None}
    pretrainer = SelfSupervisedPretrainer(
        TabularMLPClassifier(**small, joint_ssl="scarf"), max_epochs=1
    ).fit(X)
    frozen = FrozenEstimator(pretrainer)
    for transform in ("auto", "quantile"):
        clf = TabularMLPClassifier(
            **small, pretrained=frozen, numeric_transform=transform
        )
        assert clf.fit(X, y).encoder_.numeric_transform == "quantile"
    clf.set_params(numeric_transform="robust")
    with pytest.raises(ValueError, match="does not agree with pretrained"):
        clf.fit(X, y)


def test_weights_are_copies_and_the_order_of_rows_changes_nothing():
    X, y = table(200)
    X = pd.DataFrame(X, columns=["a", "b"])
    weight = np.random.default_rng(0).integers(1, 4, len(X))
    clf = TabularMLPClassifier(**SHORT, numeric_transform="robust")
    p = clf.fit(X, y, sample_weight=weight).predict_proba(X)
    order = np.random.default_rng(1).permutation(len(X))
    rows = np.repeat(order, weight[order])
    again = clf.fit(X.iloc[rows], y[rows]).predict_proba(X)
    np.testing.assert_array_equal(again, p)
