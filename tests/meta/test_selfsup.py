"""Self-supervised pre-training: a transformer, and where classifiers start."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits, weights
from helpers.views import make_views, mixed_table, same_encoder
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklimb
from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.fitting import jobs
from sklimb.fitting.jobs import make_job
from sklimb.fitting.prepare import prepare
from sklimb.fitting.pretraining import copy_backbone, held_out_rows
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.training.terms import SCARF

X, Y = fixed_table()
SMALL = TabularMLPClassifier(**PLAIN)


def pretrainer(estimator=SMALL, **params):
    own = {"max_epochs": 4, "batch_size": 64, "random_state": 0}
    return SelfSupervisedPretrainer(estimator, **{**own, **params})


def fit(X_unlabeled=None, **params):
    clf = TabularMLPClassifier(**{**PLAIN, **params})
    return clf.fit(X, Y, X_unlabeled=X_unlabeled)


def start(**params):
    """The weights that a classifier starts training from, and those without help."""
    found = []
    for own in (params, {}):
        clf = TabularMLPClassifier(**{**PLAIN, **own})
        job = make_job(clf, prepare(clf, X, Y))
        found.append({n: p.detach() for n, p in job.module.named_parameters()})
    return found


@parametrize_with_checks(
    [
        SelfSupervisedPretrainer(
            TabularMLPClassifier(d_block=8, n_blocks=1), method, max_epochs=2
        )
        for method in ("scarf", "vicreg")
    ]
)
def test_estimator_checks(estimator, check):
    check(estimator)


# --- the pretrainer alone -----------------------------------------------------------


@pytest.mark.parametrize("method", ["scarf", "simclr", "vicreg"])
def test_the_best_state_on_held_out_rows_is_kept(method):
    model = pretrainer(method=method, max_epochs=40, n_iter_no_change=3, lr=1e-2)
    model.fit(X)
    losses = [row["valid_loss"] for row in model.history_]
    assert model.best_score_ == min(losses) < losses[0]
    assert model.best_epoch_ == 1 + int(np.argmin(losses))
    assert model.n_iter_ == len(losses) == min(model.best_epoch_ + 3, 40)
    # Training to that epoch and no further gives the same weights.
    again = clone(model).set_params(max_epochs=model.best_epoch_).fit(X)
    assert same_bits_of(model, again)


def same_bits_of(a, b):
    wa, wb = weights(a.estimator_), weights(b.estimator_)
    return all(np.array_equal(wa[name], wb[name]) for name in wa)


def test_held_out_rows_are_every_few():
    assert np.flatnonzero(held_out_rows(25, 0.1)).tolist() == [9, 19]
    assert held_out_rows(1000, 0.15).sum() == 142
    assert held_out_rows(1000, 0.99).sum() == 500  # never most of them
    assert not held_out_rows(15, 0.1).any()  # one row has no other to be told from
    model = pretrainer().fit(X[:15])
    assert "valid_loss" not in model.history_[0] and model.best_epoch_ == 4


def test_labels_and_the_order_of_rows_do_not_matter():
    a = pretrainer().fit(X)
    assert same_bits_of(a, pretrainer().fit(X, Y))
    assert same_bits_of(a, pretrainer().fit(X[::-1]))
    assert not same_bits_of(a, pretrainer(random_state=1).fit(X))
    # Twice the same rows are the same rows, twice as heavy: in other draws.
    b = pretrainer().fit(np.r_[X, X])
    np.testing.assert_array_equal(a.best_epoch_, b.best_epoch_)


def test_more_rows_train_and_the_encoder_stays():
    frame, _ = mixed_table()
    more, _ = mixed_table(200, seed=1)
    small = clone(SMALL).set_params(numeric_transform="quantile")
    a, b = pretrainer(small).fit(frame), pretrainer(small).fit(frame, X_unlabeled=more)
    assert same_encoder(a, b) and not same_bits_of(a, b)
    with pytest.raises(ValueError, match=r"lacks \['a'\]"):
        pretrainer(small).fit(frame, X_unlabeled=more.drop(columns="a"))


def test_warm_start_goes_on():
    """With one epoch a call; the optimiser's moments begin anew."""
    parts = pretrainer(max_epochs=2, warm_start=True)
    whole = clone(parts).fit(X)
    parts.set_params(max_epochs=1).fit(X)
    one = clone(parts).fit(X)
    assert same_bits_of(parts, one)
    parts.fit(X)
    assert parts.n_iter_ == 2 and len(parts.history_) == 2
    # The second epoch has the shuffle, masks and views of a second epoch: its loss is
    # near that of one go, whose moments alone differ.
    losses = [m.history_[1]["train_loss"] for m in (parts, whole)]
    assert losses[0] == pytest.approx(losses[1], abs=0.02)
    with pytest.raises(ValueError, match="method cannot change"):
        parts.set_params(method="vicreg").fit(X)
    assert parts.n_iter_ == 2


@pytest.mark.parametrize("method", ["scarf", "simclr", "vicreg"])
def test_features_know_a_row_by_a_part_of_it(method):
    """A row is found by its corrupted view; before training less often."""
    rows, (_, view) = make_views(
        (0.0, 0.3), X.astype(float), np.ones(400), 400, range(6)
    )

    def rank(model):
        a, b = (torch.from_numpy(model.transform(v.numpy())) for v in (rows, view))
        a, b = (z / z.norm(dim=1, keepdim=True).clamp_min(1e-9) for z in (a, b))
        s = a @ b.T
        return float((s > s.diagonal().unsqueeze(1)).double().sum(1).mean())

    small = clone(SMALL).set_params(d_block=64)
    model = pretrainer(small, method=method, max_epochs=20, lr=5e-3).fit(X)
    untrained = pretrainer(small, max_epochs=1, lr=1e-30, weight_decay=0.0).fit(X)
    assert rank(model) < 0.9 * rank(untrained)


@pytest.mark.parametrize("cls", [TabularResNetClassifier, FTTransformerClassifier])
def test_other_networks(cls):
    own = {"d_block": 8, "n_blocks": 1, "max_epochs": 2, "random_state": 0}
    own |= {"attention_n_heads": 2} if cls is FTTransformerClassifier else {}
    net = cls(**own)
    model = pretrainer(net, max_epochs=2).fit(X)
    assert np.isfinite(model.transform(X)).all()
    frozen = clone(net).set_params(pretrained=FrozenEstimator(model), n_members=2)
    assert np.isfinite(frozen.fit(X, Y).predict_proba(X)).all()
    inside = clone(net).set_params(pretrained=pretrainer(), dtype="float64")
    inside.set_params(n_members=2, early_stopping=False).fit(X, Y)
    seed = int(inside.member_seeds_[1])
    one = clone(inside).set_params(n_members=1, random_state=seed).fit(X, Y)
    got = inside.predict_proba_members(X)[1]
    np.testing.assert_allclose(got, one.predict_proba(X), atol=1e-10)


# --- inside a classifier ------------------------------------------------------------


def test_all_but_the_head_is_taken():
    model = pretrainer(random_state=1).fit(X)
    frozen = FrozenEstimator(model)
    found, plain = start(pretrained=frozen, n_members=3)
    given = weights(model.estimator_)
    for name, w in found.items():
        for k in range(3):
            same = np.array_equal(w[k], given[name][0])
            assert same != name.startswith("head")
    assert torch.equal(found["head.weight"][0], plain["head.weight"][0])
    assert not torch.equal(found["head.weight"][0], found["head.weight"][1])
    inside, plain = start(pretrained=pretrainer())
    for name, w in inside.items():
        assert torch.equal(w, plain[name]) == name.startswith("head")


def test_inside_is_what_it_is_alone():
    """Equal rows, seed and network: a pretrainer inside a classifier, or before it."""
    params = {"max_epochs": 1, "lr": 1e-30, "weight_decay": 0.0}
    inside = fit(pretrained=pretrainer(), **params)
    before = fit(pretrained=FrozenEstimator(pretrainer().fit(X)), **params)
    np.testing.assert_array_equal(inside.embed(X), before.embed(X))


def test_off_and_on():
    assert same_bits(fit(), fit(pretrained=None))
    plain = fit().predict_proba(X)
    for value in (pretrainer(), FrozenEstimator(pretrainer().fit(X))):
        assert np.abs(fit(pretrained=value).predict_proba(X) - plain).max() > 1e-3
    # A rate that moves nothing: the weights are those that are drawn without it.
    still = pretrainer(lr=1e-30, weight_decay=0.0)
    assert same_bits(fit(), fit(pretrained=still))


def test_members_equal_single_fits():
    a, b, ya, yb = train_test_split(X, Y, stratify=Y, random_state=0)
    params = {**PLAIN, "dtype": "float64", "dropout": 0.2, "early_stopping": True}
    own = {"max_epochs": 30, "n_iter_no_change": 2, "lr": 2e-2}
    params["pretrained"] = pretrainer(**own, method=SCARF(temperature=0.5))
    more = X[:70] + 0.3
    given = {"X_val": b, "y_val": yb, "X_unlabeled": more}
    many = TabularMLPClassifier(**params, n_members=3).fit(a, ya, **given)
    for k, seed in enumerate(many.member_seeds_):
        one = TabularMLPClassifier(**{**params, "random_state": int(seed)})
        one.fit(a, ya, **given)
        for name, w in weights(many).items():
            # Sums in another order over 30 epochs of pre-training in float64.
            np.testing.assert_allclose(w[k], weights(one)[name][0], atol=1e-10)


def test_encoders():
    frame, y = mixed_table()
    more, _ = mixed_table(300, seed=1)
    own = {**PLAIN, "numeric_transform": "quantile"}
    model = pretrainer(TabularMLPClassifier(**own)).fit(more)
    clf = TabularMLPClassifier(**own, pretrained=FrozenEstimator(model))
    assert same_encoder(clf.fit(frame, y), model)
    plain = TabularMLPClassifier(**own).fit(frame, y)
    assert not same_encoder(clf, plain)
    inside = TabularMLPClassifier(**own, pretrained=pretrainer())
    inside.fit(frame, y, X_unlabeled=more)
    assert same_encoder(inside, plain)


def test_searches_vary_it():
    clf = clone(SMALL).set_params(dtype="float64", max_epochs=2)
    model = pretrainer(clf).fit(X)
    grid = {"pretrained": [None, pretrainer(), FrozenEstimator(model)]}
    grid["lr"] = [1e-3, 1e-2]
    params = {"cv": 3, "scoring": "roc_auc"}
    a = PackedSearchCV(clf, grid, max_members=9, **params).fit(X, Y).cv_results_
    b = GridSearchCV(clf, grid, **params).fit(X, Y).cv_results_
    # Sums in another order.
    np.testing.assert_allclose(a["mean_test_score"], b["mean_test_score"], atol=1e-8)
    assert len(set(b["mean_test_score"])) > 4
    clf.set_params(pretrained=pretrainer())
    search = GridSearchCV(clf, {"pretrained__max_epochs": [1, 2]}, cv=2)
    assert search.fit(X, Y).best_params_["pretrained__max_epochs"] in (1, 2)


def test_a_search_pretrains_once_a_fold_and_pretrainer(monkeypatch):
    calls, original = [], jobs.pretrain

    def counted(*given):
        calls.append(1)
        return original(*given)

    monkeypatch.setattr(jobs, "pretrain", counted)
    clf = clone(SMALL).set_params(dtype="float64", max_epochs=2)
    grid = {"lr": [1e-3, 3e-3, 1e-2]}
    grid["pretrained"] = [pretrainer(), pretrainer(max_epochs=2)]
    params = {"cv": 2, "scoring": "neg_log_loss", "refit": False}
    a = PackedSearchCV(clf, grid, max_members=6, **params).fit(X, Y).cv_results_
    assert len(calls) == 4
    b = GridSearchCV(clf, grid, **params).fit(X, Y).cv_results_
    assert len(calls) == 4 + 12
    # Sums in another order.
    np.testing.assert_allclose(a["mean_test_score"], b["mean_test_score"], atol=1e-8)


def test_with_other_strategies():
    for params in (
        {"joint_ssl": "scarf"},
        {"sam_asymmetric_rho": 0.05, "ema_decay": 0.9, "num_embeddings": "ple"},
        {"metabalance_sampler": "balanced", "metabalance_steps": 2},
        {"validation_folds": 2, "early_stopping": "auto"},
        {"dtype": "bfloat16", "loss": "ldam", "sampler": "smote"},
        {"portfolio": [{"dropout": 0.0}, {"dropout": 0.3}], "dropout": "auto"},
    ):
        clf = fit(**params, pretrained=pretrainer(), X_unlabeled=X[:50] + 0.5)
        assert np.isfinite(clf.predict_proba(X)).all()
    clf = TabularMLPClassifier(**PLAIN, pretrained=pretrainer(), warm_start=True)
    clf.partial_fit(X, Y).partial_fit(X, Y)
    clf.fit(X, Y).fit(X, Y)


def test_the_pretrained_model_is_not_changed():
    model = pretrainer().fit(X)
    before = model.transform(X)
    fit(pretrained=FrozenEstimator(model), lr=1e-2)
    np.testing.assert_array_equal(model.transform(X), before)
    own = pretrainer()
    fit(pretrained=own)
    assert not hasattr(own, "estimator_")


def test_save_and_load_without_a_frozen_one(tmp_path):
    clf = fit(pretrained=FrozenEstimator(pretrainer().fit(X)))
    clf.save(tmp_path / "a")
    with pytest.warns(UserWarning, match="could not hold pretrained"):
        again = sklimb.load(tmp_path / "a")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.pretrained is None


# --- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("scarf", "pretrained"),
        (LogisticRegression(), "pretrained"),
        (FrozenEstimator(LogisticRegression()), "pretrained"),
        (SelfSupervisedPretrainer, "pretrained"),
        (FrozenEstimator(pretrainer()), "is not fitted"),
        (pretrainer(lr=-1.0), "lr"),
        (pretrainer(method=SCARF), "Write SCARF"),
        (pretrainer(lr=1e30), "Lower the pretrainer's lr"),
    ],
)
def test_refusals(value, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fit(pretrained=value)


def test_refusals_of_another_network_or_table():
    frozen = FrozenEstimator(pretrainer().fit(X))
    with pytest.raises(ValueError, match=r"d_block=32 does not agree .* d_block=16"):
        fit(pretrained=frozen, d_block=32)
    with pytest.raises(ValueError, match="numeric_transform='standard' does not agree"):
        fit(pretrained=frozen, numeric_transform="standard")
    with pytest.raises(ValueError, match="network of a TabularMLPClassifier"):
        TabularResNetClassifier(pretrained=frozen).fit(X, Y)
    with pytest.raises(ValueError, match="X must have the columns"):
        TabularMLPClassifier(**PLAIN, pretrained=frozen).fit(X[:, :5], Y)
    with pytest.raises(ValueError, match="nothing learns from rows without labels"):
        fit(pretrained=frozen, X_unlabeled=X)
    frame, y = mixed_table()
    frozen = FrozenEstimator(pretrainer().fit(frame))
    clf = TabularMLPClassifier(**PLAIN, pretrained=frozen)
    with pytest.raises(ValueError, match="other categorical columns"):
        clf.fit(frame.assign(job=1.0), y)
    with pytest.raises(ValueError, match="X must have the columns"):
        clf.fit(frame.rename(columns={"a": "z"}), y)
    with pytest.raises(ValueError, match="must be a sklimb classifier"):
        pretrainer(LogisticRegression()).fit(X)


def test_refusal_of_bins_that_differ():
    small = clone(SMALL).set_params(num_embeddings="ple", n_bins=8)
    coarse = np.round(X)
    model = pretrainer(small).fit(np.clip(coarse, -1, 1))
    clf = clone(small).set_params(pretrained=FrozenEstimator(model))
    module, other = model.estimator_.net_.module_, clone(small).fit(X, Y).net_.module_
    with pytest.raises(ValueError, match="numbers"):
        copy_backbone(module, other)
    with pytest.raises(ValueError, match="numbers"):
        clf.fit(X, Y)


def test_interruption_keeps_the_best_state(monkeypatch):
    from sklimb.fitting import pretraining

    epochs, original = [], pretraining._epoch

    def stops(*given):
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(pretraining, "_epoch", stops)
    model = pretrainer(lr=1e-2)
    with pytest.raises(KeyboardInterrupt, match="after 2 epochs"):
        model.fit(X)
    assert model.n_iter_ == 2 and model.transform(X).shape == (400, 16)
    epochs.clear()
    clf = TabularMLPClassifier(**PLAIN, pretrained=pretrainer())
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    assert not hasattr(clf, "net_")


def test_a_warm_start_of_the_pretrainer_keeps_its_network():
    first = SelfSupervisedPretrainer(clone(SMALL), max_epochs=1, warm_start=True)
    first.fit(X)
    wider = SMALL.d_block * 2
    with pytest.raises(ValueError, match="d_block cannot change"):
        first.set_params(estimator__d_block=wider).fit(X)
    with pytest.raises(ValueError, match="TabularResNetClassifier in a warm start"):
        first.set_params(estimator=TabularResNetClassifier(d_block=8)).fit(X)


def test_weights_that_overflow_are_told():
    clf = TabularMLPClassifier(d_block=8, n_blocks=1)
    pretrainer = SelfSupervisedPretrainer(
        clf, max_epochs=2, weight_decay=1e300, random_state=0
    )
    with pytest.raises(ValueError, match="Lower the pretrainer's lr or weight_decay"):
        pretrainer.fit(X[:5])
