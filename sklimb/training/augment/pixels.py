"""Operations on the pixels of each image of a batch."""

from functools import partial

import torch
import torch.nn.functional as F

# Defined as in Pillow, whose 8-bit results follow by rounding to 1/255.
OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "color",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
    "invert",
)
CODES = {name: code for code, name in enumerate(OPERATIONS)}
_MOVES = torch.tensor([CODES[name] for name in OPERATIONS[1:6]])


def apply_operations(x, codes, values):
    """Apply to each image the operation of its code.

    Parameters
    ----------
    x : float tensor of shape (batch, channels, height, width), in [0, 1]
    codes : int64 tensor of shape (batch,), on the CPU
        Positions in `OPERATIONS`. Which images share one is then known without waiting
        for the device.
    values : float64 tensor of shape (batch,), on the CPU
        - shear_x, shear_y: pixels of shift per pixel of height, or width
        - translate_x, translate_y: pixels to the right, or down; fractions are cut off
        - rotate: degrees counter-clockwise
        - brightness, color, contrast, sharpness: 0 is the image, -1 the image without
          that property (black, grey, its mean, smoothed), 1 as far on the other side
        - posterize: bits that are kept, 1 to 8
        - solarize: from this value in [0, 255] on, pixels are inverted
        - others: not used

    Returns
    -------
    out : tensor like x
        Pixels that come from outside the image are 0; sampling is nearest neighbour.
    """
    out = x.clone()
    moved = torch.isin(codes, _MOVES)
    groups = [(moved, partial(_move, codes=codes[moved]))]
    groups += [(codes == CODES[name], change) for name, change in _CHANGES.items()]
    for chosen, operation in groups:
        rows = chosen.nonzero().squeeze(1)
        if len(rows):
            here = rows.to(x.device, non_blocking=True)
            part = operation(x.index_select(0, here), values[rows])
            out.index_copy_(0, here, part)
    return out


def _move(x, values, codes):
    """The five moves in one sampling; `affine_grid` maps output to input pixels."""
    height, width = x.shape[-2:]
    zero = torch.zeros_like(values)

    def of(name, value):
        return torch.where(codes == CODES[name], value, zero)

    # Coordinates run from -1 to 1; shears leave the top left corner in its place.
    shear_x = of("shear_x", values * height / width)
    shear_y = of("shear_y", values * width / height)
    angle = of("rotate", values.deg2rad())
    theta = torch.stack(
        [
            angle.cos(),
            shear_x - angle.sin() * height / width,
            shear_x - of("translate_x", 2 * values.trunc() / width),
            shear_y + angle.sin() * width / height,
            angle.cos(),
            shear_y - of("translate_y", 2 * values.trunc() / height),
        ],
        -1,
    ).view(-1, 2, 3)
    theta = theta.to(x.device, x.dtype, non_blocking=True)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="nearest", align_corners=False)


def grey(x):
    """Luma of ITU-R 601-2, as Pillow has it; one channel stays as it is."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    red, green, blue = x.split(1, 1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _smooth(x):
    """Weights 5 in the middle and 1 around it; the border stays."""
    if min(x.shape[-2:]) < 3:
        return x
    out = x.clone()
    # A convolution of one channel is 20 times as slow on a CPU.
    box = F.avg_pool2d(x, 3, stride=1)
    out[..., 1:-1, 1:-1] = (9 * box + 4 * x[..., 1:-1, 1:-1]) / 13
    return out


def _blend(degenerate):
    def operation(x, values):
        factor = 1 + values.to(x.device, x.dtype, non_blocking=True).view(-1, 1, 1, 1)
        return torch.lerp(degenerate(x), x, factor).clamp_(0, 1)

    return operation


def _posterize(x, bits):
    step = (2 ** (8 - bits)).to(x.device, x.dtype, non_blocking=True).view(-1, 1, 1, 1)
    return (x * 255).round_().div_(step).floor_().mul_(step).div_(255)


def _solarize(x, threshold):
    threshold = threshold.to(x.device, x.dtype, non_blocking=True).view(-1, 1, 1, 1)
    return torch.where((x * 255).round_() >= threshold, 1 - x, x)


def _autocontrast(x, _):
    low, high = x.amin((-2, -1), keepdim=True), x.amax((-2, -1), keepdim=True)
    stretch = high > low
    return torch.where(stretch, (x - low) / torch.where(stretch, high - low, 1), x)


def _equalize(x, _):
    """Each value becomes the share of pixels below it, by channel, in 256 steps."""
    level = (x * 255).round_().long().flatten(2)
    counts = torch.zeros(*level.shape[:2], 256, dtype=torch.int64, device=x.device)
    counts.scatter_add_(2, level, torch.ones_like(level))
    last = counts.gather(2, level.amax(2, keepdim=True))
    step = (level.shape[2] - last) // 255
    below = counts.cumsum(2) - counts
    table = ((below + step // 2) // step.clamp_min(1)).clamp_max_(255)
    new = table.gather(2, level).to(x.dtype).div_(255).view_as(x)
    return torch.where(step.unsqueeze(-1) > 0, new, x)


_CHANGES = {
    "brightness": _blend(torch.zeros_like),
    "color": _blend(lambda x: grey(x).expand_as(x)),
    "contrast": _blend(lambda x: grey(x).mean((-2, -1), keepdim=True).expand_as(x)),
    "sharpness": _blend(_smooth),
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "invert": lambda x, _: 1 - x,
}
