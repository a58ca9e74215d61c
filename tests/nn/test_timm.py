"""Networks of the real timm; collected only where it is installed."""

import numpy as np
import pytest
import torch
from fuzz.mutate_files import Parts
from safetensors.torch import save_file

try:
    torch.ops.torchvision.nms  # noqa: B018
except AttributeError:
    # A torch without CUDA may meet a torchvision that was built for one with it, whose
    # operators do not load. timm needs their names alone.
    _library = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _library.define(
            f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )

import sklimb
from sklimb import ImageResNetClassifier
from sklimb.nn.image_network import ImageNetwork, make_backbone
from sklimb.nn.stacked import StackedMembers

# torchvision and huggingface_hub warn when they are imported.
pytestmark = pytest.mark.filterwarnings("default")

# A name of each family in the issue: timm's name, pixels, features.
FAMILIES = [
    ("convnext_atto", 64, 320),
    ("swinv2_tiny_window8_256", 64, 768),
    ("resnext50_32x4d", 64, 2048),
    ("efficientnet_b0", 64, 1280),
    ("densenet121", 64, 1024),
    ("mobilenetv2_100", 64, 1280),
    ("vgg11", 64, 4096),
    ("inception_v3", 96, 2048),
    ("resnet10t", 32, 512),
]


def generator(seed):
    return torch.Generator().manual_seed(seed)


def make(name, size, seed, channels=3, **options):
    module = make_backbone(f"timm/{name}", 3, channels, size, **options)
    module.reset_parameters(generator(seed))
    return module


@pytest.mark.parametrize("name, size, width", FAMILIES)
def test_families(name, size, width):
    before = torch.get_rng_state()
    module = make(name, size, 0, channels=1)
    assert torch.equal(before, torch.get_rng_state())
    x = torch.rand(2, 1, size, size, generator=generator(1))
    module.eval()
    assert module.embed(x).shape == (2, width)
    assert torch.equal(module(x), module.head(module.embed(x)))
    module.train()(x)
    assert torch.equal(before, torch.get_rng_state())


def test_the_generator_decides():
    first, again, other = (make("resnet10t", 32, seed) for seed in (0, 0, 1))
    for name, t in first.state_dict().items():
        assert torch.equal(t, again.state_dict()[name])
    assert not torch.equal(
        first.trunk.layer4[0].conv1.weight, other.trunk.layer4[0].conv1.weight
    )


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "mobilenetv2_050"])
def test_members(name):
    alone = [ImageNetwork(make(name, 32, k), (3, 32, 32)).double() for k in range(2)]
    stacked = StackedMembers(alone)
    x = torch.rand(2, 4, 3072, generator=generator(1), dtype=torch.double)
    out = stacked(x)
    assert stacked.packed, stacked.reason
    for k, module in enumerate(alone):
        # float64: other orders of the same sums.
        torch.testing.assert_close(out[k], module(x[k]), rtol=0, atol=1e-10)


def test_weights_from_a_file(tmp_path):
    import timm

    published = timm.create_model("resnet10t", num_classes=1000)
    path = tmp_path / "resnet10t.safetensors"
    save_file(published.state_dict(), path)
    for channels in (3, 1):
        module = make("resnet10t", 32, 0, channels, pretrained=path)
        for name, t in module.trunk.state_dict().items():
            if channels == 3 or name != "conv1.0.weight":
                assert torch.equal(t, published.state_dict()[name]), name


def test_refusals():
    with pytest.raises(ValueError, match=r"Did you mean timm/convnext_"):
        make_backbone("timm/convnext_tinny", 3)
    with pytest.raises(ValueError, match=r"cannot read images of 16 x 16 pixels"):
        make_backbone("timm/inception_v3", 3, image_size=16)


@pytest.mark.parametrize("name, size", [("resnet10t", 32), ("swinv2_cr_tiny_224", 64)])
def test_load_fetches_nothing(name, size, tmp_path, monkeypatch):
    """Not for a classifier that began with timm's weights either."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(256, size=(12, size, size, 3), dtype=np.uint8), [0, 1] * 6
    weights = make(name, size, 0).trunk.state_dict()
    save_file(weights, tmp_path / "weights.safetensors")
    clf = ImageResNetClassifier(
        backbone=f"timm/{name}",
        pretrained=str(tmp_path / "weights.safetensors"),
        max_epochs=1,
        batch_size=6,
        early_stopping=False,
        random_state=0,
    )
    clf.fit(X, y).set_params(pretrained=True).save(tmp_path / "m")
    (tmp_path / "weights.safetensors").unlink()

    def fetch(*args, **kwargs):
        raise AssertionError("weights were fetched")

    monkeypatch.setattr("socket.socket.connect", fetch)
    monkeypatch.setattr("timm.models._builder.load_pretrained", fetch)
    again = sklimb.load(tmp_path / "m")
    assert again.pretrained is True
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_a_large_network_is_refused_before_it_is_made(tmp_path):
    X, y = np.zeros((12, 32, 32, 3), np.uint8), [0, 1] * 6
    clf = ImageResNetClassifier(backbone="resnet8", max_epochs=1, early_stopping=False)
    clf.fit(X, y).save(tmp_path / "m")
    parts = Parts((tmp_path / "m").read_bytes())
    parts.header["module"]["network"]["backbone"] = "timm/vit_giant_patch14_224"
    (tmp_path / "m").write_bytes(parts.bytes())
    with pytest.raises(ValueError, match="larger network than it holds"):
        sklimb.load(tmp_path / "m")
