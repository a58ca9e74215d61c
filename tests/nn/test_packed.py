"""The packed networks against rtdl_num_embeddings and against themselves."""

import numpy as np
import pytest
import rtdl_num_embeddings as rtdl
import torch

from sklimb.nn import (
    PackedLinearEmbeddings,
    PackedMLP,
    PackedPeriodicEmbeddings,
    PackedPiecewiseLinearEmbeddings,
)
from sklimb.nn.bins import weighted_edges

K, N, D, B = 3, 4, 5, 7


@pytest.fixture
def x():
    return torch.randn(K, B, N, generator=torch.Generator().manual_seed(0))


def reset(module, k=K, n=N):
    for member in range(k):
        for j in range(n):
            generator = torch.Generator().manual_seed(100 * member + j)
            module.reset_column(member, j, generator)
        if hasattr(module, "reset_shared"):
            module.reset_shared(member, torch.Generator().manual_seed(member))
    return module


def test_linear_embeddings_are_rtdls(x):
    ours = reset(PackedLinearEmbeddings(K, N, D))
    for k in range(K):
        theirs = rtdl.LinearReLUEmbeddings(N, D)
        theirs.linear.weight.data = ours.weight.data[k, 0]
        theirs.linear.bias.data = ours.bias.data[k, 0]
        torch.testing.assert_close(ours(x)[k], theirs(x[k]))


@pytest.mark.parametrize("lite", [False, True])
def test_periodic_embeddings_are_rtdls(x, lite):
    ours = reset(PackedPeriodicEmbeddings(K, N, D, 6, 0.5, lite))
    for k in range(K):
        theirs = rtdl.PeriodicEmbeddings(N, D, n_frequencies=6, lite=lite)
        theirs.periodic.weight.data = ours.frequency.data[k, :, 0]
        if lite:
            theirs.linear.weight.data = ours.weight.data[k, 0].T
            theirs.linear.bias.data = ours.bias.data[k, 0, 0]
        else:
            theirs.linear.weight.data = ours.weight.data[k]
            theirs.linear.bias.data = ours.bias.data[k, :, 0]
        torch.testing.assert_close(ours(x)[k], theirs(x[k]))


def test_dense_embeddings_begin_with_the_number(x):
    """The others are the periodic ones."""
    ours = reset(PackedPeriodicEmbeddings(K, N, D, 6, 0.5, False, dense=True))
    plain = reset(PackedPeriodicEmbeddings(K, N, D, 6, 0.5, False))
    torch.testing.assert_close(ours(x)[..., 0], x, rtol=0, atol=0)
    torch.testing.assert_close(ours(x)[..., 1:], plain(x)[..., 1:], rtol=0, atol=0)


def test_piecewise_linear_embeddings_are_rtdls(x):
    # Columns with 1, 2, 3 and 6 bins: the layouts of padding differ, outputs must not.
    edges = [
        torch.tensor([-1.0, 1.0]),
        torch.tensor([-1.0, 0.0, 1.0]),
        torch.tensor([-2.0, -0.3, 0.4, 0.5]),
        torch.linspace(-1.5, 1.5, 7),
    ]
    width = max(len(e) for e in edges)
    padded = torch.stack([torch.cat([e, e[-1:].expand(width - len(e))]) for e in edges])
    ours = reset(PackedPiecewiseLinearEmbeddings(K, padded, D))
    generator = torch.Generator().manual_seed(5)
    ours.weight.data = torch.randn(ours.weight.shape, generator=generator)
    for k in range(K):
        with pytest.warns(UserWarning, match="just two bin edges"):
            theirs = rtdl.PiecewiseLinearEmbeddings(
                edges, D, activation=False, version="B"
            )
        theirs.linear0.weight.data = ours.weight0.data[k, 0]
        theirs.linear0.bias.data = ours.bias0.data[k, 0]
        weight = torch.zeros(N, width - 1, D)
        for j, e in enumerate(edges):
            n = len(e) - 1
            weight[j, : n - 1] = ours.weight.data[k, j, : n - 1]
            weight[j, -1] = ours.weight.data[
                k, j, n - 1
            ]  # rtdl keeps the last bin last
        theirs.linear.weight.data = weight
        torch.testing.assert_close(ours(x)[k], theirs(x[k]))


def test_initial_weights_have_rtdls_distribution():
    ours = PackedPeriodicEmbeddings(1, 200, 16, 48, 0.3, lite=False)
    reset(ours, 1, 200)
    frequency = ours.frequency.detach()
    # 9,600 draws of a normal cut at three standard deviations: 0.3 * 0.9866.
    assert frequency.std() == pytest.approx(0.3 * 0.9866, rel=0.03)
    assert frequency.abs().max() <= 0.9
    assert ours.weight.abs().max() <= 96**-0.5
    assert ours.weight.detach().std() == pytest.approx(96**-0.5 / 3**0.5, rel=0.02)


def test_bins_are_weighted_quantiles():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    X[:, 1] = X[:, 1].round()
    weight = rng.integers(1, 5, 500)
    once = weighted_edges(X, weight, 8)
    repeated = weighted_edges(np.repeat(X, weight, 0), np.ones(weight.sum()), 8)
    torch.testing.assert_close(once, repeated, rtol=0, atol=0)
    share = np.histogram(np.repeat(X[:, 0], weight), once[0].numpy())[0] / weight.sum()
    np.testing.assert_allclose(share, 1 / 8, atol=0.02)  # one row is up to 0.4 %
    assert len(np.unique(once[1])) == len(np.unique(X[:, 1]))
    assert weighted_edges(np.zeros((5, 1)), np.ones(5), 8).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    "num_embeddings", [None, "linear", "plr", "plr-lite", "plr-dense", "ple"]
)
def test_a_member_is_a_network_of_its_own(num_embeddings):
    arguments = {
        "n_numeric": 3,
        "n_indicators": 1,
        "cardinalities": (4, 2),
        "n_classes": 2,
        "d_block": 8,
        "num_embeddings": num_embeddings,
        "edges": torch.linspace(-1, 1, 5).repeat(3, 1),
    }
    seeds = [11, 12, 13]
    pack = PackedMLP(3, **arguments)
    pack.reset_parameters(seeds)
    x = torch.randn(3, 9, 6, generator=torch.Generator().manual_seed(0))
    x[..., 3] = (x[..., 3] > 0).float()
    x[..., 4:] = torch.randint(0, 2, (3, 9, 2), generator=torch.Generator())
    for k, seed in enumerate(seeds):
        alone = PackedMLP(1, **arguments)
        alone.reset_parameters([seed])
        torch.testing.assert_close(pack(x)[k], alone(x[k : k + 1])[0])
    out = pack(x)
    out[1].sum().backward()
    for p in pack.parameters():
        if p.grad is not None:
            assert not p.grad[0].any() and not p.grad[2].any()


def test_dead_columns_send_no_signal_and_get_no_gradient():
    live = torch.tensor([True, True, False])
    pack = PackedMLP(1, 3, 0, (), 2, d_block=8, num_embeddings="plr", live=live)
    pack.reset_parameters([0])
    x = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0))
    moved = x.clone()
    moved[..., 2] += 5
    torch.testing.assert_close(pack(x), pack(moved), rtol=0, atol=0)
    pack(x).sum().backward()
    assert not pack.numbers.frequency.grad[:, 2].any()
    assert pack.numbers.frequency.grad[:, 0].any()
    # A table without that column starts with the same network.
    without = PackedMLP(1, 2, 0, (), 2, d_block=8, num_embeddings="plr")
    without.reset_parameters([0])
    torch.testing.assert_close(without(x[..., :2]), pack(x))


def test_rare_code_starts_at_zero():
    pack = PackedMLP(1, 0, 0, (3,), 2, d_block=4)
    pack.reset_parameters([0])
    assert not pack.categories.weight[0, 0].any()
    assert pack.categories.weight[0, 1:].all()
