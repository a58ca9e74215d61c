"""The published residual networks for images, in plain torch."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import nn

from sklimb.nn.packed import draw_uniform


class CosineLinear(nn.Module):
    """Cosines between the rows of the input and the rows of the weight; no bias.

    Losses with `cosine_head` (LDAM, CosFace) need it. The weight has the layout of
    `torch.nn.Linear`.

    **Shape**

    - Input: `(batch, d_in)`
    - Output: `(batch, d_out)`, in [-1, 1]
    """

    def __init__(self, d_in, d_out):
        super().__init__()
        self.in_features, self.out_features = d_in, d_out
        self.weight = nn.Parameter(torch.empty(d_out, d_in))

    def forward(self, x):
        return F.linear(F.normalize(x, dim=-1), F.normalize(self.weight, dim=-1))

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}"


def make_head(d, n_classes, cosine_head):
    """The last layer: linear with a bias, or cosines. It draws no random number."""
    with torch.device("meta"):
        head = CosineLinear(d, n_classes) if cosine_head else nn.Linear(d, n_classes)
    return head.to_empty(device="cpu")


@torch.no_grad()
def reset_head(head, generator):
    """Draw a last layer from `generator`, as `PackedMLP` draws its own."""
    if isinstance(head, CosineLinear):
        weight = draw_uniform(head.weight.shape, 1.0, generator)
        head.weight.copy_(F.normalize(weight, dim=-1))
        return
    bound = head.in_features**-0.5
    head.weight.copy_(draw_uniform(head.weight.shape, bound, generator))
    head.bias.copy_(draw_uniform(head.bias.shape, bound, generator))


class _ImageBackbone(nn.Module, ABC):
    """`features` (batch, d, h, w), their mean over the pixels, `head`.

    Subclasses give their layers in `_build`; all is built on "meta", where the initial
    weights that torch's classes draw cost no random number.
    """

    head: nn.Linear | CosineLinear

    def __init__(self, n_classes, in_channels, cosine_head, **sizes):
        super().__init__()
        with torch.device("meta"):
            d = self._build(in_channels, **sizes)
        self.to_empty(device="cpu")
        self.head = make_head(d, n_classes, cosine_head)

    @abstractmethod
    def _build(self, in_channels, **sizes):
        """Make the layers; return the number of feature channels."""

    @abstractmethod
    def features(self, x):
        """The last feature map, (batch, d, h, w)."""

    def embed(self, x):
        """Penultimate features, (batch, d)."""
        return _pixel_mean(self.features(x))

    def forward(self, x):
        return self.head(self.embed(x))

    @torch.no_grad()
    def reset_parameters(self, generator):
        """Draw all weights from `generator`; until then they are undefined.

        Convolutions are normal with variance 2 / (pixels * output channels) (He et al.,
        2015, equation 14, as torchvision has it), drawn in float64 whatever the dtype.
        BatchNorm begins with weight 1, bias 0 and the statistics of unit noise.
        """
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()  # constants
            elif isinstance(module, nn.Conv2d):
                shape = module.weight.shape
                std = (2 / (shape[0] * shape[2] * shape[3])) ** 0.5
                noise = torch.randn(shape, generator=generator, dtype=torch.float64)
                module.weight.copy_(noise * std)
        reset_head(self.head, generator)


def _blocks(n_blocks):
    """Stage and stride of every block, given the blocks per stage."""
    for stage, n in enumerate(n_blocks):
        for i in range(n):
            yield stage, 2 if stage > 0 and i == 0 else 1


def _relu(x):
    """ReLU in place, for BatchNorm's output, which nothing else reads.

    Neither it nor a sum is kept for the backward pass, and writing fresh memory costs a
    small network on a CPU 4 % of each step.
    """
    return F.relu(x, inplace=True)


def _pixel_mean(x):
    """Mean over the pixels, with a gradient that is laid out as x is."""
    if x.stride(1) == 1:  # channels last
        return x.permute(0, 2, 3, 1).mean((1, 2))
    return x.mean((-2, -1))


def _conv(d_in, d_out, size, stride=1):
    return nn.Conv2d(d_in, d_out, size, stride, padding=size // 2, bias=False)


class _Shortcut(nn.Module):
    """Option A of He et al. (2016): every second pixel, new channels are zero."""

    def __init__(self, d_in, d_out, stride):
        super().__init__()
        self.stride, self.before = stride, (d_out - d_in) // 2
        self.after = d_out - d_in - self.before

    def forward(self, x):
        # As x[..., ::stride, ::stride], whose gradient would have another layout than
        # x in channels-last: operations on both take ten times as long on a CPU.
        x = F.avg_pool2d(x, 1, self.stride)
        return F.pad(x, (0, 0, 0, 0, self.before, self.after))


def _shortcut(d_in, d_out, stride, option="B"):
    if d_in == d_out and stride == 1:
        return nn.Identity()
    if option == "A":
        return _Shortcut(d_in, d_out, stride)
    return nn.Sequential(_conv(d_in, d_out, 1, stride), nn.BatchNorm2d(d_out))


class _Basic(nn.Module):
    """Two 3x3 convolutions, and the input added to them."""

    expansion = 1

    def __init__(self, d_in, width, stride, option="B"):
        super().__init__()
        self.conv1, self.norm1 = _conv(d_in, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = _conv(width, width, 3), nn.BatchNorm2d(width)
        self.shortcut = _shortcut(d_in, width, stride, option)

    def forward(self, x):
        y = _relu(self.norm1(self.conv1(x)))
        return _relu(self.norm2(self.conv2(y)).add_(self.shortcut(x)))


class _Bottleneck(nn.Module):
    """1x1, 3x3 (which takes the stride, as in torchvision), 1x1 to fourfold width."""

    expansion = 4

    def __init__(self, d_in, width, stride):
        super().__init__()
        d_out = width * self.expansion
        self.conv1, self.norm1 = _conv(d_in, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.norm3 = _conv(width, d_out, 1), nn.BatchNorm2d(d_out)
        self.shortcut = _shortcut(d_in, d_out, stride)

    def forward(self, x):
        y = _relu(self.norm1(self.conv1(x)))
        y = _relu(self.norm2(self.conv2(y)))
        return _relu(self.norm3(self.conv3(y)).add_(self.shortcut(x)))


class _PreActivation(nn.Module):
    """BatchNorm and ReLU before each of two 3x3 convolutions."""

    def __init__(self, d_in, width, stride, dropout):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(d_in), _conv(d_in, width, 3, stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(width), _conv(width, width, 3)
        self.dropout = nn.Dropout(dropout)
        # A changed width is taken from the activated input, by a bare convolution.
        changes = d_in != width or stride != 1
        self.shortcut = _conv(d_in, width, 1, stride) if changes else None

    def forward(self, x):
        y = _relu(self.norm1(x))
        rest = x if self.shortcut is None else self.shortcut(y)
        y = _relu(self.norm2(self.conv1(y)))
        return self.conv2(self.dropout(y)) + rest


class CifarResNet(_ImageBackbone):
    """ResNet-8, -20, -32, -44, -56 for small images (He et al., 2016, section 4.2).

    A 3x3 stem and three stages of 16, 32 and 64 channels; the second and the third one
    halve the image.

    Parameters
    ----------
    n_classes : int
        Logits per image.
    in_channels : int, default=3
        Channels per image.
    cosine_head : bool, default=False
        The last layer returns cosines.
    depth : int, default=32
        6 n + 2: two convolutions in each of the n blocks of a stage, stem and head.
    width : int, default=16
        Channels of the first stage.
    shortcut : {"A", "B"}, default="A"
        How the input is added where the width changes. "A", the paper's choice for
        CIFAR, has no parameters: every second pixel, and zeros for new channels. "B"
        is a 1x1 convolution and BatchNorm.

    **Shape**

    - Input: `(batch, in_channels, height, width)`, each side at least 4 in training
    - Output: `(batch, n_classes)`

    Examples
    --------
    >>> import torch
    >>> from sklimb.nn.resnets import CifarResNet
    >>> network = CifarResNet(10, depth=8)
    >>> network.reset_parameters(torch.Generator().manual_seed(0))
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        n_classes,
        in_channels=3,
        cosine_head=False,
        *,
        depth=32,
        width=16,
        shortcut="A",
    ):
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth must be 6 n + 2 with n >= 1, got {depth!r}.")
        if shortcut not in ("A", "B"):
            raise ValueError(f"shortcut must be 'A' or 'B', got {shortcut!r}.")
        sizes = {"n_blocks": depth // 6, "width": width, "option": shortcut}
        super().__init__(n_classes, in_channels, cosine_head, **sizes)

    def _build(self, in_channels, *, n_blocks, width, option):
        self.stem = nn.Sequential(_conv(in_channels, width, 3), nn.BatchNorm2d(width))
        blocks, d = [], width
        for stage, stride in _blocks([n_blocks] * 3):
            blocks.append(_Basic(d, width * 2**stage, stride, option))
            d = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        return d

    def features(self, x):
        """The last feature map, (batch, d, h, w)."""
        return self.blocks(_relu(self.stem(x)))


# depth -> (block, blocks per stage)
_STAGES = {
    18: (_Basic, (2, 2, 2, 2)),
    34: (_Basic, (3, 4, 6, 3)),
    50: (_Bottleneck, (3, 4, 6, 3)),
    101: (_Bottleneck, (3, 4, 23, 3)),
    152: (_Bottleneck, (3, 8, 36, 3)),
}


class ResNet(_ImageBackbone):
    """ResNet-18, -34, -50, -101, -152 (He et al., 2016, table 1).

    The layers are torchvision's: in bottlenecks the 3x3 convolution takes the stride,
    and shortcuts are of option B.

    Parameters
    ----------
    n_classes : int
        Logits per image.
    in_channels : int, default=3
        Channels per image.
    cosine_head : bool, default=False
        The last layer returns cosines.
    depth : {18, 34, 50, 101, 152}, default=18
        Number of layers.
    small_images : bool, default=False
        A 3x3 stem without stride or pooling, for images under about 64 pixels, of which
        the published stem (7x7, stride 2, max pooling) leaves a 32nd: one pixel.

    **Shape**

    - Input: `(batch, in_channels, height, width)`
    - Output: `(batch, n_classes)`

    Examples
    --------
    >>> import torch
    >>> from sklimb.nn.resnets import ResNet
    >>> network = ResNet(10, depth=18, small_images=True)
    >>> network.reset_parameters(torch.Generator().manual_seed(0))
    >>> network.embed(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 512])
    """

    def __init__(
        self,
        n_classes,
        in_channels=3,
        cosine_head=False,
        *,
        depth=18,
        small_images=False,
    ):
        if depth not in _STAGES:
            raise ValueError(f"depth must be one of {list(_STAGES)}, got {depth!r}.")
        sizes = {"depth": depth, "small_images": small_images}
        super().__init__(n_classes, in_channels, cosine_head, **sizes)

    def _build(self, in_channels, *, depth, small_images):
        block, n_blocks = _STAGES[depth]
        size, stride = (3, 1) if small_images else (7, 2)
        self.stem = nn.Sequential(
            _conv(in_channels, 64, size, stride),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
        )
        if not small_images:
            self.stem.append(nn.MaxPool2d(3, 2, padding=1))
        blocks, d = [], 64
        for stage, stride in _blocks(n_blocks):
            blocks.append(block(d, 64 * 2**stage, stride))
            d = 64 * 2**stage * block.expansion
        self.blocks = nn.Sequential(*blocks)
        return d

    def features(self, x):
        """The last feature map, (batch, d, h, w)."""
        return self.blocks(self.stem(x))


class WideResNet(_ImageBackbone):
    """Wide ResNet with pre-activation (Zagoruyko and Komodakis, 2016, table 1).

    Parameters
    ----------
    n_classes : int
        Logits per image.
    in_channels : int, default=3
        Channels per image.
    cosine_head : bool, default=False
        The last layer returns cosines.
    depth : int, default=28
        6 n + 4: two convolutions in each of the n blocks of a stage, the stem, and the
        shortcuts of the three stages.
    widen : int, default=10
        Stages have 16, 32 and 64 channels times this.
    dropout : float, default=0.0
        Dropout between the convolutions of a block.

    **Shape**

    - Input: `(batch, in_channels, height, width)`
    - Output: `(batch, n_classes)`

    Examples
    --------
    >>> import torch
    >>> from sklimb.nn.resnets import WideResNet
    >>> network = WideResNet(10, depth=10, widen=1)
    >>> network.reset_parameters(torch.Generator().manual_seed(0))
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        n_classes,
        in_channels=3,
        cosine_head=False,
        *,
        depth=28,
        widen=10,
        dropout=0.0,
    ):
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"depth must be 6 n + 4 with n >= 1, got {depth!r}.")
        sizes = {"n_blocks": depth // 6, "widen": widen, "dropout": dropout}
        super().__init__(n_classes, in_channels, cosine_head, **sizes)

    def _build(self, in_channels, *, n_blocks, widen, dropout):
        self.stem = _conv(in_channels, 16, 3)
        blocks, d = [], 16
        for stage, stride in _blocks([n_blocks] * 3):
            blocks.append(_PreActivation(d, 16 * widen * 2**stage, stride, dropout))
            d = 16 * widen * 2**stage
        self.blocks, self.norm = nn.Sequential(*blocks), nn.BatchNorm2d(d)
        return d

    def features(self, x):
        """The last feature map, (batch, d, h, w)."""
        return _relu(self.norm(self.blocks(self.stem(x))))
