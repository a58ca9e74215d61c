"""Networks of the timm library as backbones, with or without pretrained weights."""

import difflib
from pathlib import Path

import torch
from torch import nn

from sklimb.nn.resnets import make_head, reset_head


class TimmBackbone(nn.Module):
    """A timm network without its last layer, and a last layer of ours.

    Stochastic depth is switched off: it draws from torch's global generator.

    Parameters
    ----------
    name : str
        timm's name of the architecture, such as "convnext_tiny".
    n_classes : int
        Logits per image.
    in_channels : int, default=3
        Channels per image.
    image_size : tuple of int, default=(224, 224)
        Height and width of an image.
    cosine_head : bool, default=False
        The last layer returns cosines.
    pretrained : bool or str, default=False
        True downloads timm's weights, a path reads them. `reset_parameters` then draws
        only the last layer.

    Raises
    ------
    ImportError
        timm is not installed, or torchvision's operators do not load.
    ValueError
        timm has no such network, or the network cannot read such images.

    **Shape**

    - Input: `(batch, in_channels, height, width)`
    - Output: `(batch, n_classes)`

    Examples
    --------
    >>> from sklimb.nn.timm_backbone import TimmBackbone
    >>> TimmBackbone("convnext_tiny", n_classes=10)  # doctest: +SKIP
    """

    def __init__(
        self,
        name,
        n_classes,
        in_channels=3,
        image_size=(224, 224),
        cosine_head=False,
        *,
        pretrained=False,
    ):
        super().__init__()
        self.name, self.in_channels, self.image_size = name, in_channels, image_size
        self.pretrained = bool(pretrained)
        if pretrained and pretrained is not True and not Path(pretrained).is_file():
            raise ValueError(
                f"pretrained must be True, False or a file of weights, got "
                f"{str(pretrained)!r}, which is no file."
            )
        self.trunk = self._make_trunk(0, pretrained)
        self.head = make_head(self._width(), n_classes, cosine_head)

    def embed(self, x):
        """Penultimate features, (batch, d)."""
        return self.trunk(x)

    def forward(self, x):
        return self.head(self.embed(x))

    @torch.no_grad()
    def reset_parameters(self, generator):
        """Draw all weights from `generator`, as timm does; pretrained ones stay."""
        if not self.pretrained:
            seed = torch.randint(2**62, (), generator=generator).item()
            self.trunk.load_state_dict(self._make_trunk(seed).state_dict())
        reset_head(self.head, generator)

    def _make_trunk(self, seed, pretrained=False):
        timm = import_timm(f"timm/{self.name}")
        _check_name(timm, self.name)
        options, published = {}, timm.get_pretrained_cfg(self.name)
        # Networks for one size of image take the size; others refuse the argument.
        if published is not None and published.fixed_input_size:
            options["img_size"] = self.image_size
        if pretrained and pretrained is not True:
            options["pretrained_cfg_overlay"] = {"file": str(pretrained)}
        # timm draws from the global generator, whose state comes back afterwards.
        # torch.manual_seed would also seed those of GPUs, which timm does not use here.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(seed)
            trunk = timm.create_model(
                self.name,
                pretrained=bool(pretrained),
                num_classes=0,
                in_chans=self.in_channels,
                **options,
            )
        for part in trunk.modules():
            if type(part).__name__ == "DropPath":
                part.drop_prob = 0.0
        return trunk

    @torch.no_grad()
    def _width(self):
        was_training = self.trunk.training
        images = torch.zeros(1, self.in_channels, *self.image_size)
        try:
            out = self.trunk.eval()(images)
        except (RuntimeError, AssertionError, ValueError) as error:
            height, width = self.image_size
            raise ValueError(
                f"backbone='timm/{self.name}' cannot read images of {height} x {width} "
                f"pixels: {str(error).splitlines()[0]} Enlarge the images, or take "
                "another backbone."
            ) from error
        self.trunk.train(was_training)
        return out.shape[1]


def import_timm(backbone):
    """The timm module; if it is missing, an error that names what to install."""
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise ImportError(
            f"backbone={backbone!r} needs {error.name}, which is not installed. Run "
            '`pip install "sklimb[vision]"`.'
        ) from error
    except RuntimeError as error:
        # torchvision 0.15 belongs to torch 2.0, 0.16 to 2.1 and so on.
        minor = int(torch.__version__.split(".")[1]) + 15
        raise ImportError(
            f"backbone={backbone!r} needs timm, and timm needs torchvision, whose "
            f"compiled operators do not load ({error}): it was built for another torch "
            f"than {torch.__version__}. Install `torchvision==0.{minor}.*` from where "
            "torch came from: for a torch without CUDA add `--index-url "
            "https://download.pytorch.org/whl/cpu`."
        ) from error
    return timm


def _check_name(timm, name):
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        hint = (
            f" Did you mean {' or '.join(f'timm/{n}' for n in near)}?" if near else ""
        )
        raise ValueError(
            f"backbone='timm/{name}' must name a network of timm {timm.__version__}."
            f"{hint} timm.list_models() lists all."
        )
