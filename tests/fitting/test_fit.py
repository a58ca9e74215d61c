"""Stopping, interruption, validation rows, warm starts, packs and optimisers."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits, weights
from imblearn.combine import SMOTETomek
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler

from sklimb import TabularMLPClassifier
from sklimb.inputs.rowset import RowSet
from sklimb.inputs.splits import split_default
from sklimb.inputs.table import read_table
from sklimb.training.callbacks import LearningRate
from sklimb.training.optimizers import PackedAdamW, PackedSGD

X, Y = fixed_table()


def make(**params):
    return TabularMLPClassifier(**{**PLAIN, **params})


class StopAt(Callback):
    """Raises when an epoch or a batch is reached."""

    def __init__(self, epoch, error=KeyboardInterrupt):
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise self.error


# Early stopping.


def test_early_stopping_restores_the_best_weights():
    clf = make(early_stopping=True, max_epochs=60, n_iter_no_change=5, lr=2e-2).fit(
        X, Y
    )
    scores = [row["valid_loss"] for row in clf.history_]
    best = int(np.argmin(scores)) + 1
    assert clf.best_epoch_.tolist() == [best]
    assert clf.n_iter_ == best + 5 < 60
    assert clf.best_score_[0] == pytest.approx(min(scores))
    # Training that ends there has the same weights.
    again = make(early_stopping=True, max_epochs=best, n_iter_no_change=5, lr=2e-2)
    for a, b in zip(
        weights(clf).values(), weights(again.fit(X, Y)).values(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "monitor", ["average_precision", "roc_auc", "balanced_accuracy"]
)
def test_monitor_is_maximised(monitor):
    clf = make(early_stopping=True, max_epochs=20, monitor=monitor).fit(X, Y)
    scores = [row["valid_score"] for row in clf.history_]
    assert clf.best_score_[0] == max(scores)
    assert 0.4 < clf.best_score_[0] <= 1


def test_members_stop_on_their_own():
    clf = make(
        early_stopping=True, max_epochs=80, n_iter_no_change=4, n_members=4, lr=2e-2
    ).fit(X, Y)
    scores = np.array([row["valid_score_members"] for row in clf.history_])
    assert len(set(clf.best_epoch_.tolist())) > 1
    for k in range(4):
        # The first epoch that nothing within the patience beats.
        best, since = 0, 0
        for epoch, score in enumerate(scores[:, k]):
            best, since = (epoch, 0) if score < scores[best, k] else (best, since + 1)
            if since == 4:
                break
        assert clf.best_epoch_[k] == best + 1
    assert clf.n_iter_ <= clf.best_epoch_.max() + 4


def test_split_survives_a_class_with_one_row():
    y = Y.copy()
    y[0] = 2
    clf = make(early_stopping=True).fit(X, y)
    assert clf.predict_proba(X).shape == (len(X), 3)
    rows = RowSet(read_table(X), y, np.ones(len(y)))
    train, held_out = split_default(rows, 0.15, 0)
    assert 0 in train
    assert abs(len(held_out) - 0.15 * len(y)) <= 2
    assert set(train) | set(held_out) == set(range(len(y)))


def test_auto_trains_on_where_no_row_can_be_held_out():
    small = make(early_stopping="auto", batch_size="auto").fit(X[:2], [0, 1])
    assert small.n_iter_ == 5 and "valid_loss" not in small.history_[0]
    with pytest.raises(ValueError, match="early_stopping=True needs a class"):
        make(early_stopping=True).fit(X[:2], [0, 1])


def test_groups_stay_on_one_side():
    groups = np.arange(len(Y)) // 4
    rows = RowSet(read_table(X), Y, np.ones(len(Y)), groups)
    train, held_out = split_default(rows, 0.15, 0)
    assert not set(groups[train]) & set(groups[held_out])
    assert len(held_out) and set(Y[train]) == {0, 1}
    a = make(early_stopping=True).fit(X, Y)
    b = make(early_stopping=True).fit(X, Y, groups=groups)
    assert not same_bits(a, b)


def test_duplicates_cannot_leak_across_the_split():
    twice = np.r_[X, X], np.r_[Y, Y]
    merged = make(early_stopping=True).fit(*twice)
    assert same_bits(merged, make(early_stopping=True).fit(X, Y))
    apart = make(early_stopping=True, merge_duplicates=False).fit(*twice)
    assert not same_bits(merged, apart)


@pytest.mark.parametrize(
    "splitter", [TimeSeriesSplit(4), KFold(5), [(range(300), range(300, 400))]]
)
def test_validation_split_takes_the_last_split(splitter):
    parts = splitter if isinstance(splitter, list) else list(splitter.split(X))
    train, held_out = (np.asarray(part) for part in parts[-1])
    a = make(early_stopping=True, validation_split=splitter).fit(X, Y)
    b = make(early_stopping=True).fit(
        X[train], Y[train], X_val=X[held_out], y_val=Y[held_out]
    )
    for name, value in weights(a).items():
        np.testing.assert_array_equal(value, weights(b)[name])


def test_validation_split_counts_rows_of_weight_zero():
    weight = np.ones(len(Y))
    weight[:20] = 0
    train, held_out = np.arange(20, 300), np.arange(300, 350)
    a = make(early_stopping=True, validation_split=[(train, held_out)])
    a.fit(X, Y, weight)
    b = make(early_stopping=True).fit(
        X[train], Y[train], X_val=X[held_out], y_val=Y[held_out]
    )
    for name, value in weights(a).items():
        np.testing.assert_array_equal(value, weights(b)[name])


def test_validation_split_as_a_number():
    a = make(early_stopping=True, validation_split=4).fit(X, Y)
    b = make(early_stopping=True, validation_split=StratifiedKFold(4)).fit(X, Y)
    assert same_bits(a, b)


def test_small_or_large_weights_do_not_change_validation():
    a = make(early_stopping=True, dtype="float64").fit(X, Y)
    for factor in (1e-50, 1e40):
        b = make(early_stopping=True, dtype="float64")
        b.fit(X, Y, np.full(len(Y), factor))
        np.testing.assert_allclose(
            [r["valid_loss"] for r in a.history_],
            [r["valid_loss"] for r in b.history_],
            rtol=1e-9,
        )


def test_sampler_objects_see_the_users_labels_and_one_seed():
    few = RandomUnderSampler(sampling_strategy={"ok": 30})
    clf = make(sampler=few, early_stopping=False).fit(X, np.where(Y, "fraud", "ok"))
    assert clf.prior_shift_[list(clf.classes_).index("ok")] < 0.5
    nested = SMOTETomek(smote=SMOTE(k_neighbors=3))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert same_bits(make(sampler=nested).fit(X, Y), make(sampler=nested).fit(X, Y))
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_the_callers_gradient_mode_does_not_matter():
    with torch.no_grad():
        a = make().fit(X, Y)
    assert same_bits(a, make().fit(X, Y))


def test_sizes_may_be_numpy_integers():
    clf = make(batch_size=np.int64(32), d_block=np.int64(16)).fit(X, Y)
    assert same_bits(clf, make().fit(X, Y))


def test_skorchs_schedulers_are_left_alone():
    decay = LRScheduler("StepLR", step_size=1, gamma=1e-6)
    a = make(callbacks=[decay], max_epochs=3).fit(X, Y)
    b = make(max_epochs=1).fit(X, Y)
    moved = weights(a)["head.weight"] - weights(b)["head.weight"]
    assert np.abs(moved).max() < 1e-4


def test_validation_split_by_groups():
    groups = np.arange(len(Y)) % 7
    clf = make(early_stopping=True, validation_split=GroupKFold(5))
    clf.fit(X, Y, groups=groups)
    with pytest.raises(ValueError, match="groups"):
        clf.fit(X, Y)


def test_validation_rows_from_another_range_are_named():
    with pytest.warns(UserWarning, match=r'transform_input=\["X_val"\]'):
        make(numeric_transform="standard").fit(X, Y, X_val=X * 1000, y_val=Y)


def test_validation_arguments_belong_together():
    for arguments, words in [
        ({"X_val": X}, "X_val was given without y_val"),
        ({"y_val": Y}, "y_val was given without X_val"),
        ({"sample_weight_val": Y}, "without X_val and y_val"),
        ({"X_val": X, "y_val": Y, "groups": Y}, "groups and X_val"),
    ]:
        with pytest.raises(ValueError, match=words):
            make().fit(X, Y, **arguments)


# Interruption and losses that are not finite.


def test_ctrl_c_keeps_the_best_weights_and_goes_on_up():
    clf = make(early_stopping=True, max_epochs=60, callbacks=[StopAt(8)])
    with pytest.raises(KeyboardInterrupt, match="after 7 epochs"):
        clf.fit(X, Y)
    whole = make(early_stopping=True, max_epochs=7).fit(X, Y)
    assert same_bits(clf, whole)
    assert clf.best_epoch_.tolist() == whole.best_epoch_.tolist()


def test_ctrl_c_stops_a_search():
    from sklearn.model_selection import GridSearchCV

    clf = make(callbacks=[StopAt(2)])
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2).fit(X, Y)


def test_skorchs_early_stopping_ends_training_quietly():
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0)
    clf = make(max_epochs=50, callbacks=[stop]).fit(X, Y)
    assert clf.n_iter_ < 10


class Poison(Callback):
    """Makes the weights of one member infinite at the end of an epoch's first step."""

    def __init__(self, epoch, member=0):
        self.epoch, self.member = epoch, member

    def after_update(self, net):
        if len(net.history) == self.epoch:
            with torch.no_grad():
                net.parameters()[0][self.member] = torch.nan


def test_nan_loss_keeps_the_last_good_weights():
    clf = make(max_epochs=20, callbacks=[Poison(4)])
    with pytest.warns(
        RuntimeWarning, match="infinite in epoch 4: .* epoch 3 .*Lower lr"
    ):
        clf.fit(X, Y)
    assert clf.n_iter_ == 4
    assert same_bits(clf, make(max_epochs=3).fit(X, Y))


def test_nan_from_the_start_is_an_error_and_leaves_nothing_half_fitted():
    clf = make(callbacks=[Poison(1)])
    with pytest.raises(ValueError, match="epoch 1, before anything was learned"):
        clf.fit(X, Y)
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_a_refused_fit_leaves_the_model_that_was_there():
    clf = make().fit(X, np.where(Y, "fraud", "ok"))
    before = clf.predict_proba(X), dict(vars(clf))
    for params, arguments in [
        ({}, {"X_val": X, "y_val": ["?"] * len(Y)}),
        ({"target_prior": [0.5, 0.6]}, {}),
        ({"sampler": SMOTE(k_neighbors=10_000)}, {}),
    ]:
        clf.set_params(**{"target_prior": "train", **params})
        with pytest.raises(ValueError):
            clf.fit(X[:, :5] * 1000, np.where(Y, "zebra", "ant"), **arguments)
        np.testing.assert_array_equal(clf.predict_proba(X), before[0])
        assert set(clf.predict(X)) == {"fraud", "ok"}
    kept = {k for k in vars(clf) if k.endswith("_")}
    assert kept == {k for k in before[1] if k.endswith("_")}


def test_a_callback_that_breaks_a_warm_start():
    clf = make(warm_start=True).fit(X, Y)
    before = clf.predict_proba(X)
    clf.set_params(callbacks=[StopAt(3, RuntimeError("broken"))])
    with pytest.raises(RuntimeError, match="broken"):
        clf.fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_a_warm_start_cannot_change_the_network():
    clf = make(warm_start=True).fit(X, Y)
    for name, value in [("n_members", 3), ("d_block", 8), ("dtype", "float64")]:
        before = getattr(clf, name)
        with pytest.raises(ValueError, match=f"{name} cannot change from"):
            clf.set_params(**{name: value}).fit(X, Y)
        with pytest.raises(ValueError, match=f"{name} cannot change from"):
            clf.partial_fit(X, Y)
        clf.set_params(**{name: before})


def test_a_warm_start_needs_two_classes():
    clf = make(warm_start=True).fit(X, Y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=r"two classes, as in the first fit.*: 1"):
        clf.fit(X[:20], np.ones(20, dtype=int))
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_a_failed_warm_start_keeps_the_model_that_was_there():
    clf = make(warm_start=True).fit(X, Y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match="before anything was learned"):
        clf.set_params(callbacks=[Poison(1)]).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_nan_of_one_member_leaves_the_others_alone():
    # The pack gets smaller when a member goes, and a product of another size rounds
    # otherwise on some processors: hence float64 and not bits.
    clf = make(
        n_members=2, max_epochs=6, dtype="float64", callbacks=[Poison(4, member=1)]
    )
    with pytest.warns(RuntimeWarning, match="of member 1"):
        clf.fit(X, Y)
    whole = weights(make(n_members=2, max_epochs=6, dtype="float64").fit(X, Y))
    short = weights(make(n_members=2, max_epochs=3, dtype="float64").fit(X, Y))
    for name, value in weights(clf).items():
        np.testing.assert_allclose(value[0], whole[name][0], rtol=0, atol=1e-10)
        np.testing.assert_allclose(value[1], short[name][1], rtol=0, atol=1e-10)
    assert np.isfinite(clf.predict_proba(X)).all()


def test_interrupted_fit_leaves_nothing_of_a_broken_one():
    with pytest.raises(RuntimeError, match="broken"):
        make(callbacks=[StopAt(2, RuntimeError("broken"))]).fit(X, Y)


# Warm starts and partial_fit.


def test_warm_start_keeps_encoder_and_classes():
    clf = make(warm_start=True, max_epochs=3).fit(X, Y)
    encoder, before = clf.encoder_, weights(clf)["head.weight"].copy()
    clf.fit(X[:200], Y[:200])
    assert clf.encoder_ is encoder and clf.n_iter_ == 6
    assert np.abs(weights(clf)["head.weight"] - before).max() > 1e-4
    assert np.abs(weights(clf)["head.weight"] - before).max() < 0.5
    with pytest.raises(ValueError, match="label 7"):
        clf.fit(X, np.where(Y == 1, 7, 0))


def test_partial_fit_in_epochs_is_fit():
    whole = make(max_epochs=4).fit(X, Y)
    parts = make()
    for _ in range(4):
        parts.partial_fit(X, Y)
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(value, weights(parts)[name])


def test_partial_fit_never_refits_the_encoder():
    clf = make(numeric_transform="quantile").partial_fit(X[:200], Y[:200])
    before = clf.encoder_.transform(X)
    clf.partial_fit(X[200:] * 3, Y[200:])
    np.testing.assert_array_equal(before, clf.encoder_.transform(X))
    np.testing.assert_array_equal(clf.class_weight_sum_, np.bincount(Y))


def test_partial_fit_takes_a_new_learning_rate():
    clf = make().partial_fit(X, Y)
    before = weights(clf)["head.weight"].copy()
    clf.set_params(lr=1e-12).partial_fit(X, Y)
    assert np.abs(weights(clf)["head.weight"] - before).max() < 1e-8
    clf.set_params(lr=1e-2, optimizer="sgd").partial_fit(X, Y)  # other moments
    assert np.abs(weights(clf)["head.weight"] - before).max() > 1e-3
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        clf.partial_fit(X, Y, classes=[0, 1, 2])
    counted = clf.class_weight_sum_.copy()
    with pytest.raises(ValueError, match="lost class 1"):
        clf.set_params(callbacks=[StopAt(1, ValueError("lost class 1"))])
        clf.partial_fit(X, Y)
    np.testing.assert_array_equal(clf.class_weight_sum_, counted)


def test_partial_fit_with_all_classes_named_first():
    clf = make().partial_fit(X[~Y.astype(bool)][:50], np.zeros(50), classes=[0.0, 1.0])
    clf.partial_fit(X, Y.astype(float))
    assert clf.predict_proba(X).shape == (len(X), 2)
    with pytest.raises(ValueError, match="classes="):
        clf.partial_fit(X, Y + 1.0)


# Members.


@pytest.mark.parametrize(
    "params",
    [{}, {"sam_asymmetric_rho": 0.05}, {"smoothing_eps": 0.1}, {"sampler": "balanced"}],
    ids=str,
)
def test_members_are_single_fits(params):
    params = {
        "dtype": "float64",
        "dropout": 0.2,
        "max_epochs": 10,
        "num_embeddings": "plr",
        **params,
    }
    pack = make(n_members=3, **params).fit(X, Y)
    assert pack.predict_proba_members(X).shape == (3, len(X), 2)
    for k, seed in enumerate(pack.member_seeds_):
        single = make(**{**params, "random_state": int(seed)}).fit(X, Y)
        np.testing.assert_allclose(
            single.predict_proba(X), pack.predict_proba_members(X)[k], atol=1e-10
        )
    np.testing.assert_allclose(
        pack.predict_proba(X), pack.predict_proba_members(X).mean(0)
    )


def test_equal_seeds_equal_bits_and_no_global_randomness():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    clf = make(dropout=0.3, sampler="over", early_stopping=True)
    a, b = clone(clf).fit(X, Y), clone(clf).fit(X, Y)
    assert same_bits(a, b)
    assert torch.equal(state[0], torch.random.get_rng_state())
    assert np.array_equal(state[1], np.random.get_state()[1])  # noqa: NPY002
    assert not same_bits(a, clf.set_params(random_state=1).fit(X, Y))


def test_predictions_do_not_depend_on_their_neighbours():
    clf = TabularMLPClassifier(max_epochs=2, random_state=0).fit(X, Y)
    p = clf.predict_proba(X)
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = rng.choice(len(X), rng.integers(1, 300))
        np.testing.assert_array_equal(clf.predict_proba(X[rows]), p[rows])


def test_predictions_of_many_blocks():
    clf = make().fit(X, Y)
    many = np.tile(X, (3, 1))
    np.testing.assert_array_equal(
        clf.predict_proba(many), np.tile(clf.predict_proba(X), (3, 1))
    )


# Optimisers and schedules.


@pytest.mark.parametrize(
    ("packed", "single", "own"),
    [
        (PackedAdamW, torch.optim.AdamW, {}),
        (PackedSGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ],
)
def test_packed_optimisers_are_k_optimisers(packed, single, own):
    lr, decay = [1e-2, 3e-2, 1e-3], [0.0, 0.1, 0.01]
    draw = torch.Generator().manual_seed(0)
    start = torch.randn(3, 4, 2, generator=draw, dtype=torch.float64)
    grads = torch.randn(5, 3, 4, 2, generator=draw, dtype=torch.float64)
    p = torch.nn.Parameter(start.clone())
    optimizer = packed([p], lr=lr, weight_decay=decay)
    others = [torch.nn.Parameter(start[k].clone()) for k in range(3)]
    singles = [
        single([q], lr=lr[k], weight_decay=decay[k], **own)
        for k, q in enumerate(others)
    ]
    for grad in grads:
        p.grad = grad.clone()
        optimizer.step()
        for k, q in enumerate(others):
            q.grad = grad[k].clone()
            singles[k].step()
    torch.testing.assert_close(p.detach(), torch.stack(others).detach())


@pytest.mark.parametrize(
    ("packed", "single", "own"),
    [
        (PackedAdamW, torch.optim.AdamW, {}),
        (PackedSGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ],
)
def test_equal_rates_are_torchs_fused_step(packed, single, own):
    start = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    p, q = (torch.nn.Parameter(start.clone()) for _ in range(2))
    a = packed([p], lr=[1e-2] * 3, weight_decay=0.1)
    b = single([q], lr=1e-2, weight_decay=0.1, fused=True, **own)
    for _ in range(3):
        p.grad = q.grad = torch.sin(start)
        a.step()
        b.step()
    assert torch.equal(p, q)


def test_schedules():
    constant = LearningRate("constant", 3, 10)
    assert [constant.factor(e) for e in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    cosine = LearningRate("cosine", 0, 10)
    assert cosine.factor(0) == 1.0 and cosine.factor(5) == pytest.approx(0.5)
    assert 0 < cosine.factor(9) < 0.05
    seen = []

    class Spy(Callback):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["lr"])

    make(lr_schedule="cosine", max_epochs=4, lr=1.0, callbacks=[Spy()], clip_norm=1e-9)
    clf = make(lr_schedule="cosine", max_epochs=4, callbacks=[Spy()]).fit(X, Y)
    np.testing.assert_allclose(
        seen, [5e-3 * LearningRate("cosine", 0, 4).factor(e) for e in range(4)]
    )
    assert not same_bits(clf, make(max_epochs=4).fit(X, Y))


def test_clipping_bounds_the_gradient_of_each_member():
    norms = []

    class Spy(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            square = sum(p.grad.flatten(1).square().sum(1) for _, p in named_parameters)
            norms.append(square.sqrt())

    make(clip_norm=0.05, n_members=2, callbacks=[Spy()]).fit(X, Y)
    assert torch.stack(norms).max() <= 0.05 * (1 + 1e-5)  # float32
    assert torch.stack(norms).min() > 0.01


def test_weight_average_is_the_average():
    clf = make(ema_decay=0.9, max_epochs=1, optimizer="sgd", lr=0.1)
    path = []

    class Spy(Callback):
        def after_update(self, net):
            path.append([p.detach().clone() for p in net.parameters()])

    clf.set_params(callbacks=[Spy()]).fit(X, Y)
    from sklimb.nn import PackedMLP

    start = PackedMLP(1, 6, 0, (), 2, d_block=16)
    start.reset_parameters([0])
    average = [p.detach().clone() for p in start.parameters()]
    for t, now in enumerate(path, start=1):
        decay = min(0.9, (1 + t) / (10 + t))
        average = [a + (1 - decay) * (p - a) for a, p in zip(average, now, strict=True)]
    for got, want in zip(weights(clf).values(), average, strict=True):
        # lerp and a + w (p - a) round differently in float32.
        np.testing.assert_allclose(got, want.numpy(), atol=1e-6)


# Callbacks.


def test_skorch_callbacks_see_averages_over_members():
    seen = []

    class Spy(Callback):
        def on_batch_end(self, net, batch=None, training=False, y_pred=None, **kwargs):
            seen.append((training, batch[0].shape, y_pred.shape))

    scoring = EpochScoring("roc_auc", lower_is_better=False)
    clf = make(n_members=2, early_stopping=True, callbacks=[scoring, Spy()])
    clf.fit(X, Y)
    assert all(
        shape[0] == y.shape[0] and y.shape[1] == 2
        for _, shape, y in [(t, s, torch.empty(p)) for t, s, p in seen]
    )
    assert {t for t, _, _ in seen} == {True, False}
    assert all(0.5 < row["roc_auc"] <= 1 for row in clf.history_)


def test_net_params_reach_the_optimiser():
    clf = make(net_params={"optimizer__betas": (0.5, 0.9)})
    betas = []

    class Spy(Callback):
        def on_epoch_begin(self, net, **kwargs):
            betas.append(net.optimizer_.param_groups[0]["betas"])

    clf.set_params(callbacks=[Spy()]).fit(X, Y)
    assert betas[0] == (0.5, 0.9)
    with pytest.raises((TypeError, ValueError), match="nonsense"):
        make(net_params={"nonsense": 1}).fit(X, Y)


def test_progress_is_silent_or_one_bar(capfd):
    make(verbose=0).fit(X, Y)
    out, err = capfd.readouterr()
    assert out == err == ""
    make(verbose=1, early_stopping=True).fit(X, Y)
    out, err = capfd.readouterr()
    assert out == "" and "loss=" in err and "valid=" in err and "epoch/s" in err


def test_bfloat16_trains_products_in_bfloat16_and_keeps_float32_weights():
    full = make(max_epochs=3).fit(X, Y)
    half = make(max_epochs=3, dtype="bfloat16").fit(X, Y)
    assert half.dtype_ == "float32"
    assert all(p.dtype == torch.float32 for p in half.net_.module_.parameters())
    gap = np.abs(half.predict_proba(X) - full.predict_proba(X)).max()
    # Products have 8 bits, so three epochs differ, but only by that.
    assert 1e-6 < gap < 0.05
    half.partial_fit(X, Y)
