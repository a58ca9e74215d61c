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
from sklimb.fitting import budget
from sklimb.fitting.budget import NETWORKS, networks
from sklimb.model_selection import PackedSearchCV
from sklimb.two_stage import ClassifierRetrainer

X, FEW_Y = fixed_table(400)
Y = (X[:, 0] > np.median(X[:, 0])).astype(int)  # no rare class
SMALL = {"d_block": 8, "max_epochs": 2, "num_embeddings": None, "random_state": 0}
AUTO = {"n_members": "auto", "validation_folds": "auto"}


class Scaled(TabularMLPClassifier):
    """A rule of more steps, for tables of few rows, so that tests are quick."""

    _networks = ((150, 10), (2000, 5))


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


@pytest.mark.parametrize(("n", "folds", "members"), [(149, 5, 2), (150, 5, 1)])
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
    assert taken(fit(149, **params)) == expected


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
    clf = fit(149, **params)
    assert taken(clf) == (1, 10)
    assert same_bits(clf, fit(149, **params, n_members=10, validation_folds=None))


def test_validation_rows_of_the_caller_go_before_folds():
    clf = fit(149, fit_params={"X_val": X[149:], "y_val": Y[149:]})
    assert taken(clf) == (1, 10)


@pytest.mark.parametrize("n_groups", [2, 4, 5, 40])
def test_groups_are_kept_whole_in_folds_or_in_one_split(n_groups):
    clf = fit(149, fit_params={"groups": np.arange(149) % n_groups})
    assert taken(clf) == ((5, 2) if n_groups >= 5 else (1, 10))


def test_a_class_in_one_group_leaves_one_split():
    groups = np.where(Y[:149] == 1, 0, 1 + np.arange(149) % 20)
    assert fit(149, early_stopping=False, fit_params={"groups": groups}).n_folds_ == 1
    with pytest.raises(ValueError, match="has no training rows left"):
        fit(149, validation_folds=5, fit_params={"groups": groups})


@pytest.mark.parametrize(
    "params",
    [{"temperature_scaling": True}, {"monitor": "roc_auc"}, {"monitor": "loss"}],
)
def test_folds_validate_on_both_classes_where_that_is_needed(params):
    few = np.concatenate([np.flatnonzero(Y == 0)[:60], np.flatnonzero(Y == 1)[:3]])
    clf = Scaled(**{**SMALL, **AUTO, **params}).fit(X[few], Y[few])
    assert clf.n_folds_ == (5 if params == {"monitor": "loss"} else 1)


def rows_with(n_negative, n_positive):
    """Row numbers of the table with a rare class."""
    negative, positive = np.flatnonzero(FEW_Y == 0), np.flatnonzero(FEW_Y == 1)
    return np.concatenate([negative[:n_negative], positive[:n_positive]])


def fit_few(n_negative, n_positive, kind=OutOfTheBox, fit_params=None, **params):
    rows = rows_with(n_negative, n_positive)
    clf = kind(**{**SMALL, **AUTO, **params})
    return clf.fit(X[rows], FEW_Y[rows], **(fit_params or {}))


@pytest.mark.parametrize(("n_positive", "folds"), [(9, 5), (10, 10), (49, 10), (50, 5)])
def test_there_are_ten_folds_where_a_class_has_few_rows(n_positive, folds):
    auto = fit_few(100, n_positive)
    assert taken(auto) == (folds, 1)
    told = fit_few(100, n_positive, n_members=1, validation_folds=folds)
    assert same_bits(auto, told)


def test_the_rarest_of_all_classes_counts():
    rows = rows_with(200, 60)
    y = np.where(np.arange(len(rows)) < 20, 2, FEW_Y[rows])
    assert taken(OutOfTheBox(**SMALL, **AUTO).fit(X[rows], y)) == (10, 1)


def test_a_long_table_keeps_five_folds(monkeypatch):
    monkeypatch.setattr(budget, "LONG", 140)
    assert taken(fit_few(109, 30)) == (10, 1)
    assert taken(fit_few(110, 30)) == (5, 1)


def test_few_rows_are_counted_once_merged_and_not_with_weight_0():
    rows = rows_with(100, 30)
    once = fit_few(100, 30)
    twice = np.concatenate([rows, rows[-30:]])  # 60 rows, 30 of them different
    weight = np.ones(len(rows))
    weight[-30:] = 2.0
    weighted = fit_few(100, 30, fit_params={"sample_weight": weight})
    clf = OutOfTheBox(**SMALL, **AUTO).fit(X[twice], FEW_Y[twice])
    assert taken(once) == taken(clf) == (10, 1) and same_bits(clf, weighted)
    some = rows_with(100, 60)
    weight = np.append(np.ones(130), np.zeros(30))
    clf = OutOfTheBox(**SMALL, **AUTO).fit(X[some], FEW_Y[some], weight)
    assert same_bits(clf, once)


def test_ten_folds_take_what_two_of_each_five_would():
    assert taken(fit_few(100, 30, kind=Scaled)) == (10, 1)
    assert taken(fit_few(100, 30, kind=Scaled, n_members=2)) == (10, 2)
    assert taken(fit_few(100, 30, n_members=2)) == (1, 2)
    assert taken(fit_few(100, 30, validation_folds=5)) == (5, 1)


@pytest.mark.parametrize(
    ("n_groups", "of_positives", "folds"), [(40, 40, 10), (40, 7, 5), (7, 7, 5)]
)
def test_each_of_ten_folds_holds_out_a_rare_row(n_groups, of_positives, folds):
    positive = np.arange(130) >= 100
    groups = np.arange(130) % np.where(positive, of_positives, n_groups)
    clf = fit_few(100, 30, fit_params={"groups": groups})
    assert taken(clf) == (folds, 1)


def test_a_fit_of_ten_folds_is_gone_on_with(tmp_path):
    clf = fit_few(100, 30)
    clf.save(tmp_path / "clf")
    again = sklimb.load(tmp_path / "clf")
    assert taken(again) == (10, 1)
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
    clf.partial_fit(X[:50], FEW_Y[:50])
    assert len(clf.predict_proba_members(X)) == 10


def test_a_table_of_a_few_rows_has_no_folds():
    rows = np.concatenate([np.flatnonzero(Y == 0)[:4], np.flatnonzero(Y == 1)[:4]])
    clf = Scaled(**SMALL, **AUTO).fit(X[rows], Y[rows])
    assert taken(clf) == (1, 10)


def test_rows_count_once_merged_and_not_with_weight_0():
    X110, Y110 = X[:110], Y[:110]
    once = Scaled(**SMALL, **AUTO).fit(X110, Y110, np.full(110, 2.0))
    assert taken(once) == (5, 2)  # below 150 rows
    order = np.random.default_rng(0).permutation(220)
    twice = Scaled(**SMALL, **AUTO)
    twice.fit(np.vstack([X110, X110])[order], np.append(Y110, Y110)[order])
    assert same_bits(once, twice)
    weight = np.append(np.full(110, 2.0), np.zeros(100))
    some = Scaled(**SMALL, **AUTO).fit(X[:210], Y[:210], weight)
    assert same_bits(once, some)
    apart = Scaled(**SMALL, **AUTO, merge_duplicates=False)
    assert taken(apart.fit(np.vstack([X110, X110]), np.append(Y110, Y110))) == (5, 1)


def test_strategies_that_cost_more_take_one_network():
    for params in (
        {"portfolio": [{"dropout": 0.0}]},
        {"joint_ssl": "vicreg"},
        {"row_weighting": "l2rw", "row_weighting_rows": 2},
    ):
        assert taken(fit(149, **params)) == (1, 1)


def test_partial_fit_takes_one_and_goes_on_with_what_is_there():
    clf = Scaled(**SMALL, **AUTO).partial_fit(X[:50], Y[:50], classes=[0, 1])
    assert taken(clf.partial_fit(X[50:110], Y[50:110])) == (1, 1)
    ten = fit(149)
    ten.partial_fit(X[:50], Y[:50])
    assert len(ten.predict_proba_members(X)) == 10


def test_a_warm_start_keeps_the_networks_that_are_there():
    clf = fit(149, warm_start=True)
    assert len(clf.member_seeds_) == 10
    assert len(clf.fit(X, Y).member_seeds_) == 10  # 400 rows would get five


def test_the_shape_of_features_follows_from_the_parameters():
    clf = fit(149)
    assert clf.embed(X).shape == (400, 8)
    told = fit(149, n_members=2, validation_folds=5)
    assert told.embed(X).shape == (10, 400, 8)
    assert np.array_equal(clf.embed(X), told.embed(X)[0])
    assert fit(149, n_members=2).embed(X).shape == (10, 400, 8)
    assert fit(n_members=1, validation_folds=None).embed(X).shape == (400, 8)


def test_a_search_compares_single_networks_and_refits_with_the_budget():
    grid = {"lr": [1e-3, 1e-2]}
    search = PackedSearchCV(Scaled(**SMALL, **AUTO), grid, cv=2, halving_factor=2.0)
    search.fit(X[:149], Y[:149])
    assert taken(search.best_estimator_) == (5, 2)
    single = Scaled(**SMALL, n_members=1, validation_folds=None)
    scores = [
        kind(single, grid, cv=2, refit=False)
        .fit(X[:149], Y[:149])
        .cv_results_["mean_test_score"]
        for kind in (PackedSearchCV, GridSearchCV)
    ]
    whole = PackedSearchCV(Scaled(**SMALL, **AUTO), grid, cv=2, refit=False)
    scores.append(whole.fit(X[:149], Y[:149]).cv_results_["mean_test_score"])
    assert np.array_equal(scores[0], scores[1])
    assert np.array_equal(scores[0], scores[2])


def test_a_second_stage_chooses_on_rows_that_its_first_has_not_seen():
    second = ClassifierRetrainer(Scaled(**SMALL, **AUTO), method="tau")
    second.fit(X[:149], Y[:149])
    assert taken(second.estimator_) == (1, 10)
    first = fit(149)
    inside = make_pipeline(FrozenEstimator(first))
    ClassifierRetrainer(inside, method="tau").fit(X[:149], Y[:149])
    assert first.validation_folds == "auto" and taken(first) == (5, 2)


def test_a_file_keeps_what_was_taken(tmp_path):
    clf = fit(149)
    clf.save(tmp_path / "clf")
    again = sklimb.load(tmp_path / "clf")
    assert taken(again) == taken(clf) and again.get_params()["n_members"] == "auto"
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.embed(X).shape == (400, 8)


def test_other_words_and_numbers_are_refused():
    for params in ({"n_members": "many"}, {"n_members": 0}, {"validation_folds": "5"}):
        with pytest.raises(ValueError, match=next(iter(params))):
            fit(149, **params)
