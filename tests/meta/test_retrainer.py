"""ClassifierRetrainer: each method is its formula, the first stage stays as it is."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, weights
from scipy.special import softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb._random import stream_generator
from sklimb.nn import PackedLinear
from sklimb.training import net
from sklimb.two_stage import ClassifierRetrainer
from sklimb.two_stage._first_stage import Backbone
from sklimb.two_stage._heads import (
    TAUS,
    LinearHead,
    NearestMean,
    best_tau,
    label_aware_eps,
    tau_normalised,
)
from sklimb.two_stage._methods import METHODS
from sklimb.two_stage._oltr import ModulatedHead
from sklimb.two_stage._probabilities import best_temperature, logits_of

X, Y = fixed_table()
SMALL = {**PLAIN, "early_stopping": "auto", "max_epochs": 10}
STAGE = TabularMLPClassifier(**SMALL, target_prior=None).fit(X, Y)
METHOD_NAMES = sorted(METHODS)


def second(method, stage=STAGE, **params):
    return ClassifierRetrainer(FrozenEstimator(stage), method, **params).fit(X, Y)


def rows_of(stage):
    """Training and held-out row numbers of the default split, rows all different."""
    from sklimb.fitting.prepare import prepare

    fresh = clone(stage)
    rows = prepare(fresh, X, Y)
    return rows


def features(stage=STAGE):
    """Training features and labels, in float64."""
    rows = rows_of(stage)
    h = stage.net_.blocks_embed(torch.from_numpy(rows.X)).double().numpy()
    return h, rows.train.y


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_the_first_stage_stays_as_it_is(method):
    stage = TabularResNetClassifier(d_block=8, max_epochs=3, random_state=0).fit(X, Y)
    before = pickle.loads(pickle.dumps(stage.net_.module_.state_dict()))
    p = stage.predict_proba(X)
    clf = second(method, stage, shift_statistics=True)
    assert clf.estimator_ is stage
    for name, value in stage.net_.module_.state_dict().items():
        assert torch.equal(value, before[name])
    assert np.array_equal(stage.predict_proba(X), p)
    assert not np.allclose(clf.predict_proba(X), p, atol=1e-3)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_probabilities_keep_the_base_rate_and_frozen_equals_fitted_inside(method):
    frozen = second(method)
    p = frozen.predict_proba(X)
    # By construction, up to the tolerance of the solver.
    assert p[:, 1].mean() == pytest.approx(Y.mean(), rel=1e-6)
    inside = ClassifierRetrainer(clone(STAGE), method).fit(X, Y)
    assert inside.estimator_ is not STAGE
    assert np.array_equal(inside.predict_proba(X), p)
    again = pickle.loads(pickle.dumps(frozen))
    assert np.array_equal(again.predict_proba(X), p)
    # Log loss of the base rate is what a useless method has.
    assert log_loss(Y, p) < log_loss(Y, np.tile([1 - Y.mean(), Y.mean()], (len(Y), 1)))


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_members_equal_single_fits(method):
    params = {**SMALL, "dtype": "float64"}
    many = TabularMLPClassifier(**params, n_members=3).fit(X, Y)
    pack = second(method, many, n_epochs=3)
    seeds = many.member_seeds_
    p = pack.predict_proba_members(X)
    np.testing.assert_allclose(pack.predict_proba(X), p.mean(0), rtol=1e-12)
    # The split belongs to the fit's seed: given as validation rows it is the same.
    rows = rows_of(many)
    train, held = rows.train, rows.held_out
    X_train, X_held = (
        np.column_stack(list(part.table.columns)) for part in (train, held)
    )
    for k, seed in enumerate(seeds):
        single = TabularMLPClassifier(**{**params, "random_state": int(seed)})
        one = ClassifierRetrainer(single, method, n_epochs=3)
        one.fit(X_train, train.y, X_val=X_held, y_val=held.y)
        logits, own = (
            logits_of(clf.head_, clf._backbone(encoded(clf))) for clf in (one, pack)
        )
        # Sums in another order.
        np.testing.assert_allclose(own[k], logits[0], atol=1e-9)
        # The search for its logarithm ends at 1e-5.
        np.testing.assert_allclose(pack.temperature_[k], one.temperature_[0], rtol=2e-5)
        scaled = own[k] / pack.temperature_[k] + pack.intercept_[k]
        np.testing.assert_allclose(p[k], softmax(scaled, 1), atol=1e-12)


def encoded(clf):
    return clf.estimator_._encode(X)


def test_crt_raises_the_rare_class():
    p = STAGE.predict_proba(X)
    q = second("crt", target_prior=None).predict_proba(X)
    assert q[:, 1].mean() > p[:, 1].mean() + 0.1
    natural = second("crt", target_prior=None, sampler="uniform").predict_proba(X)
    middle = second("crt", target_prior=None, sampler="sqrt").predict_proba(X)
    assert natural[:, 1].mean() + 0.05 < middle[:, 1].mean() < q[:, 1].mean() - 0.03
    uniform = second("crt", target_prior="uniform").predict_proba(X)
    given = second("crt", target_prior=[0.5, 0.5]).predict_proba(X)
    assert np.array_equal(uniform, given) and uniform[:, 1].mean() > p[:, 1].mean()


def test_crt_is_the_hand_loop():
    """A new layer, class-balanced draws, Nesterov momentum, a cosine by epochs."""
    stage = TabularMLPClassifier(**SMALL, dtype="float64", class_weight={1: 3.0})
    stage.fit(X, Y)
    h, y = features(stage)
    n, d = h[0].shape
    draw = PackedLinear(1, d, 2)
    draw.reset_member(0, stream_generator(0, "retrain", 0))
    W, b = (p[0].detach().double().numpy() for p in (draw.weight, draw.bias))
    factor = np.where(y == 1, 3.0, 1.0)
    probability = np.cumsum(1 / np.bincount(y)[y])
    generator = stream_generator(0, "retrain", 1)
    moments = np.zeros_like(W), np.zeros_like(b)
    for epoch in range(3):
        lr = 0.1 * (1 + np.cos(np.pi * epoch / 3)) / 2
        u = torch.rand(n, generator=generator, dtype=torch.float64).numpy()
        order = np.searchsorted(probability / probability[-1], u, side="right")
        for begin in range(0, n, 50):
            rows = order[begin : begin + 50]
            z = h[0][rows] @ W + b
            p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
            # By class weight, over its mean in balanced draws.
            error = (p - np.eye(2)[y[rows]]) * (factor[rows] / 2.0)[:, None] / len(rows)
            gradients = h[0][rows].T @ error, error.sum(0, keepdims=True)
            for q, m, g in zip((W, b), moments, gradients, strict=True):
                g = g + 5e-4 * q
                m[...] = 0.9 * m + g
                q -= lr * (g + 0.9 * m)
    clf = second("crt", stage, n_epochs=3, batch_size=50, optimizer="sgd", lr=0.1)
    np.testing.assert_allclose(clf.head_.weight[0], W, atol=1e-10)
    np.testing.assert_allclose(clf.head_.bias[0], b, atol=1e-10)
    assert not np.allclose(W, stage.net_.module_.head.weight[0].detach(), atol=0.1)


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("crt", {"lr": 1e-3}),
        ("crt", {"optimizer": "sgd"}),
        ("crt", {"batch_size": 100}),
        ("crt", {"weight_decay": 1.0}),
        ("crt", {"n_epochs": 3}),
        ("crt", {"random_state": 3}),
        ("crt", {"sampler": "sqrt"}),
        ("lws", {"sampler": "uniform"}),
        ("mislas", {"smoothing_tail": 0.3}),
        ("mislas", {"smoothing_head": 0.0}),
        ("mislas", {"lr_factor": 0.01}),
        ("oltr", {"lr": 1e-3}),
        ("tau", {"target_prior": "uniform"}),
    ],
    ids=str,
)
def test_every_knob_does_something(method, change):
    a, b = second(method), second(method, **change)
    assert np.abs(a.predict_proba(X) - b.predict_proba(X)).max() > 1e-3


def test_what_needs_three_classes_to_matter():
    """Two columns of a softmax layer are nearly opposite, and so of one length."""
    X, y = three_classes()
    stage = FrozenEstimator(TabularMLPClassifier(**SMALL).fit(X, y))
    params = [{"method": "tau", "tau": tau} for tau in (0.0, 1.0, 2.0)]
    shapes = "concave", "linear", "convex", 3
    params += [
        {"method": "mislas", "smoothing_head": 0.5, "smoothing_shape": shape}
        for shape in shapes
    ]
    p = [ClassifierRetrainer(stage, **q).fit(X, y).predict_proba(X) for q in params]
    assert all(np.abs(p[i] - p[i + 1]).max() > 1e-3 for i in (0, 1))
    assert all(np.abs(p[i] - p[i + 1]).max() > 1e-4 for i in (3, 4, 5))


def test_a_first_stage_without_held_out_rows_gets_some():
    stage = TabularMLPClassifier(**PLAIN).fit(X, Y)
    a, b = second("ncm", stage), second("ncm", stage, validation_fraction=0.5)
    assert not torch.equal(a.head_.means, b.head_.means)
    # What chooses nothing takes all rows.
    c, d = second("crt", stage), second("crt", stage, validation_fraction=0.5)
    assert np.array_equal(c.predict_proba(X), d.predict_proba(X))
    np.testing.assert_allclose(c.class_prior_, np.bincount(Y) / len(Y))


def test_no_epochs_leave_the_first_stage():
    for method in ("lws", "mislas"):
        own = second(method, n_epochs=0, target_prior=None)
        np.testing.assert_allclose(
            own.predict_proba(X), STAGE.predict_proba(X), atol=1e-12
        )
        assert own.history_ == []
        moved = second(method, target_prior=None)
        assert np.abs(moved.predict_proba(X) - STAGE.predict_proba(X)).max() > 1e-2
        assert len(moved.history_) == {"lws": 5, "mislas": 10}[method]
        # Better on what it was trained for: rows of classes that weigh the same.
        weight = np.where(Y == 1, 1 / Y.mean(), 1 / (1 - Y.mean()))
        losses = [
            log_loss(Y, clf.predict_proba(X), sample_weight=weight)
            for clf in (moved, own)
        ]
        assert losses[0] < losses[1] - 0.02
    # With the same prior they are the same too: one bias solved on the same rows.
    calibrated = TabularMLPClassifier(**SMALL).fit(X, Y)
    own = second("mislas", calibrated, n_epochs=0)
    np.testing.assert_allclose(
        own.predict_proba(X), calibrated.predict_proba(X), atol=1e-8
    )


def test_tau_is_the_formula():
    w = weights(STAGE)["head.weight"][0].astype(np.float64)
    h = STAGE.embed(X).astype(np.float64)
    for tau in (0.0, 0.7, 2.0):
        clf = second("tau", tau=tau)
        logits = np.empty((len(X), 2))
        for c in range(2):
            logits[:, c] = h @ (w[:, c] / np.sqrt((w[:, c] ** 2).sum()) ** tau)
        got = logits_of(clf.head_, torch.from_numpy(STAGE.embed(X))[None])[0]
        # float32 products.
        np.testing.assert_allclose(got, logits, atol=1e-5 * np.abs(logits).max())
        assert clf.tau_.tolist() == [tau]


def test_tau_is_chosen_by_balanced_accuracy():
    rng = np.random.default_rng(0)
    h = torch.from_numpy(rng.normal(size=(2, 300, 5)))
    w = torch.from_numpy(rng.normal(size=(2, 5, 3)) * [3.0, 1.0, 0.3])
    y, weight = rng.choice(3, 300, p=[0.8, 0.15, 0.05]), rng.uniform(0.5, 2, 300)
    got = best_tau(h, w, y, weight)
    assert got[0] != got[1]
    for k in range(2):
        scores = []
        for tau in TAUS:
            z = h[k] @ tau_normalised(w, torch.full((2,), tau))[k]
            hit = (z.argmax(1).numpy() == y) * weight
            recalls = [hit[y == c].sum() / weight[y == c].sum() for c in range(3)]
            scores.append(np.mean(recalls))
        assert got[k] == TAUS[int(np.argmax(np.round(scores, 10)))]
    held = rows_of(STAGE).held_out
    chosen = second("tau")
    X_held = np.column_stack(list(held.table.columns))
    h = torch.from_numpy(STAGE.embed(X_held))[None]
    weight, _ = chosen._backbone.last_layer()
    assert chosen.tau_ == best_tau(h, weight, held.y, held.weight).numpy()


def test_ncm_is_the_formula():
    h, y = features()
    clf = second("ncm")
    v = h[0] - h[0].mean(0)
    v = v / np.sqrt((v**2).sum(1, keepdims=True))
    means = [v[y == c].mean(0) for c in range(2)]
    expected = np.stack([-((v - m) ** 2).sum(1) for m in means], 1)
    got = logits_of(clf.head_, torch.from_numpy(h.astype(np.float32)))[0]
    np.testing.assert_allclose(got, expected, atol=1e-5)  # float32
    # By weight: weight 3 is three rows.
    weight = np.where(np.arange(len(y)) % 2, 3.0, 1.0)
    a = NearestMean.of(torch.from_numpy(h), torch.tensor(y), torch.tensor(weight))
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    b = NearestMean.of(
        torch.from_numpy(h[:, rows]), torch.tensor(y[rows]), torch.ones(len(rows))
    )
    np.testing.assert_allclose(a.means, b.means, atol=1e-12)
    np.testing.assert_allclose(a.center, b.center, atol=1e-12)


def test_means_of_a_fit_are_by_weight():
    from sklimb.fitting.prepare import prepare

    weight = np.where(np.arange(len(Y)) % 2, 9.0, 1.0)
    rows = prepare(clone(STAGE), X, Y, weight)
    h = STAGE.net_.blocks_embed(torch.from_numpy(rows.X))[0].double().numpy()
    y, w = rows.train.y, rows.train.weight
    v = h - np.average(h, axis=0, weights=w)
    v = v / np.sqrt((v**2).sum(1, keepdims=True))
    for method, f in (("ncm", v), ("oltr", h)):
        clf = ClassifierRetrainer(FrozenEstimator(STAGE), method, n_epochs=0)
        head = clf.fit(X, Y, sample_weight=weight).head_
        got = head.means if method == "ncm" else head.centroids
        means = [np.average(f[y == c], axis=0, weights=w[y == c]) for c in range(2)]
        np.testing.assert_allclose(got[0], means, atol=1e-5)  # float32


def test_what_each_method_trains():
    weight, bias = Backbone.of(STAGE).last_layer()
    for method, kept in {"lws": "layer", "crt": "factors", "mislas": None}.items():
        head = second(method).head_
        layer = torch.equal(head.weight, weight) and torch.equal(head.bias, bias)
        factors = bool((head.scale == 1).all())
        assert (layer, factors) == (kept == "layer", kept == "factors"), method


def test_gradient_of_the_factors_is_the_formula():
    rng = np.random.default_rng(1)
    h = rng.normal(size=(2, 7, 4))
    W, b = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 1, 3))
    y, t = rng.integers(0, 3, (2, 7)), np.full((3, 3), 0.05) + 0.85 * np.eye(3)
    head = LinearHead(torch.from_numpy(W), torch.from_numpy(b))
    with torch.no_grad():
        head.scale.copy_(torch.from_numpy(s := rng.uniform(0.5, 2, (2, 1, 3))))
    cost = head.cost(torch.from_numpy(h), torch.from_numpy(y), torch.from_numpy(t[y]))
    cost.mean(1).sum().backward()
    cost = cost.detach()
    for k in range(2):
        gradient = np.zeros(3)
        for i in range(7):
            z = h[k, i] @ W[k] + b[k, 0]
            p = np.exp(s[k, 0] * z) / np.exp(s[k, 0] * z).sum()
            expected = -(t[y[k, i]] * np.log(p)).sum()
            assert float(cost[k, i]) == pytest.approx(expected, rel=1e-12)
            gradient += (p - t[y[k, i]]) * z / 7
        np.testing.assert_allclose(head.scale.grad[k, 0], gradient, rtol=1e-10)


def test_label_aware_smoothing_is_the_table():
    counts = [5000, 500, 50]
    # (500 - 50) / (5000 - 50) = 1 / 11 of the way.
    expected = {
        "concave": 0.1 + 0.2 * np.sin(np.pi / 22),
        "linear": 0.1 + 0.2 / 11,
        # The authors write head + (head - tail) sin(3 pi / 2 + ...).
        "convex": 0.3 + 0.2 * np.sin(1.5 * np.pi + np.pi / 22),
        2.0: 0.1 + 0.2 / 121,
    }
    for shape, middle in expected.items():
        eps = label_aware_eps(counts, 0.3, 0.1, shape)
        np.testing.assert_allclose(eps, [0.3, middle, 0.1], rtol=1e-12)
        assert label_aware_eps([7, 7], 0.3, 0.1, shape).tolist() == [0.1, 0.1]


def test_smoothing_spares_the_rare_class():
    plain = second("mislas", smoothing_head=0.0, target_prior=None)
    smoothed = second("mislas", smoothing_head=0.6, target_prior=None)
    a, b = (clf.predict_proba(X)[Y == 0, 0].mean() for clf in (plain, smoothed))
    assert b < a - 0.05
    slow = second("mislas", lr_factor=0.0)
    assert torch.equal(slow.head_.weight, slow._backbone.last_layer()[0])
    assert not torch.equal(plain.head_.weight, slow.head_.weight)


def make_oltr():
    rng = np.random.default_rng(2)
    W, b = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 1, 3))
    centroids = rng.normal(size=(2, 3, 4))
    generators = [torch.Generator().manual_seed(k) for k in range(2)]
    head = ModulatedHead(*(torch.from_numpy(a) for a in (W, b, centroids)), generators)
    return head, torch.from_numpy(rng.normal(size=(2, 6, 4))), W, b, centroids


def test_oltr_forward_is_the_formula():
    head, v, W, b, centroids = make_oltr()
    S, s = head.selector.weight.detach().numpy(), head.selector.bias.detach().numpy()
    w = head.weight.detach().numpy()
    for k in range(2):
        for i, x in enumerate(v[k].numpy()):
            d_min = min(np.linalg.norm(x - c) for c in centroids[k])
            a = np.exp(x @ W[k] + b[k, 0])
            memory = (a / a.sum()) @ centroids[k]
            m = 10 / d_min * (x + np.tanh(x @ S[k] + s[k, 0]) * memory)
            length = np.linalg.norm(m)
            cosines = [
                length / (1 + length) * m / length @ (c / np.linalg.norm(c))
                for c in w[k].T
            ]
            got = head(v)[k, i].detach().numpy()
            # 1e-6 is added to d_min.
            np.testing.assert_allclose(got, 16 * np.array(cosines), rtol=1e-5)
    on_a_centroid = torch.from_numpy(centroids)
    assert head(on_a_centroid).isfinite().all()


def test_oltr_losses_are_the_formula():
    head, v, _, _, centroids = make_oltr()
    y = np.array([[0, 1, 2, 0, 0, 1], [2, 2, 2, 1, 0, 1]])
    got = head.centroid_loss(v, torch.from_numpy(y))
    got.sum().backward()
    got = got.detach()
    for k in range(2):
        attract, others, gradient = 0.0, 0.0, np.zeros((3, 4))
        for x, own in zip(v[k].numpy(), y[k], strict=True):
            for c, centroid in enumerate(centroids[k]):
                square = ((x - centroid) ** 2).sum()
                if c == own:
                    attract += square / 12
                    gradient[c] += (centroid - x) / 6
                else:
                    others += square / 18
        assert others < 10
        for x, own in zip(v[k].numpy(), y[k], strict=True):
            for c in {0, 1, 2} - {own}:
                gradient[c] -= 0.01 * 2 * (centroids[k, c] - x) / 18
        expected = attract + 0.01 * (10 - others)
        assert float(got[k]) == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(head.centroids.grad[k], gradient, rtol=1e-10)
    far = head.centroid_loss(v + 100, torch.from_numpy(y)) - (
        (v + 100 - head.centroids[torch.arange(2)[:, None], torch.from_numpy(y)])
        .square()
        .sum((1, 2))
        / 12
    )
    assert far.abs().max() < 1e-9  # beyond the margin nothing repels
    target = torch.eye(3, dtype=torch.float64)[torch.from_numpy(y)]
    cost = head.cost(v, torch.from_numpy(y), target)
    ce = torch.nn.functional.cross_entropy(
        head(v).flatten(0, 1), torch.from_numpy(y).flatten(), reduction="none"
    )
    extra = cost - ce.view(2, 6)
    np.testing.assert_allclose(
        extra.detach(), 0.01 * got[:, None].expand(2, 6), rtol=1e-9
    )


def test_oltr_memory_moves_by_its_own_loss_only():
    clf = second("oltr")
    h, y = features()
    means = np.stack([h[0][y == c].mean(0) for c in range(2)])
    moved = np.abs(clf.head_.centroids[0].numpy() - means).max()
    assert 1e-6 < moved < 0.1 * np.abs(means).max()


def test_temperature_minimises_the_log_loss():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(4000, 3))
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    y = (rng.random((4000, 1)) > p.cumsum(1)).sum(1)
    # 4,000 rows leave a standard error of about 0.03.
    assert best_temperature(7 * z + [5, 0, -2], y, np.ones(4000)) == pytest.approx(
        7, rel=0.1
    )
    assert best_temperature(np.ones((5, 2)), np.array([0, 1, 1, 0, 0]), np.ones(5)) == 1


def test_choices_are_made_on_held_out_rows():
    rows, clf = rows_of(STAGE), second("ncm")
    got = []
    for part in (rows.held_out, rows.train):
        h = clf._backbone(encoded_rows(part))
        got.append(best_temperature(logits_of(clf.head_, h)[0], part.y, part.weight))
    assert clf.temperature_[0] == got[0] != got[1]


def encoded_rows(part):
    return STAGE._encode(np.column_stack(list(part.table.columns)))


def test_statistics_drift_to_the_balanced_rows():
    stage = TabularResNetClassifier(
        d_block=8, max_epochs=3, random_state=0, early_stopping=False
    ).fit(X, Y)
    clf = second("mislas", stage, shift_statistics=True, batch_size=100, n_epochs=20)
    members, shifted = stage.net_.module_.members, clf._backbone.module.members
    x = stage._encode(X)
    with torch.no_grad():
        linear = next(m for m in members.modules() if isinstance(m, torch.nn.Linear))
        inputs = x @ linear.weight[0].T + linear.bias[0]
    # What the first normalisation sees, by draws that show the classes equally often.
    balanced = (inputs[Y == 0].mean(0) + inputs[Y == 1].mean(0)) / 2
    gap = (balanced - inputs.mean(0)).norm()
    norm = next(m for m in shifted.modules() if isinstance(m, torch.nn.BatchNorm1d))
    assert (norm.running_mean[0] - balanced).norm() < 0.2 * gap
    for a, b in zip(members.parameters(), shifted.parameters(), strict=True):
        assert torch.equal(a, b)
    uniform = second(
        "mislas", stage, shift_statistics=True, batch_size=100, sampler="uniform"
    )
    assert not np.allclose(uniform.predict_proba(X), clf.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize(
    "stage",
    [
        TabularMLPClassifier(**SMALL, loss="ldam"),
        TabularMLPClassifier(**SMALL, loss="focal"),
        TabularMLPClassifier(**SMALL, loss="vs", n_members=2),
        TabularMLPClassifier(**SMALL, class_weight="balanced"),
        TabularMLPClassifier(**{**SMALL, "validation_folds": 2}),
        TabularMLPClassifier(**{**SMALL, "early_stopping": False}),
        TabularMLPClassifier(
            **{**SMALL, "portfolio": [{"lr": 1e-2}, {"lr": 1e-3}], "lr": "auto"}
        ),
        FTTransformerClassifier(
            d_block=8, n_blocks=1, attention_n_heads=2, max_epochs=2, random_state=0
        ),
    ],
    ids=lambda stage: str(stage)[:80],
)
@pytest.mark.parametrize("method", ["crt", "tau", "oltr"])
def test_any_first_stage(stage, method):
    clf = ClassifierRetrainer(clone(stage), method).fit(X, Y)
    p = clf.predict_proba(X)
    assert p.shape == (len(X), 2) and np.isfinite(p).all()
    assert len(clf.intercept_) == len(clf.predict_proba_members(X))
    if stage.class_weight is None:
        assert p[:, 1].mean() == pytest.approx(Y.mean(), rel=1e-6)
    else:  # a statement of the user's, which is kept
        means = [p[Y == y, 1].mean() for y in (0, 1)]
        assert np.mean(means) == pytest.approx(0.5, abs=0.01)


def test_cosine_heads_are_linear_in_unit_features():
    stage = TabularMLPClassifier(**SMALL, loss="ldam", target_prior=None).fit(X, Y)
    own = second("lws", stage, n_epochs=0, target_prior=None)
    with torch.no_grad():
        cosines = stage.net_.blocks_logits(stage._encode(X))[0].double()
    want = torch.softmax(30 * cosines, -1)
    # float32 logits of size 30.
    np.testing.assert_allclose(own.predict_proba(X), want, atol=1e-5)


def test_weights_are_repetitions():
    weight = np.arange(len(Y)) % 3
    repeated = np.repeat(np.arange(len(Y)), weight)
    for method in METHOD_NAMES:
        clf = ClassifierRetrainer(TabularMLPClassifier(**SMALL), method, n_epochs=2)
        a = clone(clf).fit(X, Y, sample_weight=weight).predict_proba(X)
        b = clone(clf).fit(X[repeated], Y[repeated]).predict_proba(X)
        assert np.array_equal(a, b)


def test_seeds():
    a, b = second("crt"), second("crt")
    assert np.array_equal(a.predict_proba(X), b.predict_proba(X))
    other = second("crt", random_state=1)
    assert not np.array_equal(a.predict_proba(X), other.predict_proba(X))
    state = torch.get_rng_state()
    second("oltr")
    assert torch.equal(state, torch.get_rng_state())
    rows = np.random.default_rng(0).permutation(len(X))
    shuffled = ClassifierRetrainer(FrozenEstimator(STAGE)).fit(X[rows], Y[rows])
    assert np.array_equal(a.predict_proba(X), shuffled.predict_proba(X))


def test_searches_and_pipelines():
    grid = {"method": METHOD_NAMES, "n_epochs": [2]}
    search = GridSearchCV(
        ClassifierRetrainer(FrozenEstimator(STAGE)), grid, scoring="roc_auc", cv=3
    )
    scores = search.fit(X, Y).cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and search.best_params_["method"] in METHOD_NAMES
    clf = TabularMLPClassifier(**SMALL)
    around = make_pipeline(StandardScaler(), ClassifierRetrainer(clf, "crt"))
    inside = ClassifierRetrainer(make_pipeline(StandardScaler(), clf), "crt")
    weight = np.arange(len(Y)) % 3
    around.fit(X, Y, classifierretrainer__sample_weight=weight)
    inside.fit(X, Y, sample_weight=weight)
    p = inside.predict_proba(X)
    assert np.array_equal(around.predict_proba(X), p)
    assert inside.n_features_in_ == 6
    frozen = ClassifierRetrainer(FrozenEstimator(inside.estimator_), "crt")
    again = frozen.fit(X, Y, sample_weight=weight).predict_proba(X)
    assert np.array_equal(again, p)
    p = cross_val_predict(inside, X, Y, cv=2, method="predict_proba")
    assert np.isfinite(p).all()
    set_inside = clone(inside).set_params(
        estimator__tabularmlpclassifier__max_epochs=2, method="tau"
    )
    assert set_inside.fit(X, Y).estimator_[-1].n_iter_ == 2


def test_metadata_is_routed():
    weight = np.arange(len(Y)) % 3
    groups = np.arange(len(Y)) // 4
    clf = TabularMLPClassifier(**SMALL)
    plain = ClassifierRetrainer(clf, "tau").fit(X, Y, weight, groups=groups)
    with config_context(enable_metadata_routing=True):
        asked = clone(clf).set_fit_request(sample_weight=True, groups=True)
        routed = ClassifierRetrainer(asked, "tau")
        routed.fit(X, Y, sample_weight=weight, groups=groups)
        refused = ClassifierRetrainer(clone(clf), "tau")
        with pytest.raises(ValueError, match="sample_weight"):
            refused.fit(X, Y, sample_weight=weight)
    assert np.array_equal(plain.predict_proba(X), routed.predict_proba(X))


def test_data_frames_keep_their_names_and_labels():
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    frame["c"] = pd.Categorical(np.where(X[:, 2] > 0, "x", "y"))
    labels = np.where(Y == 1, "fraud", "fine")
    clf = ClassifierRetrainer(TabularMLPClassifier(**SMALL), "ncm").fit(frame, labels)
    assert clf.feature_names_in_.tolist() == ["a", "b", "c"]
    assert clf.classes_.tolist() == ["fine", "fraud"]
    assert set(clf.predict(frame)) <= {"fine", "fraud"} and clf.score(frame, labels) > 0
    clf.set_params(method="tau").fit(frame, labels)
    assert hasattr(clf, "tau_")
    clf.set_params(method="ncm").fit(X, labels)
    assert not hasattr(clf, "tau_") and not hasattr(clf, "feature_names_in_")


def three_classes():
    rng = np.random.default_rng(0)
    y = rng.choice(3, 600, p=[0.8, 0.15, 0.05])
    return rng.normal(size=(600, 4)) + np.eye(4)[y] * 1.5, y


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_three_classes(method):
    X, y = three_classes()
    clf = ClassifierRetrainer(TabularMLPClassifier(**SMALL), method)
    p = clf.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(p.mean(0), np.bincount(y) / 600, rtol=1e-6)
    clf.set_params(target_prior="uniform")
    recalls = [(clf.fit(X, y).predict(X) == c)[y == c].mean() for c in range(3)]
    assert min(recalls) > 0.5


@pytest.mark.parametrize(
    ("estimator", "params", "error", "message"),
    [
        (LogisticRegression(), {}, TypeError, "sklimb classifier"),
        (make_pipeline(LogisticRegression()), {}, TypeError, "sklimb classifier"),
        (FrozenEstimator(STAGE), {"method": "best"}, ValueError, "method"),
        (FrozenEstimator(STAGE), {"shift_statistics": True}, ValueError, "BatchNorm"),
        (STAGE, {"shift_statistics": True}, ValueError, "BatchNorm"),
        (STAGE, {"tau": -1.0}, ValueError, "tau"),
        (STAGE, {"target_prior": [0.5, 0.6]}, ValueError, "sum to 1"),
        (STAGE, {"target_prior": [0.2, 0.3, 0.5]}, ValueError, "one positive share"),
        (
            TabularMLPClassifier(class_weight="balanced"),
            {"target_prior": "uniform"},
            ValueError,
            "corrected twice",
        ),
        (
            FrozenEstimator(TabularMLPClassifier()),
            {},
            NotFittedError,
            "not fitted",
        ),
        (FrozenEstimator(STAGE), {"lr": 1e30}, ValueError, "did not stay finite"),
    ],
)
def test_refusals(estimator, params, error, message):
    clf = ClassifierRetrainer(estimator, **params)
    with pytest.raises(error, match=message):
        clf.fit(X, Y)
    assert not hasattr(clf, "head_") and not hasattr(clf, "estimator_")


def test_refused_rows():
    clf = ClassifierRetrainer(FrozenEstimator(STAGE))
    with pytest.raises(ValueError, match="class 1"):
        clf.fit(X[Y == 0], Y[Y == 0])
    with pytest.raises(ValueError, match="not among the classes"):
        clf.fit(X, np.add(Y, 1))
    for name in ("group", "X_unlabeled"):
        with pytest.raises(TypeError, match=f"got '{name}'"):
            clf.fit(X, Y, **{name: X})
    pipe = make_pipeline(StandardScaler(), TabularMLPClassifier(**SMALL))
    step = {"tabularmlpclassifier__X_val": X, "tabularmlpclassifier__y_val": Y}
    with pytest.raises(ValueError, match="Pipeline inside"):
        ClassifierRetrainer(pipe).fit(X, Y, **step)


def test_a_prior_of_another_length_is_refused_before_the_first_stage(monkeypatch):
    monkeypatch.setattr(net._Net, "fit_loop", None)  # nothing may train
    model = ClassifierRetrainer(TabularMLPClassifier(), target_prior=[0.5, 0.5])
    with pytest.raises(ValueError, match=r"one positive share a class \(3\)"):
        model.fit(np.zeros((9, 2)), np.arange(9) % 3)
