"""L2RW and Meta-Weight-Net: the published gradients, by products of one forward-mode
derivative; balanced rows of each member; what they can be combined with."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from helpers.packs import PLAIN, fixed_table, same_bits, weights
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch.func import functional_call

import sklimb
from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb._random import stream_generator
from sklimb.model_selection import PackedSearchCV
from sklimb.nn import PackedMLP
from sklimb.nn.packed import draw_uniform
from sklimb.nn.stacked import StackedMembers
from sklimb.nn.tabular_backbones import FTTransformerBackbone, ResNetBackbone
from sklimb.training.balanced_rows import RestOrder, keep_apart
from sklimb.training.losses import CrossEntropy, FocalLoss, LDAMLoss
from sklimb.training.objective import Objective
from sklimb.training.optimizers import PackedAdamW, PackedSGD
from sklimb.training.reweighting import (
    L2RW,
    L2RWStep,
    MetaWeightNet,
    Shares,
    balanced_gradient,
    tangent,
)
from sklimb.training.samplers import UniformOrder, WeightedOrder
from sklimb.training.steps import PlainStep

X, Y = fixed_table()
BOTH = pytest.mark.parametrize("name", ["l2rw", "meta_weight_net"])
K, N_NUMBERS, CODES = 2, 3, (3, 4)


def fit(**params):
    return TabularMLPClassifier(**{**PLAIN, **params}).fit(X, Y)


def make_batch(seed, n=7, padding=0, weighted=True):
    """Rows of two members with unequal weights; the last ones of member 1 are padding.

    Targets are soft.
    """
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(K, n, N_NUMBERS))
    codes = [rng.integers(0, c, (K, n, 1)) for c in CODES]
    y = torch.from_numpy(rng.integers(0, 2, (K, n)))
    weight = torch.from_numpy(rng.uniform(0.5, 1.5, (K, n)))
    weight = weight / n if weighted else torch.full_like(weight, 1 / n)
    if padding:
        weight[1, -padding:] = 0.0
    return {
        "X": torch.from_numpy(np.concatenate([numbers, *codes], -1)),
        "y": y,
        "weight": weight,
        "target": 0.9 * torch.eye(2, dtype=torch.float64)[y] + 0.05,
        "masks": None,
        "active": None,
    }


def make_pair(padding=2):
    batch = make_batch(1, padding=padding)
    return {**batch, "balanced": make_batch(2, n=4, weighted=False)}


def make_mlp(num_embeddings="plr", cosine_head=False):
    edges = torch.linspace(-2, 2, 5).repeat(N_NUMBERS, 1)
    module = PackedMLP(
        K,
        N_NUMBERS,
        0,
        CODES,
        2,
        d_block=6,
        num_embeddings=num_embeddings,
        d_embedding=4,
        n_frequencies=3,
        edges=edges if num_embeddings == "ple" else None,
        cosine_head=cosine_head,
    )
    module.reset_parameters([3, 4])
    return module.double()


def make_stack(kind):
    arguments = {"n_blocks": 1, "d_block": 8}
    if kind is ResNetBackbone:
        arguments |= {"d_hidden_multiplier": 2.0, "dropout1": 0.2, "dropout2": 0.1}
        arguments |= {"d_embedding": 4}
    else:
        arguments |= {"attention_n_heads": 2, "attention_dropout": 0.2}
        arguments |= {"ffn_d_hidden_multiplier": 1.5, "ffn_dropout": 0.1}
        arguments |= {"residual_dropout": 0.1}
    networks = []
    for k in range(K):
        network = kind(N_NUMBERS, 0, CODES, 2, **arguments)
        network.reset_parameters(torch.Generator().manual_seed(k))
        networks.append(network.double())
    return StackedMembers(networks).train()


NETWORKS = {
    **{str(kind): lambda kind=kind: make_mlp(kind) for kind in (None, "linear", "ple")},
    "plr": make_mlp,
    "plr-lite": lambda: make_mlp("plr-lite"),
    "cosines": lambda: make_mlp(None, cosine_head=True),
    "resnet": lambda: make_stack(ResNetBackbone),
    "transformer": lambda: make_stack(FTTransformerBackbone),
}


def masks_of(module):
    if isinstance(module, StackedMembers):
        return torch.tensor([5, 6])
    generator = torch.Generator().manual_seed(9)
    shape = (K, 7, module.d_block)
    keep = [
        torch.rand(shape, generator=generator, dtype=torch.float64) > 0.2
        for _ in module.blocks
    ]
    return [k.double() / 0.8 for k in keep]


def frozen(module):
    return getattr(module, "frozen_statistics", nullcontext)()


def gradients(module):
    return [p.grad.clone() for p in module.parameters()]


class PublishedWeights:
    """The published way: a step with row weights eps, differentiated twice."""

    def __init__(self, objective, batch):
        self.objective, self.batch = objective, batch
        self.named = dict(objective.named_parameters())

    def rows(self, state, batch):
        rows = _Rows(self.objective)
        state = {f"objective.{name}": p for name, p in state.items()}
        return functional_call(rows, state, (batch,))

    def moved(self, factor, lr):
        """Weights after a step on sum_i factor_i l_i, with its graph."""
        loss = (factor * self.rows(self.named, self.batch)).sum()
        grads = torch.autograd.grad(loss, list(self.named.values()), create_graph=True)
        pairs = zip(self.named.items(), grads, strict=True)
        return {
            name: p - lr.view(-1, *[1] * (p.ndim - 1)) * g for (name, p), g in pairs
        }

    def judged(self, state):
        """Mean loss of the balanced rows, summed over members."""
        return self.rows(state, self.batch["balanced"]).mean(-1).sum()

    def l2rw(self):
        """Weights of the rows that enter the loss, before sample weights."""
        eps = torch.zeros_like(self.batch["weight"], requires_grad=True)
        state = self.moved(eps, torch.full((K,), 0.1, dtype=torch.float64))
        (slope,) = torch.autograd.grad(self.judged(state), eps)
        there = self.batch["weight"] > 0
        w = (-slope).clamp_min(0) * there
        return w / w.sum(-1, keepdim=True), there.sum(-1, keepdim=True)


class _Rows(torch.nn.Module):
    def __init__(self, objective):
        super().__init__()
        self.objective = objective

    def forward(self, batch):
        logits = self.objective.logits(batch)
        return self.objective.loss_function(logits, batch["target"])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dropout", [False, True])
def test_l2rw_is_the_published_double_backward(network, dropout):
    module = NETWORKS[network]()
    objective, batch = Objective(module, FocalLoss(1.5)), make_pair()
    if dropout:
        batch["masks"] = masks_of(module)
    with frozen(module):
        share, n = PublishedWeights(objective, batch).l2rw()
        assert (share > 0).any(-1).all() and (share[0] == 0).any()
        logits = objective.logits(batch)
        losses = objective.loss_function(logits, batch["target"])
        expected = (share * n * batch["weight"] * losses).sum(-1)
        expected.sum().backward()
    want = gradients(module)
    module.zero_grad(set_to_none=True)
    before = [p.detach().clone() for p in module.parameters()]
    loss = L2RWStep()(objective, batch)
    # Both sum in float64, in another order.
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-10, atol=1e-13)
    for p, kept, grad in zip(module.parameters(), before, want, strict=True):
        assert torch.equal(p, kept)
        torch.testing.assert_close(p.grad, grad, rtol=1e-8, atol=1e-12)


def value_net(flat, hidden, losses):
    """V, from its weights as `WeightNet` keeps them."""
    w1, b1, w2, b2 = flat.unsqueeze(1).split([hidden, hidden, hidden, 1], -1)
    h = torch.relu(losses.unsqueeze(-1) * w1 + b1)
    return torch.sigmoid((h * w2).sum(-1) + b2.squeeze(-1))


@pytest.mark.parametrize("network", ["plr", "resnet", "transformer"])
@pytest.mark.parametrize("rates", [[0.3, 0.3], [0.3, 0.05]])
def test_meta_weight_net_is_the_unrolled_computation(network, rates):
    module = NETWORKS[network]()
    objective, batch = Objective(module, CrossEntropy()), make_pair()
    optimizer = PackedSGD(module.parameters(), lr=rates)
    hidden, lr, seeds = 5, 0.02, [11, 12]
    step = MetaWeightNet(hidden, lr).make_step(seeds, optimizer)
    published = PublishedWeights(objective, batch)
    flat = step.net.flat.clone().requires_grad_()
    moments = torch.optim.Adam([flat], lr=lr)
    there = batch["weight"] > 0
    n = there.sum(-1, keepdim=True)

    def factors(losses):
        v = value_net(flat, hidden, losses) * there
        return batch["weight"] * n * v / v.sum(-1, keepdim=True)

    for _ in range(3):
        with frozen(module):
            losses = published.rows(published.named, batch)
            rate = torch.tensor(rates, dtype=torch.float64)
            state = published.moved(factors(losses.detach()), rate)
            moments.zero_grad()
            (flat.grad,) = torch.autograd.grad(published.judged(state), flat)
            moments.step()
            module.zero_grad(set_to_none=True)
            expected = (factors(losses.detach()).detach() * losses).sum(-1)
            expected.sum().backward()
        want = gradients(module)
        module.zero_grad(set_to_none=True)
        loss = step(objective, batch)
        # Adam divides a gradient by its size, so its rounding errors grow where it is
        # small.
        torch.testing.assert_close(step.net.flat, flat.detach(), rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-8, atol=1e-12)
        for p, grad in zip(module.parameters(), want, strict=True):
            torch.testing.assert_close(p.grad, grad, rtol=1e-7, atol=1e-10)
        optimizer.step()


def test_initial_value_net_is_that_of_torch_linear():
    net = MetaWeightNet(4).make_step([7], PackedAdamW(make_mlp().parameters())).net
    generator = stream_generator(7, "row_weighting", 0)
    parts = [
        draw_uniform((n,), bound, generator)
        for n, bound in [(4, 1.0), (4, 1.0), (4, 0.5), (1, 0.5)]
    ]
    torch.testing.assert_close(net.flat[0], torch.cat(parts), rtol=0, atol=0)


def test_a_member_without_rows_keeps_its_value_net():
    step = MetaWeightNet(4).make_step([1, 2], PackedAdamW(make_mlp().parameters()))
    net = step.net
    before = net.state_dict()
    net(torch.rand(2, 5, dtype=torch.float64))
    net.step_(torch.ones(2, 5, dtype=torch.float64), 0.1, [True, False])
    assert not torch.equal(net.flat[0], before["flat"][0])
    assert torch.equal(net.flat[1], before["flat"][1])
    assert torch.equal(net.second[1], before["second"][1]) and net.n_steps == [1, 0]


def test_equal_values_give_the_plain_weights_and_zeros_give_none():
    weight = make_pair()["weight"]
    shares = Shares(weight)
    torch.testing.assert_close(shares(torch.full_like(weight, 0.3)), weight)
    assert (shares(torch.zeros_like(weight)) == 0).all()
    one = shares(torch.rand_like(weight)) / weight.where(weight > 0, torch.ones(()))
    # In units of 1 / n the factors of a member's rows have mean 1.
    rows = (weight > 0).sum(-1)
    torch.testing.assert_close(one.sum(-1) / rows, torch.ones(2, dtype=torch.float64))


def test_a_batch_in_which_no_row_helps_has_a_gradient_of_zero():
    module = make_mlp(None)
    batch = make_batch(1)
    # Judged by the opposite labels of the same rows.
    batch["balanced"] = {**batch, "target": 1 - batch["target"]}
    batch = {**batch, **{n: batch[n][:, :1] for n in ("X", "y", "weight", "target")}}
    batch["balanced"] = {n: v if v is None else v[:, :1]
                         for n, v in batch["balanced"].items()}  # fmt: skip
    loss = L2RWStep()(Objective(module, CrossEntropy()), batch)
    assert (loss == 0).all()
    assert all((p.grad == 0).all() for p in module.parameters())


def test_networks_without_forward_mode_are_refused():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return 2 * ctx.saved_tensors[0] * grad

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(K, 5, 2, dtype=torch.float64))

        def forward(self, x, masks=None):
            return Square.apply(x @ self.weight)

    model = Model()
    with pytest.raises(ValueError, match="forward-mode derivative"):
        L2RWStep()(Objective(model, CrossEntropy()), make_pair())
    assert isinstance(model.weight, torch.nn.Parameter)


# Which rows are kept apart.


def test_rows_kept_apart_are_balanced_and_the_members_own():
    apart, rest = keep_apart(Y, 10, 0)
    assert np.bincount(Y[apart]).tolist() == [10, 10]
    assert np.array_equal(np.sort(np.concatenate([apart, rest])), np.arange(len(Y)))
    other, _ = keep_apart(Y, 10, 1)
    assert len(np.intersect1d(apart, other)) < 15
    again, _ = keep_apart(Y, 10, 0)
    assert np.array_equal(apart, again)


def test_draws_of_the_rest_keep_the_class_shares():
    _, rest = keep_apart(Y, 40, 0)
    p = np.where(Y == 1, 0.5 / (Y == 1).sum(), 0.5 / (Y == 0).sum())
    order = RestOrder(WeightedOrder(p), Y, rest)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([order(generator) for _ in range(50)]).numpy()
    assert np.isin(drawn, rest).all() and order.n_rows == len(rest)
    # 16,000 draws: a standard error of 0.004.
    assert Y[drawn].mean() == pytest.approx(0.5, abs=0.02)
    every = RestOrder(UniformOrder(len(Y)), Y, rest)(generator).numpy()
    assert np.array_equal(np.sort(every), rest)


class Ignored:
    """A way of weighting that does not."""

    def make_step(self, seeds, optimizer):
        return PlainStep()


def test_balanced_rows_train_nobody():
    """Plain steps beside balanced rows are plain training on the rest, bit for bit."""
    from sklimb.fitting.prepare import prepare

    clf = TabularMLPClassifier(**PLAIN)
    order = prepare(clf, X, Y).X  # canonical
    rows = np.array([np.flatnonzero((X == x).all(1))[0] for x in order])
    _, rest = keep_apart(Y[rows], 10, 0)
    with_ = fit(row_weighting=Ignored())
    without = TabularMLPClassifier(**PLAIN).fit(X[rows[rest]], Y[rows[rest]])
    for got, want in zip(
        weights(with_).values(), weights(without).values(), strict=True
    ):
        np.testing.assert_array_equal(got, want)
    # Class statistics are those of all training rows.
    assert with_.class_prior_[1] == pytest.approx(Y.mean(), abs=1e-12)


def test_none_is_plain_training():
    assert same_bits(fit(), fit(row_weighting=None, row_weighting_rows=3))


# What they do to a fit.


@BOTH
def test_on_differs_and_favours_the_rare_class(name):
    def mean_logit(clf):
        with torch.no_grad():
            logits = clf.net_.module_(clf._encode(X).unsqueeze(0))[0]
        return float((logits[:, 1] - logits[:, 0]).mean())

    on = fit(row_weighting=name, max_epochs=20)
    assert mean_logit(on) - mean_logit(fit(max_epochs=20)) > 0.3


@BOTH
def test_the_rows_that_judge_have_their_own_labels(name):
    """With others the rare class would still be favoured, on the wrong rows."""
    scores = [
        roc_auc_score(Y, fit(row_weighting=w, max_epochs=20).predict_proba(X)[:, 1])
        for w in (None, name)
    ]
    assert scores[1] > scores[0] - 0.05


@BOTH
def test_probabilities_keep_the_base_rate(name):
    clf = fit(row_weighting=name, max_epochs=20)
    # The bias is solved to a gap of 1e-10.
    assert clf.predict_proba(X)[:, 1].mean() == pytest.approx(Y.mean(), abs=1e-6)
    assert (clf.prior_shift_ == 1).all() and abs(clf.intercept_).max() > 0.1
    raw = fit(row_weighting=name, max_epochs=20, target_prior=None)
    assert raw.predict_proba(X)[:, 1].mean() > Y.mean() + 0.02


def test_l2rw_looks_past_wrong_labels():
    rng = np.random.default_rng(0)
    y = torch.from_numpy(rng.integers(0, 2, (1, 200)))
    X = torch.from_numpy(rng.normal(size=(1, 200, 3))) + 2.0 * (2 * y - 1).unsqueeze(-1)
    wrong = torch.zeros(1, 200, dtype=torch.bool)
    wrong[:, 50:100] = True
    plain = torch.full((1, 200), 1 / 200, dtype=torch.float64)
    batch = {
        "X": X,
        "y": y,
        "target": torch.eye(2, dtype=torch.float64)[(y + wrong) % 2],
        "weight": plain,
        "masks": None,
    }
    last = {n: batch[n][:, 180:] for n in ("X", "y", "target")}
    last |= {"weight": 10 * plain[:, 180:], "masks": None}
    module = PackedMLP(1, 3, 0, (), 2, d_block=8)
    module.reset_parameters([0])
    objective = Objective(module.double(), CrossEntropy())
    step = L2RWStep()
    places = step._places(objective)
    along = tangent(
        objective, places, batch, balanced_gradient(objective, places, last)
    )
    assert along is not None
    _, slope = objective.row_losses(objective.logits(batch), batch)
    weight = Shares(plain)((slope * along).sum(-1).clamp_min(0))
    assert weight.sum() == pytest.approx(1.0) and weight[wrong].sum() < 0.05


@pytest.mark.parametrize(
    "change",
    [
        {"row_weighting_rows": 3},
        {"row_weighting": MetaWeightNet(hidden=5)},
        {"row_weighting": MetaWeightNet(lr=0.1)},
        {"row_weighting": L2RW()},
    ],
    ids=str,
)
def test_every_knob_does_something(change):
    base = {"row_weighting": "meta_weight_net"}
    a, b = fit(**base), fit(**{**base, **change})
    assert np.abs(a.predict_proba(X) - b.predict_proba(X)).max() > 1e-3


@BOTH
@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.2, "loss": "ldam"},
        {"num_embeddings": "plr", "mix": "mixup", "sampler": "balanced"},
        {"smoothing_eps": 0.1, "class_weight": "balanced", "optimizer": "sgd"},
    ],
    ids=str,
)
def test_members_equal_single_fits(name, params):
    params = {**params, "row_weighting": name, "dtype": "float64", "max_epochs": 3}
    many = fit(**params, n_members=3)
    for k, seed in enumerate(many.member_seeds_):
        one = fit(**params, random_state=int(seed))
        for which, w in weights(many).items():
            np.testing.assert_allclose(w[k], weights(one)[which][0], atol=1e-10)


@BOTH
def test_members_that_leave_do_not_change_the_others(name):
    a, b, ya, yb = train_test_split(X, Y, stratify=Y, random_state=0)
    params = {**PLAIN, "row_weighting": name, "dtype": "float64"}
    params |= {"early_stopping": True, "n_iter_no_change": 2, "max_epochs": 25}
    params |= {"dropout": 0.2, "monitor": "roc_auc"}
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


# Where they can be used.


@BOTH
def test_searches_and_pipelines(name):
    clf = TabularMLPClassifier(**{**PLAIN, "dtype": "float64", "max_epochs": 2})
    pipe = Pipeline([("scale", StandardScaler()), ("clf", clf)])
    pipe.set_params(clf__row_weighting_rows=5)
    grid = {"clf__row_weighting": [None, name], "clf__lr": [1e-3, 1e-2]}
    params = {"cv": 3, "scoring": "roc_auc"}
    a = PackedSearchCV(pipe, grid, max_members=9, **params).fit(X, Y).cv_results_
    b = GridSearchCV(pipe, grid, **params).fit(X, Y).cv_results_
    # Sums in another order.
    np.testing.assert_allclose(a["mean_test_score"], b["mean_test_score"], atol=1e-8)
    assert len(set(np.round(a["mean_test_score"], 6))) > 2


@BOTH
def test_other_networks_folds_and_numbers(name):
    common = {"row_weighting": name, "max_epochs": 2, "random_state": 0}
    for clf in (
        TabularResNetClassifier(d_block=8, n_members=2, **common),
        FTTransformerClassifier(
            d_block=8, n_blocks=1, attention_n_heads=2, n_members=2, **common
        ),
        TabularMLPClassifier(d_block=8, validation_folds=2, **common),
        TabularMLPClassifier(d_block=8, dtype="bfloat16", clip_norm=1.0, **common),
        TabularMLPClassifier(d_block=8, loss=LDAMLoss(), ema_decay=0.9, **common),
    ):
        assert np.isfinite(clf.fit(X, Y).predict_proba(X)).all()


def test_running_statistics_see_the_training_rows_alone():
    """Once a step, whatever passes the step takes."""
    common = {"d_block": 8, "max_epochs": 1, "random_state": 0, "lr": 1e-12}
    common |= {"early_stopping": False, "weight_decay": 0.0}
    fits = [
        TabularResNetClassifier(row_weighting=w, **common).fit(X, Y)
        for w in (Ignored(), "l2rw", "meta_weight_net")
    ]
    buffers = [dict(f.net_.module_.named_buffers()) for f in fits]
    for name, expected in buffers[0].items():
        for other in buffers[1:]:
            # The weights hardly move at this learning rate.
            torch.testing.assert_close(other[name], expected, rtol=1e-4, atol=1e-5)


@BOTH
def test_partial_fit_goes_on(name):
    clf = TabularMLPClassifier(**PLAIN, row_weighting=name)
    clf.partial_fit(X, Y)
    first = clf._states.get("step", (None, {}))[1]
    clf.partial_fit(X, Y)
    assert np.isfinite(clf.predict_proba(X)).all()
    if name == "meta_weight_net":
        second = clf._states["step"][1]
        assert second["n_steps"][0] == 2 * first["n_steps"][0] > 0
    assert not clf.fit(X, Y)._states


@pytest.mark.parametrize("value", ["l2rw", MetaWeightNet(hidden=7, lr=0.01)], ids=str)
def test_saved_and_loaded(value, tmp_path):
    clf = fit(row_weighting=value, n_members=2)
    clf.save(tmp_path / "m")
    again = sklimb.load(tmp_path / "m")
    assert again.row_weighting == value
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(again.fit(X, Y).intercept_, clf.intercept_)


@BOTH
def test_weights_are_repetitions_and_zero_removes(name):
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    clf = TabularMLPClassifier(**PLAIN, row_weighting=name)
    a = clf.fit(X, Y, sample_weight=weight).predict_proba(X)
    order = np.random.default_rng(1).permutation(int(weight.sum()))
    repeated = X.repeat(weight, axis=0)[order], Y.repeat(weight)[order]
    np.testing.assert_array_equal(clf.fit(*repeated).predict_proba(X), a)


# What is refused.


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sam_asymmetric_rho": 0.05}, "each replaces the step"),
        (
            {"portfolio": [{"sam_asymmetric_rho": 0.0}, {"sam_asymmetric_rho": 0.1}]},
            "each replaces the step",
        ),
        ({"metabalance_sampler": "under"}, "each replaces the step"),
        ({"sampler": "over"}, "a copy of one that is kept apart"),
        ({"drw_start": 0.5}, "weights of rare rows"),
        ({"row_weighting": L2RW}, r"Write L2RW\(\)"),
        ({"row_weighting": "best"}, "row_weighting"),
        ({"row_weighting_rows": 0}, "row_weighting_rows"),
        ({"row_weighting_rows": 65}, "class 1 has 65 .* row_weighting_rows=64 or less"),
    ],
    ids=str,
)
def test_refusals(params, message):
    with pytest.raises(ValueError, match=message):
        fit(**{"row_weighting": "l2rw", **params})


def test_a_class_with_one_row_is_named():
    y = np.where(Y == 1, "fraud", "fine").astype(object)
    y[0] = "odd"
    with pytest.raises(ValueError, match=r"class 'odd' has 1 .* row_weighting=None"):
        TabularMLPClassifier(**PLAIN, row_weighting="l2rw").fit(X, y)


@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"hidden": 2.5}, {"lr": 0.0}])
def test_value_net_settings_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MetaWeightNet(**wrong)
