"""`search_space`: every candidate fits, packs are few, wrong estimators are refused."""

import sys
from inspect import signature

import optuna
import pytest
from helpers.images import SMALL
from helpers.images import X as IMAGES
from helpers.images import Y as IMAGE_LABELS
from helpers.searches import uneven_table
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    StratifiedShuffleSplit,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularEncoder,
    TabularMLPClassifier,
    TabularNetworkClassifier,
    TabularResNetClassifier,
)
from sklimb.fitting.schedule import value_of
from sklimb.model_selection import PackedSearchCV, search_space
from sklimb.model_selection._candidates import make_candidate, pack_key

X, Y = uneven_table()
QUICK = {"max_epochs": 1, "random_state": 0, "device": "cpu"}
# Candidates and packs of the small space.
CLASSES = {
    TabularMLPClassifier: (24, 1),
    TabularResNetClassifier: (12, 2),
    FTTransformerClassifier: (12, 1),
    ImageResNetClassifier: (16, 2),
}


def quick(cls):
    """A classifier whose spaces are whole, and rows for it."""
    if cls is ImageResNetClassifier:
        return cls(backbone=SMALL["backbone"], **QUICK), IMAGES, IMAGE_LABELS
    n_columns = 3 if cls is FTTransformerClassifier else None  # tokens are slow
    return cls(**QUICK), X.iloc[:, :n_columns], Y


@pytest.mark.parametrize("cls", CLASSES)
def test_every_candidate_of_a_small_space_fits_in_few_packs(cls):
    clf, rows, labels = quick(cls)
    space = search_space(clf)
    assert all(type(values) is list for values in space.values())
    search = PackedSearchCV(
        clf,
        space,
        cv=StratifiedShuffleSplit(1, test_size=0.5, random_state=0),
        max_members=64,
        refit=False,
        scoring="accuracy",
        error_score="raise",
    ).fit(rows, labels)
    n_candidates = len(search.cv_results_["params"])
    assert (n_candidates, len(search.packs_)) == CLASSES[cls]


@pytest.mark.parametrize("cls", CLASSES)
def test_drawn_candidates_of_a_full_space_fit(cls):
    clf, rows, labels = quick(cls)
    space = search_space(clf, "full")
    for params in ParameterSampler(space, 3, random_state=1):
        make_candidate(clf, params).fit(rows, labels)


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("cls", CLASSES)
def test_both_libraries_are_given_the_same_ranges(cls, size):
    clf, _, _ = quick(cls)
    space, other = search_space(clf, size), search_space(clf, size, "optuna")
    assert list(space) == list(other)
    for name, own in space.items():
        if isinstance(own, list):
            assert other[name].choices == tuple(own)
            continue
        low, high = own.support()
        assert (low, high) == pytest.approx((other[name].low, other[name].high))
        # scipy's mean of logarithms and of numbers differ.
        middle = (low * high) ** 0.5 if other[name].log else (low + high) / 2
        assert own.median() == pytest.approx(middle)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_default_is_in_the_full_range(cls):
    clf, _, _ = quick(cls)
    for name, own in search_space(clf, "full").items():
        default = signature(cls).parameters[name].default
        if name in ("d_block", "num_embeddings"):
            default = value_of(clf, name)
        if name != "batch_size":
            default = clf._auto.get(name, default)
        if isinstance(own, list):
            assert default in own
        else:
            assert own.support()[0] <= default <= own.support()[1]


def test_optuna_draws_from_the_space_in_an_objective_and_by_itself():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    clf = TabularMLPClassifier(**QUICK)
    space = search_space(clf, "full", library="optuna")

    def objective(trial):
        values = space(trial)
        assert list(values) == list(space)
        return make_candidate(clf, values).fit(X, Y).score(X, Y)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=2)
    # What OptunaSearchCV does with its param_distributions.
    asked = study.ask(space)
    assert asked.distributions == study.trials[0].distributions == space


def test_names_get_the_prefix_of_the_step():
    clf = TabularMLPClassifier(**QUICK, d_block=8)
    pipe = Pipeline([("scale", StandardScaler()), ("net", clf)])
    space, plain = search_space(pipe), search_space(clf)
    assert space == {f"net__{name}": values for name, values in plain.items()}
    assert list(search_space(pipe, library="optuna")) == list(space)
    numbers = X[["a", "b"]]
    search = GridSearchCV(pipe, space, cv=2, refit=False, error_score="raise")
    search = search.set_params(param_grid={k: v[:1] for k, v in space.items()})
    search.fit(numbers, Y)


@pytest.mark.parametrize(
    ("clf", "size", "left_out"),
    [
        (TabularMLPClassifier(dropout=0.2), "small", {"dropout"}),
        (TabularMLPClassifier(num_embeddings="ple"), "small", {"frequency_scale"}),
        (TabularMLPClassifier(optimizer="sgd"), "full", {"lr", "weight_decay"}),
        (
            TabularMLPClassifier(portfolio=[{"lr": 1e-3}, {"lr": 1e-2}]),
            "full",
            {"lr"},
        ),
        (TabularMLPClassifier(validation_folds=3), "full", {"lr"}),
        (
            ImageResNetClassifier(metabalance_sampler="under"),
            "small",
            {"sam_asymmetric_rho"},
        ),
    ],
    ids=["set", "other embeddings", "optimizer", "portfolio", "short", "excluded"],
)
def test_what_the_caller_has_set_stays(clf, size, left_out):
    whole = search_space(type(clf)(), size)
    assert set(whole) - set(search_space(clf, size)) >= left_out
    for params in list(ParameterSampler(search_space(clf, size), 3, random_state=0)):
        pack_key(make_candidate(clf, params))


def test_a_portfolio_of_all_leaves_other_names():
    clf = TabularMLPClassifier(portfolio="default")
    assert "weight_decay" in search_space(clf, "full")
    with pytest.raises(ValueError, match="nothing left to vary in TabularMLP"):
        search_space(clf)


def test_widths_that_heads_do_not_divide_are_left_out():
    clf = FTTransformerClassifier(attention_n_heads=12)
    assert search_space(clf, "full")["d_block"] == [96, 192]


class Linear(TabularNetworkClassifier):
    """A classifier without a space."""

    make_network = None


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LogisticRegression(), "search_space needs a sklimb classifier"),
        (TabularEncoder(), "search_space needs a sklimb classifier"),
        (Pipeline([("net", LogisticRegression())]), "which is none"),
        (Linear(), "search_space knows TabularMLPClassifier, .* got Linear"),
        (FTTransformerClassifier(attention_n_heads=5), "must divide d_block=96"),
    ],
    ids=["other", "transformer", "pipeline", "own", "contradiction"],
)
def test_a_wrong_estimator_is_refused_in_one_sentence(estimator, message):
    with pytest.raises(ValueError, match=message) as caught:
        search_space(estimator)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("wrong", [{"size": "large"}, {"library": "hyperopt"}])
def test_a_wrong_word_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        search_space(TabularMLPClassifier(), **wrong)


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match="pip install optuna"):
        search_space(TabularMLPClassifier(), library="optuna")


def test_small_spaces_are_of_the_size_that_is_promised():
    sizes = [len(ParameterGrid(search_space(quick(cls)[0]))) for cls in CLASSES]
    assert min(sizes) == 12
    assert max(sizes) == 24
