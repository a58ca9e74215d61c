"""Networks that run on other tensors than their own, as by functional_call."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from sklimb.nn.functional_call import Places, replica
from sklimb.nn.stacked import StackedMembers


class Tied(nn.Module):
    """One weight in two layers, one layer in two places, BatchNorm, a count."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(3)
        self.again = self.norm
        self.nothing = None
        self.register_buffer("count", torch.zeros(()))
        self.register_parameter("missing", None)

    def forward(self, x):
        self.count = self.count + 1  # anew, not in place
        return self.again(self.second(self.norm(self.first(x))))


def make(seed):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = Tied()
        x = torch.randn(5, 3)
    return network, x


def test_is_functional_call():
    network, x = make(0)
    other, _ = make(1)
    places, theirs = Places(network), Places(other)
    names = [name for name, _ in network.named_parameters()]
    assert [id(p) for p in places.parameters] == [id(p) for p in network.parameters()]
    assert [id(b) for b in places.buffers] == [id(b) for b in network.buffers()]
    state = dict(zip(names, theirs.parameters, strict=True))
    state |= {name: b.clone() for name, b in other.named_buffers()}
    # In a copy: it does not put back what two places share.
    expected = functional_call(make(0)[0], state, (x,))
    before = [t.clone() for t in (*network.parameters(), *network.buffers())]
    given = [b.clone() for b in theirs.buffers]
    out, after = places.call("forward", theirs.parameters, given, x)
    assert torch.equal(out, expected)
    for (name, _), b in zip(network.named_buffers(), after, strict=True):
        assert torch.equal(b, state[name]), name
    own = [*network.parameters(), *network.buffers()]
    held = [*places.parameters, *places.buffers]
    assert all(a is b for a, b in zip(own, held, strict=True))
    assert all(map(torch.equal, own, before))
    assert not torch.equal(network(x), out)


def test_a_replica_shares_tensors_alone():
    network, x = make(0)
    network.cache = {}
    other = replica(network)
    assert other.second.weight is other.first.weight is network.first.weight
    assert other.again is other.norm is not network.norm
    assert other.nothing is None and other.missing is None
    assert [n for n, _ in other.named_modules()] == [
        n for n, _ in network.named_modules()
    ]
    other.eval()
    other.cache["x"] = other.anew = x
    other.first._parameters["weight"] = nn.Parameter(torch.zeros(3, 3))
    count = network.count
    other(x)
    assert network.training and network.norm.training and network.count is count
    assert network.cache == {} and not hasattr(network, "anew")
    assert network.first.weight is network.second.weight
    assert other.first.weight is not network.first.weight


def test_caches_of_evaluation_are_not_kept():
    class Caching(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.weight = nn.Parameter(torch.full((3,), value))
            self.cache = {}

        def forward(self, x):
            if not self.training and "double" not in self.cache:
                self.cache["double"] = self.weight * 2
            return x * self.cache.get("double", self.weight)

    stack = StackedMembers([Caching(1.0), Caching(2.0)]).eval()
    x = torch.ones(1, 1, 3)
    assert stack(x)[:, 0, 0].tolist() == [2, 4] and stack.members.cache == {}
    with torch.no_grad():
        stack.members.weight.mul_(2)
    assert stack(x)[:, 0, 0].tolist() == [4, 8]


@pytest.mark.parametrize("n", [1, 2])
def test_nothing_is_left_of_a_network_that_fails(n):
    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            torch.rand(1)
            self.norm(x)
            raise RuntimeError("as asked")

    stack = StackedMembers([Failing() for _ in range(n)])
    own = stack.member_tensors()
    before = [t.detach().clone() for t in own]
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="as asked"):
        stack(torch.ones(n, 4, 3))
    assert all(a is b for a, b in zip(own, stack.member_tensors(), strict=True))
    assert all(map(torch.equal, before, own))
    assert torch.equal(state, torch.get_rng_state())
