"""Threads that read one fitted estimator: the bits of one thread, nothing written."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_backend
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from skorch.callbacks import Callback

import sklimb
from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.nn.tabular_backbones import ResNetBackbone
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier
from sklimb.two_stage import ClassifierRetrainer

N_THREADS = 8
SMALL = {"max_epochs": 2, "random_state": 0}
TINY = {**SMALL, "d_block": 8}
CLASSIFIERS = {
    "mlp": TabularMLPClassifier(**TINY),
    "resnet": TabularResNetClassifier(**TINY),
    "ft": FTTransformerClassifier(**TINY, n_blocks=1, attention_n_heads=2),
    "image": ImageResNetClassifier(**SMALL, backbone="resnet8", test_time_flips=True),
}
on_all = pytest.mark.parametrize("name", CLASSIFIERS)
on_members = pytest.mark.parametrize("n_members", [1, 3])


@cache
def table():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(120, 3))
    numbers[rng.random(numbers.shape) < 0.05] = np.nan
    X = pd.DataFrame(numbers, columns=["a", "b", "c"])
    X["kind"] = pd.Categorical(rng.choice(["x", "y", "z"], 120))
    return X, (np.nan_to_num(numbers[:, 0]) + rng.normal(size=120) > 0.8).astype(int)


@cache
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (40, 8, 8), dtype=np.uint8), np.arange(40) % 2


@cache
def fitted_bytes(name, n_members):
    X, y = images() if name == "image" else table()
    clf = CLASSIFIERS[name].set_params(n_members=n_members).fit(X, y)
    return pickle.dumps(clf)


def fitted(name, n_members):
    """A classifier of the test's own, and rows that are more than a block of images."""
    X, _ = images() if name == "image" else table()
    return pickle.loads(fitted_bytes(name, n_members)), X


def reads_of(clf, X, folder):
    """What reads a fitted classifier, each as a function whose result has bits."""

    def saved(thread):
        path = folder / f"model{thread}"
        clf.save(path)
        return np.frombuffer(path.read_bytes(), np.uint8)

    reads = {
        "predict_proba": lambda thread: clf.predict_proba(X),
        "embed": lambda thread: clf.embed(X),
        "save": saved,
    }
    if not isinstance(clf, ImageResNetClassifier):
        reads["explain"] = lambda thread: clf.explain(X[:4], n_steps=2)
    return reads


@pytest.fixture(autouse=True)
def busy():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def check_threads(reads, n_calls):
    """Each of N_THREADS threads calls all `reads` in turns, another one first."""
    names = list(reads)
    expected = {name: read(0) for name, read in reads.items()}
    start = Barrier(N_THREADS)

    def work(thread):
        start.wait()
        for i in range(n_calls * len(names)):
            name = names[(thread + i) % len(names)]
            np.testing.assert_array_equal(reads[name](thread), expected[name], name)

    with ThreadPoolExecutor(N_THREADS) as pool:
        list(pool.map(work, range(N_THREADS)))


def check_classifier(name, n_members, n_calls, folder):
    clf, X = fitted(name, n_members)
    before = pickle.dumps(clf)
    check_threads(reads_of(clf, X, folder), n_calls)
    assert pickle.dumps(clf) == before


@on_all
@on_members
def test_a_few_calls(name, n_members, tmp_path):
    check_classifier(name, n_members, 2, tmp_path)


@pytest.mark.slow
@on_all
@on_members
def test_two_hundred_calls(name, n_members, tmp_path):
    check_classifier(name, n_members, 25, tmp_path)


def held(clf):
    """Which objects the parts of a net hold."""
    found = [vars(clf), vars(clf.encoder_), vars(clf.net_)]
    for part in clf.net_.criterion_.modules():
        found += [vars(part), part._parameters, part._buffers, part._modules]
    return [{name: id(value) for name, value in d.items()} for d in found]


@on_all
@on_members
def test_nothing_is_written_for_a_moment(name, n_members, tmp_path):
    clf, X = fitted(name, n_members)
    n_looks = 0

    def look(module, args, out):
        nonlocal n_looks
        other.submit(torch.rand, 1).result()  # as it may at any time
        assert held(clf) == before
        n_looks += 1

    reads = reads_of(clf, X, tmp_path)
    reads.pop("explain", None)  # runs a copy, whose hooks would be copies, too
    expected = {name: read(0) for name, read in reads.items()}
    for part in clf.net_.module_.modules():
        if not list(part.children()):
            part.register_forward_hook(look)
    before = held(clf)
    with ThreadPoolExecutor(1) as other:
        for name, read in reads.items():
            np.testing.assert_array_equal(read(0), expected[name])
    assert n_looks > 0 and held(clf) == before


def test_other_reads():
    X, y = table()
    clf, _ = fitted("resnet", 3)
    frozen = FrozenEstimator(clf)
    retrained = ClassifierRetrainer(frozen, "lws", random_state=0).fit(X, y)
    drifted = ClassifierRetrainer(
        frozen, "ncm", shift_statistics=True, random_state=0
    ).fit(X, y)
    pretrainer = SelfSupervisedPretrainer(clf, max_epochs=1, random_state=0).fit(X)
    pseudo = PseudoLabelClassifier(clf, rounds=1).fit(X, y, X_unlabeled=X)
    reads = {
        "predict": lambda _: clf.predict(X),
        "predict_proba_members": lambda _: clf.predict_proba_members(X),
        "input_report": lambda _: pd.DataFrame(clf.input_report(X)).to_numpy(str),
        "retrained": lambda _: retrained.predict_proba(X),
        "drifted": lambda _: drifted.predict_proba(X),
        "transform": lambda _: pretrainer.transform(X),
        "pseudo": lambda _: pseudo.predict_proba(X),
    }
    readers = [clf, retrained, drifted, pretrainer, pseudo]
    before = [pickle.dumps(reader) for reader in readers]
    check_threads(reads, 2)
    assert [pickle.dumps(reader) for reader in readers] == before


@pytest.mark.parametrize("name", ["mlp", "resnet", "ft"])
def test_permutation_importance(name):
    clf, X = fitted(name, 3)
    _, y = table()

    def importances(n_jobs):
        return permutation_importance(
            clf, X, y, scoring="neg_log_loss", n_jobs=n_jobs, random_state=0
        ).importances

    expected = importances(1)
    with parallel_backend("threading"):
        np.testing.assert_array_equal(importances(2), expected)


def test_a_network_that_vmap_cannot_run(monkeypatch, tmp_path):
    embed = ResNetBackbone.embed

    def read_a_number(self, x):
        h = embed(self, x)
        return h if h.sum().item() < 1e9 else -h

    X, y = table()
    clf, _ = fitted("resnet", 3)
    expected = clf.predict_proba(X)
    monkeypatch.setattr(ResNetBackbone, "embed", read_a_number)
    before = pickle.dumps(clf)
    # Members one after another are other orders of the same sums, in float32.
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-5)
    check_threads(reads_of(clf, X, tmp_path), 2)
    assert pickle.dumps(clf) == before
    clf.fit(X, y)
    assert not clf.net_.module_.packed
    clf.save(tmp_path / "model")
    again = sklimb.load(tmp_path / "model")
    assert again.net_.module_.reason == clf.net_.module_.reason != ""
    assert not again.net_.module_.packed
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_training_goes_on_after_predictions():
    X, y = table()
    clf, other = (TabularResNetClassifier(**TINY).partial_fit(X, y) for _ in range(2))
    assert not clf.net_.module_.training
    other.predict_proba(X)
    for each in (clf, other):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), other.predict_proba(X))


class Predicts(Callback):
    """Predicts after each batch."""

    def on_batch_end(self, net, batch, training, **kwargs):
        if training:
            net.predict_proba(batch[0])


def test_training_goes_on_where_a_callback_predicts():
    X, y = table()
    params = {**TINY, "batch_size": 16}
    clf = TabularResNetClassifier(**params).fit(X, y)
    other = TabularResNetClassifier(**params, callbacks=[("p", Predicts())]).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), other.predict_proba(X))
