"""Policies of four papers: rules that choose the operations on an image."""

from dataclasses import dataclass

import torch

from sklimb.training.augment.pixels import (
    CODES,
    OPERATIONS,
    apply_operations,
)

# Strongest value of each operation; None, and what has no value, is not in a policy.
_WIDE = {
    "shear": 0.99,
    "rotate": 135.0,
    "blend": 0.99,
    "posterize": 6,
    "identity": True,
    "invert": False,
}
_NARROW = {**_WIDE, "shear": 0.3, "rotate": 30.0, "blend": 0.9, "posterize": 4}

_SIGNED = [
    name.startswith(("shear", "translate"))
    or name in ("rotate", "brightness", "color", "contrast", "sharpness")
    for name in OPERATIONS
]


def _table(space, n_bins, translate):
    """Values (operations, bins) from weakest to strongest.

    `translate` is the largest shift in pixels, (down, right).
    """
    level = torch.linspace(0, 1, n_bins, dtype=torch.float64)
    table = torch.zeros(len(OPERATIONS), n_bins, dtype=torch.float64)
    for name in ("shear_x", "shear_y"):
        table[CODES[name]] = space["shear"] * level
    table[CODES["translate_y"]] = translate[0] * level
    table[CODES["translate_x"]] = translate[1] * level
    table[CODES["rotate"]] = space["rotate"] * level
    for name in ("brightness", "color", "contrast", "sharpness"):
        table[CODES[name]] = space["blend"] * level
    bits = space.get("bits", 8) - (space["posterize"] * level).round()
    table[CODES["posterize"]] = bits
    table[CODES["solarize"]] = 255 * (1 - level)
    return table


def _codes(space, names=OPERATIONS):
    return torch.tensor(
        [CODES[n] for n in names if space.get(n, True)], dtype=torch.int64
    )


def _integers(high, shape, generator):
    """Uniform integers below `high`, on the CPU, where the choices are made."""
    device = generator.device
    return torch.randint(high, shape, generator=generator, device=device).cpu()


def _uniform(shape, generator):
    draws = torch.rand(
        shape, generator=generator, dtype=torch.float64, device=generator.device
    )
    return draws.cpu()


def _signed(codes, values, generator):
    """Values, of which signed operations get a minus with probability 1/2."""
    sign = 1 - 2 * _integers(2, codes.shape, generator)
    return torch.where(torch.tensor(_SIGNED)[codes], values * sign, values)


@dataclass(frozen=True)
class TrivialAugment:
    """One operation per image, of any strength (Müller and Hutter, 2021; "wide").

    All of 14 operations and 31 strengths are equally likely. Images may be shifted by
    up to 32 pixels, whatever their size.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import TrivialAugment
    >>> generator = torch.Generator().manual_seed(0)
    >>> images = torch.rand(8, 3, 32, 32, generator=generator)
    >>> TrivialAugment()(images, generator).shape
    torch.Size([8, 3, 32, 32])
    """

    def __call__(self, x, generator):
        codes = _codes(_WIDE)
        codes = codes[_integers(len(codes), (len(x),), generator)]
        table = _table(_WIDE, 31, (32, 32))
        values = table[codes, _integers(31, (len(x),), generator)]
        return apply_operations(x, codes, _signed(codes, values, generator))


@dataclass(frozen=True)
class RandAugment:
    """`n` operations per image, all of strength `m` (Cubuk et al., 2020).

    Parameters
    ----------
    n : int, default=2
        Operations per image, drawn with replacement from 14.
    m : int, default=9
        Strength of the operations, 0 to 30.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import RandAugment
    >>> generator = torch.Generator().manual_seed(0)
    >>> images = torch.rand(8, 3, 32, 32, generator=generator)
    >>> RandAugment(n=1, m=5)(images, generator).shape
    torch.Size([8, 3, 32, 32])
    """

    n: int = 2
    m: int = 9

    def __post_init__(self):
        if not isinstance(self.n, int) or self.n < 0:
            raise ValueError(f"n must be an integer of at least 0, got {self.n!r}.")
        if not isinstance(self.m, int) or not 0 <= self.m <= 30:
            raise ValueError(f"m must be an integer in [0, 30], got {self.m!r}.")

    def __call__(self, x, generator):
        known = _codes(_NARROW)
        size = x.shape[-2:]
        table = _table(_NARROW, 31, [150 / 331 * side for side in size])[:, self.m]
        for _ in range(self.n):
            codes = known[_integers(len(known), (len(x),), generator)]
            x = apply_operations(x, codes, _signed(codes, table[codes], generator))
        return x


# Cubuk et al. (2019), table 7: operation, probability, strength of 0 to 9; twice.
_CIFAR10_POLICY = """
invert 0.1 7        contrast 0.2 6
rotate 0.7 2        translate_x 0.3 9
sharpness 0.8 1     sharpness 0.9 3
shear_y 0.5 8       translate_y 0.7 9
autocontrast 0.5 8  equalize 0.9 2
shear_y 0.2 7       posterize 0.3 7
color 0.4 3         brightness 0.6 7
sharpness 0.3 9     brightness 0.7 9
equalize 0.6 5      equalize 0.5 1
contrast 0.6 7      sharpness 0.6 5
color 0.7 7         translate_x 0.5 8
equalize 0.3 7      autocontrast 0.4 8
translate_y 0.4 3   sharpness 0.2 6
brightness 0.9 6    color 0.2 8
solarize 0.5 2      invert 0.0 3
equalize 0.2 0      autocontrast 0.6 0
equalize 0.2 8      equalize 0.6 4
color 0.9 9         equalize 0.6 6
autocontrast 0.8 4  solarize 0.2 8
brightness 0.1 3    color 0.7 0
solarize 0.4 5      autocontrast 0.9 3
translate_y 0.9 9   translate_y 0.7 9
autocontrast 0.9 2  solarize 0.8 3
equalize 0.8 8      invert 0.1 3
translate_y 0.7 9   autocontrast 0.9 1
"""
_PAIRS = [line.split() for line in _CIFAR10_POLICY.strip().splitlines()]


@dataclass(frozen=True)
class AutoAugment:
    """One of 25 pairs of operations that was found for CIFAR-10 (Cubuk et al., 2019).

    Each operation of a pair has its own probability and strength.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import AutoAugment
    >>> generator = torch.Generator().manual_seed(0)
    >>> images = torch.rand(8, 3, 32, 32, generator=generator)
    >>> AutoAugment()(images, generator).shape
    torch.Size([8, 3, 32, 32])
    """

    def __call__(self, x, generator):
        size = x.shape[-2:]
        table = _table(_NARROW, 10, [150 / 331 * side for side in size])
        pair = _integers(len(_PAIRS), (len(x),), generator)
        for i in (0, 3):
            codes = torch.tensor([CODES[p[i]] for p in _PAIRS])[pair]
            chance = torch.tensor([float(p[i + 1]) for p in _PAIRS])[pair]
            values = table[codes, torch.tensor([int(p[i + 2]) for p in _PAIRS])[pair]]
            values = _signed(codes, values, generator)
            off = _uniform((len(x),), generator) >= chance
            x = apply_operations(x, codes.masked_fill(off, CODES["identity"]), values)
        return x


@dataclass(frozen=True)
class AugMix:
    """A mean of the image and of chains of operations (Hendrycks et al., 2020).

    The chains are mixed by shares from Dirichlet(1), the mix and the image by a share
    from Beta(1, 1). A chain has one to three operations.

    Parameters
    ----------
    severity : int, default=3
        Strengths are drawn from the weakest `severity` of ten, 1 to 10.
    width : int, default=3
        Number of chains.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import AugMix
    >>> generator = torch.Generator().manual_seed(0)
    >>> images = torch.rand(8, 3, 32, 32, generator=generator)
    >>> AugMix(severity=1)(images, generator).shape
    torch.Size([8, 3, 32, 32])
    """

    severity: int = 3
    width: int = 3

    def __post_init__(self):
        for name, low, high in [("severity", 1, 10), ("width", 1, 100)]:
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(
                    f"{name} must be an integer in [{low}, {high}], got {value!r}."
                )

    def __call__(self, x, generator):
        space = {**_NARROW, "bits": 4, "identity": False}
        known = _codes(space)
        table = _table(space, 10, [side / 3 for side in x.shape[-2:]])
        n = len(x) * self.width
        depth = _integers(3, (n,), generator) + 1
        chains = x.repeat_interleave(self.width, 0)
        for i in range(3):
            codes = known[_integers(len(known), (n,), generator)]
            values = table[codes, _integers(self.severity, (n,), generator)]
            values = _signed(codes, values, generator)
            codes = codes.masked_fill(depth <= i, CODES["identity"])
            chains = apply_operations(chains, codes, values)
        # Normalised exponentials are Dirichlet(1); 1 - u is never 0.
        weight = -torch.log1p(-_uniform((len(x), self.width), generator))
        share = _uniform((len(x), 1), generator)
        weight = share * weight / weight.sum(1, keepdim=True)
        weight, share = (
            t.to(x.device, x.dtype).view(len(x), -1, 1, 1, 1) for t in (weight, share)
        )
        mixed = (weight * chains.view(len(x), self.width, *x.shape[1:])).sum(1)
        return ((1 - share[:, 0]) * x + mixed).clamp_(0, 1)
