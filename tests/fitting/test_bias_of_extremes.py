"""Output bias and temperature of extreme outputs and weights; one warning per fit."""

import warnings

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning

from sklimb import TabularMLPClassifier
from sklimb.fitting.intercept import solve_intercept
from sklimb.fitting.temperature import HIGHEST, LOWEST, solve_temperature
from sklimb.two_stage import ClassifierRetrainer

X, Y = fixed_table()
INF = np.inf


def outputs(scale, kind, n=60, k=3):
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(n, k)) * scale, np.arange(n) % k
    if kind == "separable":
        z[np.arange(n), y] += 20 * scale
    elif kind == "one class":
        z[:, 0] += 100 * scale
    elif kind == "impossible":
        z[::4, 1:] = -INF
    log_p = log_softmax(z, axis=1)
    if kind == "impossible rows":  # of no weighted class
        log_p[5] = -INF
    return log_p, y


WEIGHTS = {
    "equal": np.ones(60),
    "one dominates": np.r_[1e308, np.ones(59)],
    "all large": np.full(60, 1e307),
    "subnormal": np.full(60, 5e-324),
    "extreme prior": np.where(np.arange(60) % 3 == 0, 1.0, 1e-290),
    "all sizes": 10.0 ** np.linspace(-320, 306, 60),
}
KINDS = ["plain", "separable", "one class", "impossible", "impossible rows"]


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e38])
def test_every_bias_is_finite(scale, kind, weight):
    log_p, y = outputs(scale, kind)
    w = WEIGHTS[weight]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        b = solve_intercept(log_p, y, w)
        rows = log_p, y, w
        t = solve_temperature(*rows, 0.0, rows)
    assert np.isfinite(b).all() and LOWEST <= t <= HIGHEST
    assert {w.category for w in caught} <= {ConvergenceWarning} and len(caught) <= 1
    if scale == 1 and kind == "plain" and weight in ("all large", "subnormal"):
        np.testing.assert_allclose(b, solve_intercept(log_p, y, np.ones(60)))


def test_outputs_that_are_not_numbers_have_no_bias():
    log_p, y = outputs(1.0, "plain")
    log_p[3] = np.nan
    with pytest.warns(ConvergenceWarning, match="could not be solved"):
        assert not solve_intercept(log_p, y, np.ones(60)).any()
    assert solve_temperature(log_p, y, np.ones(60), 0.0, (log_p, y, np.ones(60))) == 1


class Huge(TabularMLPClassifier):
    """It is sure of everything before it learns."""

    def _make_members(self, plan, members):
        module = super()._make_members(plan, members)
        with torch.no_grad():
            module.head.weight.mul_(1e6)
        return module


FEW = {**PLAIN, "max_epochs": 1, "lr": 1e-9}


@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize("temperature", [False, True])
def test_one_fit_warns_once(n_members, temperature):
    clf = Huge(**FEW, n_members=n_members, temperature_scaling=temperature)
    if temperature:
        clf.set_params(early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="could not be solved") as caught:
        clf.fit(np.zeros((len(Y), 2)) + X[:, :2].round(), Y)
    assert len(caught) == 1
    assert np.isfinite(clf.predict_proba(X[:, :2])).all()


def test_all_members_that_fail_are_told_at_once():
    class Poison(TabularMLPClassifier):
        pass

    from skorch.callbacks import Callback

    class Break(Callback):
        def after_update(self, net):
            if len(net.history) == 2:
                net.parameters()[0].data[1:] = np.nan

    clf = Poison(**PLAIN, n_members=4, callbacks=[Break()])
    with pytest.warns(RuntimeWarning, match=r"of member 1 \(and of 2 others\)") as told:
        clf.fit(X, Y)
    assert len(told) == 1


def test_outputs_that_overflow_after_training_are_one_sentence():
    from skorch.callbacks import Callback

    class Grow(Callback):
        def after_update(self, net):
            net.parameters()[0].data.mul_(1e30)
            net.parameters()[-2].data.mul_(1e30)

    clf = TabularMLPClassifier(**{**PLAIN, "max_epochs": 1, "batch_size": 400})
    with pytest.raises(ValueError, match="outputs on the training rows became NaN"):
        clf.set_params(callbacks=[Grow()]).fit(X, Y)
    assert not hasattr(clf, "net_")


def test_a_second_stage_warns_at_most_once():
    clf = TabularMLPClassifier(**{**PLAIN, "n_members": 3})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        second = ClassifierRetrainer(clf, "mislas", n_epochs=1, lr=10.0).fit(X, Y)
    assert len(caught) <= 1
    assert np.isfinite(second.predict_proba(X)).all()
