"""PackedSearchCV is a scikit-learn search: metrics, routing, pipelines, bad input."""

import pickle

import numpy as np
import pytest
import sklearn
from helpers.searches import (
    assert_same_results,
    both,
    numbers,
    tiny,
    uneven_splits,
    uneven_table,
)
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline as ImbalancedPipeline
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)
from skorch.callbacks import Callback

from sklimb.model_selection import PackedSearchCV

X, Y = uneven_table()
NUMBERS = numbers()[0]
WEIGHT = np.random.default_rng(1).integers(0, 4, len(Y)).astype(float)
LR = {"lr": [3e-3, 1e-2]}
CLF_LR = {"clf__lr": [3e-3, 1e-2]}


def search(grid=LR, **settings):
    """A search that trains six fits in one pack."""
    settings = {"cv": 3, "max_members": 8, **settings}
    return PackedSearchCV(tiny(), grid, **settings)


# scikit-learn's own checks.

# What makes their small data learnable in a moment; errors are raised, as in the
# searches that scikit-learn checks itself.
CHECKED = PackedSearchCV(
    tiny(d_block=16, max_epochs=25, dtype="float32", batch_size="auto"),
    {"lr": [2e-2, 3e-2]},
    cv=2,
    error_score="raise",
    max_members=4,
)


@parametrize_with_checks([CHECKED])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_checks_that_scikit_learn_runs_apart(check):
    check("PackedSearchCV", CHECKED)


# Scores.

METRICS = {"loss": "neg_log_loss", "ap": "average_precision"}


def pessimist(results):
    """The candidate of the largest loss."""
    return int(np.argmin(results["mean_test_loss"]))


@pytest.mark.parametrize("refit", ["ap", pessimist, False])
def test_many_metrics_and_each_kind_of_refit(refit):
    packed = both(tiny(), LR, X, Y, scoring=METRICS, refit=refit)
    assert packed.multimetric_ and set(packed.scorer_) == set(METRICS)
    assert hasattr(packed, "best_estimator_") == bool(refit)
    if refit is pessimist:
        assert packed.best_index_ == pessimist(packed.cv_results_)
        assert not hasattr(packed, "best_score_")


def own_metrics(estimator, X, y):
    loss = get_scorer("neg_log_loss")(estimator, X, y)
    return {"loss": loss, "accuracy": accuracy_score(y, estimator.predict(X))}


def test_a_callable_with_many_metrics():
    packed = both(tiny(), LR, X, Y, scoring=own_metrics, refit="loss")
    assert packed.best_index_ == np.argmax(packed.cv_results_["mean_test_loss"])


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc"])
def test_scorers_that_need_probabilities_have_them(scoring):
    both(tiny(), LR, X, Y, scoring=scoring)


def test_a_scorer_that_asks_for_what_we_lack_gets_the_error_score():
    def scorer(estimator, X, y):
        return estimator.score_samples(X).mean()

    with pytest.warns(UserWarning, match="has no attribute 'score_samples'"):
        packed = search(scoring=scorer, error_score=-1.0, refit=False).fit(X, Y)
    assert (packed.cv_results_["mean_test_score"] == -1.0).all()


# What fit is given.


def test_groups_reach_the_splitter():
    groups = np.arange(len(Y)) // 7
    both(tiny(), LR, X, Y, cv=GroupKFold(3), fit_params={"groups": groups})


def test_sample_weight_is_cut_to_the_folds():
    weighted = both(tiny(), LR, X, Y, fit_params={"sample_weight": WEIGHT})
    plain = both(tiny(), LR, X, Y)
    a, b = (s.cv_results_["mean_test_score"] for s in (weighted, plain))
    assert (a != b).all()


def test_routed_metadata():
    with sklearn.config_context(enable_metadata_routing=True):
        clf = tiny().set_fit_request(sample_weight=True, groups=True)
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        given = {"sample_weight": WEIGHT, "groups": np.arange(len(Y)) // 7}
        cv = GroupKFold(3)
        both(clf, LR, X, Y, scoring=scorer, cv=cv, fit_params=given)


def test_metadata_is_routed_through_a_pipeline_and_transformed_by_it():
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        clf = tiny(numeric_transform=None)
        clf.set_fit_request(sample_weight=True, X_val=True, y_val=True)
        pipe = Pipeline([("scale", scaler), ("clf", clf)], transform_input=["X_val"])
        rows = 30 * NUMBERS + 100
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=False)
        given = {"sample_weight": WEIGHT, "X_val": rows[:50], "y_val": Y[:50]}
        both(pipe, CLF_LR, rows, Y, scoring=scorer, fit_params=given)


# Pipelines.


class CountingScaler(StandardScaler):
    """Counts how often any of them is fitted."""

    fits = 0

    def fit(self, X, y=None, sample_weight=None):
        CountingScaler.fits += 1
        return super().fit(X, y, sample_weight)


def test_earlier_steps_are_fitted_once_a_fold():
    clf = tiny(numeric_transform=None)
    pipe = Pipeline([("scale", CountingScaler()), ("clf", clf)])
    grid = {"clf__lr": [3e-3, 1e-2], "clf__dropout": [0.0, 0.2]}
    both(pipe, grid, NUMBERS, Y)
    CountingScaler.fits = 0
    settings = {"cv": uneven_splits(), "refit": False, "max_members": 12}
    PackedSearchCV(pipe, grid, **settings).fit(NUMBERS, Y)
    assert CountingScaler.fits == 3
    grid["scale__with_mean"] = [True, False]
    PackedSearchCV(pipe, grid, **settings).fit(NUMBERS, Y)
    assert CountingScaler.fits == 3 + 6


def test_earlier_steps_are_candidates_too():
    pipe = Pipeline([("scale", None), ("clf", tiny(numeric_transform=None))])
    steps = ["passthrough", StandardScaler(), StandardScaler(with_mean=False)]
    packed = both(pipe, {**CLF_LR, "scale": steps}, NUMBERS * 3 + 1, Y)
    assert len(packed.packs_) == 1


def test_a_pipeline_is_given_parameters_by_step():
    pipe = Pipeline([("scale", StandardScaler()), ("clf", tiny())])
    given = {"clf__sample_weight": WEIGHT, "scale__sample_weight": WEIGHT}
    both(pipe, CLF_LR, NUMBERS, Y, fit_params=given)


def test_steps_and_losses_that_cannot_be_pickled():
    # Functions of one name that do different things.
    shift, scale = (lambda rows: rows + 1), (lambda rows: 2 * rows)
    clf = tiny(numeric_transform=None)
    pipe = Pipeline([("step", FunctionTransformer(shift)), ("clf", clf)])
    both(pipe, {**CLF_LR, "step__func": [shift, scale]}, NUMBERS, Y)
    packed = both(tiny(loss=lambda z, t: -(z.log_softmax(-1) * t).sum(-1)), LR, X, Y)
    assert len(packed.packs_) == 1


def test_samplers_of_an_imbalanced_learn_pipeline():
    pipe = ImbalancedPipeline(
        [
            ("scale", StandardScaler()),
            ("sample", RandomOverSampler(random_state=0)),
            ("clf", tiny()),
        ]
    )
    samplers = [RandomOverSampler(random_state=0), SMOTE(k_neighbors=3, random_state=0)]
    both(pipe, {"sample": samplers, **CLF_LR}, NUMBERS, Y)


def test_columns_and_data_frames_inside_a_pipeline():
    scale = [("scale", StandardScaler(), ["a", "b"])]
    columns = ColumnTransformer(scale, remainder="passthrough")
    pipe = make_pipeline(columns, tiny(numeric_transform=None))
    pipe.set_output(transform="pandas")
    packed = both(pipe, {"tabularmlpclassifier__lr": LR["lr"]}, X, Y, refit=True)
    # The categories have come through as such.
    assert packed.best_estimator_[-1].encoder_.cardinalities_ == (5, 4)
    assert packed.feature_names_in_.tolist() == list(X.columns)


def test_callbacks_see_one_network_each():
    class Counter(Callback):
        """Members of the networks that it has seen."""

        seen = ()

        def on_train_begin(self, net, **kwargs):
            Counter.seen += (net.module_.n_members,)

    clf = tiny(callbacks=[Counter()])
    PackedSearchCV(clf, LR, cv=3, refit=False, max_members=6).fit(X, Y)
    assert Counter.seen == (1,) * 6


# The search as an estimator.


def test_it_predicts_and_scores_as_its_best_estimator():
    labels = np.array(["honest", "fraud"], dtype=object)[Y]
    packed = both(tiny(), LR, X, labels, refit=True, scoring="roc_auc")
    want = GridSearchCV(tiny(), LR, cv=uneven_splits(), scoring="roc_auc")
    want.fit(X, labels)
    p = packed.predict_proba(X)
    np.testing.assert_array_equal(p, want.predict_proba(X))
    np.testing.assert_array_equal(p, packed.best_estimator_.predict_proba(X))
    np.testing.assert_array_equal(packed.predict(X), want.predict(X))
    assert packed.score(X, labels) == want.score(X, labels)
    assert packed.classes_.tolist() == ["fraud", "honest"]
    assert packed.n_features_in_ == 6 and packed.refit_time_ > 0
    assert packed.feature_names_in_.tolist() == list(X.columns)


def test_clone_pickle_and_repr():
    packed = search(scoring="roc_auc").fit(X, Y)
    again = pickle.loads(pickle.dumps(packed))
    np.testing.assert_array_equal(again.predict_proba(X), packed.predict_proba(X))
    assert_same_results(again, packed, atol=0)
    fresh = clone(packed)
    assert not hasattr(fresh, "cv_results_")
    assert fresh.get_params()["estimator__d_block"] == 8
    assert repr(fresh).startswith("PackedSearchCV(")
    with pytest.raises(NotFittedError):
        fresh.predict(X)


def test_nested_in_cross_validation():
    inner = {"cv": StratifiedKFold(2), "scoring": "neg_log_loss"}
    scores = [
        cross_val_score(nested, X, Y, cv=uneven_splits(), scoring="neg_log_loss")
        for nested in (
            PackedSearchCV(tiny(), LR, **inner),
            GridSearchCV(tiny(), LR, **inner),
        )
    ]
    np.testing.assert_array_equal(*scores)


def test_a_bar_shows_what_is_done_and_the_best_score(capsys):
    packed = search(verbose=1, max_members=2, scoring="roc_auc").fit(X, Y)
    shown = capsys.readouterr().err
    assert "fits: 100%" in shown and "6/6" in shown
    assert f"best={packed.best_score_:.4g}" in shown
    search().fit(X, Y)
    assert capsys.readouterr().err == ""


# Bad input.


@pytest.mark.parametrize(
    ("grid", "settings", "message"),
    [
        ({"nope": [1]}, {}, "Invalid parameter 'nope'"),
        ([], {}, "at least one dict, got an empty list"),
        ({"lr": []}, {}, "non-empty"),
        (LR, {"max_members": 0}, "'max_members' parameter"),
        (LR, {"halving_factor": 1.0}, "'halving_factor' parameter"),
        (LR, {"cv": GroupKFold(3)}, "'groups' parameter should not be None"),
        (LR, {"param_distributions": LR}, "one of param_grid and .* got both"),
        (None, {}, "one of param_grid and .* got neither"),
        (LR, {"scoring": ["roc_auc", "accuracy"]}, "multi-metric"),
        (
            {"early_stopping": ["auto", False]},
            {"halving_factor": 2},
            "early_stopping=False holds none out",
        ),
        (
            {"validation_folds": [None, 2]},
            {"halving_factor": 2},
            "validation_folds=2 cannot be combined",
        ),
    ],
)
def test_what_is_wrong_is_said_before_training(grid, settings, message):
    clf = tiny(loss=_never)
    with pytest.raises(ValueError, match=message):
        PackedSearchCV(clf, grid, **settings).fit(X, Y)


def _never(logits, target):
    raise AssertionError("training has begun")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"groups": np.arange(5)}, "inconsistent numbers of samples"),
        ({"y": Y[:50]}, "inconsistent numbers of samples"),
        ({"y": np.full(len(Y), np.nan)}, "has no label"),
    ],
)
def test_rows_of_the_wrong_length_or_kind(given, message):
    clf = tiny(loss=_never)
    with pytest.raises(ValueError, match=message):
        PackedSearchCV(clf, LR, cv=GroupKFold(3)).fit(X, **{"y": Y, **given})


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (LogisticRegression(), {"C": [1.0]}),
        (make_pipeline(LogisticRegression()), {"logisticregression__C": [1.0]}),
        (Pipeline([("clf", tiny())]), {"clf": [tiny(), LogisticRegression()]}),
    ],
)
def test_an_estimator_of_others_is_sent_to_grid_search(estimator, grid):
    with pytest.raises(ValueError, match="GridSearchCV"):
        PackedSearchCV(estimator, grid).fit(X, Y)


@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
@pytest.mark.parametrize(
    ("grid", "error"),
    [
        ({"lr": [1e-2, -1.0]}, "'lr' parameter"),
        ({"class_weight": [None, {7: 1.0}]}, "not among the classes"),
    ],
)
def test_a_candidate_that_cannot_be_fitted_gets_the_error_score(grid, error):
    with pytest.warns(FitFailedWarning, match=error):
        packed = both(tiny(), grid, X, Y)
    assert np.isnan(packed.cv_results_["mean_test_score"]).tolist() == [False, True]
    with pytest.raises(ValueError, match=error):
        search(grid, error_score="raise").fit(X, Y)


@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
def test_a_fold_with_one_class_fails_alone():
    splits = uneven_splits()
    splits[1] = np.flatnonzero(Y == 0)[:80], splits[1][1]
    with pytest.warns(FitFailedWarning, match="at least two classes"):
        packed = both(tiny(), LR, X, Y, cv=splits)
    assert np.isnan(packed.cv_results_["split1_test_score"]).all()
    assert np.isfinite(packed.cv_results_["split2_test_score"]).all()


def test_a_fold_that_lacks_a_class_trains_beside_the_others():
    X3, y3 = uneven_table(n_classes=3)
    splits = uneven_splits()
    splits[1] = np.setdiff1d(splits[1][0], np.flatnonzero(y3 == 2)), splits[1][1]
    both(
        tiny(max_epochs=12), {"lr": [1e-3, 0.02]}, X3, y3, cv=splits, scoring="accuracy"
    )


def test_scorers_that_do_not_exist_are_refused_in_one_sentence():
    for scoring in ("rocauc", ["accuracy", "rocauc"], {"a": "rocauc"}, {"a": 1}):
        with pytest.raises(ValueError, match="scoring must hold names of") as error:
            search(scoring=scoring).fit(X, Y)
        assert len(str(error.value)) < 300
    for scoring in ((), [], {}):
        with pytest.raises(ValueError, match="scoring must hold at least one scorer"):
            search(scoring=scoring).fit(X, Y)


def test_weights_are_one_per_row_in_folds_and_scores():
    one, each = (
        search(scoring="roc_auc").fit(X, Y, sample_weight=weight)
        for weight in (2.0, np.full(len(Y), 2.0))
    )
    assert_same_results(one, each)
    with pytest.raises(ValueError, match="sample_weight must hold one number a row"):
        search().fit(X, Y, sample_weight=["a"] * len(Y))
