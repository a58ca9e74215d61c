"""What "auto" takes: by merged rows, beside what the caller sets, never a refusal."""

import numpy as np
import pytest
from helpers.one_network import OF_USERS, OutOfTheBox
from helpers.packs import fixed_table, same_bits
from imblearn.over_sampling import SMOTE
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EpochTimer

import sklimb
from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.fitting.budget import NETWORKS, networks
from sklimb.model_selection import PackedSearchCV
from sklimb.two_stage import ClassifierRetrainer

X, Y = fixed_table(400)
SMALL = {"d_block": 8, "max_epochs": 2, "num_embeddings": None, "random_state": 0}
AUTO = {"n_members": "auto", "validation_folds": "auto"}


class Scaled(TabularMLPClassifier):
    """A rule of more steps, for tables of few rows, so that tests are quick."""

    _networks = ((100, 10), (2000, 5))


def taken(clf):
    """(folds, members of each)."""
    assert len(clf.member_seeds_) % clf.n_folds_ == 0
    return clf.n_folds_, len(clf.member_seeds_) // clf.n_folds_


def fit(n=400, kind=Scaled, fit_params=None, **params):
    clf = kind(**{**SMALL, **AUTO, **params})
    return clf.fit(X[:n], Y[:n], **(fit_params or {}))


def test_the_documented_budget():
    assert OF_USERS is NETWORKS
    sizes = {10: 5, 49_999: 5, 50_000: 2, 99_999: 2, 100_000: 1}
    for n_rows, expected in sizes.items():
        assert networks(OutOfTheBox(), n_rows) == expected
        assert networks(TabularResNetClassifier(), n_rows) == 1
        assert networks(FTTransformerClassifier(), n_rows) == 1
        assert networks(ImageResNetClassifier(), n_rows) == 1


@pytest.mark.parametrize(("n", "folds", "members"), [(99, 5, 2), (100, 5, 1)])
def test_auto_is_the_fit_with_the_numbers_that_it_takes(n, folds, members):
    auto = fit(n)
    assert taken(auto) == (folds, members)
    told = fit(n, n_members=members, validation_folds=folds)
    assert same_bits(auto, told)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"n_members": 2}, (5, 2)),
        ({"n_members": 3}, (1, 3)),  # fifteen are more than ten
        ({"n_members": 1}, (5, 1)),
        ({"validation_folds": None}, (1, 10)),
        ({"validation_folds": 2}, (2, 5)),
        ({"validation_folds": 3, "n_members": 4}, (3, 4)),
    ],
)
def test_what_the_caller_sets_is_taken_as_it_is(params, expected):
    assert taken(fit(99, **params)) == expected


@pytest.mark.parametrize(
    "params",
    [
        {"validation_split": 3},
        {"validation_split": ShuffleSplit(1, random_state=0)},
        {"validation_fraction": 0.3},
        {"early_stopping": False},
        {"warm_start": True},
        {"callbacks": [EpochTimer()]},
        {"sampler": SMOTE(k_neighbors=3)},
    ],
)
def test_another_way_to_validate_goes_before_folds(params):
    clf = fit(99, **params)
    assert taken(clf) == (1, 10)
    assert same_bits(clf, fit(99, **params, n_members=10, validation_folds=None))


def test_validation_rows_of_the_caller_go_before_folds():
    clf = fit(99, fit_params={"X_val": X[99:], "y_val": Y[99:]})
    assert taken(clf) == (1, 10)


@pytest.mark.parametrize("n_groups", [2, 4, 5, 40])
def test_groups_are_kept_whole_in_folds_or_in_one_split(n_groups):
    clf = fit(99, fit_params={"groups": np.arange(99) % n_groups})
    assert taken(clf) == ((5, 2) if n_groups >= 5 else (1, 10))


def test_a_class_in_one_group_leaves_one_split():
    groups = np.where(Y[:99] == 1, 0, 1 + np.arange(99) % 20)
    assert fit(99, early_stopping=False, fit_params={"groups": groups}).n_folds_ == 1
    with pytest.raises(ValueError, match="has no training rows left"):
        fit(99, validation_folds=5, fit_params={"groups": groups})


@pytest.mark.parametrize(
    "params",
    [{"temperature_scaling": True}, {"monitor": "roc_auc"}, {"monitor": "loss"}],
)
def test_folds_validate_on_both_classes_where_that_is_needed(params):
    few = np.concatenate([np.flatnonzero(Y == 0)[:60], np.flatnonzero(Y == 1)[:3]])
    clf = Scaled(**{**SMALL, **AUTO, **params}).fit(X[few], Y[few])
    assert clf.n_folds_ == (5 if params == {"monitor": "loss"} else 1)


def test_a_table_of_a_few_rows_has_no_folds():
    rows = np.concatenate([np.flatnonzero(Y == 0)[:4], np.flatnonzero(Y == 1)[:4]])
    clf = Scaled(**SMALL, **AUTO).fit(X[rows], Y[rows])
    assert taken(clf) == (1, 10)


def test_rows_count_once_merged_and_not_with_weight_0():
    X90, Y90 = X[:90], Y[:90]
    once = Scaled(**SMALL, **AUTO).fit(X90, Y90, np.full(90, 2.0))
    assert taken(once) == (5, 2)  # below 100 rows
    order = np.random.default_rng(0).permutation(180)
    twice = Scaled(**SMALL, **AUTO)
    twice.fit(np.vstack([X90, X90])[order], np.append(Y90, Y90)[order])
    assert same_bits(once, twice)
    weight = np.append(np.full(90, 2.0), np.zeros(100))
    some = Scaled(**SMALL, **AUTO).fit(X[:190], Y[:190], weight)
    assert same_bits(once, some)
    apart = Scaled(**SMALL, **AUTO, merge_duplicates=False)
    assert taken(apart.fit(np.vstack([X90, X90]), np.append(Y90, Y90))) == (5, 1)


def test_strategies_that_cost_more_take_one_network():
    for params in (
        {"portfolio": [{"dropout": 0.0}]},
        {"joint_ssl": "vicreg"},
        {"row_weighting": "l2rw", "row_weighting_rows": 2},
    ):
        assert taken(fit(99, **params)) == (1, 1)


def test_partial_fit_takes_one_and_goes_on_with_what_is_there():
    clf = Scaled(**SMALL, **AUTO).partial_fit(X[:50], Y[:50], classes=[0, 1])
    assert taken(clf.partial_fit(X[50:90], Y[50:90])) == (1, 1)
    ten = fit(99)
    ten.partial_fit(X[:50], Y[:50])
    assert len(ten.predict_proba_members(X)) == 10


def test_a_warm_start_keeps_the_networks_that_are_there():
    clf = fit(99, warm_start=True)
    assert len(clf.member_seeds_) == 10
    assert len(clf.fit(X, Y).member_seeds_) == 10  # 400 rows would get five


def test_the_shape_of_features_follows_from_the_parameters():
    clf = fit(99)
    assert clf.embed(X).shape == (400, 8)
    told = fit(99, n_members=2, validation_folds=5)
    assert told.embed(X).shape == (10, 400, 8)
    assert np.array_equal(clf.embed(X), told.embed(X)[0])
    assert fit(99, n_members=2).embed(X).shape == (10, 400, 8)
    assert fit(n_members=1, validation_folds=None).embed(X).shape == (400, 8)


def test_a_search_compares_single_networks_and_refits_with_the_budget():
    grid = {"lr": [1e-3, 1e-2]}
    search = PackedSearchCV(Scaled(**SMALL, **AUTO), grid, cv=2, halving_factor=2.0)
    search.fit(X[:99], Y[:99])
    assert taken(search.best_estimator_) == (5, 2)
    single = Scaled(**SMALL, n_members=1, validation_folds=None)
    scores = [
        kind(single, grid, cv=2, refit=False)
        .fit(X[:99], Y[:99])
        .cv_results_["mean_test_score"]
        for kind in (PackedSearchCV, GridSearchCV)
    ]
    whole = PackedSearchCV(Scaled(**SMALL, **AUTO), grid, cv=2, refit=False)
    scores.append(whole.fit(X[:99], Y[:99]).cv_results_["mean_test_score"])
    assert np.array_equal(scores[0], scores[1])
    assert np.array_equal(scores[0], scores[2])


def test_a_second_stage_chooses_on_rows_that_its_first_has_not_seen():
    second = ClassifierRetrainer(Scaled(**SMALL, **AUTO), method="tau")
    second.fit(X[:99], Y[:99])
    assert taken(second.estimator_) == (1, 10)
    first = fit(99)
    inside = make_pipeline(FrozenEstimator(first))
    ClassifierRetrainer(inside, method="tau").fit(X[:99], Y[:99])
    assert first.validation_folds == "auto" and taken(first) == (5, 2)


def test_a_file_keeps_what_was_taken(tmp_path):
    clf = fit(99)
    clf.save(tmp_path / "clf")
    again = sklimb.load(tmp_path / "clf")
    assert taken(again) == taken(clf) and again.get_params()["n_members"] == "auto"
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.embed(X).shape == (400, 8)


def test_other_words_and_numbers_are_refused():
    for params in ({"n_members": "many"}, {"n_members": 0}, {"validation_folds": "5"}):
        with pytest.raises(ValueError, match=next(iter(params))):
            fit(99, **params)
