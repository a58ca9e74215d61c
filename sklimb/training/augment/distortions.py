"""Changes that views of an image differ by: resized crops, jitter, greyscale, blur."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sklimb._messages import short
from sklimb.training.augment.pixels import CODES, apply_operations, grey
from sklimb.training.augment.policies import _uniform

_TRIES = 10


def _check_range(name, value, high=float("inf")):
    """Refuse all but a pair of increasing numbers above 0, up to `high`."""
    fine = isinstance(value, tuple | list) and len(value) == 2
    if not fine or not 0 < value[0] <= value[1] <= high:
        limit = "" if high == float("inf") else f" and at most {high:g}"
        raise ValueError(
            f"{name} must be two growing numbers above 0{limit}, got {short(value)}."
        )


def _check_share(name, value, high=1.0):
    if not 0 <= value <= high:
        raise ValueError(f"{name} must be in [0, {high:g}], got {short(value)}.")


def _column(values, x):
    """Numbers (batch,) as (batch, 1, 1, 1), to broadcast against the images."""
    return values.to(x.device, x.dtype, non_blocking=True).view(-1, 1, 1, 1)


@dataclass(frozen=True)
class RandomResizedCrop:
    """A window of the image, enlarged to the image's size (Szegedy et al., 2015).

    Parameters
    ----------
    scale : tuple of float, default=(0.08, 1.0)
        Smallest and largest share of the image's area.
    ratio : tuple of float, default=(3 / 4, 4 / 3)
        Smallest and largest width over height, uniform in its logarithm.

    Notes
    -----
    As in torchvision, a window that is longer than the image is drawn again, up to ten
    times; then it is the largest central one of an allowed ratio. Between pixels
    of the window values are interpolated linearly.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import RandomResizedCrop
    >>> generator = torch.Generator().manual_seed(0)
    >>> images = torch.rand(8, 3, 32, 32, generator=generator)
    >>> RandomResizedCrop(scale=(0.5, 1.0))(images, generator).shape
    torch.Size([8, 3, 32, 32])
    """

    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self):
        _check_range("scale", self.scale, 1.0)
        _check_range("ratio", self.ratio)

    def windows(self, n, height, width, generator):
        """Windows of n images.

        Parameters
        ----------
        n : int
            Number of windows.
        height, width : int
            Size of the images in pixels.
        generator : torch.Generator
            What windows are drawn by.

        Returns
        -------
        top, left : tensors of shape (n,)
            Where windows begin; integers in float64.
        h, w : tensors of shape (n,)
            Their heights and widths; integers in float64.
        """
        u = _uniform((2, n, _TRIES), generator)
        low, high = self.scale
        area = height * width * (low + u[0] * (high - low))
        low, high = (torch.tensor(r, dtype=torch.float64).log() for r in self.ratio)
        ratio = torch.exp(low + u[1] * (high - low))
        h, w = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
        fits = (h > 0) & (h <= height) & (w > 0) & (w <= width)
        first = fits.to(torch.uint8).argmax(1, keepdim=True)
        none = ~fits.any(1)
        middle = self._middle(height, width)
        h, w = (
            side.gather(1, first).squeeze(1).masked_fill(none, whole)
            for side, whole in zip((h, w), middle, strict=True)
        )
        where = _uniform((2, n), generator)
        top = (where[0] * (height - h + 1)).floor()
        left = (where[1] * (width - w + 1)).floor()
        top = torch.where(none, (height - h).div(2).floor(), top)
        left = torch.where(none, (width - w).div(2).floor(), left)
        return top, left, h, w

    def _middle(self, height, width):
        """Height and width of the largest window of an allowed ratio."""
        narrow, wide = self.ratio
        if width < narrow * height:
            return min(max(round(width / narrow), 1), height), width
        if width > wide * height:
            return height, min(max(round(height * wide), 1), width)
        return height, width

    def __call__(self, x, generator):
        n, _, height, width = x.shape
        top, left, h, w = self.windows(n, height, width, generator)
        row = _positions(top, h, height).to(x.device, x.dtype, non_blocking=True)
        column = _positions(left, w, width).to(x.device, x.dtype, non_blocking=True)
        shape = n, height, width
        grid = torch.stack(
            [column.unsqueeze(1).expand(shape), row.unsqueeze(2).expand(shape)], -1
        )
        out = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        return out.clamp_(0, 1)  # weights sum to 1 but for rounding


def _positions(begin, length, size):
    """Where `size` pixels of a window lie, on an axis from -1 to 1 of `size` pixels.

    They stay inside the window, so no pixel outside of it enters its border.
    """
    pixel = torch.arange(size, dtype=torch.float64) + 0.5
    at = pixel * (length / size).unsqueeze(1) - 0.5
    at = torch.minimum(at.clamp_min(0), (length - 1).unsqueeze(1))
    return (2 * (begin.unsqueeze(1) + at) + 1) / size - 1


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast, saturation and hue, in random order (Howard, 2013).

    Parameters
    ----------
    brightness, contrast, saturation : float in [0, 1], default=0.4
        Largest change a: the factor is uniform in [1 - a, 1 + a].
    hue : float in [0, 0.5], default=0.1
        Largest turn of the colour circle, to either side.
    p : float, default=0.8
        Probability that an image is changed.

    Notes
    -----
    The defaults are those of MoCo v2, and of SimCLR for small images. Only images of
    three channels have a saturation and a hue.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import ColorJitter
    >>> generator = torch.Generator().manual_seed(0)
    >>> images = torch.rand(8, 3, 32, 32, generator=generator)
    >>> ColorJitter(hue=0.0)(images, generator).shape
    torch.Size([8, 3, 32, 32])
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    p: float = 0.8

    def __post_init__(self):
        for name in ("brightness", "contrast", "saturation", "p"):
            _check_share(name, getattr(self, name))
        _check_share("hue", self.hue, 0.5)

    def __call__(self, x, generator):
        n = len(x)
        on = _uniform((n,), generator) < self.p
        order = _uniform((n, 4), generator).argsort(1)
        largest = (self.brightness, self.contrast, self.saturation, self.hue)
        values = 2 * _uniform((n, 4), generator) - 1
        values = values * torch.tensor(largest, dtype=torch.float64)
        coloured = x.shape[1] == 3
        names = ("brightness", "contrast", "color" if coloured else "identity")
        codes = torch.tensor([CODES[name] for name in (*names, "identity")])
        for kind in order.T:
            own = values.gather(1, kind.unsqueeze(1)).squeeze(1)
            now = codes[kind].masked_fill(~on, CODES["identity"])
            x = apply_operations(x, now, own)
            rows = (on & (kind == 3)).nonzero().squeeze(1)
            if coloured and self.hue and len(rows):
                here = rows.to(x.device, non_blocking=True)
                x.index_copy_(0, here, turn_hue(x.index_select(0, here), own[rows]))
        return x


def turn_hue(x, turns):
    """Colours whose hue is turned by shares (batch,) of the colour circle.

    Largest and smallest channel of a pixel stay. `x` (batch, 3, height, width) is in
    [0, 1].
    """
    red, green, blue = x.unbind(1)
    high = x.amax(1)
    span = high - x.amin(1)
    safe = torch.where(span > 0, span, 1)
    sixth = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixth = sixth + 6 * _column(turns, x).squeeze(1)
    distance = [(sixth + n) % 6 for n in (5, 3, 1)]
    parts = [high - span * torch.minimum(k, 4 - k).clamp(0, 1) for k in distance]
    return torch.stack(parts, 1).clamp_(0, 1)


@dataclass(frozen=True)
class Grayscale:
    """All channels become the image's brightness.

    Parameters
    ----------
    p : float, default=0.2
        Probability that an image is changed.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import Grayscale
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> generator = torch.Generator().manual_seed(0)
    >>> Grayscale(p=1.0)(red, generator).flatten()
    tensor([0.2990, 0.2990, 0.2990])
    """

    p: float = 0.2

    def __post_init__(self):
        _check_share("p", self.p)

    def __call__(self, x, generator):
        on = _uniform((len(x),), generator) < self.p
        on = on.to(x.device, non_blocking=True).view(-1, 1, 1, 1)
        return torch.where(on, grey(x), x)


@dataclass(frozen=True)
class GaussianBlur:
    """The mean of each pixel's surroundings, weighted by a Gaussian curve.

    Parameters
    ----------
    sigma : tuple of float, default=(0.1, 2.0)
        Smallest and largest standard deviation of the curve in pixels.
    p : float, default=0.5
        Probability that an image is changed.

    Notes
    -----
    The curve is cut off at a twentieth of the shorter side from its centre, and at
    least one pixel, as in SimCLR. Beyond its border an image is mirrored.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import GaussianBlur
    >>> images = torch.eye(3).view(1, 1, 3, 3)
    >>> generator = torch.Generator().manual_seed(0)
    >>> GaussianBlur(sigma=(1.0, 1.0), p=1.0)(images, generator)
    tensor([[[[0.5046, 0.3715, 0.3005],
              [0.3715, 0.3544, 0.3715],
              [0.3005, 0.3715, 0.5046]]]])
    """

    sigma: tuple[float, float] = (0.1, 2.0)
    p: float = 0.5

    def __post_init__(self):
        _check_range("sigma", self.sigma)
        _check_share("p", self.p)

    def __call__(self, x, generator):
        low, high = self.sigma
        sigma = low + _uniform((len(x), 1), generator) * (high - low)
        on = _uniform((len(x), 1), generator) < self.p
        reach = max(1, min(x.shape[-2:]) // 20)
        for axis in (2, 3):
            radius = min(reach, x.shape[axis] - 1)  # what can be mirrored
            distance = torch.arange(-radius, radius + 1, dtype=torch.float64)
            weight = torch.exp(-0.5 * (distance / sigma).square())
            weight = weight / weight.sum(1, keepdim=True)
            weight = torch.where(on, weight, (distance == 0).double())
            x = _weighted(x, weight, radius, axis)
        return x.clamp_(0, 1)


def _weighted(x, weight, radius, axis):
    """Weighted sums of neighbours along an axis."""
    sides = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
    padded = F.pad(x, sides, mode="reflect")
    # A convolution with kernels of each image's own is far slower on a CPU.
    out = torch.zeros_like(x)
    for i, own in enumerate(weight.T):
        out += _column(own, x) * padded.narrow(axis, i, x.shape[axis])
    return out
