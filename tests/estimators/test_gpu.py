"""On a CUDA device: the same training room. Left out by `make test`.

benchmarks/gpu runs these too, where there may be no pytest: no fixtures but tmp_path
and monkeypatch's setattr, no marks but parametrize. It rehearses them on a CPU.
"""

import os
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fit_pack, fixed_table, same_bits

import sklimb
from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.model_selection import PackedSearchCV
from sklimb.training.net import _Net

pytestmark = pytest.mark.gpu
DEVICE = os.environ.get("SKLIMB_TEST_DEVICE", "cuda")
X, Y = fixed_table()


@pytest.mark.parametrize(
    "params",
    [{}, {"sam_asymmetric_rho": 0.05}, {"n_members": 3, "dropout": 0.2}],
    ids=str,
)
def test_equal_seeds_give_equal_bits(params):
    clf = TabularMLPClassifier(**{**PLAIN, **params, "device": DEVICE})
    a = clf.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(a, clf.fit(X, Y).predict_proba(X))
    assert clf.device_.startswith(DEVICE)


def test_a_gpu_model_predicts_on_a_cpu(tmp_path):
    clf = TabularMLPClassifier(**{**PLAIN, "device": DEVICE, "dtype": "float64"})
    clf.fit(X, Y).save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m", device="cpu")
    # Sums in another order, in float64.
    np.testing.assert_allclose(again.predict_proba(X), clf.predict_proba(X), atol=1e-10)


def test_cpu_and_gpu_train_alike():
    params = {**PLAIN, "dtype": "float64", "max_epochs": 2}
    a = TabularMLPClassifier(**params, device="cpu").fit(X, Y)
    b = TabularMLPClassifier(**params, device=DEVICE).fit(X, Y)
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-8)
    assert torch.get_default_dtype() == torch.float32


def test_a_table_larger_than_the_device_trains_the_same(monkeypatch):
    params = {**PLAIN, "device": DEVICE}
    there = TabularMLPClassifier(**params).fit(X, Y)
    monkeypatch.setattr("sklimb.fitting.device_rows.fits", lambda *args: False)
    assert same_bits(there, TabularMLPClassifier(**params).fit(X, Y))


def test_a_search_on_the_gpu_is_the_search_on_the_cpu():
    clf = TabularMLPClassifier(**{**PLAIN, "dtype": "float64", "device": DEVICE})
    grid = {"lr": [1e-3, 1e-2], "sam_asymmetric_rho": [0.0, 0.05]}
    on_gpu = PackedSearchCV(clf, grid, cv=3, scoring="roc_auc").fit(X, Y)
    on_cpu = PackedSearchCV(clf.set_params(device="cpu"), grid, cv=3, scoring="roc_auc")
    a, b = on_gpu.cv_results_, on_cpu.fit(X, Y).cv_results_
    # Sums in another order, in float64.
    np.testing.assert_allclose(a["mean_test_score"], b["mean_test_score"], atol=1e-8)


def test_bfloat16_trains():
    clf = TabularMLPClassifier(**{**PLAIN, "dtype": "bfloat16", "device": DEVICE})
    full = TabularMLPClassifier(**{**PLAIN, "device": DEVICE}).fit(X, Y)
    gap = np.abs(clf.fit(X, Y).predict_proba(X) - full.predict_proba(X)).max()
    assert 0 < gap < 0.05


@contextmanager
def no_waiting():
    """Whatever makes the host wait for the device raises."""
    if DEVICE == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if DEVICE == "cuda":
            torch.cuda.set_sync_debug_mode("default")


@contextmanager
def no_waiting_in_epochs(monkeypatch):
    """Training epochs, from the first batch to the last update, within `no_waiting`."""
    run, epochs = _Net.run_single_epoch, []

    def watched(net, iterator, training, *args, **kwargs):
        if not training:  # the one read of an epoch
            return run(net, iterator, training, *args, **kwargs)
        epochs.append(len(net.history))
        with no_waiting():
            return run(net, iterator, training, *args, **kwargs)

    monkeypatch.setattr(_Net, "run_single_epoch", watched)
    yield
    assert epochs[-1] > 1


SHORT = {**PLAIN, "device": DEVICE, "max_epochs": 3}


def test_a_host_read_is_seen():
    if DEVICE != "cuda":
        return
    with no_waiting():
        try:
            torch.ones(2, device=DEVICE).sum().item()
        except RuntimeError:
            return
    raise AssertionError("a host read went through")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"n_members": 3, "dropout": 0.2},
        {"dtype": "bfloat16", "clip_norm": 1.0},
        {"sam_asymmetric_rho": 0.05},
        {"optimizer": "sgd", "lr_schedule": "cosine", "ema_decay": 0.9},
        {"sampler": "balanced", "n_members": 2},
        {"loss": "ldam", "drw_start": 0.5},
        {"mix": "mixup"},
        {"joint_ssl": "vicreg", "n_members": 2},
        {"row_weighting": "l2rw"},
        {"row_weighting": "meta_weight_net"},
        {"metabalance_sampler": ("natural", "over"), "metabalance_steps": 4},
        {"num_embeddings": "ple"},
    ],
    ids=str,
)
def test_the_host_waits_for_nothing_within_an_epoch(params, monkeypatch):
    with no_waiting_in_epochs(monkeypatch):
        TabularMLPClassifier(**{**SHORT, **params}).fit(X, Y)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_host_waits_for_no_member_of_a_pack(optimizer, monkeypatch):
    settings = [{"lr": 1e-3}, {"lr": 1e-2}]
    with no_waiting_in_epochs(monkeypatch):
        fit_pack(settings, device=DEVICE, optimizer=optimizer, lr_schedule="cosine")


def test_the_host_waits_for_no_rows_that_stay_with_it(monkeypatch):
    monkeypatch.setattr("sklimb.fitting.device_rows.fits", lambda *args: False)
    with no_waiting_in_epochs(monkeypatch):
        TabularMLPClassifier(**SHORT).fit(X, Y)


@pytest.mark.parametrize("cls", [TabularResNetClassifier, FTTransformerClassifier])
@pytest.mark.parametrize("n_members", [1, 2])
def test_the_host_waits_for_no_other_network(cls, n_members, monkeypatch):
    params = {"n_members": n_members, "d_block": 16, "device": DEVICE}
    with no_waiting_in_epochs(monkeypatch):
        cls(**params, max_epochs=3, batch_size=64, random_state=0).fit(X, Y)


@pytest.mark.parametrize(
    "params",
    [
        {"augment": ["crop", "flip"], "dtype": "bfloat16", "channels_last": True},
        {"augment": ["randaugment", "cutout"]},
        {"sam_asymmetric_rho": 0.05, "joint_ssl": "vicreg"},
        {"loss": "ldam", "drw_start": 0.5},
        {"mix": "cutmix"},
    ],
    ids=str,
)
def test_the_host_waits_for_no_image(params, monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 3, 16, 16), dtype=np.uint8)
    settings = {"backbone": "resnet8", "batch_size": 32, "max_epochs": 3}
    clf = ImageResNetClassifier(**settings, random_state=0, device=DEVICE, **params)
    with no_waiting_in_epochs(monkeypatch):
        clf.fit(images, np.arange(80) % 10 // 7)


# Last, because compiling takes longest.
@pytest.mark.parametrize("mode", [True, "reduce-overhead"])
@pytest.mark.parametrize(
    "params",
    [{}, {"sam_asymmetric_rho": 0.05}, {"n_members": 3, "dropout": 0.2}],
    ids=str,
)
def test_compiled_training_is_training(mode, params):
    params = {**PLAIN, **params, "dtype": "float64", "device": DEVICE}
    plain = TabularMLPClassifier(**params).fit(X, Y)
    clf = TabularMLPClassifier(**params, compile=mode).fit(X, Y)
    # Sums in another order, in float64.
    np.testing.assert_allclose(clf.predict_proba(X), plain.predict_proba(X), atol=1e-8)
