"""Image augmentations by name, for the images of a batch on their device."""

from dataclasses import dataclass

import torch

from sklimb._messages import short
from sklimb.training.augment.distortions import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomResizedCrop,
)
from sklimb.training.augment.policies import (
    AugMix,
    AutoAugment,
    RandAugment,
    TrivialAugment,
)
from sklimb.training.device import as_numbers
from sklimb.training.registry import Registry


def _column(draws, x):
    """Drawn numbers (batch,) as (batch, 1, 1, 1), to broadcast against the images."""
    return draws.to(x.device, non_blocking=True).view(-1, 1, 1, 1)


def _uniform(n, generator, *, size=()):
    return torch.rand(
        (n, *size), generator=generator, dtype=torch.float64, device=generator.device
    )


def _check_unit(name, value):
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {short(value)}.")


@dataclass(frozen=True)
class Flip:
    """Images mirrored left to right.

    Parameters
    ----------
    p : float, default=0.5
        Probability that an image is changed.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import Flip
    >>> image = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    >>> generator = torch.Generator().manual_seed(0)
    >>> Flip(p=1.0)(image, generator)
    tensor([[[[1.0000, 0.5000, 0.0000]]]])
    """

    p: float = 0.5

    def __post_init__(self):
        _check_unit("p", self.p)

    def __call__(self, x, generator):
        flipped = _column(_uniform(len(x), generator) < self.p, x)
        return torch.where(flipped, x.flip(-1), x)


@dataclass(frozen=True)
class Crop:
    """A window of the image's size out of the image with a margin.

    Parameters
    ----------
    padding : int, default=4
        Pixels of the margin on each side. All windows are equally likely.
    fill : float, default=0.0
        Value of the margin.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import Crop
    >>> images = torch.ones(1, 1, 3, 3)
    >>> generator = torch.Generator().manual_seed(0)
    >>> Crop(padding=1)(images, generator)
    tensor([[[[0., 1., 1.],
              [0., 1., 1.],
              [0., 0., 0.]]]])
    """

    padding: int = 4
    fill: float = 0.0

    def __post_init__(self):
        if not isinstance(self.padding, int) or self.padding < 0:
            raise ValueError(
                f"padding must be an integer of at least 0, got {self.padding!r}."
            )
        _check_unit("fill", self.fill)

    def __call__(self, x, generator):
        n, _, height, width = x.shape
        shape, device = (2, n), generator.device
        top, left = torch.randint(
            2 * self.padding + 1, shape, generator=generator, device=device
        ).to(x.device, non_blocking=True)
        padded = torch.nn.functional.pad(x, (self.padding,) * 4, value=self.fill)
        # A view of all windows, of which each image copies one.
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        return windows[torch.arange(n, device=x.device), :, top, left]


@dataclass(frozen=True)
class Cutout:
    """A square is blanked out (DeVries and Taylor, 2017).

    Parameters
    ----------
    size : int or None, default=None
        Side of the square; None is half of the image's shorter side, 16 pixels for
        CIFAR-10 as in the paper. Its centre is anywhere, so part may lie outside.
    fill : float, default=0.5
        Value of the square; in the paper, the mean of the images.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import Cutout
    >>> images = torch.ones(1, 1, 3, 4)
    >>> generator = torch.Generator().manual_seed(0)
    >>> Cutout(size=2, fill=0.0)(images, generator)
    tensor([[[[1., 1., 1., 1.],
              [1., 0., 0., 1.],
              [1., 0., 0., 1.]]]])
    """

    size: int | None = None
    fill: float = 0.5

    def __post_init__(self):
        if self.size is not None and (not isinstance(self.size, int) or self.size < 1):
            raise ValueError(
                f"size must be None or an integer of at least 1, got {self.size!r}."
            )
        _check_unit("fill", self.fill)

    def __call__(self, x, generator):
        height, width = x.shape[-2:]
        size = self.size or max(1, min(height, width) // 2)
        where = _uniform(len(x), generator, size=(2,))
        top = (where[:, 0] * height).floor() - size // 2
        left = (where[:, 1] * width).floor() - size // 2
        return _blank(x, top, left, top + size, left + size, self.fill)


@dataclass(frozen=True)
class RandomErasing:
    """A rectangle inside of the image is blanked out (Zhong et al., 2020).

    Parameters
    ----------
    p : float, default=0.5
        Probability that an image is changed.
    area : tuple of float, default=(0.02, 0.33)
        Smallest and largest share of the image.
    ratio : tuple of float, default=(0.3, 3.3)
        Smallest and largest height over width, uniform in its logarithm.
    fill : float, default=0.5
        Value of the rectangle.

    Notes
    -----
    A rectangle that is longer than the image is drawn again, up to ten times, then the
    image stays, as in torchvision.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import RandomErasing
    >>> images = torch.ones(1, 1, 4, 4)
    >>> generator = torch.Generator().manual_seed(0)
    >>> RandomErasing(p=1.0, area=(0.3, 0.3), fill=0.0)(images, generator).sum()
    tensor(12.)
    """

    p: float = 0.5
    area: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    fill: float = 0.5

    def __post_init__(self):
        _check_unit("p", self.p)
        _check_unit("fill", self.fill)
        for name in ("area", "ratio"):
            low, high = getattr(self, name)
            if not 0 < low <= high or (name == "area" and high > 1):
                raise ValueError(
                    f"{name} must be two growing numbers above 0 (area: up to 1), got "
                    f"{short(getattr(self, name))}."
                )

    def __call__(self, x, generator):
        height, width = x.shape[-2:]
        n, tries = len(x), 10
        u = _uniform(n, generator, size=(2, tries))
        area = height * width * (self.area[0] + u[:, 0] * (self.area[1] - self.area[0]))
        low, high = (torch.tensor(r, dtype=torch.float64).log() for r in self.ratio)
        ratio = torch.exp(low + u[:, 1] * (high - low))
        h, w = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
        fits = (h < height) & (w < width)
        first = fits.to(torch.uint8).argmax(1, keepdim=True)
        on = (_uniform(n, generator) < self.p) & fits.any(1)
        h, w = h.gather(1, first).squeeze(1) * on, w.gather(1, first).squeeze(1)
        where = _uniform(n, generator, size=(2,))
        top = (where[:, 0] * (height - h + 1)).floor()
        left = (where[:, 1] * (width - w + 1)).floor()
        return _blank(x, top, left, top + h, left + w, self.fill)


def _blank(x, top, left, bottom, right, fill):
    """One rectangle per image becomes `fill`; bottom and right are outside of it."""
    row = torch.arange(x.shape[-2], device=x.device).view(1, 1, -1, 1)
    column = torch.arange(x.shape[-1], device=x.device)
    top, left, bottom, right = (_column(t, x) for t in (top, left, bottom, right))
    inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
    return x.masked_fill(inside, fill)


AUGMENTS = Registry(
    "augment",
    {
        "flip": Flip,
        "crop": Crop,
        "cutout": Cutout,
        "erasing": RandomErasing,
        "trivial": TrivialAugment,
        "randaugment": RandAugment,
        "autoaugment": AutoAugment,
        "augmix": AugMix,
        "resized_crop": RandomResizedCrop,
        "jitter": ColorJitter,
        "grayscale": Grayscale,
        "blur": GaussianBlur,
    },
)


class Augment:
    """Operations that are applied one after another, each image by its own draws.

    Parameters
    ----------
    operations : sequence of callables
        Each (images, generator) -> images.

    Notes
    -----
    A few numbers per image are drawn from the given generator; give one on the CPU,
    then a GPU computes the same images and the host does not wait for it.
    """

    def __init__(self, operations):
        self.operations = tuple(operations)

    def __call__(self, x, generator):
        """Changed images.

        Parameters
        ----------
        x : tensor of shape (batch, channels, height, width)
            uint8, or floats in [0, 1].
        generator : torch.Generator

        Returns
        -------
        out : tensor of the same shape
            Floats in [0, 1]: of the dtype of `x`, float32 for uint8.
        """
        if x.ndim != 4:
            raise ValueError(
                "x must have shape (batch, channels, height, width), got "
                f"{tuple(x.shape)}."
            )
        x = as_numbers(x, torch.float32)
        for operation in self.operations:
            x = operation(x, generator)
        return x

    def __repr__(self):
        return f"Augment({list(self.operations)})"


def make_augment(augment, name="augment"):
    """Operations by name.

    Parameters
    ----------
    augment : str, callable, or sequence of both, or None
        A name is one of `AUGMENTS`: "flip" (left and right), "crop" (a margin of 4
        pixels), "cutout", "erasing", "trivial", "randaugment", "autoaugment" (the
        policy for CIFAR-10), "augmix", "resized_crop", "jitter" (of colours),
        "grayscale", "blur". A sequence is applied in its order. A callable
        is (images, generator) -> images, such as ``RandAugment(n=1, m=5)``.
    name : str, default="augment"
        Name of the parameter in error messages.

    Returns
    -------
    augment : Augment or None
        None for None and for an empty sequence; then nothing is drawn.

    Raises
    ------
    ValueError
        A name is not known.

    Examples
    --------
    >>> import torch
    >>> from sklimb.training.augment.operations import make_augment
    >>> augment = make_augment(["crop", "flip", "cutout"])
    >>> images = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
    >>> out = augment(images, torch.Generator().manual_seed(0))
    >>> out.shape, out.dtype
    (torch.Size([8, 3, 32, 32]), torch.float32)
    """
    if augment is None or isinstance(augment, Augment):
        return augment
    items = [augment] if isinstance(augment, str) or callable(augment) else augment
    operations = []
    for item in items:
        if isinstance(item, str) and item in AUGMENTS:
            operations.append(AUGMENTS.make(item))
        elif not isinstance(item, str) and callable(item):
            operations.append(item)
        else:
            raise ValueError(
                f"{name} must be None, one or several of {list(AUGMENTS)}, or "
                f"callables (images, generator) -> images, got {short(item)}."
            )
    return Augment(operations) if operations else None
