"""Temperature scaling: least log loss on held-out rows, and nothing else changes."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, weights
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklimb
from sklimb import TabularMLPClassifier, TabularResNetClassifier
from sklimb.fitting.temperature import HIGHEST, LOWEST, solve_temperature
from sklimb.model_selection import PackedSearchCV

X, Y = fixed_table()
# Long enough without a stop that the network is far too sure.
SURE = {**PLAIN, "early_stopping": True, "max_epochs": 40, "n_iter_no_change": 100}
SURE |= {"monitor": "balanced_accuracy", "d_block": 64}
ON = {"temperature_scaling": True}


def fit(**params):
    return TabularMLPClassifier(**{**SURE, **params}).fit(X, Y)


def split():
    return train_test_split(X, Y, stratify=Y, random_state=1)


def logits(clf, X):
    with torch.no_grad():
        return clf.net_.blocks_logits(clf._encode(X))[0].numpy()


def logit(clf, X):
    p = clf.predict_proba(X)
    return np.log(p[:, 1] / p[:, 0])


def divided(log_p, t):
    return (log_p[:, 1] - log_p[:, 0]) / t


def by_hand(log_p, y, weight, shift, calibration, tempered=divided):
    """The best of many temperatures; the bias by root finding, for two classes."""

    def log_odds(log_p, t, b):
        return tempered(log_p, t) - (shift[1] - shift[0]) + b

    def loss(t):
        b = 0.0
        if calibration is not None:
            rows, labels, w = calibration
            b = brentq(lambda b: w @ (expit(log_odds(rows, t, b)) - labels), -900, 900)
        z = log_odds(log_p, t, b)
        return weight @ np.logaddexp(0, np.where(y == 1, -z, z))

    grid = np.exp(np.linspace(np.log(LOWEST), np.log(HIGHEST), 1501))
    return grid[np.argmin([loss(t) for t in grid])]


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_temperature_is_the_best_of_all(with_bias, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.5, 400)
    y = (rng.random(400) < 1 / (1 + np.exp(-truth))).astype(int)
    z = rng.choice([0.4, 2.5]) * truth + 1.0
    log_p = -np.logaddexp(0, np.c_[z, -z])
    weight, shift = rng.uniform(0.2, 2, 400), np.array([-0.3, 0.8])
    calibration = (log_p, y, weight) if with_bias else None
    own = log_p[:150], y[:150], weight[:150]
    want = by_hand(*own, shift, calibration)
    # The grid's spacing is 0.4 %.
    assert solve_temperature(*own, shift, calibration) == pytest.approx(want, rel=5e-3)


def test_three_classes_and_one_that_is_not_there():
    rng = np.random.default_rng(0)
    log_p = np.log(rng.dirichlet(np.ones(4) * 0.3, 300))
    y = np.array([rng.choice(3, p=p[:3] / p[:3].sum()) for p in np.exp(log_p / 2)])
    weight = rng.uniform(0.5, 1.5, 300)
    calibration = log_p, y, weight
    t = solve_temperature(log_p, y, weight, np.zeros(4), calibration)

    def loss(t):
        from sklimb.fitting.intercept import solve_intercept

        z = log_p / t + solve_intercept(log_p / t, y, weight)
        z -= np.log(np.exp(z).sum(1, keepdims=True))
        return -weight @ z[np.arange(300), y]

    assert 1.5 < t < 3
    assert loss(t) < min(loss(0.999 * t), loss(1.001 * t))


def test_nothing_to_find_and_limits():
    log_p = np.log([[0.8, 0.2], [0.3, 0.7]] * 5)
    one = np.ones(10)
    assert solve_temperature(log_p, np.zeros(10, int), one) == 1.0
    assert solve_temperature(log_p, np.array([0, 1] * 5), one) == LOWEST
    assert solve_temperature(log_p, np.array([1, 0] * 5), one) == HIGHEST


def test_off_is_plain_and_on_changes_no_weight():
    off, on = fit(), fit(**ON)
    for name, w in weights(off).items():
        np.testing.assert_array_equal(w, weights(on)[name])
    assert off.temperature_.tolist() == [1.0]
    # A temperature of 1 sent through the same code.
    again = fit()
    again.temperature_ = np.array([1.0 + 1e-15])
    from sklimb.fitting.probabilities import set_temperature

    set_temperature(again.net_, again.temperature_)
    assert again.net_.criterion_.temperature is not None
    # log_softmax of log probabilities: rounding.
    np.testing.assert_allclose(
        again.predict_proba(X), off.predict_proba(X), rtol=1e-12, atol=1e-14
    )


def test_makes_a_network_that_is_too_sure_less_so():
    A, labels = make_classification(
        1200, 6, n_informative=4, weights=[0.85], flip_y=0.1, random_state=3
    )
    a, held_out, b = np.split(A.astype(np.float32), [400, 700])
    ya, y_held, yb = np.split(labels, [400, 700])
    # Rows that are given, and no early stopping: it fits its training rows too well.
    clf = TabularMLPClassifier(**{**SURE, "early_stopping": False, "max_epochs": 100})
    losses = {}
    for on in (False, True):
        clf.set_params(temperature_scaling=on)
        clf.fit(a, ya, X_val=held_out, y_val=y_held)
        losses[on] = log_loss(yb, clf.predict_proba(b))
        p = clf.predict_proba(a)[:, 1]
        # The bias is solved after the temperature, on the rows of `fit`.
        assert p.mean() == pytest.approx(ya.mean(), rel=1e-6)
    assert clf.temperature_[0] > 1.3
    assert losses[True] < losses[False] - 0.1


def test_ranking_stays():
    off, on = fit(), fit(**ON)
    assert on.temperature_[0] != 1
    # The logits, shift and bias aside, are divided by T.
    a, b = logit(off, X), logit(on, X)
    slope, residual = np.polyfit(b, a, 1, full=True)[:2]
    assert slope[0] == pytest.approx(on.temperature_[0], rel=1e-6)
    assert residual[0] < 1e-10


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "focal"},
        {"loss": "ldam"},
        {"sampler": "balanced"},
        {"loss": "logit_adjusted", "target_prior": "uniform"},
        {"target_prior": None},
        {"class_weight": "balanced"},
    ],
    ids=str,
)
def test_no_other_temperature_is_better_on_the_held_out_rows(params):
    a, b, ya, yb = split()
    clf = TabularMLPClassifier(**{**SURE, "dtype": "float64", **ON, **params})
    clf.fit(a, ya, X_val=b, y_val=yb)
    plain = TabularMLPClassifier(**{**SURE, "dtype": "float64", **params})
    plain.set_params(target_prior=None).fit(a, ya, X_val=b, y_val=yb)
    shift = np.zeros(2)
    calibration, factor = None, np.ones(2)
    if "class_weight" in params:
        factor = len(ya) / (2 * np.bincount(ya))
    if "target_prior" not in params or params["target_prior"] is not None:
        given = TabularMLPClassifier(**{**SURE, "max_epochs": 1, **params})
        given.set_params(target_prior="train")
        shift = np.log(given.fit(a, ya, X_val=b, y_val=yb).prior_shift_)
        calibration = np.log(plain.predict_proba(a)), ya, factor[ya]
    log_p = np.log(plain.predict_proba(b))
    tempered = divided
    if params.get("loss") == "ldam":  # its logits and margins are divided
        margin = 15 * (counts := np.bincount(ya)).min() ** 0.25 / counts**0.25

        def tempered(log_p, t):
            """log P_1 / P_0 with P_k ~ a_k (sum_j a_j - a_k + b_k), a = exp(z / t)."""
            z0, z1 = log_p.T / t
            m0, m1 = margin / t
            return z1 + np.logaddexp(z0, z1 - m1) - z0 - np.logaddexp(z1, z0 - m0)

        log_p = 30 * logits(plain, b)
        calibration = 30 * logits(plain, a), ya, factor[ya]
    want = by_hand(log_p, yb, factor[yb], shift, calibration, tempered)
    # The grid's spacing is 0.4 %.
    assert clf.temperature_[0] == pytest.approx(want, rel=5e-3)
    assert clf.temperature_[0] != pytest.approx(1, rel=0.02)


def test_members_equal_single_fits():
    params = {**ON, "dtype": "float64", "dropout": 0.2, "max_epochs": 8}
    many = fit(**params, n_members=3)
    assert len(set(many.temperature_)) == 3
    a, b, ya, yb = split()
    many = TabularMLPClassifier(**{**SURE, **params}, n_members=3)
    many.fit(a, ya, X_val=b, y_val=yb)
    for k, seed in enumerate(many.member_seeds_):
        one = TabularMLPClassifier(**{**SURE, **params, "random_state": int(seed)})
        one.fit(a, ya, X_val=b, y_val=yb)
        assert one.temperature_[0] == pytest.approx(many.temperature_[k], abs=1e-9)
        np.testing.assert_allclose(
            many.predict_proba_members(X)[k], one.predict_proba(X), atol=1e-10
        )


@pytest.mark.parametrize(
    "params",
    [{}, {"n_members": 2}, {"validation_folds": 2}, {"loss": "focal"}],
    ids=str,
)
def test_saved_classifiers_have_the_same_bits(params, tmp_path):
    clf = fit(**ON, **params, max_epochs=5)
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(again.temperature_, clf.temperature_)


def test_folds_have_their_own_temperatures():
    params = {"validation_folds": 3, "max_epochs": 15}
    off, on = fit(**params), fit(**params, **ON)
    assert on.temperature_.shape == (3,) and len(set(on.temperature_)) == 3
    pairs = zip(off.predict_proba_members(X), on.predict_proba_members(X), strict=True)
    for k, (p, q) in enumerate(pairs):
        a, b = (np.log(r[:, 1] / r[:, 0]) for r in (p, q))
        assert np.polyfit(b, a, 1)[0] == pytest.approx(on.temperature_[k], rel=1e-5)


def test_portfolio_and_warm_start():
    settings = [{"dropout": 0.0}, {"dropout": 0.5}, {"dropout": 0.1}]
    clf = fit(**ON, portfolio=settings, dropout="auto", max_epochs=10)
    assert len(set(clf.temperature_)) == 3
    clf = TabularMLPClassifier(**{**SURE, "max_epochs": 3}, **ON, warm_start=True)
    first = clf.fit(X, Y).temperature_
    assert clf.fit(X, Y).temperature_ != first


def test_searches_agree():
    clf = TabularMLPClassifier(**{**SURE, "dtype": "float64", "max_epochs": 6})
    grid = {"temperature_scaling": [False, True], "lr": [5e-3, 2e-2]}
    params = {"cv": 3, "scoring": "neg_log_loss"}
    a = PackedSearchCV(clf, grid, max_members=12, **params).fit(X, Y)
    b = GridSearchCV(clf, grid, **params).fit(X, Y)
    scores = [s.cv_results_["mean_test_score"] for s in (a, b)]
    # Sums in another order.
    np.testing.assert_allclose(*scores, atol=1e-8)
    assert len(np.unique(scores[0].round(6))) == 4
    pipe = make_pipeline(StandardScaler(), clf.set_params(temperature_scaling=True))
    assert pipe.fit(X, Y)[-1].temperature_[0] != 1


def test_three_classes_and_other_networks():
    A, y = make_classification(
        400, 6, n_informative=4, n_classes=3, flip_y=0.2, random_state=0
    )
    net = TabularResNetClassifier(
        d_block=16, max_epochs=20, lr=1e-2, n_iter_no_change=50, random_state=0, **ON
    )
    net.fit(A.astype(np.float32), y)
    assert net.temperature_[0] != 1 and np.isfinite(net.predict_proba(A)).all()


def test_refusals():
    with pytest.raises(ValueError, match="early_stopping=False cannot be combined"):
        fit(**ON, early_stopping=False)
    with pytest.raises(ValueError, match="temperature_scaling"):
        fit(temperature_scaling="yes")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as info:
        TabularMLPClassifier(**SURE, **ON).partial_fit(X, Y)
    assert "cannot be used with partial_fit" in str(info.value.__cause__)
    one = Y == 0
    with pytest.raises(ValueError, match="they are of 1"):
        TabularMLPClassifier(**SURE, **ON).fit(X, Y, X_val=X[one], y_val=Y[one])
    with pytest.raises(ValueError, match="they are of 0"):
        clf = TabularMLPClassifier(**{**SURE, **ON, "early_stopping": "auto"})
        clf.fit(X[:2], [0, 1])
    # Rows that are given are held out whatever early_stopping says.
    clf = TabularMLPClassifier(**{**SURE, **ON, "early_stopping": False})
    assert clf.fit(X, Y, X_val=X, y_val=Y).temperature_[0] != 1
