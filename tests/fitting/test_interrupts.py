"""Ctrl-C at any batch: kept weights, n_iter_, history_ and best epoch agree."""

import numpy as np
import pytest
from helpers.images import SMALL as IMAGES
from helpers.images import X as PIXELS
from helpers.images import Y as LABELS
from helpers.packs import PLAIN, fixed_table, same_bits, weights
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback, EarlyStopping

from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.two_stage import ClassifierRetrainer

X, Y = fixed_table()


class CtrlC(Callback):
    """Raises KeyboardInterrupt at an event of an epoch, after some of its batches."""

    def __init__(self, epoch, event="after_update", batch=1):
        self.epoch, self.event, self.batch = epoch, event, batch

    def on_train_begin(self, net, **kwargs):
        self.seen_ = 0

    def _at(self, event, net):
        if len(net.history) == self.epoch and event == self.event:
            self.seen_ += 1
            if self.seen_ == self.batch:
                raise KeyboardInterrupt

    def on_epoch_begin(self, net, **kwargs):
        self._at("on_epoch_begin", net)

    def on_epoch_end(self, net, **kwargs):
        self._at("on_epoch_end", net)

    def after_update(self, net):
        self._at("after_update", net)


def interrupted(clf, *stop, rows=(X, Y), match="interrupted", **fit):
    """`clf`, fitted until Ctrl-C."""
    clf = clone(clf).set_params(callbacks=[CtrlC(*stop)])
    with pytest.raises(KeyboardInterrupt, match=match):
        clf.fit(*rows, **fit)
    return clf


def agree(clf, n_epochs):
    """What is told of the fit is of its whole epochs."""
    assert clf.n_iter_ == len(clf.history_) == n_epochs
    for row in clf.history_:
        assert np.isfinite(row["train_loss"]) and row["dur"] > 0
    best = clf.best_epoch_
    assert ((best >= 1) & (best <= n_epochs)).all()
    if "valid_score" in clf.history_[0]:
        scores = np.array([row["valid_score_members"] for row in clf.history_])
        want = scores[best - 1, np.arange(len(best))]
        np.testing.assert_array_equal(clf.best_score_, want)


MLP = TabularMLPClassifier(**PLAIN)
SMALL = {"d_block": 8, "n_blocks": 1, "max_epochs": 5, "random_state": 0}
TABLES = {
    "mlp": MLP,
    "mlp, 3 members": clone(MLP).set_params(n_members=3),
    "mlp, averaged": clone(MLP).set_params(ema_decay=0.9),
    "mlp, stops early": clone(MLP).set_params(early_stopping=True),
    "resnet": TabularResNetClassifier(**SMALL),
    "transformer": FTTransformerClassifier(**SMALL, attention_n_heads=2),
}
STOPS = [(3, "on_epoch_begin"), (3, "after_update"), (3, "after_update", 2)]
STOPS += [(3, "on_epoch_end")]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("stop", STOPS, ids=str)
def test_what_is_kept_is_that_of_whole_epochs(name, stop):
    clf = interrupted(TABLES[name], *stop, match="after 2 epochs")
    agree(clf, 2)
    whole = clone(TABLES[name]).set_params(max_epochs=2).fit(X, Y)
    assert same_bits(clf, whole)
    assert clf.best_epoch_.tolist() == whole.best_epoch_.tolist()
    np.testing.assert_array_equal(clf.intercept_, whole.intercept_)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("event", ["on_epoch_begin", "after_update", "on_epoch_end"])
def test_without_a_whole_epoch_nothing_is_fitted(name, event):
    clf = interrupted(TABLES[name], 1, event, match="before its first epoch ended")
    assert not [k for k in vars(clf) if k.endswith("_") and not k.startswith("_")]
    with pytest.raises(NotFittedError):
        clf.predict_proba(X)


@pytest.mark.parametrize("n_members", [1, 3])
def test_images(n_members):
    rows = PIXELS, LABELS
    clf = ImageResNetClassifier(**IMAGES, n_members=n_members)
    stopped = interrupted(clf, 2, "after_update", rows=rows, match="after 1 epoch")
    agree(stopped, 1)
    whole = clone(clf).set_params(max_epochs=1).fit(*rows)
    p = stopped.predict_proba(rows[0])
    np.testing.assert_array_equal(p, whole.predict_proba(rows[0]))
    stopped = interrupted(clf, 1, rows=rows)
    with pytest.raises(NotFittedError):
        stopped.predict(rows[0])


def test_a_former_fit_stays():
    warm = clone(MLP).set_params(warm_start=True).fit(X, Y)
    before, p = dict(vars(warm)), warm.predict_proba(X)
    warm.callbacks = [CtrlC(1)]
    with pytest.raises(KeyboardInterrupt, match="before its first epoch"):
        warm.fit(X, Y)
    warm.callbacks = None
    assert vars(warm) == before
    np.testing.assert_array_equal(warm.predict_proba(X), p)
    # Fitted anew, without warm_start, it is the same.
    cold = clone(MLP).fit(X, Y)
    cold.callbacks = [CtrlC(1)]
    with pytest.raises(KeyboardInterrupt):
        cold.fit(X[:, :3], Y)
    np.testing.assert_array_equal(cold.predict_proba(X), p)


@pytest.mark.parametrize("event", ["after_update", "on_epoch_end"])
def test_an_interrupted_call_of_partial_fit_is_undone(event):
    once = clone(MLP).partial_fit(X[:200], Y[:200])
    twice = clone(MLP).partial_fit(X[:200], Y[:200])
    twice.callbacks = [CtrlC(1, event)]
    with pytest.raises(KeyboardInterrupt):
        twice.partial_fit(X[200:], Y[200:])
    assert same_bits(once, twice) and twice.n_iter_ == 1
    twice.callbacks = None
    twice.partial_fit(X[200:], Y[200:])
    assert same_bits(once.partial_fit(X[200:], Y[200:]), twice)
    first = clone(MLP).set_params(callbacks=[CtrlC(1, event)])
    with pytest.raises(KeyboardInterrupt):
        first.partial_fit(X, Y)
    assert not hasattr(first, "net_")


def test_a_warm_start_counts_the_whole_epochs_that_it_adds():
    warm = clone(MLP).set_params(warm_start=True).fit(X, Y)
    warm.callbacks = [CtrlC(3)]
    with pytest.raises(KeyboardInterrupt, match="after 2 epochs"):
        warm.fit(X, Y)
    assert warm.n_iter_ == 7 and warm.best_epoch_.tolist() == [7]
    assert len(warm.history_) == 2


# Folds refuse callbacks of a user; these interrupt the net itself.


def interrupt_the_net(monkeypatch, *stop):
    """Ctrl-C in every fit."""
    from sklimb.training.net import _Net

    step, own = _Net.train_step, CtrlC(*stop)
    own.on_train_begin(None)

    def stops(self, batch, **kwargs):
        done = step(self, batch, **kwargs)
        own.after_update(self)
        return done

    monkeypatch.setattr(_Net, "train_step", stops)


FOLDS = {"validation_folds": 2, "max_epochs": 3, "early_stopping": "auto"}


def test_folds(monkeypatch):
    folds = clone(MLP).set_params(**FOLDS)
    whole = clone(folds).set_params(max_epochs=1).fit(X, Y)
    with monkeypatch.context() as patch:
        interrupt_the_net(patch, 2)
        with pytest.raises(KeyboardInterrupt, match="after 1 epochs"):
            folds.fit(X, Y)
    agree(folds, 1)
    assert same_bits(folds, whole)
    interrupt_the_net(monkeypatch, 1)
    first = clone(folds)
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, Y)
    assert not hasattr(first, "net_")


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_search_stops_unfitted(monkeypatch, epoch):
    interrupt_the_net(monkeypatch, epoch)
    search = PackedSearchCV(MLP, {"lr": [1e-3, 1e-2]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert not hasattr(search, "best_estimator_")


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_second_stage_needs_a_whole_first_one(epoch):
    first = clone(MLP).set_params(callbacks=[CtrlC(epoch)])
    second = ClassifierRetrainer(first, n_epochs=1)
    with pytest.raises(KeyboardInterrupt):
        second.fit(X, Y)
    with pytest.raises(NotFittedError):
        second.predict(X)


def test_an_interrupted_pretraining_without_a_whole_epoch(monkeypatch):
    from sklimb.fitting import pretraining

    def stops(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(pretraining, "_epoch", stops)
    model = SelfSupervisedPretrainer(MLP, max_epochs=2)
    with pytest.raises(KeyboardInterrupt, match="before its first epoch ended"):
        model.fit(X)
    assert not hasattr(model, "estimator_")


def test_pseudo_labels_need_a_whole_first_round():
    clf = PseudoLabelClassifier(clone(MLP).set_params(callbacks=[CtrlC(1)]))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X[:200], Y[:200], X_unlabeled=X[200:])
    with pytest.raises(NotFittedError):
        clf.predict(X)


def test_a_later_plan_that_never_began_changes_no_prior():
    late = clone(MLP).set_params(sampler="balanced", drw_start=0.6, max_epochs=5)
    early = interrupted(late, 3)
    np.testing.assert_array_equal(early.prior_shift_, [1, 1])
    assert same_bits(early, clone(MLP).set_params(max_epochs=2).fit(X, Y))
    begun = interrupted(late, 5)
    assert begun.prior_shift_[1] > 2


def test_ctrl_c_beside_a_member_that_failed_is_no_failure():
    class Poison(Callback):
        def after_update(self, net):
            if len(net.history) == 1:
                net.parameters()[0].data[1] = np.nan

    clf = clone(MLP).set_params(n_members=2, callbacks=[Poison(), CtrlC(3)])
    with pytest.raises(KeyboardInterrupt, match="before anything was learned"):
        clf.fit(X, Y)
    assert not hasattr(clf, "net_")


def test_skorchs_early_stopping_keeps_the_epoch_that_it_ends_with():
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0)
    clf = clone(MLP).set_params(max_epochs=9, callbacks=[stop]).fit(X, Y)
    agree(clf, clf.n_iter_)
    assert clf.best_epoch_.tolist() == [clf.n_iter_]
    whole = clone(MLP).set_params(max_epochs=clf.n_iter_).fit(X, Y)
    assert clf.n_iter_ < 9 and same_bits(clf, whole)
    assert weights(clf).keys() == weights(whole).keys()
