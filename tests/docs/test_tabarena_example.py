"""The adapter for AutoGluon and TabArena, against a stub of their interface."""

import importlib
import sys
from pathlib import Path
from time import perf_counter
from types import ModuleType

import numpy as np
import pytest
import torch

from sklimb.datasets import make_transactions

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class AbstractModel:
    """What AutoGluon's class of this name gives to a model, as far as it is used."""

    def __init__(self, **hyperparameters):
        self.params, self.model, self.given = dict(hyperparameters), None, []
        self._set_default_params()

    def _set_default_param_value(self, name, value):
        self.params.setdefault(name, value)

    def _get_model_params(self):
        return self.params.copy()

    def _get_default_auxiliary_params(self):
        return {"max_memory_usage_ratio": 1.0}

    def preprocess(self, X, is_train=False):
        self.given.append((len(X), is_train))
        return X.assign(added=1.5)

    def fit(self, **kwargs):
        out = self._fit(**kwargs)
        return self if out is None else out

    def predict_proba(self, X):
        return self.model.predict_proba(self.preprocess(X))


@pytest.fixture
def example(monkeypatch):
    for name in ("autogluon", "autogluon.core", "autogluon.core.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["autogluon.core.models"].AbstractModel = AbstractModel
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "tabarena_model", raising=False)
    yield importlib.import_module("tabarena_model")
    del sys.modules["tabarena_model"]


@pytest.fixture(scope="module")
def rows():
    data = make_transactions(400, fraud_rate=0.2, random_state=0)
    return data.X, data.y


QUICK = {"d_block": 16, "max_epochs": 2, "n_members": 2}


def test_validation_rows_are_the_given_ones(example, rows, monkeypatch):
    X, y = rows
    seen = {}
    fit = example.TabularMLPClassifier.fit

    def watched(self, X, y, **kwargs):
        seen.update(kwargs, n=len(X))
        return fit(self, X, y, **kwargs)

    monkeypatch.setattr(example.TabularMLPClassifier, "fit", watched)
    model = example.SklimbModel(**QUICK)
    model.fit(X=X[:300], y=y[:300], X_val=X[300:], y_val=y[300:], time_limit=60)
    assert seen["n"] == 300 and len(seen["X_val"]) == len(seen["y_val"]) == 100
    assert model.given == [(300, True), (100, False)]
    assert "added" in seen["X_val"] and model.model.n_folds_ <= 1
    p = model.predict_proba(X)
    assert p.shape == (400, 2) and np.allclose(p.sum(1), 1)


def test_without_validation_rows_there_are_folds(example, rows):
    X, y = rows
    model = example.SklimbModel(**QUICK).fit(X=X, y=y)
    assert model.model.n_folds_ == 5
    assert model.model.random_state == 0 and model.model.max_seconds is None


def test_the_time_limit_holds(example, rows):
    X, y = rows
    params = {**QUICK, "max_epochs": 10**6, "early_stopping": False}
    begin = perf_counter()
    model = example.SklimbModel(**params)
    model.fit(X=X, y=y, X_val=X, y_val=y, time_limit=1.0)
    # Other programs may take the cores; without the limit it would be hours.
    assert perf_counter() - begin < 20
    assert 0 < model.model.max_seconds <= 0.9


def test_threads_and_devices_are_the_allowed_ones(example, rows, monkeypatch):
    X, y = rows
    used = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    before = torch.get_num_threads()
    model = example.SklimbModel(**QUICK).fit(X=X, y=y, num_cpus=7)
    assert used == [7, before] and model.model.device == "cpu"
    used.clear()
    example.SklimbModel(**QUICK).fit(X=X, y=y, num_cpus="auto")
    assert used == [before]


def test_what_autogluon_asks_for(example):
    model = example.SklimbModel()
    assert model.supported_problem_types() == ["binary", "multiclass"]
    assert model._get_default_auxiliary_params() == {
        "max_memory_usage_ratio": 1.0,
        "valid_raw_types": ["bool", "int", "float", "category"],
    }
    assert model.params == {"n_members": "auto", "random_state": 0}
    assert model.ag_key == "SKLIMB" and model.seed_name == "random_state"
