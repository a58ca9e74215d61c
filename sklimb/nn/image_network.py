"""Networks for images: backbones by name, and the normalisation of pixels."""

import difflib

import torch
from torch import nn

from sklimb._messages import short
from sklimb.nn.resnets import CifarResNet, ResNet, WideResNet

# Below this, the published stem of ResNet-18 and deeper leaves one pixel or less.
_SMALL = 64

# name -> (class, its arguments)
BACKBONES = {
    **{f"resnet{n}": (CifarResNet, {"depth": n}) for n in (8, 20, 32, 44, 56)},
    **{f"resnet{n}": (ResNet, {"depth": n}) for n in (18, 34, 50, 101, 152)},
    "wide_resnet16_4": (WideResNet, {"depth": 16, "widen": 4}),
    "wide_resnet28_2": (WideResNet, {"depth": 28, "widen": 2}),
    "wide_resnet28_10": (WideResNet, {"depth": 28, "widen": 10}),
}


def make_backbone(
    name,
    n_classes,
    in_channels=3,
    image_size=32,
    *,
    cosine_head=False,
    pretrained=False,
    **options,
):
    """Build a network for images, whose weights `reset_parameters(generator)` draws.

    Parameters
    ----------
    name : str
        A key of `BACKBONES`, or "timm/" and a name of the timm library.
    n_classes : int
        Logits per image.
    in_channels : int, default=3
        Channels per image.
    image_size : int or (height, width), default=32
        In pixels. ResNet-18 and deeper ones with four stages have a 3x3 stem without
        pooling when a side is under 64 pixels; `small_images` overrides this.
    cosine_head : bool, default=False
        The last layer returns cosines, for losses with margins.
    pretrained : bool or str, default=False
        timm only: True downloads weights, a path reads them.
    **options
        Further arguments of the class, such as `shortcut="B"` or `dropout=0.3`.

    Returns
    -------
    backbone : nn.Module
        (batch, in_channels, height, width) -> (batch, n_classes), with `embed`, `head`
        and `reset_parameters(generator)`. Nothing is drawn from the global generator.

    Raises
    ------
    ImportError
        A timm network where timm is missing or cannot be imported.
    ValueError
        There is no such network, or it has no pretrained weights.

    Examples
    --------
    >>> import torch
    >>> from sklimb.nn.image_network import make_backbone
    >>> network = make_backbone("resnet8", n_classes=3, in_channels=1, image_size=28)
    >>> network.reset_parameters(torch.Generator().manual_seed(0))
    >>> network(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 3])
    """
    size = (image_size,) * 2 if isinstance(image_size, int) else tuple(image_size)
    if isinstance(name, str) and name.startswith("timm/"):
        from sklimb.nn.timm_backbone import TimmBackbone

        return TimmBackbone(
            name.removeprefix("timm/"),
            n_classes,
            in_channels,
            size,
            cosine_head,
            pretrained=pretrained,
            **options,
        )
    check_backbone(name)
    if pretrained:
        raise ValueError(
            f"pretrained={short(pretrained)} needs a backbone of timm, got "
            f"{short(name)}: the networks of sklimb come without weights. Take "
            "'timm/resnet18' or another one, or pretrained=False."
        )
    cls, arguments = BACKBONES[name]
    if cls is ResNet:
        arguments = {"small_images": min(size) < _SMALL, **arguments}
    return cls(n_classes, in_channels, cosine_head, **{**arguments, **options})


def check_backbone(name):
    """Refuse a name that is not in `BACKBONES` and does not begin with "timm/"."""
    if isinstance(name, str) and (name in BACKBONES or name.startswith("timm/")):
        return
    near = difflib.get_close_matches(str(name), BACKBONES, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"backbone must be one of {list(BACKBONES)} or 'timm/<name>', got "
        f"{short(name)}." + hint
    )


class ImageNetwork(nn.Module):
    """A backbone that reads flat rows of pixels.

    Parameters
    ----------
    backbone : nn.Module
        What :func:`make_backbone` returns.
    image_shape : tuple of int
        (channels, height, width) of the image in a row.
    mean, std : float or array-like of shape (channels,), default=0.0 and 1.0
        Mean and deviation of pixels in [0, 1]; they become buffers.
    channels_last : bool, default=False
        Store the channels of a pixel side by side, which is faster on tensor cores.
    test_time_flips : bool, default=False
        In evaluation mode, average the features with those of the mirrored image.

    **Shape**

    - Input: `(batch, channels * height * width)`: uint8 pixels in [0, 255], which are
      divided by 255, or floats in [0, 1]
    - Output: `(batch, n_classes)`

    Examples
    --------
    >>> import torch
    >>> from sklimb.nn.image_network import ImageNetwork, make_backbone
    >>> network = ImageNetwork(make_backbone("resnet8", 10), (3, 32, 32), mean=0.5)
    >>> network.reset_parameters(torch.Generator().manual_seed(0))
    >>> network(torch.zeros(2, 3072, dtype=torch.uint8)).shape
    torch.Size([2, 10])
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        backbone,
        image_shape,
        mean=0.0,
        std=1.0,
        channels_last=False,
        test_time_flips=False,
    ):
        super().__init__()
        self.backbone, self.image_shape = backbone, tuple(image_shape)
        self.channels_last, self.test_time_flips = channels_last, test_time_flips
        for name, value in [("mean", mean), ("std", std)]:
            value = torch.as_tensor(value, dtype=torch.get_default_dtype())
            if value.ndim > 1 or value.numel() not in (1, self.image_shape[0]):
                raise ValueError(
                    f"{name} must be a number or one of each of the "
                    f"{self.image_shape[0]} channels, got shape {tuple(value.shape)}."
                )
            value = value.expand(self.image_shape[0]).clone()
            self.register_buffer(name, value.view(-1, 1, 1))
        if not (self.std > 0).all():
            raise ValueError(f"std must be above 0, got {short(std)}.")

    @property
    def head(self):
        """The backbone's last layer."""
        return self.backbone.head

    def images(self, x):
        """Flat rows as normalised images, (batch, channels, height, width)."""
        is_bytes = x.dtype == torch.uint8
        x = x.to(self.mean.dtype).reshape(-1, *self.image_shape)
        x = (x / 255 if is_bytes else x).sub(self.mean).div(self.std)
        if self.channels_last:
            # vmap has no rule for .contiguous(memory_format=channels_last).
            x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        return x

    def embed(self, x):
        """Penultimate features, (batch, d)."""
        images = self.images(x)
        features = self.backbone.embed(images)
        if self.training or not self.test_time_flips:
            return features
        return (features + self.backbone.embed(images.flip(-1))) / 2

    def forward(self, x):
        return self.head(self.embed(x))

    def reset_parameters(self, generator):
        """Draw the backbone's weights from `generator`."""
        self.backbone.reset_parameters(generator)
