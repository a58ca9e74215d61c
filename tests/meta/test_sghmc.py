"""SGHMCClassifier: its chains sample a posterior that is known, and nothing else."""

import pickle
import re
import warnings

import numpy as np
import pytest
import torch
from helpers.images import X as IMAGES
from helpers.images import Y as LABELS
from helpers.packs import PLAIN, fixed_table
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklimb import (
    ImageResNetClassifier,
    TabularMLPClassifier,
    TabularNetworkClassifier,
    TabularResNetClassifier,
)
from sklimb.bayes import SGHMCClassifier
from sklimb.bayes._chains import estimate_statistics, sample_epochs, step_sizes
from sklimb.strategies import M2m

with warnings.catch_warnings():
    # Told once a day, of a version that the extra does not take.
    warnings.filterwarnings("ignore", r"\nArviZ is undergoing", FutureWarning)
    import arviz

X, Y = fixed_table()
SMALL = {**PLAIN, "d_block": 8}
QUICK = {"n_samples": 4, "cycles": 2, "n_epochs": 4, "lr": 0.01}


class Logistic(nn.Module):
    """Logits of two classes, linear in the columns."""

    def __init__(self, n_columns):
        super().__init__()
        self.head = nn.Linear(n_columns, 2)

    def embed(self, x):
        return x

    def forward(self, x):
        return self.head(x)

    def reset_parameters(self, generator):
        nn.init.normal_(self.head.weight, std=0.5, generator=generator)
        nn.init.zeros_(self.head.bias)


class LogisticClassifier(TabularNetworkClassifier):
    """Logistic regression by a network."""

    @staticmethod
    def make_network(n_numeric, n_indicators, cardinalities, n_classes):
        return Logistic(n_numeric + n_indicators + len(cardinalities))


LOGISTIC = {
    "numeric_transform": None,
    "dtype": "float64",
    "early_stopping": False,
    "max_epochs": 1,
    "random_state": 0,
}


def known(x, y, weight, precision):
    """Means and deviations of (slope, bias) of the log odds, on a grid.

    Two weights of precision d have a difference of precision d / 2.
    """
    a = np.linspace(-1.5, 3.5, 401)[:, None, None]
    b = np.linspace(-5, 1, 401)[:, None]
    log_p = -precision / 4 * (a**2 + b**2)[..., 0]
    for xi, yi, wi in zip(x, y, weight, strict=True):
        z = (a * xi + b)[..., 0]
        log_p = log_p - wi * np.logaddexp(0, -z if yi else z)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    # The grid holds it all.
    edges = p[0].sum() + p[-1].sum() + p[:, 0].sum() + p[:, -1].sum()
    assert edges < 1e-9
    found = []
    for values in (a[..., 0], b.T):
        mean = (p * values).sum()
        found.append((mean, np.sqrt((p * (values - mean) ** 2).sum())))
    return found


@pytest.mark.parametrize("weighted", [False, True])
def test_the_posterior_of_a_logistic_layer_is_the_known_one(weighted):
    rng = np.random.default_rng(0)
    x = rng.normal(size=60).astype(np.float32)
    y = (rng.random(60) < 1 / (1 + np.exp(1.5 - x))).astype(int)
    weight = 1.0 + np.arange(60) % 3 if weighted else np.ones(60)
    clf = LogisticClassifier(
        **LOGISTIC, n_members=8, class_weight={0: 1.0, 1: 2.0} if weighted else None
    )
    model = SGHMCClassifier(
        clf, 60, 15, n_epochs=160, lr=0.5, batch_size=60, prior_precision=1.0
    )
    model.fit(x[:, None], y, sample_weight=weight)
    encoded = model.estimator_._encode(x[:, None]).numpy()[:, 0]
    draws = model.draws()
    bias, slope = (
        np.diff(draws[name].reshape(8, 60, 2))[..., 0] for name in sorted(draws)
    )
    counted = weight * (np.where(y == 1, 2.0, 1.0) if weighted else 1.0)
    for own, (mean, deviation) in zip(
        (slope, bias), known(encoded, y, counted, 1.0), strict=True
    ):
        data = arviz.convert_to_dataset(own)
        assert float(arviz.rhat(data).x) <= 1.05
        assert float(arviz.ess(data).x) >= 200
        error = float(arviz.mcse(data).x)
        assert abs(own.mean() - mean) <= 3 * error
        assert own.std() == pytest.approx(deviation, rel=0.1)


def test_temperature_is_relative_to_the_posterior():
    """Of a quadratic loss the variance is T / (n curvature): ten times colder."""
    clf = LogisticClassifier(**{**LOGISTIC, "n_members": 8}).fit(X[:, :1], Y)
    found = []
    for temperature in (0.0, 0.1, 1.0):
        model = SGHMCClassifier(
            FrozenEstimator(clf),
            20,
            5,
            temperature=temperature,
            n_epochs=60,
            lr=0.3,
            batch_size=400,
        )
        slope = model.fit(X[:, :1], Y).draws()["members.head.weight"]
        found.append((slope[:, 4:, 1, 0] - slope[:, 4:, 0, 0]).std())
    assert found[0] < 0.05 * found[2]  # descent has nearly ended
    # 128 samples of a variance, nearly independent: 13 %, times three.
    assert found[2] ** 2 / found[1] ** 2 == pytest.approx(10, rel=0.4)


def test_a_chain_does_not_depend_on_its_neighbours():
    params = {**SMALL, "dtype": "float64", "n_members": 3}
    clf = TabularMLPClassifier(**params).fit(X, Y)
    many = SGHMCClassifier(FrozenEstimator(clf), **QUICK).fit(X, Y)
    for k, seed in enumerate(clf.member_seeds_):
        alone = TabularMLPClassifier(**{**params, "n_members": 1})
        alone.set_params(random_state=int(seed)).fit(X, Y)
        one = SGHMCClassifier(FrozenEstimator(alone), **QUICK).fit(X, Y)
        for name, own in one.draws().items():
            # Products of one and of three members sum in another order.
            np.testing.assert_allclose(own[0], many.draws()[name][k], atol=1e-9)
    other = SGHMCClassifier(FrozenEstimator(clf), **QUICK, random_state=1).fit(X, Y)
    assert np.abs(other.draws()["head.bias"] - many.draws()["head.bias"]).max() > 1e-4


def test_samples_are_taken_evenly_after_the_burn_in():
    assert sample_epochs(4, 2, 10, 0.5) == [(0, 7), (0, 9), (1, 7), (1, 9)]
    assert sample_epochs(3, 2, 10, 0.8) == [(0, 9), (1, 8), (1, 9)]
    assert sample_epochs(2, 1, 4, 0.0) == [(0, 1), (0, 3)]
    sizes = step_sizes(0.5, 11)
    np.testing.assert_allclose(sizes[[0, 5, -1]], [0.5, 0.275, 0.05])
    assert (np.diff(sizes) < 0).all()


def test_statistics_of_batch_norm_are_those_of_all_rows():
    clf = TabularResNetClassifier(
        d_block=4, n_blocks=2, max_epochs=2, n_members=2, dtype="float64"
    )
    clf.fit(X, Y)
    model = SGHMCClassifier(FrozenEstimator(clf), **QUICK).fit(X, Y)
    before = dict(clf.net_.module_.named_buffers())
    after = dict(model.net_.module_.named_buffers())
    moved = [n for n in after if n.endswith("running_mean")]
    assert moved
    for name in moved:
        assert (after[name][:2] - before[name]).abs().max() > 1e-4
        assert (after[name][:2] - after[name][2:4]).abs().max() > 1e-4
    # In unequal batches the first layer's are the mean and variance of all its inputs.
    layer = nn.BatchNorm1d(3, dtype=torch.float64, momentum=0.2)
    rows = torch.randn(1, 101, 3, dtype=torch.float64) * 3 + 1

    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x, masks=None):
            return self.layer(x[0])

    batches = [{"X": part} for part in rows.split(25, 1) if part.shape[1] > 1]
    estimate_statistics(Flat(), batches)
    seen = rows[0, :100]
    np.testing.assert_allclose(layer.running_mean, seen.mean(0))
    # torch keeps the unbiased variance of each batch of 25.
    np.testing.assert_allclose(layer.running_var, seen.var(0), rtol=0.05)
    assert layer.momentum == 0.2


STRATEGIES = [
    {},
    {"n_members": 2, "validation_folds": 3, "early_stopping": "auto"},
    {"sampler": "balanced", "class_weight": None},
    {"sampler": "smote"},
    {"loss": "focal"},
    {"loss": "ldam"},
    {"loss": "vs", "drw_start": 0.5},
    {"m2m": M2m(gamma=0.1, start=0.3)},
    {"metabalance_sampler": "balanced", "metabalance_steps": 4},
    {"row_weighting": "l2rw", "row_weighting_rows": 2},
    {"joint_ssl": "scarf", "mix": None},
    {"mix": "mixup"},
    {"sam_asymmetric_rho": 0.05, "dropout": 0.3, "ema_decay": 0.9},
    {
        "portfolio": [{"smoothing_eps": 0.0}, {"smoothing_eps": 0.1}],
        "early_stopping": "auto",
    },
    {"temperature_scaling": True, "early_stopping": "auto"},
]


@pytest.mark.parametrize("params", STRATEGIES, ids=lambda p: "-".join(p) or "plain")
def test_any_strategy_inside(params):
    clf = TabularMLPClassifier(**{**SMALL, "max_epochs": 3, **params}).fit(X, Y)
    before = pickle.dumps(clf)
    model = SGHMCClassifier(FrozenEstimator(clf), **{**QUICK, "n_epochs": 6}).fit(X, Y)
    assert pickle.dumps(clf) == before
    n_chains = len(clf.member_seeds_)
    members = model.predict_proba_members(X)
    assert members.shape == (4 * n_chains, len(X), 2)
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(1), 1)
    assert np.std(members, axis=0).max() > 1e-3
    weights = np.tile(clf.member_weights_ / 4, 4)
    np.testing.assert_allclose(p, np.tensordot(weights, members, 1), rtol=1e-9)
    # Its mean is near the base rate, whatever was drawn: no samples of a wrong prior.
    assert abs(p[:, 1].mean() - Y.mean()) < 0.12
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), p)


def test_images_and_pipelines():
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, random_state=0)
    quick = {"n_samples": 1, "cycles": 1, "n_epochs": 1, "burn_in": 0.0}
    model = SGHMCClassifier(clf, **quick).fit(IMAGES, LABELS)
    assert model.predict(IMAGES).shape == LABELS.shape
    net = TabularMLPClassifier(**{**SMALL, "early_stopping": "auto"}, decision="f1")
    model = SGHMCClassifier(make_pipeline(StandardScaler(), net), **QUICK).fit(X, Y)
    p = model.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(model.predict(X), (p > model.threshold_).astype(int))
    assert len(model.decision_scores_) > 10 and model.n_features_in_ == 6
    assert [row["cycle"] for row in model.history_] == [0] * 4 + [1] * 4
    assert log_loss(Y, model.predict_proba(X)) < log_loss(Y, np.full(len(Y), Y.mean()))


REFUSED = {
    "few samples": ({"n_samples": 1}, "n_samples=1 must be at least cycles=2"),
    "many samples": ({"n_samples": 9}, "at most the 2 epochs of each cycle"),
    "friction": ({"friction": 0.0}, "'friction' parameter"),
    "burn-in": ({"burn_in": 1.0}, "'burn_in' parameter"),
    "divergence": ({"lr": 1e6}, "The chains diverged at lr=1e+06"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_sentence(case):
    params, message = REFUSED[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        SGHMCClassifier(TabularMLPClassifier(**SMALL), **{**QUICK, **params}).fit(X, Y)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="must be a sklimb classifier, a Pipeline"):
        SGHMCClassifier(LogisticRegression()).fit(X, Y)
    with pytest.raises(NotFittedError):
        SGHMCClassifier(FrozenEstimator(TabularMLPClassifier())).fit(X, Y)
    with pytest.raises(NotFittedError):
        SGHMCClassifier(TabularMLPClassifier()).draws()
    with pytest.raises(NotImplementedError, match=r"use joblib\.dump"):
        SGHMCClassifier(TabularMLPClassifier()).save("model.safetensors")
