"""ema_decay: the buffers of a network are averaged with its weights."""

import numpy as np
import pytest
import torch
from helpers.packs import fixed_table
from skorch.callbacks import Callback

from sklimb import ImageResNetClassifier, TabularResNetClassifier

X, Y = fixed_table(120)
DECAY = 0.8
PARAMS = {
    "n_members": 2,
    "max_epochs": 6,
    "batch_size": 32,
    "dtype": "float64",
    "random_state": 0,
    "ema_decay": DECAY,
}


class Recorder(Callback):
    """The buffers that are trained with, before the first and after each update."""

    def on_train_begin(self, net, **kwargs):
        self.seen, self.ends = [self._now(net)], []

    def after_update(self, net):
        self.seen.append(self._now(net))

    def on_epoch_end(self, net, **kwargs):
        self.ends.append(len(self.seen))

    @staticmethod
    def _now(net):
        return {k: t.clone() for k, t in net.module_.members.named_buffers()}


def average_by_hand(tensors):
    average = tensors[0]
    for n, tensor in enumerate(tensors[1:], 1):
        decay = min(DECAY, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * tensor
    return average


def networks(**params):
    params = {**PARAMS, **params}
    return [
        (TabularResNetClassifier(d_block=8, **params), X),
        (
            ImageResNetClassifier(backbone="resnet8", image_shape=(6, 6), **params),
            np.tile(X, 6),
        ),
    ]


@pytest.mark.parametrize("which", [0, 1], ids=["table", "images"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_running_statistics_are_averaged(which, early_stopping):
    epochs = 14 if early_stopping else 4
    clf, rows = networks(early_stopping=early_stopping, lr=0.1, max_epochs=epochs)[
        which
    ]
    recorder = Recorder()
    clf.set_params(callbacks=[recorder]).fit(rows, Y)
    if early_stopping:  # else nothing else than the last epoch was looked at
        assert (clf.best_epoch_ < clf.n_iter_).any()
    n_averaged = n_counts = 0
    for name, got in clf.net_.module_.members.named_buffers():
        for k, best in enumerate(clf.best_epoch_):
            seen = [row[name][k] for row in recorder.seen[: recorder.ends[best - 1]]]
            if got.is_floating_point():
                # Sums of float64 in another order.
                np.testing.assert_allclose(got[k], average_by_hand(seen), rtol=1e-10)
                n_averaged += not torch.equal(got[k], seen[-1])
            else:
                assert torch.equal(got[k], seen[-1])
                n_counts += 1
    assert n_averaged > 0 and n_counts > 0


def test_a_member_has_the_average_that_it_has_alone():
    """Members leave the pack when they are done, and their averages with them."""
    params = {"early_stopping": True, "n_iter_no_change": 2, "max_epochs": 30}
    clf, rows = networks(n_members=3, lr=3e-2, **params)[0]
    held_out = {"X_val": rows[:40], "y_val": Y[:40]}
    clf.fit(rows[40:], Y[40:], **held_out)
    assert len(set(clf.best_epoch_)) > 1
    p = clf.predict_proba_members(rows)
    for k, seed in enumerate(clf.member_seeds_):
        alone, _ = networks(n_members=1, lr=3e-2, **params)[0]
        alone.set_params(random_state=int(seed)).fit(rows[40:], Y[40:], **held_out)
        # vmap and a single network sum in other orders.
        np.testing.assert_allclose(alone.predict_proba(rows), p[k], atol=1e-8)
