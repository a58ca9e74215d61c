"""MetaBalance: exact when its inner step is off, the printed and the published gradient
when it is on."""

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits, weights
from imblearn.over_sampling import SMOTE
from sklearn.model_selection import GridSearchCV, train_test_split
from torch.autograd.function import once_differentiable

from sklimb import TabularMLPClassifier, TabularResNetClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.nn import PackedLinear
from sklimb.nn.tabular_backbones import ResNetBackbone
from sklimb.training.losses import CrossEntropy
from sklimb.training.objective import Objective
from sklimb.training.steps import MetaBalanceStep

X, Y = fixed_table()
OFF = {
    "metabalance_steps": 1,
    "metabalance_inner_lr": 0.0,
    "metabalance_query_batch_size": 32,
}
ON = {
    "metabalance_sampler": "balanced",
    "metabalance_steps": 4,
    "metabalance_inner_lr": 0.1,
}


def fit(**params):
    return TabularMLPClassifier(**{**PLAIN, **params}).fit(X, Y)


class Linear(torch.nn.Module):
    """A linear softmax model that a formula can be written for."""

    def __init__(self, n_members):
        super().__init__()
        self.head = PackedLinear(n_members, 3, 2)
        for k in range(n_members):
            self.head.reset_member(k, torch.Generator().manual_seed(k))
        self.double()

    def forward(self, x, masks=None):
        return self.head(x)


def make_batch(seed, n_members, n=6):
    rng = np.random.default_rng(seed)
    y = torch.from_numpy(rng.integers(0, 2, (n_members, n)))
    return {
        "X": torch.from_numpy(rng.normal(size=(n_members, n, 3))),
        "y": y,
        "weight": torch.from_numpy(rng.uniform(0.5, 1.5, (n_members, n)) / n),
        "target": torch.eye(2, dtype=torch.float64)[y],
        "masks": None,
    }


def by_hand(W, b, batch, k):
    """Loss, its gradient and its Hessian of one member, row by row."""
    n = W.size + b.size
    loss, gradient, hessian = 0.0, np.zeros(n), np.zeros((n, n))
    rows = zip(batch["X"][k], batch["y"][k], batch["weight"][k], strict=True)
    for x, c, w in rows:
        x, c, w = x.numpy(), int(c), float(w)
        z = x @ W + b
        p = np.exp(z - z.max())
        p /= p.sum()
        loss -= w * np.log(p[c])
        # Of z by (W row by row, b).
        jacobian = np.vstack([np.kron(x[:, None], np.eye(2)), np.eye(2)])
        gradient += w * jacobian @ (p - np.eye(2)[c])
        hessian += w * jacobian @ (np.diag(p) - np.outer(p, p)) @ jacobian.T
    return loss, gradient, hessian


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_gradient_is_the_formula(second_order, beta):
    model = Linear(2)
    objective = Objective(model, CrossEntropy())
    tasks = [(make_batch(10 + t, 2), make_batch(20 + t, 2)) for t in range(3)]
    inner_lr = 0.7
    before = [p.detach().clone() for p in model.parameters()]
    step = MetaBalanceStep(inner_lr, beta, second_order)
    loss = step(objective, {"tasks": tasks})
    for p, kept in zip(model.parameters(), before, strict=True):
        assert torch.equal(p.detach(), kept)
    W, b = (p.detach().numpy() for p in before)
    for k in range(2):
        expected, mean_loss = np.zeros(8), 0.0
        for support, query in tasks:
            _, g, H = by_hand(W[k], b[k, 0], support, k)
            W2, b2 = W[k] - inner_lr * g[:6].reshape(3, 2), b[k, 0] - inner_lr * g[6:]
            value, gq, _ = by_hand(W2, b2, query, k)
            through = np.eye(8) - inner_lr * H if second_order else np.eye(8)
            expected += through @ gq + beta * g
            mean_loss += value
        got = np.concatenate([p.grad[k].numpy().ravel() for p in model.parameters()])
        np.testing.assert_allclose(got, expected / 3, rtol=1e-10, atol=1e-13)
        assert float(loss[k]) == pytest.approx(mean_loss / 3, rel=1e-12)


def test_off_is_plain_training():
    """One task, no inner step and natural query rows of the plain batch size."""
    plain = fit()
    assert same_bits(plain, fit(metabalance_sampler="natural", **OFF))
    second = fit(metabalance_sampler="natural", **OFF, metabalance_second_order=True)
    assert same_bits(plain, second)


def test_on_differs_and_favours_the_rare_class():
    def mean_logit(clf):
        with torch.no_grad():
            logits = clf.net_.module_(clf._encode(X).unsqueeze(0))[0]
        return float((logits[:, 1] - logits[:, 0]).mean())

    plain = fit(batch_size=16, sampler="uniform")
    on = fit(**{**ON, "metabalance_steps": 1})
    assert mean_logit(on) - mean_logit(plain) > 0.1
    # Natural query rows show no class.
    natural = fit(metabalance_sampler="natural", metabalance_steps=1)
    assert mean_logit(on) - mean_logit(natural) > 0.1


@pytest.mark.parametrize(
    "change",
    [
        {"metabalance_inner_lr": 0.5},
        {"metabalance_beta": 1.0},
        {"metabalance_second_order": True, "metabalance_inner_lr": 0.5},
        {"metabalance_steps": 2},
        {"metabalance_support_batch_size": 4, "metabalance_inner_lr": 0.5},
        {"metabalance_query_batch_size": 8},
        {"metabalance_sampler": ("balanced", "balanced"), "metabalance_inner_lr": 0.5},
    ],
)
def test_every_knob_does_something(change):
    base = {**ON, "lr": 2e-2}
    if "metabalance_second_order" in change:
        base["metabalance_inner_lr"] = 0.5
    a, b = fit(**base), fit(**{**base, **change})
    assert np.abs(a.predict_proba(X) - b.predict_proba(X)).max() > 1e-3


def test_members_equal_single_fits():
    params = {**ON, "dtype": "float64", "dropout": 0.2, "metabalance_beta": 0.1}
    many = fit(**params, n_members=3)
    for k, seed in enumerate(many.member_seeds_):
        one = fit(**params, random_state=int(seed))
        for name, w in weights(many).items():
            np.testing.assert_allclose(w[k], weights(one)[name][0], atol=1e-10)


def test_members_that_leave_do_not_change_the_support_of_the_others():
    a, b, ya, yb = train_test_split(X, Y, stratify=Y, random_state=0)
    params = {**PLAIN, **ON, "dtype": "float64", "early_stopping": True}
    params |= {"n_iter_no_change": 2, "max_epochs": 40, "dropout": 0.2}
    rates = [{"lr": lr} for lr in (1e-1, 3e-2, 3e-3)]
    params.pop("lr")
    many = TabularMLPClassifier(**params, portfolio=rates).fit(a, ya, X_val=b, y_val=yb)
    there = [np.isfinite(r["train_loss_members"]).sum() for r in many.history_]
    assert there[-1] < 3
    for k, seed in enumerate(many.member_seeds_):
        one = TabularMLPClassifier(**{**params, **rates[k], "random_state": int(seed)})
        one.fit(a, ya, X_val=b, y_val=yb)
        got = many.predict_proba_members(X)[k]
        np.testing.assert_allclose(got, one.predict_proba(X), atol=1e-10)


def test_an_epoch_is_one_pass_over_the_query_rows():
    from sklimb.fitting.device_rows import make_batches
    from sklimb.fitting.jobs import make_job
    from sklimb.fitting.prepare import prepare
    from sklimb.nn.join import Layout

    clf = TabularMLPClassifier(**PLAIN, metabalance_sampler="under")
    clf.set_params(metabalance_steps=3, metabalance_query_batch_size=10)
    job = make_job(clf, prepare(clf, X, Y))
    layout = [Layout.of(clf.encoder_)]
    cpu = torch.device("cpu")
    episodes, _, _ = make_batches([job], layout, job.module, torch.float32, cpu)
    n_query = 2 * int(Y.sum())
    batches = list(episodes)
    tasks = [len(batch["tasks"]) for batch in batches]
    assert sum(tasks) == -(-n_query // 10) and set(tasks[:-1]) <= {3}
    assert len(batches) == len(episodes) == episodes.n_steps[0]
    counts = np.bincount(
        np.concatenate([q["y"][0] for b in batches for _, q in b["tasks"]])
    )
    assert counts.tolist() == [int(Y.sum())] * 2
    supports = torch.cat([s["y"][0] for b in batches for s, _ in b["tasks"]])
    assert supports.float().mean() < 0.4  # natural
    # The support goes on where it stopped.
    again = torch.cat([s["X"][0] for b in episodes for s, _ in b["tasks"]])
    first = torch.cat([s["X"][0] for b in batches for s, _ in b["tasks"]])
    assert not torch.equal(first[:24], again[:24])


def test_probabilities_keep_the_base_rate():
    clf = fit(**{**ON, "metabalance_sampler": "under", "max_epochs": 20})
    assert clf.predict_proba(X)[:, 1].mean() == pytest.approx(Y.mean(), rel=0.01)
    assert clf.prior_shift_[1] > 2


def test_searches_vary_pairs_and_address_objects():
    clf = TabularMLPClassifier(**{**PLAIN, "dtype": "float64", "max_epochs": 2})
    grid = {
        "metabalance_sampler": [None, "under", ("smote", "balanced")],
        "lr": [1e-3, 1e-2],
    }
    params = {"cv": 3, "scoring": "roc_auc"}
    a = PackedSearchCV(clf, grid, max_members=9, **params).fit(X, Y).cv_results_
    b = GridSearchCV(clf, grid, **params).fit(X, Y).cv_results_
    # Sums in another order.
    np.testing.assert_allclose(a["mean_test_score"], b["mean_test_score"], atol=1e-8)
    single = clf.set_params(metabalance_sampler=SMOTE())
    search = GridSearchCV(single, {"metabalance_sampler__k_neighbors": [2, 3]}, cv=2)
    assert "metabalance_sampler__k_neighbors" in search.fit(X, Y).best_params_


def test_works_with_losses_smoothing_and_other_networks():
    for params in ({"loss": "ldam"}, {"loss": "focal"}, {"smoothing_eps": 0.1}):
        assert np.isfinite(fit(**ON, **params, n_members=2).predict_proba(X)).all()
    net = TabularResNetClassifier(d_block=8, max_epochs=2, random_state=0, **ON)
    assert np.isfinite(net.fit(X, Y).predict_proba(X)).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sam_asymmetric_rho": 0.05}, "each replaces the step"),
        ({"sampler": "over"}, "each chooses the rows"),
        ({"drw_start": 0.5}, "each chooses the rows"),
        ({"metabalance_sampler": ("under",)}, r"pair \(support, query\)"),
        ({"metabalance_sampler": ("under", "best")}, r"pair \(support, query\)"),
        ({"metabalance_sampler": "best"}, "metabalance_sampler"),
        ({"metabalance_inner_lr": -1.0}, "metabalance_inner_lr"),
    ],
)
def test_refusals(params, message):
    with pytest.raises(ValueError, match=message):
        fit(**{**ON, **params})


def test_partial_fit_takes_names_and_refuses_objects():
    clf = TabularMLPClassifier(**PLAIN, **ON)
    assert np.isfinite(clf.partial_fit(X, Y).partial_fit(X, Y).predict_proba(X)).all()
    # The query rows decide what training has seen, as in `fit`.
    clf.set_params(metabalance_sampler=("natural", "balanced")).partial_fit(X, Y)
    np.testing.assert_allclose(clf.prior_shift_ * clf.class_prior_, 0.5)
    clf = TabularMLPClassifier(**{**PLAIN, **ON, "metabalance_sampler": SMOTE()})
    with pytest.raises(ValueError, match="partial_fit"):
        clf.partial_fit(X, Y)


class _Once(torch.autograd.Function):
    """Twice its input, with a backward pass that cannot be differentiated."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return 2 * grad


class _OnceBackbone(ResNetBackbone):
    def forward(self, x):
        return _Once.apply(super().forward(x))


class _OnceNetwork(TabularResNetClassifier):
    """A ResNet with such an operation at its end."""

    @staticmethod
    def make_network(**arguments):
        return _OnceBackbone(**arguments)


def test_a_network_without_second_derivatives_is_told():
    params = {**ON, "d_block": 8, "max_epochs": 1, "random_state": 0}
    with pytest.raises(
        ValueError, match=r"second derivative: .* metabalance_second_order=False"
    ):
        _OnceNetwork(**params, metabalance_second_order=True).fit(X, Y)
    assert _OnceNetwork(**params).fit(X, Y).predict_proba(X).shape == (len(X), 2)


@pytest.mark.parametrize("second_order", [False, True])
def test_gradients_that_are_there_are_not_added_to(second_order):
    found = []
    for stale in (False, True):
        model = Linear(2)
        if stale:
            for p in model.parameters():
                p.grad = torch.ones_like(p)
        tasks = [(make_batch(10 + t, 2), make_batch(20 + t, 2)) for t in range(2)]
        step = MetaBalanceStep(0.7, 0.3, second_order)
        step(Objective(model, CrossEntropy()), {"tasks": tasks})
        found.append([p.grad for p in model.parameters()])
    assert all(map(torch.equal, *found))
