"""Pre-training that was killed, failed or interrupted goes on as if it had not been."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.images import X as IMAGES
from helpers.packs import PLAIN, fixed_table, weights
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb._checkpoint import Checkpoint
from sklimb.fitting import pretraining
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.strategies import MoCo

X, Y = fixed_table()
NAME = "pretraining.safetensors"


def pretrainer(estimator=None, method="scarf", **params):
    own = {"max_epochs": 5, "batch_size": 64, "random_state": 0}
    net = TabularMLPClassifier(**{**PLAIN, "dropout": 0.2})
    return SelfSupervisedPretrainer(estimator or net, method, **{**own, **params})


def assert_same_bits(a, b):
    wa, wb = weights(a.estimator_), weights(b.estimator_)
    for name in wb:
        np.testing.assert_array_equal(wa[name], wb[name], err_msg=name)
    for name, t in b._term.state_dict().items():
        assert torch.equal(a._term.state_dict()[name], t), name
    assert a.history_ == b.history_ and a.n_iter_ == b.n_iter_
    assert a.best_epoch_ == b.best_epoch_ and a.best_score_ == b.best_score_


class Stop(Exception):
    """Whatever ends a fit."""


@pytest.fixture
def epochs(monkeypatch):
    """Counts epochs of training; "raises" is (at which, what)."""
    found, whole = {"n": 0, "raises": (None, None)}, pretraining._epoch

    def epoch(*args):
        found["n"] += 1
        at, error = found["raises"]
        if found["n"] == at:
            raise error
        return whole(*args)

    monkeypatch.setattr(pretraining, "_epoch", epoch)
    return found


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1], sys.argv[2]
import test_selfsup_checkpoint as t
whole, calls = os.replace, []
def replace(old, new):
    calls.append(new)
    if len(calls) == 3:  # two epochs are kept, the third is written
        os.kill(os.getpid(), signal.SIGKILL)
    whole(old, new)
os.replace = replace
t.pretrainer(checkpoint=sys.argv[3]).fit(t.X)
"""


def test_a_killed_pre_training_goes_on(tmp_path, epochs):
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    here = Path(__file__).parent
    folders = str(here), str(here.parent), str(tmp_path)
    done = subprocess.run([sys.executable, "-c", KILLED, *folders], env=env)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 3  # with half a write and the lock
    got = pretrainer(checkpoint=tmp_path).fit(X)
    assert epochs["n"] == 3
    assert {p.name for p in tmp_path.iterdir()} == {NAME, ".lock"}
    assert_same_bits(got, pretrainer().fit(X))
    # All is there now: nothing is trained again.
    n = epochs["n"]
    assert_same_bits(pretrainer(checkpoint=str(tmp_path)).fit(X), got)
    assert epochs["n"] == n


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("scarf", {}),
        ("vicreg", {"max_epochs": 12, "n_iter_no_change": 2, "lr": 1e-2}),
        (MoCo(n_keys=64), {}),
    ],
)
@pytest.mark.parametrize("error", [Stop(), KeyboardInterrupt()])
def test_one_that_failed_goes_on(tmp_path, epochs, method, params, error):
    want = pretrainer(method=method, **params).fit(X)
    model = pretrainer(method=method, checkpoint=tmp_path, **params)
    for at in (1, 3):
        epochs.update(n=0, raises=(at, error))
        with pytest.raises(type(error)):
            clone(model).fit(X)
    epochs.update(n=0, raises=(None, None))
    assert_same_bits(model.fit(X), want)
    assert epochs["n"] == want.n_iter_ - 2


@pytest.mark.parametrize("channels_last", [False, True])
def test_images_with_batch_norm_go_on(tmp_path, epochs, channels_last):
    own = {"backbone": "resnet8", "channels_last": channels_last}
    net = ImageResNetClassifier(**own, random_state=0)
    params = {"max_epochs": 3, "batch_size": 16}
    want = pretrainer(net, "simclr", **params).fit(IMAGES)
    model = pretrainer(net, "simclr", checkpoint=tmp_path, **params)
    epochs.update(n=0, raises=(3, Stop()))
    with pytest.raises(Stop):
        clone(model).fit(IMAGES)
    epochs.update(raises=(None, None))
    assert_same_bits(model.fit(IMAGES), want)
    for name, t in want.estimator_.net_.module_.state_dict().items():
        assert torch.equal(model.estimator_.net_.module_.state_dict()[name], t), name


def test_a_random_seed_is_kept(tmp_path, epochs):
    model = pretrainer(random_state=None, checkpoint=tmp_path)
    epochs.update(raises=(3, Stop()))
    with pytest.raises(Stop):
        clone(model).fit(X)
    got = clone(model).fit(X)
    seed = Checkpoint(tmp_path).seed
    assert_same_bits(got, pretrainer(random_state=seed).fit(X))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished pre-training."""
    folder = tmp_path_factory.mktemp("pretraining")
    pretrainer(checkpoint=folder, max_epochs=1).fit(X)
    return folder


@pytest.mark.parametrize(
    ("what", "params", "rows"),
    [
        ("max_epochs", {"max_epochs": 2}, X),
        ("batch_size, lr", {"lr": 1e-4, "batch_size": 32}, X),
        ("method", {"method": "vicreg"}, X),
        ("random_state", {"random_state": 1}, X),
        ("random_state", {"random_state": None}, X),
        ("estimator", {"estimator": TabularMLPClassifier(**PLAIN)}, X),
        ("data", {}, X + np.float32(1e-6)),
        ("data", {}, X[:-1]),
    ],
)
def test_a_folder_of_another_pre_training_is_refused(
    folder, epochs, what, params, rows
):
    before = (folder / NAME).read_bytes()
    model = pretrainer(**{"max_epochs": 1, "checkpoint": folder, **params})
    with pytest.raises(ValueError, match=f"another pre-training: {what} differ"):
        model.fit(rows)
    assert epochs["n"] == 0 and not hasattr(model, "estimator_")
    assert (folder / NAME).read_bytes() == before


def test_a_warm_start_is_another_pre_training(folder):
    model = pretrainer(checkpoint=folder, max_epochs=1, warm_start=True).fit(X)
    with pytest.raises(ValueError, match="another pre-training: weights differ"):
        model.fit(X)
    plain = pretrainer(max_epochs=1, warm_start=True).fit(X).fit(X)
    assert_same_bits(model.set_params(checkpoint=None).fit(X), plain)


def test_a_damaged_file_is_one_error(folder, tmp_path, epochs):
    whole, path = (folder / NAME).read_bytes(), tmp_path / NAME
    rng = np.random.default_rng(0)
    damaged = [whole[: len(whole) // 2], b"", b"[1, 2]"]
    for place in rng.choice(8 * len(whole), 60, replace=False):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="to begin anew"):
            pretrainer(checkpoint=tmp_path, max_epochs=1).fit(X)
    assert epochs["n"] == 0
    path.unlink()
    pretrainer(checkpoint=tmp_path, max_epochs=1).fit(X)


def test_a_second_pre_training_is_refused_meanwhile(tmp_path, epochs):
    refused = []

    def second(*_):
        with pytest.raises(ValueError, match="runs a pre-training there"):
            pretrainer(checkpoint=tmp_path).fit(X)
        refused.append(True)

    model = pretrainer(checkpoint=tmp_path, max_epochs=1)
    whole = Checkpoint.keep

    def keep(self, state):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        whole(self, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "keep", keep)
        model.fit(X)
    assert refused == [True]
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="other files in it"):
        model.fit(X)


def test_a_full_disk_is_said_once(tmp_path, monkeypatch):
    def fails(old, new):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.warns(RuntimeWarning, match="could not be written") as seen:
        got = pretrainer(checkpoint=tmp_path).fit(X)
    assert len(seen) == 1
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]
    assert_same_bits(got, pretrainer().fit(X))


def test_inside_a_classifier_it_is_refused(folder):
    model = pretrainer(checkpoint=folder, max_epochs=1)
    clf = TabularMLPClassifier(**{**PLAIN, "dropout": 0.2, "max_epochs": 1})
    with pytest.raises(ValueError, match="give it in FrozenEstimator"):
        clone(clf).set_params(pretrained=model).fit(X, Y)
    clone(clf).set_params(pretrained=FrozenEstimator(model.fit(X))).fit(X, Y)
