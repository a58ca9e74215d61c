"""Augmentation against Pillow, against the papers' shares, and its seeds."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy.stats import chisquare, kstest

from sklimb.training.augment import policies
from sklimb.training.augment.distortions import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomResizedCrop,
)
from sklimb.training.augment.operations import (
    AUGMENTS,
    Augment,
    Crop,
    Cutout,
    Flip,
    RandomErasing,
    make_augment,
)
from sklimb.training.augment.pixels import (
    CODES,
    OPERATIONS,
    apply_operations,
)
from sklimb.training.augment.policies import (
    AugMix,
    AutoAugment,
    RandAugment,
    TrivialAugment,
)

# Chance tests have fixed seeds; below this, the distribution is taken for wrong.
SIGNIFICANCE = 1e-4
every = pytest.mark.parametrize("name", AUGMENTS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def photo(height=24, width=30, channels=3, seed=0):
    """uint8 (height, width, channels): a smooth picture with some noise and range."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:height, :width]
    waves = [np.sin(row / 5 + c) + np.cos(column / (4 + c)) for c in range(channels)]
    image = 120 + 40 * np.stack(waves, -1) + rng.normal(0, 8, (height, width, channels))
    return image.clip(20, 230).round().astype(np.uint8)


def tensor(*images):
    return torch.tensor(np.stack(images)).permute(0, 3, 1, 2).double() / 255


def apply(name, image, value=0.0):
    codes, values = torch.tensor([CODES[name]]), torch.tensor([float(value)]).double()
    out = apply_operations(tensor(image), codes, values)
    return (out[0] * 255).permute(1, 2, 0).numpy()


def affine(image, *matrix):
    size = image.size
    return image.transform(
        size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST
    )


# Each operation against Pillow


@pytest.mark.parametrize("size", [(24, 30), (31, 17)])
@pytest.mark.parametrize(
    "name, value, reference",
    [
        ("shear_x", 0.29, lambda i: affine(i, 1, 0.29, 0, 0, 1, 0)),
        ("shear_x", -0.81, lambda i: affine(i, 1, -0.81, 0, 0, 1, 0)),
        ("shear_y", 0.29, lambda i: affine(i, 1, 0, 0, 0.29, 1, 0)),
        ("shear_y", -0.81, lambda i: affine(i, 1, 0, 0, -0.81, 1, 0)),
        ("translate_x", 5.9, lambda i: affine(i, 1, 0, -5, 0, 1, 0)),
        ("translate_x", -5.9, lambda i: affine(i, 1, 0, 5, 0, 1, 0)),
        ("translate_y", 3, lambda i: affine(i, 1, 0, 0, 0, 1, -3)),
        ("translate_y", -3, lambda i: affine(i, 1, 0, 0, 0, 1, 3)),
        ("rotate", 17, lambda i: i.rotate(17)),
        ("rotate", -101, lambda i: i.rotate(-101)),
    ],
)
def test_moves_are_pillows(name, value, reference, size):
    image = photo(*size)
    expected = np.asarray(reference(Image.fromarray(image)))
    same = (apply(name, image, value).round() == expected).all(-1)
    # Pillow computes positions in 16-bit fractions: pixels half-way may differ.
    assert same.mean() > 0.98
    assert not (expected == image).all()


@pytest.mark.parametrize(
    "name, value, reference, tolerance",
    [
        # Pillow cuts off (1), and rounds greys (0.5) before they are blended.
        ("brightness", 0.4, lambda i: ImageEnhance.Brightness(i).enhance(1.4), 1),
        ("brightness", -0.7, lambda i: ImageEnhance.Brightness(i).enhance(0.3), 1),
        ("color", 0.9, lambda i: ImageEnhance.Color(i).enhance(1.9), 2),
        ("color", -0.9, lambda i: ImageEnhance.Color(i).enhance(0.1), 2),
        ("contrast", 0.9, lambda i: ImageEnhance.Contrast(i).enhance(1.9), 2),
        ("contrast", -0.5, lambda i: ImageEnhance.Contrast(i).enhance(0.5), 2),
        ("sharpness", 0.9, lambda i: ImageEnhance.Sharpness(i).enhance(1.9), 2),
        ("sharpness", -0.9, lambda i: ImageEnhance.Sharpness(i).enhance(0.1), 2),
        ("autocontrast", 0, ImageOps.autocontrast, 1),
        ("posterize", 3, lambda i: ImageOps.posterize(i, 3), 0),
        ("posterize", 8, lambda i: ImageOps.posterize(i, 8), 0),
        ("solarize", 110.5, lambda i: ImageOps.solarize(i, 110.5), 0),
        ("solarize", 120, lambda i: ImageOps.solarize(i, 120), 0),
        ("solarize", 255, lambda i: ImageOps.solarize(i, 255), 0),
        ("equalize", 0, ImageOps.equalize, 0),
        ("invert", 0, ImageOps.invert, 0),
        ("identity", 0, lambda i: i, 0),
    ],
)
def test_colours_are_pillows(name, value, reference, tolerance):
    image = photo(40, 40)
    expected = np.asarray(reference(Image.fromarray(image))).astype(float)
    # Rounding of 1/255 and back.
    difference = np.abs(apply(name, image, value) - expected).max()
    assert difference <= tolerance + 1e-9
    if name not in ("identity",) and value not in (8, 255):
        assert np.abs(expected - image).max() > 5 * max(tolerance, 2)


def test_every_operation_is_tested_above():
    tested = {row[0] for row in _rows(test_moves_are_pillows, test_colours_are_pillows)}
    assert tested == set(OPERATIONS)


def _rows(*tests):
    for test in tests:
        for mark in test.pytestmark:
            if mark.args[0].startswith("name"):
                yield from mark.args[1]


def test_flat_images_stay():
    flat = np.full((6, 6, 3), 77, np.uint8)
    for name in ("autocontrast", "equalize"):
        # Rounding of 1/255 and back.
        np.testing.assert_allclose(apply(name, flat), flat, atol=1e-9)


def test_a_mixed_batch_is_its_images_alone():
    n = len(OPERATIONS)
    x = tensor(*(photo(seed=i) for i in range(n)))
    before = x.clone()
    values = torch.full((n,), 0.7).double()
    values[CODES["posterize"]] = 3
    values[CODES["solarize"]] = 100
    order = torch.randperm(n, generator=generator())
    out = apply_operations(x, order, values[order])
    assert torch.equal(x, before)
    for i in range(n):
        alone = apply_operations(
            x[i : i + 1], order[i : i + 1], values[order[i : i + 1]]
        )
        # float64: the mean of a batch may be summed in another order.
        torch.testing.assert_close(out[i : i + 1], alone, rtol=0, atol=1e-12)


# What all augmentations promise


@every
@pytest.mark.parametrize(
    "shape", [(16, 3, 32, 32), (5, 1, 28, 28), (1, 3, 9, 14), (3, 5, 8, 8)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
def test_shape_dtype_and_range(name, shape, dtype):
    x = torch.rand(shape, generator=generator(1), dtype=torch.float64)
    x = (x * 255).to(dtype) if dtype == torch.uint8 else x.to(dtype)
    before = x.clone()
    out = make_augment(name)(x, generator())
    assert out.shape == x.shape and torch.equal(x, before)
    assert out.dtype == (torch.float32 if dtype == torch.uint8 else dtype)
    assert out.min() >= 0 and out.max() <= 1 and out.isfinite().all()


@every
def test_the_generator_decides(name):
    x = tensor(*[photo(32, 32)] * 64)
    augment, state = make_augment(name), torch.get_rng_state()
    one = generator(5)
    first, second = augment(x, one), augment(x, one)
    assert torch.equal(first, augment(x, generator(5)))
    assert not torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())
    # Every image has its own draws.
    assert len({tuple(image.flatten().tolist()) for image in first}) > 1
    assert name in ("flip", "grayscale") or len(first.flatten(1).unique(dim=0)) > 15


@every
def test_draws_do_not_depend_on_the_pixels(name):
    ends = []
    for x in (torch.zeros(8, 3, 16, 16), torch.rand(8, 3, 16, 16)):
        g = generator(2)
        make_augment(name)(x, g)
        ends.append(g.get_state())
    assert torch.equal(*ends)


# Flip, crop, cutout, erasing


def coordinates(n, height, width):
    """Images whose pixels are their own numbers, from 1 on, over their count."""
    number = torch.arange(1, height * width + 1).double() / (height * width)
    return number.view(1, 1, height, width).repeat(n, 1, 1, 1)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
def test_share_of_flips(p):
    x = coordinates(4000, 2, 3)
    out = Flip(p)(x, generator())
    flipped = (out == x.flip(-1)).flatten(1).all(1)
    assert ((out == x).flatten(1).all(1) ^ flipped).all()
    # Five standard deviations.
    spread = 5 * (p * (1 - p) / len(x)) ** 0.5
    assert flipped.double().mean().item() == pytest.approx(p, abs=spread)


def test_crops_are_uniform_windows_of_the_padded_image():
    n, pad, side = 8100, 4, 10
    x = coordinates(n, side, side)
    out = Crop(pad, fill=0.0)(x, generator())
    padded = torch.nn.functional.pad(x[0, 0], (pad,) * 4)
    counts = []
    for top in range(2 * pad + 1):
        for left in range(2 * pad + 1):
            window = padded[top : top + side, left : left + side]
            counts.append(int((out[:, 0] == window).flatten(1).all(1).sum()))
    assert sum(counts) == n
    assert chisquare(counts).pvalue > SIGNIFICANCE


def test_crop_fills_with_the_given_value():
    out = Crop(3, fill=0.25)(torch.ones(50, 2, 4, 4), generator())
    assert set(out.unique().tolist()) == {0.25, 1.0}
    x = torch.rand(4, 1, 5, 5, generator=generator())
    assert torch.equal(Crop(0)(x, generator()), x)


def test_cutout_is_a_square_around_a_uniform_pixel():
    height, width, size, n = 12, 10, 4, 6000
    out = Cutout(size, fill=0.0)(torch.ones(n, 2, height, width), generator())
    assert torch.equal(out[:, 0], out[:, 1])
    blank = out[:, 0] == 0
    rows, columns = blank.any(2), blank.any(1)
    # A rectangle: what is blank is the product of its rows and its columns.
    assert torch.equal(blank, rows.unsqueeze(2) & columns.unsqueeze(1))
    counts = {}
    for cy in range(height):
        for cx in range(width):
            top, left = max(cy - size // 2, 0), max(cx - size // 2, 0)
            bottom, right = min(cy + size // 2, height), min(cx + size // 2, width)
            key = top, left, bottom, right
            counts[key] = counts.get(key, 0) + 1
    edges = [
        (
            int(r.nonzero()[0]),
            int(c.nonzero()[0]),
            int(r.nonzero()[-1]) + 1,
            int(c.nonzero()[-1]) + 1,
        )
        for r, c in zip(rows, columns, strict=True)
    ]
    observed = [edges.count(key) for key in counts]
    assert sum(observed) == n
    expected = np.array(list(counts.values())) * n / (height * width)
    assert chisquare(observed, expected).pvalue > SIGNIFICANCE


def test_cutout_takes_half_of_the_side_by_default():
    out = Cutout()(torch.ones(200, 1, 32, 40), generator())
    assert (out != 1).flatten(1).sum(1).max() == 16 * 16 and out.min() == 0.5


def test_erasing_has_the_stated_areas_ratios_and_share():
    n, side = 4000, 64
    out = RandomErasing(0.5, fill=0.0)(torch.ones(n, 1, side, side), generator())
    blank = out[:, 0] == 0
    height, width = blank.any(2).sum(1), blank.any(1).sum(1)
    assert torch.equal(blank.flatten(1).sum(1), height * width)  # one rectangle
    on = height > 0
    assert on.double().mean().item() == pytest.approx(0.5, abs=5 * 0.5 / n**0.5)
    height, width = height[on].double(), width[on].double()
    # Rounding to pixels moves the smallest rectangles (7 x 13 pixels) by 10 %.
    share = height * width / side**2
    assert share.min() > 0.02 * 0.9 and share.max() < 0.33 * 1.05
    ratio = height / width
    assert ratio.min() > 0.3 * 0.85 and ratio.max() < 3.3 * 1.15
    # Few rectangles are longer than the image: areas stay uniform, to a hundredth.
    assert share.mean().item() == pytest.approx(0.175, abs=0.01)
    assert ratio.log().mean().abs() < 0.05
    top = blank[on].any(2).double().argmax(1).double()
    # The room that is left above is uniform: its mean is half of all room.
    room = side - height
    assert (top / room)[room > 10].mean().item() == pytest.approx(0.5, abs=0.04)


def test_erasing_never_and_always():
    x = torch.ones(50, 1, 20, 20)
    assert torch.equal(RandomErasing(0.0)(x, generator()), x)
    out = RandomErasing(1.0)(x, generator())
    assert (out != 1).flatten(1).any(1).all()
    # A rectangle of the whole image is longer than it: never drawn.
    assert torch.equal(RandomErasing(1.0, (1.0, 1.0))(x, generator()), x)


# Policies: what they ask for, recorded instead of done


@pytest.fixture
def asked(monkeypatch):
    """A list of (codes, values) of all calls; images come back as they are."""
    calls = []

    def record(x, codes, values):
        calls.append((codes.clone(), values.clone()))
        return x

    monkeypatch.setattr(policies, "apply_operations", record)
    return calls


def values_of(calls, name):
    codes, values = (torch.cat(part) for part in zip(*calls, strict=True))
    return values[codes == CODES[name]]


N = 14 * 400


def test_trivial_augment(asked):
    TrivialAugment()(torch.zeros(N, 1, 32, 32), generator())
    codes = asked[0][0]
    counts = torch.bincount(codes, minlength=len(OPERATIONS))
    assert counts[CODES["invert"]] == 0
    assert chisquare(counts[:-1]).pvalue > SIGNIFICANCE
    # Strongest values and 31 steps: table 1 of the paper, "wide".
    for name, most in [("shear_x", 0.99), ("rotate", 135), ("translate_y", 32)]:
        values = values_of(asked, name)
        step = (values.abs() * 30 / most).round()
        torch.testing.assert_close(values.abs(), step * most / 30, rtol=0, atol=1e-12)
        counts = torch.bincount(step.long(), minlength=31)
        assert chisquare(counts).pvalue > SIGNIFICANCE
        signs = values[values != 0].sign()
        assert abs(signs.mean()) < 5 / len(signs) ** 0.5
    for name in ("brightness", "color", "contrast", "sharpness"):
        values = values_of(asked, name)
        assert values.min().item() == pytest.approx(-0.99)
        assert values.max().item() == pytest.approx(0.99)
    assert set(values_of(asked, "posterize").tolist()) == {2, 3, 4, 5, 6, 7, 8}
    solarize = values_of(asked, "solarize")
    assert solarize.min() == 0 and solarize.max() == 255


def test_rand_augment(asked):
    RandAugment(n=3, m=9)(torch.zeros(N, 1, 32, 40), generator())
    assert len(asked) == 3
    for codes, _ in asked:
        counts = torch.bincount(codes, minlength=len(OPERATIONS))
        assert counts[CODES["invert"]] == 0
        assert chisquare(counts[:-1]).pvalue > SIGNIFICANCE
    # 0.3 of the way from weakest to strongest.
    for name, expected in [
        ("shear_y", 0.09),
        ("rotate", 9.0),
        ("color", 0.27),
        ("translate_x", 0.3 * 150 / 331 * 40),
        ("translate_y", 0.3 * 150 / 331 * 32),
    ]:
        assert values_of(asked, name).unique().tolist() == pytest.approx(
            [-expected, expected]
        )
    assert values_of(asked, "posterize").unique().tolist() == [7]
    assert values_of(asked, "solarize").unique().tolist() == pytest.approx([178.5])
    first, second = asked[0][0], asked[1][0]
    assert (first == second).double().mean().item() == pytest.approx(1 / 14, abs=0.02)


@pytest.mark.parametrize("m", [0, 15, 30])
def test_strength_of_rand_augment(asked, m):
    RandAugment(n=1, m=m)(torch.zeros(1000, 1, 32, 32), generator())
    strengths = values_of(asked, "rotate").abs().unique().tolist()
    assert len(asked) == 1 and strengths == pytest.approx([m])  # 30 degrees at 30


def test_auto_augment(asked):
    n = 25 * 800
    AutoAugment()(torch.zeros(n, 1, 32, 32), generator())
    (first, values), (second, _) = asked
    table = [line.split() for line in policies._CIFAR10_POLICY.strip().splitlines()]
    assert len(table) == 25
    for codes, column in [(first, 0), (second, 3)]:
        for name in OPERATIONS[1:]:
            p = sum(float(r[column + 1]) for r in table if r[column] == name) / 25
            got = (codes == CODES[name]).double().mean().item()
            assert got == pytest.approx(p, abs=5 * (p / n) ** 0.5), name
    # Operations go together only as in the table.
    pairs = {(CODES[r[0]], CODES[r[3]]) for r in table if float(r[4]) > 0}
    seen = set(zip(first.tolist(), second.tolist(), strict=True))
    assert {(a, b) for a, b in seen if a and b} <= pairs
    # Strength 2 and 7 of ten steps.
    assert values[first == CODES["rotate"]].abs().unique().tolist() == pytest.approx(
        [30 * 2 / 9]
    )
    shears = values[first == CODES["shear_y"]].abs().unique().tolist()
    assert shears == pytest.approx([0.3 * 7 / 9, 0.3 * 8 / 9])


def test_aug_mix_draws(asked):
    AugMix()(torch.zeros(N, 1, 30, 30), generator())
    assert len(asked) == 3 and all(len(codes) == 3 * N for codes, _ in asked)
    identity = torch.stack([codes == 0 for codes, _ in asked])
    assert not identity[0].any()
    depths = torch.bincount((~identity).sum(0), minlength=4)
    assert depths[0] == 0 and chisquare(depths[1:]).pvalue > SIGNIFICANCE
    counts = torch.bincount(asked[0][0], minlength=len(OPERATIONS))
    assert counts[0] == counts[CODES["invert"]] == 0
    assert chisquare(counts[1:-1]).pvalue > SIGNIFICANCE
    shifts = values_of(asked, "translate_x").abs().unique().tolist()
    assert shifts == pytest.approx([0, 10 / 9, 20 / 9])
    assert set(values_of(asked, "posterize").tolist()) == {4, 3}


@pytest.mark.parametrize(("severity", "width"), [(1, 2), (10, 1)])
def test_strength_and_width_of_aug_mix(asked, severity, width):
    AugMix(severity, width)(torch.zeros(1000, 1, 30, 30), generator())
    assert len(asked[0][0]) == 1000 * width
    shifts = values_of(asked, "translate_x").abs().unique().tolist()
    assert shifts == pytest.approx([10 * i / 9 for i in range(severity)])


def test_aug_mix_shares(monkeypatch):
    # Chains become 0, 1 and 0: the outcome is the share of the second chain.
    def chain(x, codes, values):
        out = torch.zeros_like(x)
        out[1::3] = 1
        return out

    monkeypatch.setattr(policies, "apply_operations", chain)
    x = torch.zeros(3000, 1, 1, 1, dtype=torch.double)
    share = AugMix()(x, generator())
    # Product of a uniform and of a Dirichlet(1, 1, 1) part, whose distribution is
    # 1 - (1 - s)^2: F(t) = t^2 - 2 t log t by integration.
    kst = kstest(share.flatten().numpy(), lambda t: t**2 - 2 * t * np.log(t))
    assert kst.pvalue > SIGNIFICANCE
    monkeypatch.setattr(policies, "apply_operations", lambda x, c, v: x * 0)
    own = AugMix()(x + 1, generator())
    assert kstest(own.flatten().numpy(), "uniform").pvalue > SIGNIFICANCE


def test_aug_mix_of_unchanged_images_is_the_image(monkeypatch):
    monkeypatch.setattr(policies, "apply_operations", lambda x, c, v: x)
    x = tensor(photo())
    torch.testing.assert_close(AugMix()(x, generator()), x, rtol=0, atol=1e-12)


# Names


def test_a_list_is_applied_in_order():
    x = tensor(*[photo(32, 32)] * 8)
    g = generator()
    by_hand = Cutout()(Flip()(Crop()(x, g), g), g)
    augment = make_augment(["crop", "flip", "cutout"])
    assert torch.equal(augment(x, generator()), by_hand)
    assert torch.equal(
        make_augment([Crop(), "flip", Cutout()])(x, generator()), by_hand
    )
    assert make_augment(augment) is augment
    assert "Crop(padding=4" in repr(augment)


def test_names_are_these_operations():
    kinds = {
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
    }
    assert set(kinds) == set(AUGMENTS)
    for name, kind in kinds.items():
        assert make_augment(name).operations == (kind(),)


def test_off_is_none():
    assert make_augment(None) is None and make_augment([]) is None


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: make_augment("trivail"), r"one or several of \['flip', .*'trivail'"),
        (lambda: make_augment(["flip", 3]), "got 3"),
        (lambda: Flip(1.5), r"p must be in \[0, 1\], got 1.5"),
        (lambda: Crop(-1), "padding must be an integer of at least 0, got -1"),
        (lambda: Crop(fill=2.0), r"fill must be in \[0, 1\], got 2"),
        (lambda: Cutout(0), "size must be None or an integer of at least 1, got 0"),
        (lambda: RandomErasing(area=(0.5, 0.2)), r"area must be .* got \(0.5, 0.2\)"),
        (lambda: RandomErasing(ratio=(0.0, 0.2)), "ratio must be"),
        (lambda: RandAugment(m=31), r"m must be an integer in \[0, 30\], got 31"),
        (lambda: RandAugment(n=-1), "n must be an integer of at least 0, got -1"),
        (lambda: AugMix(severity=0), r"severity must be .* \[1, 10\], got 0"),
        (lambda: Augment([])(torch.zeros(2, 3), generator()), r"x must have shape \("),
    ],
)
def test_refusals(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_the_example_draws_a_grid(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "examples")
    importlib.import_module("augmented_images").main(["--out", str(tmp_path)])
    with Image.open(tmp_path / "augmented_images.png") as picture:
        assert picture.size == (1300, 800)
        assert np.asarray(picture.convert("L")).std() > 20
