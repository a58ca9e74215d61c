"""On a CUDA device: the same training room. Left out by `make test`."""

import numpy as np
import pytest
import torch
from packs import PLAIN, fixed_table

import sklimb
from sklimb import TabularMLPClassifier

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
