"""On a CUDA device: the same training room. Left out by `make test`."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits

import sklimb
from sklimb import TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV

pytestmark = pytest.mark.gpu
X, Y = fixed_table()


@pytest.mark.parametrize(
    "params",
    [{}, {"sam_asymmetric_rho": 0.05}, {"n_members": 3, "dropout": 0.2}],
    ids=str,
)
def test_equal_seeds_give_equal_bits(params):
    clf = TabularMLPClassifier(**{**PLAIN, **params, "device": "cuda"})
    a = clf.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(a, clf.fit(X, Y).predict_proba(X))
    assert clf.device_.startswith("cuda")


def test_a_gpu_model_predicts_on_a_cpu(tmp_path):
    clf = TabularMLPClassifier(**{**PLAIN, "device": "cuda", "dtype": "float64"})
    clf.fit(X, Y).save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m", device="cpu")
    # Sums in another order, in float64.
    np.testing.assert_allclose(again.predict_proba(X), clf.predict_proba(X), atol=1e-10)


def test_cpu_and_gpu_train_alike():
    params = {**PLAIN, "dtype": "float64", "max_epochs": 2}
    a = TabularMLPClassifier(**params, device="cpu").fit(X, Y)
    b = TabularMLPClassifier(**params, device="cuda").fit(X, Y)
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-8)
    assert torch.get_default_dtype() == torch.float32


def test_a_table_larger_than_the_device_trains_the_same(monkeypatch):
    params = {**PLAIN, "device": "cuda"}
    there = TabularMLPClassifier(**params).fit(X, Y)
    monkeypatch.setattr("sklimb.fitting.device_rows.fits", lambda *args: False)
    assert same_bits(there, TabularMLPClassifier(**params).fit(X, Y))


def test_a_search_on_the_gpu_is_the_search_on_the_cpu():
    clf = TabularMLPClassifier(**{**PLAIN, "dtype": "float64", "device": "cuda"})
    grid = {"lr": [1e-3, 1e-2], "sam_asymmetric_rho": [0.0, 0.05]}
    on_gpu = PackedSearchCV(clf, grid, cv=3, scoring="roc_auc").fit(X, Y)
    on_cpu = PackedSearchCV(clf.set_params(device="cpu"), grid, cv=3, scoring="roc_auc")
    a, b = on_gpu.cv_results_, on_cpu.fit(X, Y).cv_results_
    # Sums in another order, in float64.
    np.testing.assert_allclose(a["mean_test_score"], b["mean_test_score"], atol=1e-8)


def test_bfloat16_trains():
    clf = TabularMLPClassifier(**{**PLAIN, "dtype": "bfloat16", "device": "cuda"})
    full = TabularMLPClassifier(**{**PLAIN, "device": "cuda"}).fit(X, Y)
    gap = np.abs(clf.fit(X, Y).predict_proba(X) - full.predict_proba(X)).max()
    assert 0 < gap < 0.05


@pytest.mark.parametrize("mode", [True, "reduce-overhead"])
@pytest.mark.parametrize(
    "params",
    [{}, {"sam_asymmetric_rho": 0.05}, {"n_members": 3, "dropout": 0.2}],
    ids=str,
)
def test_compiled_training_is_training(mode, params):
    params = {**PLAIN, **params, "dtype": "float64", "device": "cuda"}
    plain = TabularMLPClassifier(**params).fit(X, Y)
    clf = TabularMLPClassifier(**params, compile=mode).fit(X, Y)
    # Sums in another order, in float64.
    np.testing.assert_allclose(clf.predict_proba(X), plain.predict_proba(X), atol=1e-8)
