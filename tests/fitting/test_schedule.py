"""The short training of max_epochs="auto": what it stands for, and where it is not."""

import numpy as np
import pytest
from helpers.one_network import OutOfTheBox
from helpers.packs import fixed_table, same_bits

from sklimb import TabularMLPClassifier
from sklimb.fitting import budget, pack, schedule
from sklimb.fitting.schedule import (
    EPOCHS,
    PATIENT_EPOCHS,
    RATE,
    WIDTH,
    is_short,
    rows_per_step,
    schedule_for,
    schedule_of,
    short_training,
    value_of,
)
from sklimb.model_selection import PackedSearchCV
from sklimb.model_selection._candidates import fresh
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.training.callbacks import BY_STEP, LearningRate
from sklimb.training.net import _Net

X, Y = fixed_table(400)
PLAIN = {"num_embeddings": None, "random_state": 0, "n_iter_no_change": 2}
SHORT = {"max_epochs": "auto", "validation_folds": 3}
TOLD = {
    "max_epochs": 4 * EPOCHS,  # of 10 steps
    "lr_schedule": "cosine",
    "lr": RATE,
    "batch_size": 32,
    "d_block": WIDTH,
    "numeric_transform": "robust",  # of few rows
}


def fit(**params):
    return TabularMLPClassifier(**{**PLAIN, **SHORT, **params}).fit(X, Y)


def test_auto_is_the_fit_with_the_numbers_that_it_takes():
    told = {**TOLD, "num_embeddings": "plr-dense"}
    assert same_bits(fit(num_embeddings="auto"), fit(**told))


def test_a_class_without_a_budget_of_networks_is_patient():
    one = TabularMLPClassifier  # has none in tests
    assert is_short(OutOfTheBox())
    assert not is_short(one()) and is_short(one(**SHORT))
    assert value_of(OutOfTheBox(), "num_embeddings") == "plr-dense"
    assert value_of(one(), "num_embeddings") == "plr"


def test_the_candidates_of_a_search_are_short_and_alone():
    search = PackedSearchCV(OutOfTheBox(**PLAIN), {"dropout": [0.0, 0.2]}, cv=2)
    inner = fresh(search.estimator, 0)
    assert is_short(inner) and value_of(inner, "d_block") == WIDTH
    assert len(inner.fit(X, Y).member_seeds_) == 1
    search.fit(X, Y)
    assert len(search.best_estimator_.member_seeds_) == 5


def test_without_folds_the_training_is_patient():
    alone = {"validation_folds": None, "d_block": 8}
    clf = TabularMLPClassifier(max_epochs="auto")
    assert not is_short(clf) and value_of(clf, "d_block") == 256
    assert same_bits(fit(**alone), fit(**alone, max_epochs=PATIENT_EPOCHS))


@pytest.mark.parametrize(
    "set_by_caller",
    [{"lr": 1e-3}, {"batch_size": 16}, {"d_block": 16}, {"n_iter_no_change": 1}],
)
def test_what_the_caller_sets_is_taken_as_it_is(set_by_caller):
    told = {**TOLD, **set_by_caller}
    if "batch_size" in set_by_caller:  # of 20 steps
        told["max_epochs"] = 2 * EPOCHS
    assert same_bits(fit(**set_by_caller), fit(**told))


def test_an_epoch_has_neither_few_nor_many_steps():
    clf = TabularMLPClassifier(**SHORT)
    sizes = {1: 32, 800: 32, 1000: 64, 8000: 64, 16_000: 128, 10**5: 1024, 10**6: 1024}
    for n, expected in sizes.items():
        assert rows_per_step(clf, n) == expected
    for n in range(700, 170_000, 977):
        assert 11 <= 0.8 * n / rows_per_step(clf, n) <= 136  # a power of 2 is near
    assert rows_per_step(TabularMLPClassifier(), 100) == 256


def epochs(clf, n_rows):
    return schedule_for(clf, n_rows)["max_epochs"]


def test_few_rows_have_more_epochs_for_as_many_steps():
    clf = TabularMLPClassifier(**SHORT)
    sizes = {100: 16, 400: 4, 1200: 4, 2000: 2, 3000: 1, 10**5: 1}
    for n, expected in sizes.items():
        assert epochs(clf, n) == expected * EPOCHS
    for n in range(1, 200_000, 977):
        steps = epochs(clf, n) * max(1, 0.8 * n / rows_per_step(clf, n))
        assert 640 <= steps <= 3125
    clf.set_params(batch_size=400)
    assert epochs(clf, 1000) == 32 * EPOCHS  # of 2 steps
    assert epochs(clf.set_params(max_epochs=7), 100) == 7
    assert epochs(TabularMLPClassifier(), 100) == PATIENT_EPOCHS


def test_many_rows_have_fewer_epochs_and_a_rate_that_falls_by_step():
    clf = TabularMLPClassifier(**SHORT)
    sizes = {200_000: 20, 400_000: 10, 10**6: 4, 2 * 10**6: 2, 10**7: 1}
    for n, expected in sizes.items():
        assert epochs(clf, n) == short_training(n).epochs == expected
        by_step = BY_STEP if expected < EPOCHS else "cosine"
        assert schedule_for(clf, n)["lr_schedule"] == by_step
    assert rows_per_step(clf, 10**7) == 1024
    assert epochs(clf.set_params(batch_size=2**17), 10**6) == 4
    assert epochs(TabularMLPClassifier(max_epochs=7), 10**6) == 7


@pytest.mark.parametrize("seen, n_epochs", [(400, 1), (800, 2)])
def test_the_rate_falls_step_by_step_over_few_epochs(monkeypatch, seen, n_epochs):
    monkeypatch.setattr(schedule, "SEEN", seen)
    rates, step = [], _Net.train_step_single

    def keep(net, batch):
        rates.append(net.optimizer_.param_groups[0]["lr"])
        return step(net, batch)

    monkeypatch.setattr(_Net, "train_step_single", keep)
    one = {"validation_folds": "auto", "n_members": 1, "early_stopping": False}
    OutOfTheBox(**PLAIN, **one).fit(X, Y)
    at = np.arange(len(rates)) / len(rates)
    np.testing.assert_allclose(rates, RATE * (1 + np.cos(np.pi * at)) / 2, rtol=1e-12)
    assert len(rates) == n_epochs * -(-400 // 32)


class Alone(TabularMLPClassifier):
    """One network for any number of rows."""

    _networks = ((1, 1),)


@pytest.mark.parametrize(
    "set_by_caller",
    [{}, {"lr": 3e-3}, {"batch_size": 64}, {"validation_fraction": 0.25}],
)
def test_a_fit_of_many_rows_is_that_with_the_numbers_of_many(
    monkeypatch, set_by_caller
):
    # The rate falls by epoch here, as told; by step: the test above.
    monkeypatch.setattr(pack, "RateByStep", LearningRate)
    monkeypatch.setattr(schedule, "SEEN", 2800)
    monkeypatch.setattr(budget, "MOST_VALIDATE", 31)
    small = {**PLAIN, "d_block": 8, "n_members": 1, **set_by_caller}
    auto = {"max_epochs": "auto", "validation_folds": "auto", **small}
    told = {"max_epochs": 7, "lr_schedule": "cosine", "batch_size": 32, "lr": RATE}
    told |= {"numeric_transform": "robust"}
    told |= {"validation_fraction": 31 / 400, "validation_folds": None, **small}
    assert same_bits(Alone(**auto).fit(X, Y), TabularMLPClassifier(**told).fit(X, Y))


@pytest.mark.parametrize(
    "params",
    [
        {"lr_schedule": "constant"},
        {"optimizer": "sgd"},
        {"warm_start": True},
        {"portfolio": "default"},
        {"joint_ssl": "vicreg"},
        {"m2m": "m2m"},
        {"metabalance_sampler": "under"},
        {"row_weighting": "l2rw"},
        {"drw_start": 0.8},
    ],
)
def test_what_has_another_schedule_keeps_the_patient_one(params):
    clf = TabularMLPClassifier(**SHORT, **params)
    assert not is_short(clf) and rows_per_step(clf, 100) == 256
    expected = {"max_epochs": PATIENT_EPOCHS, "lr_schedule": "constant"}
    assert schedule_of(clf) == expected


def test_numbers_are_patient():
    clf = TabularMLPClassifier(max_epochs=7, validation_folds=3)
    assert not is_short(clf) and value_of(clf, "d_block") == 256
    assert schedule_of(clf) == {"max_epochs": 7, "lr_schedule": "constant"}


def test_repeated_rows_and_their_order_change_nothing():
    clf = TabularMLPClassifier(**PLAIN, **SHORT)
    once = clf.fit(X, Y, np.full(400, 2.0))
    order = np.random.default_rng(0).permutation(800)
    twice = TabularMLPClassifier(**PLAIN, **SHORT)
    twice.fit(np.vstack([X, X])[order], np.append(Y, Y)[order])
    assert same_bits(once, twice)


def test_calls_of_partial_fit_have_no_end_to_fall_towards():
    short, patient = (
        TabularMLPClassifier(**PLAIN, **params)
        for params in (
            {"max_epochs": "auto", "validation_folds": 3},
            {"max_epochs": 3, "d_block": WIDTH},
        )
    )
    for part in (slice(0, 200), slice(200, 400)):
        for clf in (short, patient):
            clf.partial_fit(X[part], Y[part], classes=[0, 1])
    assert same_bits(short, patient)


def test_a_network_that_is_there_has_its_own_width():
    clf = OutOfTheBox(**PLAIN, warm_start=True, max_epochs=1).fit(X, Y)
    assert clf.module_config_["d_block"] == 256
    with pytest.raises(ValueError, match="d_block cannot change from 256 to 128"):
        clf.set_params(max_epochs="auto").fit(X, Y)


def test_pre_training_and_fit_agree_on_the_width():
    pretrainer = SelfSupervisedPretrainer(max_epochs=1, random_state=0)
    clf = fit(pretrained=pretrainer, num_embeddings="plr-lite")
    assert clf.module_config_["d_block"] == WIDTH and clf.n_iter_ <= 4 * EPOCHS


def test_a_warm_up_longer_than_the_training_is_refused():
    with pytest.raises(ValueError, match=f"below max_epochs={EPOCHS}, got {EPOCHS}"):
        fit(warmup_epochs=EPOCHS)


@pytest.mark.parametrize(
    "params", [{"max_epochs": "short"}, {"lr_schedule": "linear"}, {"d_block": "wide"}]
)
def test_other_words_are_refused(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        fit(**params)
