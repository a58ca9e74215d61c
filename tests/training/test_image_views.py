"""Views by name: each operation against an oracle, and what choosing them changes."""

import colorsys
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import chisquare, ks_2samp, kstest
from sklearn.model_selection import GridSearchCV

import sklimb
from sklimb import ImageResNetClassifier, TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV
from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.training.augment import distortions
from sklimb.training.augment.distortions import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomResizedCrop,
    turn_hue,
)
from sklimb.training.augment.operations import make_augment
from sklimb.training.augment.policies import _uniform
from sklimb.training.batches import Draw
from sklimb.training.terms import MoCo, SimCLR, VICReg
from sklimb.training.views.columns import Pool
from sklimb.training.views.images import VIEWS, ImageViews, make_change

# Chance tests have fixed seeds; below this, the distribution is taken for wrong.
SIGNIFICANCE = 1e-4
EXACT = {"rtol": 0, "atol": 1e-12}  # float64, sums in another order


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=1):
    return torch.rand(shape, generator=generator(seed), dtype=torch.float64)


# Resized crops


@pytest.mark.parametrize("size", [(8, 8), (12, 30), (31, 9)])
def test_a_resized_crop_is_its_window_enlarged(size):
    x, crop = noise(40, 3, *size), RandomResizedCrop()
    windows = torch.stack(crop.windows(40, *size, generator())).long().T
    for image, (top, left, h, w), out in zip(
        x, windows.tolist(), crop(x, generator()), strict=True
    ):
        window = image[None, :, top : top + h, left : left + w]
        wanted = F.interpolate(window, size, mode="bilinear", align_corners=False)
        torch.testing.assert_close(out, wanted[0], **EXACT)
    assert len(windows.unique(dim=0)) > 20


def slow_window(height, width, scale, ratio, rng):
    """torchvision's way to draw a window, one image at a time."""
    for _ in range(10):
        area = height * width * rng.uniform(*scale)
        shape = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            top = rng.integers(0, height - h, endpoint=True)
            return top, rng.integers(0, width - w, endpoint=True), h, w
    if width / height < min(ratio):
        w, h = width, round(width / min(ratio))
    elif width / height > max(ratio):
        w, h = round(height * max(ratio)), height
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


def alike(a, b):
    """Chance that two samples of one distribution differ as much."""
    return ks_2samp(a, b, method="asymp").pvalue


@pytest.mark.parametrize("size", [(32, 32), (40, 28), (12, 60)])
def test_windows_are_drawn_as_by_torchvision(size):
    n, settings = 4000, {"scale": (0.2, 1.0), "ratio": (0.4, 4 / 3)}
    ours = torch.stack(RandomResizedCrop(**settings).windows(n, *size, generator()))
    rng = np.random.default_rng(0)
    slow = [slow_window(*size, *settings.values(), rng) for _ in range(n)]
    for own, wanted in zip(ours.numpy(), np.array(slow, dtype=float).T, strict=True):
        assert alike(own, wanted) > SIGNIFICANCE
    h, w = ours[2:].numpy()
    assert alike(h * w, [a[2] * a[3] for a in slow]) > SIGNIFICANCE
    assert alike(h / w, [a[2] / a[3] for a in slow]) > SIGNIFICANCE


@pytest.mark.parametrize("size", [(4, 40), (40, 4), (1, 30), (1, 1)])
def test_where_no_window_fits_it_is_the_middle(size):
    crop = RandomResizedCrop((0.9, 1.0), (0.9, 1.1))
    windows = torch.stack(crop.windows(20, *size, generator())).long().T.unique(dim=0)
    wanted = slow_window(*size, (2, 2), crop.ratio, np.random.default_rng(0))
    assert windows.tolist() == [list(wanted)]
    if size == (1, 1):
        x = noise(20, 1, 1, 1)
        torch.testing.assert_close(crop(x, generator()), x, **EXACT)


# Colours


def slow_jitter(image, order, values):
    """One image (3, h, w): `values` are of brightness, contrast, saturation, hue."""
    image = image.copy()
    for kind in order:
        if kind == 3:
            for i in np.ndindex(image.shape[1:]):
                h, s, v = colorsys.rgb_to_hsv(*image[(slice(None), *i)])
                image[(slice(None), *i)] = colorsys.hsv_to_rgb(
                    (h + values[3]) % 1, s, v
                )
            continue
        luma = np.tensordot([0.299, 0.587, 0.114], image, 1)
        other = (0.0, luma.mean(), luma)[kind]
        image = np.clip(other + (1 + values[kind]) * (image - other), 0, 1)
    return image


def test_jitter_is_four_changes_in_random_order():
    n, jitter = 60, ColorJitter(0.4, 0.6, 0.8, 0.2, p=0.7)
    x = noise(n, 3, 5, 4)
    out, g = jitter(x, generator()), generator()
    on, order = _uniform((n,), g) < 0.7, _uniform((n, 4), g).argsort(1)
    values = 2 * _uniform((n, 4), g) - 1
    values = values * torch.tensor([0.4, 0.6, 0.8, 0.2], dtype=torch.float64)
    for i in range(n):
        wanted = x[i].numpy()
        if on[i]:
            wanted = slow_jitter(wanted, order[i].tolist(), values[i].tolist())
        np.testing.assert_allclose(out[i], wanted, atol=1e-12)
    assert 0 < on.sum() < n and len({tuple(o) for o in order.tolist()}) > 15


@pytest.mark.parametrize("p", [0.0, 0.8, 1.0])
def test_strengths_and_shares_of_jitter(p):
    n = 4000
    bright = ColorJitter(0.4, 0.0, 0.0, 0.0, p)
    factor = bright(noise(n, 3, 1, 1) * 0 + 0.5, generator())[:, 0, 0, 0] / 0.5
    on = factor[factor != 1]
    # Five standard deviations.
    assert len(on) / n == pytest.approx(p, abs=5 * (p * (1 - p) / n) ** 0.5)
    if p:
        assert kstest(on, "uniform", (0.6, 0.8)).pvalue > SIGNIFICANCE
        # Red whose hue is turned by t sixths is (1, t, 0) or (1, 0, -t).
        red = torch.zeros(n, 3, 1, 1, dtype=torch.float64)
        red[:, 0] = 1
        hue = ColorJitter(0.0, 0.0, 0.0, 0.1, p)(red, generator())[:, :, 0, 0]
        turn = (hue[:, 1] - hue[:, 2])[hue[:, 1:].any(1)] / 6
        assert kstest(turn, "uniform", (-0.1, 0.2)).pvalue > SIGNIFICANCE
        assert len(turn) / n == pytest.approx(p, abs=5 * (p * (1 - p) / n) ** 0.5)


def test_orders_of_jitter_are_as_likely(monkeypatch):
    asked = []

    def record(x, codes, values):
        asked.append(codes)
        return x.clone()

    monkeypatch.setattr(distortions, "apply_operations", record)
    ColorJitter(p=1.0)(torch.zeros(24 * 100, 3, 1, 1), generator())
    # Four codes, of which "identity" stands in the place of the hue.
    orders = torch.stack(asked, 1).unique(dim=0, return_counts=True)
    assert len(orders[1]) == 24 and chisquare(orders[1]).pvalue > SIGNIFICANCE
    assert (orders[0].sort(1).values == orders[0][0].sort().values).all()


def test_hues_are_those_of_colorsys():
    grid = torch.tensor([0.0, 0.25, 1.0]).double()
    x = torch.cartesian_prod(grid, grid, grid).view(27, 3, 1, 1)  # ties and greys
    x = torch.cat([x, noise(200, 3, 1, 1)])
    turns = noise(227, seed=5) - 0.5
    out = turn_hue(x, turns)
    for colour, turn, got in zip(x, turns.tolist(), out, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*colour.flatten().tolist())
        wanted = colorsys.hsv_to_rgb((h + turn) % 1, s, v)
        np.testing.assert_allclose(got.flatten(), wanted, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_than_three_channels_have_no_hue(channels):
    x = noise(200, channels, 4, 4)
    assert ColorJitter(0.0, 0.0, 0.9, 0.5, 1.0)(x, generator()).equal(x)
    assert not ColorJitter(0.4, 0.0, 0.9, 0.5, 1.0)(x, generator()).equal(x)
    if channels == 1:
        assert Grayscale(1.0)(x, generator()).equal(x)


def test_grey_is_pillows():
    image = (noise(6, 7, 3).numpy() * 255).astype(np.uint8)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].double() / 255
    out = Grayscale(1.0)(x, generator()) * 255
    wanted = np.asarray(Image.fromarray(image).convert("L"), dtype=float)
    # Pillow rounds, or cuts off in 16-bit fractions.
    assert np.abs(out[0].numpy() - wanted).max() <= 1
    many = Grayscale(0.2)(x.expand(4000, -1, -1, -1), generator())
    share = (many[:, 0] == many[:, 1]).flatten(1).all(1).double().mean()
    assert share.item() == pytest.approx(0.2, abs=5 * (0.16 / 4000) ** 0.5)


@pytest.mark.parametrize("size", [(6, 9), (60, 41), (1, 5), (1, 1)])
def test_blur_is_scipys(size):
    n, x, g = 12, noise(12, 2, *size), generator()
    out = GaussianBlur((0.5, 3.0), 0.6)(x, generator())
    sigma, on = 0.5 + 2.5 * _uniform((n, 1), g), _uniform((n, 1), g) < 0.6
    reach = max(1, min(size) // 20)
    for i in range(n):
        if not on[i]:
            assert out[i].equal(x[i])
            continue
        wanted = x[i].numpy()
        for axis in (1, 2):
            radius = [0, 0, 0]
            radius[axis] = min(reach, size[axis - 1] - 1)
            sigmas = [float(sigma[i]) if r else 0 for r in radius]
            wanted = gaussian_filter(wanted, sigmas, mode="mirror", radius=radius)
        np.testing.assert_allclose(out[i], wanted, atol=1e-12)
    assert on.any() and not on.all()


def test_widths_of_blurs_are_uniform():
    x = torch.zeros(4000, 1, 5, 5, dtype=torch.float64)
    x[:, :, 2, 2] = 1
    out = GaussianBlur((0.3, 2.0))(x, generator())[:, 0]
    on = out[:, 2, 2] < 1
    assert on.double().mean().item() == pytest.approx(0.5, abs=5 * 0.5 / 4000**0.5)
    sigma = (-2 * (out[on, 2, 3] / out[on, 2, 2]).log()).rsqrt()
    assert kstest(sigma, "uniform", (0.3, 1.7)).pvalue > SIGNIFICANCE


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RandomResizedCrop((0, 1)), r"scale must be two .* at most 1, got \(0"),
        (lambda: RandomResizedCrop((0.5, 1.5)), "scale must be"),
        (lambda: RandomResizedCrop(ratio=(2, 1)), "ratio must be two growing numbers"),
        (lambda: RandomResizedCrop(0.5), "scale must be .* got 0.5"),
        (lambda: ColorJitter(-0.1), r"brightness must be in \[0, 1\], got -0.1"),
        (lambda: ColorJitter(hue=0.6), r"hue must be in \[0, 0.5\], got 0.6"),
        (lambda: Grayscale(2), r"p must be in \[0, 1\], got 2"),
        (lambda: GaussianBlur((0, 1)), "sigma must be two growing numbers above 0"),
        (
            lambda: make_change("spin", (3, 8, 8)),
            r"views must be 'auto', one of .*spin",
        ),
        (lambda: make_change(["spin"], (3, 8, 8)), "views must be None, one or .*spin"),
        (lambda: make_change([], (3, 8, 8)), "must hold an augmentation"),
        (lambda: make_change(None, (3, 8, 8)), "must hold an augmentation"),
    ],
)
def test_refusals(make, match):
    with pytest.raises(ValueError, match=match):
        make()


# Views

SHAPE = (3, 8, 8)
SMALL = {
    "backbone": "resnet8",
    "max_epochs": 2,
    "batch_size": 16,
    "lr": 0.05,
    "random_state": 0,
}
DOUBLE = {"dtype": "float64", "early_stopping": False}


def images(n=60):
    """Colour images (n, 8, 8, 3) of two classes, a third bright below."""
    rng = np.random.default_rng(0)
    y = (np.arange(n) % 3 == 0).astype(int)
    X = rng.integers(0, 160, (n, 8, 8, 3), dtype=np.uint8)
    X[y == 1, 4:] += 60
    return X, y


X, Y = images()


def fit(**params):
    return ImageResNetClassifier(**{**SMALL, **params}).fit(X, Y)


def same(a, b):
    return np.array_equal(a.predict_proba(X), b.predict_proba(X))


def make(views, rows, seed=0):
    pool = Pool(rows.numpy(), np.ones(len(rows)))
    draw = Draw(0, None, seed, 0, pool)
    generators = views.start([draw], 1, "cpu")
    return [
        v[0] for v in views.make(rows[None], [draw], generators, [len(rows)], rows, 8)
    ]


@pytest.mark.parametrize("name", [*VIEWS, "auto", ("crop", "blur")])
def test_views_are_the_augmentations_one_after_the_other(name):
    rows = (noise(20, 192) * 255).to(torch.uint8)
    views = ImageViews(SHAPE, torch.float64, views=name)
    got = make(views, rows)
    (g,) = views.start([Draw(0, None, 0)], 1, "cpu")
    for view in got:
        wanted = rows.double().div(255).view(-1, *SHAPE)
        for operation in make_change(name, SHAPE).operations:
            wanted = operation(wanted, g)
        assert view.view(-1, *SHAPE).equal(wanted)
    assert not got[0].equal(got[1])
    # A turned image keeps its colours, whatever the views of others are.
    turned = ImageViews(SHAPE, torch.float64, turned=True, views=name)
    assert turned.change.operations[1:] == make_augment(["flip"]).operations


def test_views_of_lists_are_views_of_names():
    rows = (noise(20, 3 * 32 * 32) * 255).to(torch.uint8)

    def of(views):
        return make(ImageViews((3, 32, 32), torch.float64, views=views), rows)

    # A margin of 4 pixels is an eighth of 32.
    assert of(["crop", "flip", "randaugment"])[0].equal(of("randaugment")[0])
    named = of(("resized_crop", "flip", "jitter", "grayscale"))
    assert named[1].equal(of("color")[1])
    assert not of("color")[0].equal(of("randaugment")[0])


class Pack(ImageResNetClassifier):
    """A pack whose member k has the weight `weights[k]` of its term."""

    weights = (0.0, 0.0)

    def _members(self):
        pairs = zip(super()._members(), self.weights, strict=True)
        return [{**member, "joint_ssl_weight": w} for member, w in pairs]


def test_an_off_member_does_not_notice_its_neighbour():
    def pack(*weights):
        clf = Pack(**SMALL, joint_ssl=SimCLR(views="color"), n_members=2)
        clf.weights = weights
        return clf.fit(X, Y).predict_proba_members(X)

    off, on = pack(0.0, 0.0), pack(0.0, 0.5)
    np.testing.assert_array_equal(off[0], on[0])
    assert np.abs(off[1] - on[1]).max() > 1e-3


def test_weight_zero_is_plain_training_and_members_are_single_fits():
    term = VICReg(views="color")
    assert same(fit(joint_ssl=term, joint_ssl_weight=0.0), fit())
    many = fit(joint_ssl=term, n_members=2, **DOUBLE)
    for k, seed in enumerate(many.member_seeds_):
        one = fit(joint_ssl=term, **{**DOUBLE, "random_state": int(seed)})
        np.testing.assert_allclose(
            many.predict_proba_members(X)[k], one.predict_proba(X), atol=1e-10
        )


def test_the_choice_reaches_training():
    by_name = {name: fit(joint_ssl=SimCLR(views=name)) for name in VIEWS}
    assert same(by_name["randaugment"], fit(joint_ssl="simclr"))
    p = [clf.predict_proba(X) for clf in by_name.values()]
    assert np.abs(p[0] - p[1]).max() > 1e-3


@pytest.mark.parametrize("term", [SimCLR, MoCo, VICReg])
def test_views_that_hardly_differ_are_easy(term):
    """The term of a pre-training with flips alone is below that with other colours."""

    def loss(views):
        inner = ImageResNetClassifier(**SMALL)
        method = term(views=views, d_projector=16)
        own = {"max_epochs": 6, "batch_size": 30, "random_state": 0}
        return SelfSupervisedPretrainer(inner, method, **own).fit(X).best_score_

    assert loss(["flip"]) < loss("color") - 1e-3


def test_searches_agree():
    clf = ImageResNetClassifier(**{**SMALL, **DOUBLE})
    grid = {"joint_ssl": [SimCLR(), SimCLR(views="color")]}
    a = PackedSearchCV(clf, grid, cv=2, max_members=4, scoring="neg_log_loss")
    b = GridSearchCV(clf, grid, cv=2, scoring="neg_log_loss")
    scores = [s.fit(X, Y).cv_results_["mean_test_score"] for s in (a, b)]
    # Sums in another order.
    np.testing.assert_allclose(*scores, atol=1e-8)
    assert len(a.packs_) == 2 and abs(scores[0][0] - scores[0][1]) > 1e-6


def test_files_keep_names_and_say_what_they_do_not(tmp_path):
    path = tmp_path / "clf.safetensors"
    for views in (["resized_crop", "jitter"], [ColorJitter(hue=0.0), "flip"]):
        clf = fit(joint_ssl=VICReg(views=views))
        clf.save(path)
        again = sklimb.load(path)
        assert same(again, clf) and again.joint_ssl == clf.joint_ssl
    clf = fit(joint_ssl=VICReg(views=[lambda images, generator: images.flip(-1)]))
    clf.save(path)
    with pytest.warns(UserWarning, match="could not hold joint_ssl"):
        assert same(sklimb.load(path), clf)


def test_new_augmentations_by_name():
    clf = fit(augment=["resized_crop", "jitter", "grayscale", "blur"])
    assert not same(clf, fit()) and not same(clf, fit(augment="resized_crop"))


def test_views_are_refused_before_training():
    with pytest.raises(ValueError, match=r"views must be 'auto', one of .*'spin'"):
        fit(joint_ssl=SimCLR(views="spin"))
    with pytest.raises(ValueError, match="views='color' in joint_ssl are of images"):
        TabularMLPClassifier(joint_ssl=SimCLR(views="color")).fit(X[:, 0, 0], Y)
    with pytest.raises(ValueError, match="in method are of images"):
        SelfSupervisedPretrainer(method=MoCo(views="color")).fit(X[:, 0, 0])
    with pytest.raises(ValueError, match="views must hold an augmentation"):
        fit(pretrained=SelfSupervisedPretrainer(method=VICReg(views=())))
