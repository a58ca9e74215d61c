"""Stacked networks against K networks of their own; backbones against rtdl's."""

import copy
import pickle

import numpy as np
import pytest
import rtdl_revisiting_models as rtdl
import torch
from safetensors.torch import load, save
from scipy.stats import ks_2samp
from torch import nn
from torch.func import functional_call

from sklimb.nn.seeded_dropout import Noise, SeededDropout
from sklimb.nn.stacked import StackedMembers
from sklimb.nn.tabular_backbones import FTTransformerBackbone, ResNetBackbone

K, B = 3, 9
TABLE = (3, 2, (4, 3), 2)  # numbers, indicators, codes, classes
SEEDS = torch.tensor([5, 2**40 + 5, 2**62])
SIZES = {
    ResNetBackbone: {
        "n_blocks": 2,
        "d_block": 8,
        "d_hidden_multiplier": 2.0,
        "d_embedding": 4,
    },
    FTTransformerBackbone: {
        "n_blocks": 2,
        "d_block": 8,
        "attention_n_heads": 2,
        "ffn_d_hidden_multiplier": 4 / 3,
    },
}
RATES = {
    ResNetBackbone: ("dropout1", "dropout2"),
    FTTransformerBackbone: ("attention_dropout", "ffn_dropout", "residual_dropout"),
}
backbones = pytest.mark.parametrize("cls", list(SIZES))
ways = pytest.mark.parametrize("packed", [True, False])


def network(cls, k=0, p=0.0, table=TABLE):
    module = cls(*table, **SIZES[cls], **dict.fromkeys(RATES[cls], p))
    module.reset_parameters(generator(k))
    return module.double()


def stack(cls, n=K, p=0.0):
    return StackedMembers([network(cls, k, p) for k in range(n)])


def generator(seed):
    return torch.Generator().manual_seed(seed)


def rows(n=K, table=TABLE, seed=0, batch=B):
    n_numeric, n_indicators, cardinalities, _ = table
    g = generator(seed)
    parts = [torch.randn(n, batch, n_numeric, generator=g, dtype=torch.double)]
    parts += [torch.randint(2, (n, batch, n_indicators), generator=g).double()]
    parts += [
        torch.randint(c, (n, batch, 1), generator=g).double() for c in cardinalities
    ]
    return torch.cat(parts, -1)


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def equal(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=0)


class Small(nn.Module):
    """Whatever a test needs to happen in the middle of a forward."""

    def __init__(self, *layers, between=None):
        super().__init__()
        self.first, self.last = nn.Linear(5, 6), nn.Linear(6, 2)
        self.layers, self.between = nn.ModuleList(layers), between
        self.register_buffer("total", torch.zeros(6))

    def forward(self, x):
        h = self.first(x)
        for layer in self.layers:
            h = layer(h)
        return self.last(h if self.between is None else self.between(self, h))


def smalls(*layers, n=K, **kwargs):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return [Small(*copy.deepcopy(layers), **kwargs).double() for _ in range(n)]


SMALL_X = torch.randn(K, B, 5, generator=generator(1), dtype=torch.double)


@backbones
@pytest.mark.parametrize("shared", [False, True])
def test_members_are_networks_of_their_own(cls, shared):
    alone = [network(cls, k, 0.3).eval() for k in range(K)]
    stacked = StackedMembers(alone)
    x = rows(1 if shared else K)
    weight = torch.randn(K, B, 2, generator=generator(2), dtype=torch.double)
    logits, features = stacked(x), stacked.embed(x)
    assert stacked.packed and stacked.reason == ""
    (logits * weight).sum().backward()
    for k, module in enumerate(alone):
        own = x[0 if shared else k]
        close(logits[k], module(own))
        close(features[k], module.embed(own))
        (module(own) * weight[k]).sum().backward()
        for name, p in module.named_parameters():
            close(dict(stacked.members.named_parameters())[name].grad[k], p.grad)
    assert not torch.equal(logits[0], logits[1])
    close(
        logits,
        stacked.members.head.bias.unsqueeze(1)
        + torch.einsum("kbd,kcd->kbc", features, stacked.members.head.weight),
    )


@backbones
def test_dropout_of_a_member_alone_is_its_dropout_in_a_pack(cls):
    stacked = stack(cls, p=0.3)
    slow = copy.deepcopy(stacked)
    slow.packed = False
    x = rows()
    logits = stacked(x, SEEDS)
    equal(stacked(x, SEEDS), logits)  # as SAM's second pass needs
    close(slow(x, SEEDS), logits)
    order = torch.tensor([2, 0, 1])
    close(stacked.take(order)(x[order], SEEDS[order]), logits[order])
    for k in range(K):
        alone = StackedMembers([network(cls, k, 0.3)])
        close(alone(x[k : k + 1], SEEDS[k : k + 1])[0], logits[k])
        close(
            alone.embed(x[k : k + 1], SEEDS[k : k + 1])[0], stacked.embed(x, SEEDS)[k]
        )
    assert (stacked(x, SEEDS + 1) - logits).abs().amin((1, 2)).min() > 1e-6
    equal(stacked(x), stack(cls, p=0.0)(x))  # no seeds, no dropout


def test_equal_members_differ_by_their_seeds_alone():
    stacked = StackedMembers([network(ResNetBackbone, 0, 0.5)] * K)
    out = stacked(rows(1), torch.tensor([1, 2, 1]))
    equal(out[0], out[2])
    assert (out[0] - out[1]).abs().max() > 1e-3


def mask(seed, shape, p=0.5, call=0, dtype=torch.double):
    noise = Noise()
    noise.start(Noise.keys(torch.tensor([seed]))[0])
    noise.calls = call
    return SeededDropout(p, noise)(torch.ones(shape, dtype=dtype))


def test_masks_are_the_stated_function():
    def mix(x):
        x ^= x >> 16
        x = x * 0x21F0AAAD % 2**32
        x ^= x >> 15
        x = x * 0x735A2D97 % 2**32
        return x ^ x >> 15

    for seed, call in [(0, 0), (2**62 + 12345, 3)]:
        key = mix(mix((seed % 2**32 + 0x9E3779B9) % 2**32) ^ (seed >> 32))
        for n in (1, 7, 37):  # vectorised and scalar loops alike
            counters = [(i + call * 0x9E3779B9) * 0x9E3779B9 % 2**32 for i in range(n)]
            # int32 has the same bits; its order is that of the bits plus 2^31.
            uniform = [(mix(c ^ key) + 2**31) % 2**32 / 2**32 for c in counters]
            expected = [4 / 3 if u >= 0.25 else 0.0 for u in uniform]
            assert mask(seed, (n,), 0.25, call).tolist() == expected
    # The mask does not depend on how exactly numbers are kept.
    equal(mask(3, (500,), 0.3, dtype=torch.float) > 0, mask(3, (500,), 0.3) > 0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_masks_keep_the_stated_share(p):
    n = 2**18
    for seed in (0, 1, 2**32, 2**62):
        m = mask(seed, (1024, 256), p)
        assert set(m.unique().tolist()) == {0.0, 1 / (1 - p)}
        kept = (m > 0).double()
        deviation = (p * (1 - p)) ** 0.5
        # Four standard errors; a wrong scale would be off by hundreds.
        assert abs(kept.mean() - (1 - p)) < 4 * deviation / n**0.5
        assert abs(m.mean() - 1) < 4 * (p / (1 - p)) ** 0.5 / n**0.5
        # Counts of rows and of columns are binomial: no row or column is favoured.
        for axis, size in ((0, 1024), (1, 256)):
            z = (kept.mean(axis) - (1 - p)) * size**0.5 / deviation
            assert abs(z.square().mean() - 1) < 5 * (2 / len(z)) ** 0.5


def test_masks_are_independent():
    """Correlations of 2^18 pairs: below 4.5 standard errors, as chance leaves them."""
    n = 2**18
    seeds = [0, 1, 2, 3, 2**32, 2**32 + 1, 2**62, 123456789]
    fields = [mask(s, (n,), call=c) - 1 for s in seeds for c in range(4)]
    pairs = torch.stack(fields)
    correlation = pairs @ pairs.T / n
    equal(correlation.diagonal(), torch.ones(len(fields), dtype=torch.double))
    off = correlation - torch.eye(len(fields), dtype=torch.double)
    assert off.abs().max() < 4.5 / n**0.5
    for lag in (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 1000):
        neighbours = (pairs[:, lag:] * pairs[:, :-lag]).mean(1)
        assert neighbours.abs().max() < 4.5 / n**0.5
    # All 256 patterns of eight neighbours are equally frequent.
    octets = (pairs[:, : n // 8 * 8].view(len(fields), -1, 8) > 0).double()
    code = (octets * 2.0 ** torch.arange(8)).sum(-1).long()
    for row in code:
        count = torch.bincount(row, minlength=256)
        chi2 = ((count - len(row) / 256).square() / (len(row) / 256)).sum()
        assert abs(chi2 - 255) < 4.5 * (2 * 255) ** 0.5


def test_each_call_of_a_dropout_layer_has_its_own_mask():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.drop, self.other = nn.Dropout(0.5), nn.Dropout(0.5)

        def forward(self, x):
            x = x * self.scale
            return torch.stack([self.drop(x), self.drop(x), self.other(x)])

    a, b, c = StackedMembers([Twice()])(torch.ones(1, 20, 50), SEEDS[:1])[0]
    for one, other in ((a, b), (a, c), (b, c)):
        assert 0.4 < (one == other).double().mean() < 0.6


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_dropout_of_nothing_and_of_all(p):
    x = torch.full((50,), 3.0)
    noise = Noise()
    noise.start(Noise.keys(SEEDS)[0])
    equal(SeededDropout(p, noise)(x), x * (1 - p))
    stacked = StackedMembers(smalls(nn.Dropout(p)))
    stacked(SMALL_X, SEEDS)
    assert stacked.packed


@ways
@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_are_those_of_single_networks(packed, momentum):
    alone = smalls(nn.BatchNorm1d(6, momentum=momentum))
    stacked = StackedMembers(alone)
    stacked.packed = packed
    for step in range(3):
        x = SMALL_X * (step + 1) + step
        logits = stacked(x)
        for k, module in enumerate(alone):
            close(logits[k], module(x[k]))
    # An average over all batches reads a counter, which vmap cannot.
    assert stacked.packed == (packed and momentum is not None)
    if packed and momentum is None:
        assert "one after another" in stacked.reason and "Small" in stacked.reason
    stacked.eval()
    for k, module in enumerate(alone):
        for name, buffer in module.named_buffers():
            close(stacked.members.get_buffer(name)[k], buffer)
        close(stacked(SMALL_X)[k], module.eval()(SMALL_X[k]))
    assert (stacked.members.layers[0].num_batches_tracked == 3).all()


@ways
def test_frozen_statistics_stay(packed):
    stacked = StackedMembers(smalls(nn.BatchNorm1d(6)))
    stacked.packed = packed
    stacked(SMALL_X)
    before = copy.deepcopy(stacked.state_dict())
    with stacked.frozen_statistics():
        frozen = stacked(SMALL_X + 1)
    for name, value in stacked.state_dict().items():
        equal(value, before[name])
    close(stacked(SMALL_X + 1), frozen)  # the batch's own statistics all the same
    assert (stacked.members.layers[0].num_batches_tracked == 2).all()
    evaluated = copy.deepcopy(stacked.state_dict())
    stacked.eval()(SMALL_X)
    for name, value in stacked.state_dict().items():
        equal(value, evaluated[name])


def add_in_place(module, h):
    module.total.add_(h.detach().sum(0))
    return h + module.total


def assign_anew(module, h):
    module.total = module.total + h.sum(0)
    return h + module.total


def read_a_number(module, h):
    return h * 2 if h.sum().item() > 0 else h


@pytest.mark.parametrize("between", [add_in_place, assign_anew, read_a_number])
def test_foreign_forwards(between):
    alone = smalls(nn.Tanh(), between=between)
    stacked = StackedMembers(alone)
    for _ in range(2):
        out = stacked(SMALL_X)
        for k, module in enumerate(alone):
            close(out[k], module(SMALL_X[k]))
            close(stacked.members.total[k], module.total)
            module.total = module.total.detach()
    assert stacked.packed == (between is not read_a_number)


def test_a_networks_own_error_is_the_users_to_see():
    stacked = StackedMembers(smalls())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        stacked(SMALL_X[..., :4])
    assert stacked.packed


@pytest.mark.parametrize("n", [1, K])
@pytest.mark.parametrize("layer", [nn.ReLU(), nn.BatchNorm1d(6, momentum=None)])
def test_random_numbers_of_a_forward_are_refused(n, layer):
    def drop(module, h):
        return nn.functional.dropout(h, 0.5, module.training)

    stacked = StackedMembers(smalls(layer, n=n, between=drop))
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match=r"Small draws random.*Use nn.Dropout layers"):
        stacked(SMALL_X[:n], SEEDS[:n])
    equal(torch.get_rng_state(), state)
    assert torch.isfinite(stacked.eval()(SMALL_X[:n])).all()


@pytest.mark.parametrize(
    "layer",
    [
        nn.AlphaDropout(0.1),
        nn.Dropout1d(0.1),
        type("Own", (nn.Dropout,), {})(0.1),
        nn.MultiheadAttention(6, 2, dropout=0.1),
        nn.LSTM(6, 6, 2, dropout=0.1),
    ],
)
def test_dropout_that_cannot_be_replaced_is_refused(layer):
    message = rf"layers.0 \({type(layer).__name__}, dropout 0.1\) draws its masks from"
    with pytest.raises(ValueError, match=message):
        StackedMembers(smalls(layer))


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="at least one network"):
        StackedMembers([])
    unequal = [*smalls(nn.Dropout(0.1)), *smalls(nn.Dropout(0.2))]
    with pytest.raises(ValueError, match=r"layers.0.p is 0.1 .* 0.2 in member 3"):
        StackedMembers(unequal)
    stacked = StackedMembers(smalls(nn.BatchNorm1d(6)))
    with pytest.raises(AttributeError, match="Small has no method embed"):
        stacked.embed(SMALL_X)
    with pytest.raises(ValueError, match="one row has no variance"):
        stacked(SMALL_X[:, :1])
    assert stacked.eval()(SMALL_X[:, :1]).shape == (K, 1, 2)
    for x in (SMALL_X[0], SMALL_X[:2]):
        with pytest.raises(ValueError, match=r"x must have shape \(3, batch"):
            stacked(x)
    for masks in (SEEDS[:2], SEEDS.double()):
        with pytest.raises(ValueError, match="masks must be None or int64 seeds"):
            stacked(SMALL_X, masks)
    with pytest.raises(ValueError, match="add up to 3"):
        stacked.split([1, 1])
    other = StackedMembers(smalls(nn.BatchNorm1d(6, momentum=0.2))).eval()
    with pytest.raises(ValueError, match=r"layers.0.momentum is 0.1 .* in stack 1"):
        StackedMembers.join([stacked, other])


@backbones
def test_take_join_and_split(cls):
    stacked, x = stack(cls, p=0.3), rows()
    stacked(x, SEEDS)  # moves running statistics
    logits = stacked(x, SEEDS)
    parts = stacked.split([2, 1])
    assert [part.n_members for part in parts] == [2, 1]
    joined = StackedMembers.join(parts)
    assert joined.n_members == K
    for a, b in zip(joined.member_tensors(), stacked.member_tensors(), strict=True):
        assert a.data_ptr() != b.data_ptr()
    taken = stacked.take([2, 0])
    close(taken(x[[2, 0]], SEEDS[[2, 0]]), logits[[2, 0]])
    with torch.no_grad():
        for t in (*taken.member_tensors(), *parts[0].member_tensors()):
            t.zero_()
    close(stacked(x, SEEDS), logits)
    close(joined(x, SEEDS), logits)
    # In place: an optimiser's parameters are still those of the network.
    parameters = list(stacked.parameters())
    logits.sum().backward()
    logits = logits.detach()
    assert stacked.take_(torch.tensor([1])) is stacked
    assert all(a is b for a, b in zip(parameters, stacked.parameters(), strict=True))
    close(stacked(x[[1]], SEEDS[[1]])[0], joined(x, SEEDS)[1])
    stacked(x[[1]]).sum().backward()
    assert all(p.grad is None or p.grad.shape == p.shape for p in parameters)


@backbones
def test_weights_go_to_a_file_and_back(cls):
    stacked, x = stack(cls, p=0.3), rows()
    stacked(x)
    single = network(cls).state_dict()
    assert set(stacked.state_dict()) == {f"members.{name}" for name in single}
    assert all(len(t) == K for t in stacked.state_dict().values())
    n = sum(t.numel() for t in single.values())
    assert sum(t.numel() for t in stacked.member_tensors()) == K * n
    other = StackedMembers([network(cls, 10 + k, 0.3) for k in range(K)])
    other.load_state_dict(load(save(stacked.state_dict())))
    for again in (other, pickle.loads(pickle.dumps(stacked)), copy.deepcopy(stacked)):
        equal(again.eval()(x, SEEDS), stacked.eval()(x, SEEDS))


def test_tied_weights_stay_tied():
    def tied():
        module = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5)).double()
        module[2].weight = module[0].weight
        return module

    alone = [tied() for _ in range(K)]
    stacked = StackedMembers(alone).take([0, 1, 2])
    assert stacked.members[0].weight is stacked.members[2].weight
    stacked(SMALL_X).sum().backward()
    for k, module in enumerate(alone):
        module(SMALL_X[k]).sum().backward()
        close(stacked.members[0].weight.grad[k], module[0].weight.grad)


@ways
def test_gradients_through_a_gradient_step(packed):
    """What MetaBalance does: other weights by functional_call, and twice the chain."""
    stacked = StackedMembers(smalls(nn.Tanh(), nn.Dropout(0.4)))
    stacked.packed = packed

    def ahead(first):
        p = dict(stacked.named_parameters()) | {"members.first.weight": first}
        loss = functional_call(stacked, p, (SMALL_X, SEEDS)).square().sum()
        (grad,) = torch.autograd.grad(loss, first, create_graph=True)
        p["members.first.weight"] = first - 0.1 * grad
        return functional_call(stacked, p, (SMALL_X, SEEDS)).square().sum()

    first = stacked.members.first.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(ahead, first)


@backbones
def test_the_global_generator_is_left_alone(cls):
    state = torch.get_rng_state()
    stacked = stack(cls, p=0.3)
    stacked(rows(), SEEDS).sum().backward()
    stacked.packed = False
    stacked(rows(), SEEDS)
    equal(torch.get_rng_state(), state)


def rtdl_resnet(ours):
    """rtdl's ResNet with our weights; categories as columns of learned numbers."""
    sizes = {k: v for k, v in SIZES[ResNetBackbone].items() if k != "d_embedding"}
    d_in = ours.resnet.input_projection.in_features
    theirs = rtdl.ResNet(d_in=d_in, d_out=2, dropout1=0.3, dropout2=0.3, **sizes)
    theirs.double().load_state_dict(
        {
            **ours.resnet.state_dict(),
            **ours.normalization.state_dict(prefix="output.normalization."),
            **ours.head.state_dict(prefix="output.linear."),
        }
    )

    def call(x):
        parts = [x[:, : ours.n_continuous]]
        for j in range(len(ours.cardinalities)):
            code = x[:, ours.n_continuous + j].long()
            parts.append(ours.categories.embeddings[j].weight[code])
        return theirs(torch.cat(parts, 1))

    return theirs, call


def rtdl_transformer(ours):
    theirs = rtdl.FTTransformer(
        n_cont_features=ours.n_continuous,
        cat_cardinalities=list(ours.cardinalities),
        d_out=2,
        **SIZES[FTTransformerBackbone],
        **dict.fromkeys(RATES[FTTransformerBackbone], 0.3),
    )
    theirs.double().load_state_dict(
        {
            **ours.transformer.state_dict(),
            **ours.normalization.state_dict(prefix="backbone.output.normalization."),
            **ours.head.state_dict(prefix="backbone.output.linear."),
        }
    )

    def call(x):
        n = ours.n_continuous
        return theirs(
            x[:, :n] if n else None, x[:, n:].long() if x.shape[1] > n else None
        )

    return theirs, call


ORACLES = {ResNetBackbone: rtdl_resnet, FTTransformerBackbone: rtdl_transformer}


@backbones
@pytest.mark.parametrize("table", [TABLE, (3, 0, (), 2), (0, 0, (4, 3), 2)])
def test_backbones_are_rtdls(cls, table):
    ours = network(cls, 1, 0.3, table)
    for seed in range(2):  # moves BatchNorm off its start
        ours(rows(1, table, seed)[0])
    ours.eval()
    x = rows(1, table)[0]
    theirs, call = ORACLES[cls](ours)
    theirs.eval()
    close(ours(x), call(x))
    assert ours(x).std() > 1e-3
    close(ours.head(ours.embed(x)), ours(x))


@backbones
def test_initial_weights_have_rtdls_distributions(cls):
    wide = {**SIZES[cls], "d_block": 64, "n_blocks": 2}
    if "d_embedding" in wide:
        wide["d_embedding"] = 32
    ours = cls(40, 0, (50, 60), 30, **wide, **dict.fromkeys(RATES[cls], 0.1))
    ours.reset_parameters(generator(0))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        if cls is ResNetBackbone:
            d = wide.pop("d_embedding")
            theirs = nn.ModuleDict(
                {
                    "categories": rtdl.CategoricalEmbeddings([50, 60], d, bias=False),
                    "resnet": rtdl.ResNet(
                        d_in=40 + 2 * d, d_out=None, dropout1=0.1, dropout2=0.1, **wide
                    ),
                    "normalization": nn.BatchNorm1d(64),
                    "head": nn.Linear(64, 30),
                }
            )
        else:
            theirs = nn.ModuleDict(
                {
                    "transformer": rtdl.FTTransformer(
                        n_cont_features=40,
                        cat_cardinalities=[50, 60],
                        d_out=None,
                        **wide,
                        **dict.fromkeys(RATES[cls], 0.1),
                    ),
                    "normalization": nn.LayerNorm(64),
                    "head": nn.Linear(64, 30),
                }
            )
    theirs = theirs.state_dict()
    assert set(ours.state_dict()) == set(theirs)
    n_drawn = 0
    for name, value in ours.state_dict().items():
        if (theirs[name] == theirs[name].flatten()[0]).all():  # 0 or 1
            equal(value, theirs[name])
            continue
        n_drawn += 1
        a, b = (t.flatten().double().numpy() for t in (value, theirs[name]))
        assert ks_2samp(a, b).pvalue > 1e-4, name
        assert not np.array_equal(a, b)
    assert n_drawn >= 10


@backbones
def test_weights_come_from_the_given_generator_alone(cls):
    a, b, c = network(cls, 1), network(cls, 1), network(cls, 2)
    b(rows(1)[0])  # moves running statistics
    for module in (a, b):
        module.reset_parameters(generator(1))
    for name, value in a.state_dict().items():
        equal(value, b.state_dict()[name])
    assert not torch.equal(a.head.weight, c.head.weight)
    with pytest.raises(ValueError, match="at least one column"):
        network(cls, table=(0, 0, (), 2))


def test_dropout_rates_reach_their_layers():
    expected = {
        ResNetBackbone: [0.1, 0.2],
        FTTransformerBackbone: [0.1, 0.3, 0.2, 0.3],
    }
    for cls, block in expected.items():
        rates = dict(zip(RATES[cls], (0.1, 0.2, 0.3), strict=False))
        layers = cls(*TABLE, **SIZES[cls], **rates).modules()
        assert [m.p for m in layers if isinstance(m, nn.Dropout)] == block * 2
