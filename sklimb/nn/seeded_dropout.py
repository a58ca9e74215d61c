"""Dropout whose masks follow from seeds, and errors for other randomness."""

from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

# 2^32 over the golden ratio, odd: its multiples are far apart modulo 2^32.
_WEYL = 0x9E3779B9
_GLOBAL = (
    "from torch's global generator, so a fit could not be repeated, nor a member be "
    "the same alone as in a pack."
)


def _int32(number):
    """A Python integer modulo 2^32, as the int32 with the same bits."""
    return (number + 2**31) % 2**32 - 2**31


def _mix(bits):
    """A bijection of 32 bits in which each input bit moves about half of the output.

    In int32, where products wrap and the sign bits that a shift adds are cleared. The
    constants are those of least bias in Chris Wellons' search of such functions.
    """
    bits = bits ^ (bits >> 16).bitwise_and_(0xFFFF)
    bits.mul_(0x21F0AAAD)
    bits.bitwise_xor_((bits >> 15).bitwise_and_(0x1FFFF))
    bits.mul_(0x735A2D97)
    return bits.bitwise_xor_((bits >> 15).bitwise_and_(0x1FFFF))


class Noise:
    """State that the dropout layers of a network share in a pass: a key, a count."""

    def __init__(self):
        self.start(None)

    def start(self, key):
        self.key, self.calls = key, 0

    def bits(self, like):
        """One uniform int32 per element of `like`; other ones at the next call."""
        counter = torch.arange(like.numel(), dtype=torch.int32, device=like.device)
        counter.add_(_int32(self.calls * _WEYL)).mul_(_int32(_WEYL))
        self.calls += 1
        return _mix(counter.view(like.shape) ^ self.key)

    @staticmethod
    def keys(seeds):
        """Seeds (K,) of 64 bits -> keys (K,) of 32 bits."""
        low = _mix((seeds & 0xFFFFFFFF).to(torch.int32) + _int32(_WEYL))
        return _mix(low ^ (seeds >> 32).to(torch.int32))


class SeededDropout(nn.Module):
    """Dropout whose mask is a function of (seed, call, element), not of a generator.

    `StackedMembers` puts it in the place of `nn.Dropout`: the same seed gives the same
    mask again, alone or in a pack. Without a seed it does nothing.

    Parameters
    ----------
    p : float
        Share of the elements that become zero; the others are divided by 1 - p.
    noise : Noise
        Shared by a network's layers. A layer that is called twice has two masks.
    """

    def __init__(self, p, noise):
        super().__init__()
        self.p, self.noise = p, noise

    def forward(self, x):
        if self.noise.key is None or self.p == 0:
            return x
        # min: with p=1 the bound is no int32; its scale of 0 drops the one value left.
        bound = min(round(self.p * 2**32) - 2**31, 2**31 - 1)
        scale = 0.0 if self.p == 1 else 1 / (1 - self.p)
        keep = self.noise.bits(x) >= bound
        return x * keep.to(x.dtype).mul_(scale)

    def extra_repr(self):
        return f"p={self.p}"


def check_dropout(module):
    for path, part in module.named_modules():
        if isinstance(part, nn.MultiheadAttention | nn.RNNBase):
            p = part.dropout
        elif isinstance(part, _DropoutNd) and type(part) is not nn.Dropout:
            p = part.p
        else:
            continue
        if p > 0:
            raise ValueError(
                f"{path or 'The network'} ({type(part).__name__}, dropout {p}) draws "
                f"its masks {_GLOBAL} Set its dropout to 0, or use nn.Dropout layers, "
                "which are replaced."
            )


@contextmanager
def no_draws(device, name):
    """Refuses a forward that draws from torch's global generators, and undoes it."""
    before = _rng_states(device)
    try:
        yield
    finally:
        drawn = not all(map(torch.equal, before, _rng_states(device)))
        if drawn:
            _set_rng_states(before, device)
    if drawn:
        raise ValueError(
            f"{name} draws random numbers in its forward (F.dropout, torch.rand and "
            f"the like) {_GLOBAL} Use nn.Dropout layers, which are replaced, or no "
            "randomness."
        )


def _rng_states(device):
    """The global generators that a forward on `device` could draw from."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def _set_rng_states(states, device):
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
