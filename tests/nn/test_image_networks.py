"""Networks for images against published sizes, by-hand formulas and single members."""

import builtins
import copy
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sklimb.nn.image_network import ImageNetwork, make_backbone
from sklimb.nn.packed import PackedCosineLinear
from sklimb.nn.resnets import CifarResNet, CosineLinear, ResNet, WideResNet, _Shortcut
from sklimb.nn.stacked import StackedMembers

SMALL = {
    "cifar": lambda **k: CifarResNet(4, depth=8, width=4, **k),
    "cifar_b": lambda **k: CifarResNet(4, depth=8, width=4, shortcut="B", **k),
    "resnet18": lambda **k: ResNet(4, depth=18, small_images=True, **k),
    "resnet50": lambda **k: ResNet(4, depth=50, **k),
    "wide": lambda **k: WideResNet(4, depth=10, widen=1, **k),
}
small = pytest.mark.parametrize("kind", SMALL)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def network(kind, seed=0, **options):
    module = SMALL[kind](**options)
    module.reset_parameters(generator(seed))
    return module


def pixels(*shape, seed=0, dtype=torch.float32):
    return torch.rand(shape, generator=generator(seed), dtype=torch.double).to(dtype)


# He et al. (2016) table 6 (0.27M, 0.46M, 0.85M; exact numbers: akamaster's
# pytorch_resnet_cifar10 with option A), torchvision's `_metrics` of its weights, and
# Zagoruyko and Komodakis (2016) table 4 (36.5M).
@pytest.mark.parametrize(
    "name, n_classes, size, count",
    [
        ("resnet20", 10, 32, 269_722),
        ("resnet32", 10, 32, 464_154),
        ("resnet44", 10, 32, 658_586),
        ("resnet56", 10, 32, 853_018),
        ("resnet18", 1000, 224, 11_689_512),
        ("resnet34", 1000, 224, 21_797_672),
        ("resnet50", 1000, 224, 25_557_032),
        ("resnet101", 1000, 224, 44_549_160),
        ("resnet152", 1000, 224, 60_192_808),
        ("wide_resnet28_10", 10, 32, 36_479_194),
    ],
)
def test_parameter_counts_are_the_published_ones(name, n_classes, size, count):
    module = make_backbone(name, n_classes, image_size=size)
    assert sum(p.numel() for p in module.parameters()) == count


def test_resnet8_is_resnet20_with_one_block_a_stage():
    assert len(make_backbone("resnet8", 10).blocks) == 3
    assert len(make_backbone("resnet20", 10).blocks) == 9


@small
def test_forward_is_the_head_of_the_embedding(kind):
    module = network(kind).eval()
    x = pixels(2, 3, 40, 36)
    features = module.embed(x)
    assert features.shape == (2, module.head.in_features)
    assert torch.equal(module(x), module.head(features))
    assert module(x).shape == (2, 4) and module(x).std() > 0


@pytest.mark.parametrize("size", [(28, 28), (29, 31), (8, 8), (64, 48)])
@small
def test_grey_images_of_odd_sizes(kind, size):
    module = network(kind, in_channels=1)
    out = module(pixels(3, 1, *size))
    assert out.shape == (3, 4) and out.isfinite().all()


def test_stage_sizes():
    assert network("cifar").features(pixels(2, 3, 32, 32)).shape == (2, 16, 8, 8)
    assert network("wide").features(pixels(2, 3, 32, 32)).shape == (2, 64, 8, 8)
    assert network("resnet18").features(pixels(2, 3, 32, 32)).shape == (2, 512, 4, 4)
    assert network("resnet50").features(pixels(2, 3, 64, 64)).shape == (2, 2048, 2, 2)


@pytest.mark.parametrize("size, kernel", [(32, 3), ((64, 63), 3), (64, 7)])
def test_the_stem_follows_the_image_size(size, kernel):
    module = make_backbone("resnet18", 2, image_size=size)
    assert module.stem[0].kernel_size == (kernel, kernel)
    assert any(isinstance(m, nn.MaxPool2d) for m in module.stem) == (kernel == 7)
    forced = make_backbone("resnet18", 2, image_size=size, small_images=kernel == 7)
    assert forced.stem[0].kernel_size == (10 - kernel, 10 - kernel)


def test_option_a_takes_every_second_pixel_and_appends_zeros():
    x = pixels(2, 3, 5, 5)
    out = _Shortcut(3, 6, 2)(x)
    assert out.shape == (2, 6, 3, 3)
    assert torch.equal(out[:, 1:4], x[:, :, ::2, ::2])
    assert out[:, [0, 4, 5]].abs().max() == 0


def test_a_block_by_hand():
    block = network("cifar").double().eval().blocks[1]
    x = pixels(2, 4, 6, 6, dtype=torch.double)
    y = F.conv2d(x, block.conv1.weight, stride=2, padding=1) / (1 + 1e-5) ** 0.5
    y = F.conv2d(y.clamp_min(0), block.conv2.weight, padding=1) / (1 + 1e-5) ** 0.5
    rest = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
    torch.testing.assert_close(block(x), (y + rest).clamp_min(0), rtol=0, atol=1e-12)


@small
def test_weights_follow_from_the_generator_alone(kind):
    before = torch.get_rng_state()
    first, again, other = network(kind, 1), network(kind, 1), network(kind, 2)
    assert torch.equal(before, torch.get_rng_state())
    for name, t in first.state_dict().items():
        assert torch.equal(t, again.state_dict()[name])
        if t.is_floating_point() and t.ndim > 1:
            assert not torch.equal(t, other.state_dict()[name])
    first(pixels(4, 3, 32, 32))  # moves running statistics
    first.reset_parameters(generator(1))
    for name, t in first.state_dict().items():
        assert torch.equal(t, again.state_dict()[name])


def test_weights_are_drawn_in_float64():
    double = SMALL["cifar"]().double()
    double.reset_parameters(generator(3))
    for a, b in zip(network("cifar", 3).parameters(), double.parameters(), strict=True):
        assert torch.equal(a, b.float())


def test_weights_have_the_stated_spread():
    module = network("resnet18")
    convs = [m.weight for m in module.modules() if isinstance(m, nn.Conv2d)]
    for w in convs:
        expected = (2 / (w.shape[0] * w.shape[2] * w.shape[3])) ** 0.5
        # Standard error of a standard deviation: 1 / sqrt(2 n); five of them.
        tolerance = 5 * expected / (2 * w.numel()) ** 0.5
        assert w.std().item() == pytest.approx(expected, abs=tolerance)
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all((m.weight == 1).all() and (m.bias == 0).all() for m in norms)
    assert all(
        (m.running_var == 1).all() and (m.running_mean == 0).all() for m in norms
    )
    assert module.head.weight.abs().max() <= 512**-0.5


def test_cosine_head_is_the_packed_one():
    head = network("cifar", cosine_head=True).head
    assert isinstance(head, CosineLinear) and head.extra_repr()
    torch.testing.assert_close(head.weight.norm(dim=1), torch.ones(4))
    packed = PackedCosineLinear(1, 16, 4)
    packed.weight.data = head.weight.data.T.unsqueeze(0) * 3  # length does not matter
    x = pixels(5, 16)
    torch.testing.assert_close(head(x), packed(x.unsqueeze(0))[0])
    assert head(x).abs().max() <= 1 + 1e-6  # float32 rounding
    assert [name for name, _ in head.named_parameters()] == ["weight"]


# Members: one pass of K networks is K passes of one.


def images_of(module, dtype=torch.double):
    return ImageNetwork(
        module, (3, 12, 12), [0.4, 0.5, 0.6], [0.2, 0.3, 0.4], channels_last=True
    ).to(dtype)


@small
@pytest.mark.parametrize("cosine_head", [False, True])
def test_members_are_networks_of_their_own(kind, cosine_head):
    alone = [images_of(network(kind, k, cosine_head=cosine_head)) for k in range(2)]
    stacked = StackedMembers(alone)
    x = pixels(2, 6, 3 * 12 * 12, dtype=torch.double)
    logits = stacked(x)
    assert stacked.packed and stacked.reason == ""
    weight = pixels(2, 6, 4, seed=1, dtype=torch.double)
    (logits * weight).sum().backward()
    members = dict(stacked.members.named_parameters())
    state = stacked.members.state_dict()
    for k, module in enumerate(alone):
        own = module(x[k])
        # float64: other orders of the same sums.
        torch.testing.assert_close(logits[k], own, rtol=0, atol=1e-10)
        (own * weight[k]).sum().backward()
        for name, p in module.named_parameters():
            scale = p.grad.abs().max().clamp_min(1)
            difference = (members[name].grad[k] - p.grad).abs().max()
            assert difference / scale < 1e-10, name
        for name, t in module.named_buffers():  # running statistics moved alike
            torch.testing.assert_close(state[name][k], t, rtol=0, atol=1e-10)
    stacked.eval()
    for k, module in enumerate(alone):
        torch.testing.assert_close(
            stacked.embed(x)[k], module.eval().embed(x[k]), rtol=0, atol=1e-10
        )


def test_dropout_of_wide_networks_is_seeded_by_the_pack():
    alone = [network("wide", k, dropout=0.5) for k in range(2)]
    stacked = StackedMembers([ImageNetwork(m, (3, 8, 8)) for m in alone])
    assert stacked.mask_widths() == "seeds" and stacked.needs_two_rows
    x, seeds = pixels(1, 4, 192), torch.tensor([3, 4])
    with stacked.frozen_statistics():
        assert torch.equal(stacked(x, seeds), stacked(x, seeds))
        assert not torch.equal(stacked(x, seeds), stacked(x))


# ImageNetwork


class Recorder(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Identity()

    def embed(self, x):
        self.seen = x
        return x.flatten(1)


@pytest.mark.parametrize("channels_last", [False, True])
def test_pixels_are_scaled_and_normalised(channels_last):
    wrapped = ImageNetwork(
        Recorder(), (2, 3, 4), [0.1, 0.2], [0.5, 2.0], channels_last
    ).double()
    rows = torch.randint(256, (5, 24), generator=generator(0), dtype=torch.uint8)
    wrapped(rows)
    image = rows.double().view(5, 2, 3, 4) / 255
    expected = (image - torch.tensor([0.1, 0.2]).view(2, 1, 1)) / torch.tensor(
        [0.5, 2.0]
    ).view(2, 1, 1)
    # The mean 0.1 was rounded to float32 before it became a double.
    torch.testing.assert_close(wrapped.backbone.seen, expected, rtol=0, atol=1e-7)
    seen = wrapped.backbone.seen
    memory = torch.channels_last if channels_last else torch.contiguous_format
    assert seen.is_contiguous(memory_format=memory)
    floats = wrapped(rows.double() / 255)
    torch.testing.assert_close(floats, seen.flatten(1), rtol=0, atol=1e-12)
    assert wrapped.head is wrapped.backbone.head


def test_channels_last_gives_the_same_logits():
    wrapped = images_of(network("cifar")).eval()
    plain = copy.deepcopy(wrapped)
    plain.channels_last = False
    x = pixels(2, 432, dtype=torch.double)
    torch.testing.assert_close(wrapped(x), plain(x), rtol=0, atol=1e-12)


def test_a_wrapped_network_has_no_other_weights_and_keeps_its_normalisation():
    module = images_of(network("cifar"), torch.float32)
    module.reset_parameters(generator(7))
    assert torch.equal(module.head.weight, network("cifar", 7).head.weight)
    assert {"mean", "std"} <= set(module.state_dict())


# Bad input


def test_unknown_names_get_near_ones():
    with pytest.raises(ValueError, match=r"got 'resnet31'\. Did you mean 'resnet"):
        make_backbone("resnet31", 2)
    with pytest.raises(ValueError, match=r"'timm/<name>', got None\."):
        make_backbone(None, 2)


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: CifarResNet(2, depth=21), "depth must be 6 n . 2 .*, got 21"),
        (lambda: CifarResNet(2, shortcut="C"), "shortcut must be 'A' or 'B', got 'C'"),
        (lambda: ResNet(2, depth=20), r"depth must be one of \[18, .*, got 20"),
        (lambda: WideResNet(2, depth=27), "depth must be 6 n . 4 .*, got 27"),
        (lambda: make_backbone("resnet18", 2, pretrained=True), "of timm, got 'resne"),
        (lambda: ImageNetwork(Recorder(), (3, 2, 2), mean=[0.1, 0.2]), r"got shape"),
        (lambda: ImageNetwork(Recorder(), (3, 2, 2), std=0.0), "std must be above 0"),
    ],
)
def test_refusals(make, match):
    with pytest.raises(ValueError, match=match):
        make()


# timm: what is asked of it, by a stand-in; tests/nn/test_timm.py has the real one.


class Trunk(nn.Module):
    def __init__(self, in_chans, img_size=None):
        super().__init__()
        self.conv, self.img_size = nn.Conv2d(in_chans, 6, 3), img_size
        self.path = DropPath()

    def forward(self, x):
        return self.conv(x).mean((2, 3))


class DropPath(nn.Module):
    drop_prob = 0.5


@pytest.fixture
def timm(monkeypatch):
    module = ModuleType("timm")
    module.calls = []

    def create_model(name, pretrained, num_classes, in_chans, **options):
        module.calls.append((name, pretrained, num_classes, options))
        overlay = options.pop("pretrained_cfg_overlay", None)
        trunk = Trunk(in_chans, **options)
        if pretrained:
            assert overlay is None or overlay["file"].endswith(".pth")
            nn.init.constant_(trunk.conv.weight, 0.25)
        return trunk

    module.create_model = create_model
    module.is_model = lambda name: name in ("one", "vit")
    module.list_models = lambda: ["one", "vit"]
    module.get_pretrained_cfg = lambda name: (
        SimpleNamespace(fixed_input_size=True) if name == "vit" else None
    )
    module.__version__ = "9.9"
    monkeypatch.setitem(sys.modules, "timm", module)
    return module


def test_timm_trunk_with_a_head_of_ours(timm):
    before = torch.get_rng_state()
    module = make_backbone("timm/one", 3, 1, (9, 8), cosine_head=True)
    module.reset_parameters(generator(0))
    again = make_backbone("timm/one", 3, 1, (9, 8), cosine_head=True)
    again.reset_parameters(generator(0))
    assert torch.equal(before, torch.get_rng_state())
    assert timm.calls[0] == ("one", False, 0, {})
    assert isinstance(module.head, CosineLinear) and module.head.in_features == 6
    x = pixels(2, 1, 9, 8)
    assert torch.equal(module(x), again(x))
    assert torch.equal(module(x), module.head(module.embed(x)))
    again.reset_parameters(generator(1))
    assert not torch.equal(module.trunk.conv.weight, again.trunk.conv.weight)
    assert module.trunk.path.drop_prob == 0 and module.training


def test_timm_networks_of_a_fixed_size_are_told_it(timm):
    assert make_backbone("timm/vit", 3, 1, (9, 8)).trunk.img_size == (9, 8)


def test_pretrained_weights_stay(timm, tmp_path):
    path = tmp_path / "weights.pth"
    path.touch()
    for pretrained in (True, str(path), path):
        module = make_backbone("timm/one", 3, pretrained=pretrained)
        module.reset_parameters(generator(0))
        assert (module.trunk.conv.weight == 0.25).all() and timm.calls[-1][1] is True
        assert module.head.weight.abs().max() <= 6**-0.5
    assert timm.calls[-1][3] == {}
    with pytest.raises(ValueError, match=r"got '.*none\.pth', which is no file"):
        make_backbone("timm/one", 3, pretrained=tmp_path / "none.pth")


def test_timm_refusals(timm):
    with pytest.raises(ValueError, match=r"timm 9\.9\. Did you mean timm/one\?"):
        make_backbone("timm/ones", 3)
    with pytest.raises(ValueError, match=r"cannot read images of 2 x 2 pixels: .*Enla"):
        make_backbone("timm/one", 3, image_size=2)


@pytest.mark.parametrize(
    "error, match",
    [
        (
            ModuleNotFoundError("No module named 'timm'", name="timm"),
            r'needs timm, which is not installed\. Run `pip install "sklimb\[vis',
        ),
        (
            RuntimeError("operator torchvision::nms does not exist"),
            r"load \(operator torchvision::nms .* `torchvision==0\.\d+\.\*` from",
        ),
    ],
)
def test_without_timm_one_sentence_says_what_to_install(monkeypatch, error, match):
    real = builtins.__import__

    def fail(name, *args, **kwargs):
        if name == "timm":
            raise error
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(ImportError, match=match):
        make_backbone("timm/convnext_tiny", 2)


def test_timm_is_not_imported_otherwise():
    code = (
        "import sys; from sklimb.nn.image_network import make_backbone; "
        "make_backbone('resnet8', 2); "
        "sys.exit(any(name in sys.modules for name in ('timm', 'torchvision')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
