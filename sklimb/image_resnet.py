"""ImageResNetClassifier: residual networks for images, with all strategies."""

from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from sklimb._compat import HasMethods, StrOptions
from sklimb._random import stream_generator
from sklimb.base import BaseNeuralClassifier
from sklimb.inputs.image_items import are_items, opened
from sklimb.inputs.images import ImageEncoder, read_pictures
from sklimb.inputs.on_disk import spans
from sklimb.nn.image_network import (
    BACKBONES,
    ImageNetwork,
    check_backbone,
    make_backbone,
)
from sklimb.nn.stacked import StackedMembers
from sklimb.nn.widths import numbers_held
from sklimb.parameters.fields import one_of, parameter
from sklimb.training.augment.operations import (
    AUGMENTS,
    make_augment,
)
from sklimb.training.device import NUMBERS
from sklimb.training.losses import needs_cosines
from sklimb.training.terms import terms_for
from sklimb.training.views.images import Scene, views_of_images

# Images per inference block: more are no faster, since few already fill the processor.
_BLOCK_ROWS = 32
_OF_NETWORK = ("mean", "std", "channels_last", "test_time_flips")


class ImageResNetClassifier(BaseNeuralClassifier):
    """Residual networks for class-imbalanced images.

    All imbalance strategies of `TabularMLPClassifier` are parameters here too. Bytes
    stay bytes until a batch is augmented, on the device.

    Attributes
    ----------
    encoder_ : object
        Shape, range, mean and standard deviation of the training images.

    Notes
    -----
    X may be an array (n, H, W), (n, H, W, C) or (n, C, H, W) of bytes or floats, flat
    rows, or a list, array or column of single images: paths, bytes of files, open
    files, PIL images, arrays. Arrays are taken as they are, with their 4th channel if
    they have one. Pictures and files

    - are turned by their EXIF tag;
    - are laid on white where they are transparent, as viewers and web pages show them,
      since drawings in black ink would vanish on black;
    - keep their levels, of 8 bits as bytes, of 16 or 32 bits (grey only, Pillow cuts
      colours off) as floats: 12 bits in a file of 16 are 0 to 4095, as in an array;
    - have one page or frame; previews in photographs (MPO) and layers (PSD) aside.

    Levels of another range than in training give an `InputWarning`, and so do flat rows
    that are no squares, without `image_shape`.

    Files are read once per fit, by several workers. Pixels that exceed
    scikit-learn's `working_memory` (1 GiB, see `sklearn.set_config`) are put into
    temporary files, which training reads batch by batch and the system caches as far as
    memory allows; they are deleted with the fit, even after a crash. The folder of
    temporary files (`TMPDIR`, which should be on a disk) needs twice the bytes of the
    pixels, with `pretrained` or `validation_folds` more. Predictions read files in
    parts and keep none. Memory is not bounded for rows that a `sampler` makes before
    training ("over", "smote" and the like) and for the validation rows of a pack of
    `PackedSearchCV`.

    BatchNorm: SAM's second pass does not change the running statistics; an image that
    would be alone in the last batch of an epoch is left out of that epoch.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", 2016. Shwartz-Ziv et al.,
    "Simplifying Neural Network Training Under Class Imbalance", 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklimb import ImageResNetClassifier
    >>> X, y = load_digits(n_class=2, return_X_y=True)
    >>> clf = ImageResNetClassifier(
    ...     backbone="resnet8", image_shape=(8, 8), max_epochs=2, random_state=0
    ... )
    >>> clf.fit(X[:200], y[:200]).predict_proba(X[200:]).shape
    (160, 2)
    """

    _auto: ClassVar[dict] = {"lr": 0.1, "weight_decay": 5e-4}
    _auto_batch_size: ClassVar[int] = 128
    _encoder_class = ImageEncoder
    _offers_cosine_head: ClassVar[bool] = True
    _of: ClassVar[str] = "images"

    backbone: str = parameter(
        "resnet32",
        [str],
        one_of(*BACKBONES) + ' or "timm/" and a name of the timm library',
        """ResNets with 6n + 2 layers for small images (He et al., 2016, section 4.2:
        8 to 56 layers), those for large images (18 to 152), wide ones (Zagoruyko and
        Komodakis, 2016), or any network of timm (needs the extra `vision`).""",
    )
    pretrained: Any = parameter(
        None,
        ["boolean", str, HasMethods(["fit", "transform"]), None],
        "True, str, SelfSupervisedPretrainer or None",
        """Weights of a timm backbone, which True downloads and a path reads; or
        features to start from, as in `TabularMLPClassifier`.""",
    )
    freeze: str | None = parameter(
        None,
        [StrOptions({"backbone"}), None],
        '{"backbone"} or None',
        """Train the last layer alone (a linear probe); running statistics stay.""",
        {
            "joint_ssl": "the term teaches the backbone, which stays as it is. Set one "
            "to None."
        },
    )
    image_shape: tuple | list | None = parameter(
        None,
        [tuple, list, None],
        "(height, width), (height, width, channels) or None",
        """What flat rows of numbers hold, and what pictures, files and arrays in a list
        are resized to. Without it, flat rows are read as grey squares, or else, with a
        warning, as images of one line.""",
    )
    augment: Any = parameter(
        None,
        [str, list, tuple, None],
        one_of(*AUGMENTS) + ", list of these or None",
        """What is done to each training image, on the device; several in order.
        "trivial" is TrivialAugment, "jitter" changes brightness, contrast, saturation
        and hue (of grey images the first two). A list may hold objects of
        `sklimb.strategies` too, such as `Crop(padding=2)`, and callables of images and
        a generator.""",
    )
    test_time_flips: bool = parameter(
        False,
        ["boolean"],
        "bool",
        """Predict, validate and embed with features that are averaged with those of
        the mirrored image.""",
    )
    channels_last: bool | str = parameter(
        "auto",
        ["boolean", StrOptions({"auto"})],
        'bool or "auto"',
        """Memory layout of activations. "auto" is True on a CPU, where steps take 0.71
        to 0.93 times as long, and False elsewhere; True suits tensor cores.""",
    )
    joint_ssl: Any = parameter(
        None,
        kind=one_of(*terms_for("images")) + ", object or None",
        doc="""A self-supervised term beside the loss, which stays on the clean images.
        Its two views of an image are made as its `views` say, `SimCLR(views="color")`:
        "randaugment" are crops with a margin of an eighth of the side, flipped by
        chance, after `RandAugment(2, 9)`; "color" are resized crops, flipped, with
        jittered colours or grey, as in SimCLR; "auto" is "randaugment"; a list names
        augmentations, as `augment` does. "rotation" asks by how many quarters a
        cropped and flipped image was turned; images must be square.""",
    )
    mix: str | None = parameter(
        None,
        doc="""Mix each image of a batch with another one, and their labels: "mixup"
        averages pixels, "cutmix" takes a rectangle.""",
    )
    metabalance_support_batch_size: int = parameter(20)
    metabalance_query_batch_size: int = parameter(30)
    optimizer: str = parameter("sgd")
    lr: float | str = parameter("auto", doc="""Learning rate; "auto" is 0.1.""")
    weight_decay: float | str = parameter(
        "auto", doc=""""auto" is 0.0005. Decoupled for "adamw", an L2 term for "sgd"."""
    )
    lr_schedule: str = parameter("cosine")
    max_epochs: int = parameter(100)
    batch_size: int | str = parameter(
        "auto",
        doc="""Rows per step; "auto" is 128, or all images if there are fewer.""",
    )
    n_iter_no_change: int = parameter(
        100,
        doc="""Epochs without a better score after which a member is done. With a cosine
        the last epochs are the best: the best weights are kept, and nothing stops
        early.""",
    )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        tags.input_tags.three_d_array = True
        return tags

    @property
    def input_report(self):
        """Not available: images have no columns."""
        raise AttributeError(f"{type(self).__name__} has no columns to report on.")

    @property
    def explain(self):
        """Not available: images have no columns."""
        raise AttributeError(
            f"{type(self).__name__} has no columns to explain. Libraries for images, "
            "such as captum, take its `net_.module_`."
        )

    @property
    def reasons(self):
        """Not available: images have no columns."""
        raise AttributeError(f"{type(self).__name__} has no columns to explain.")

    def _baseline(self, prepared):
        return np.zeros(0)

    def _make_encoder(self, n_rows=None):
        check_backbone(self.backbone)
        make_augment(self.augment)  # a wrong name, before anything is trained
        return ImageEncoder(NUMBERS[self.dtype])

    def _read_table(self, X, reset, owner=None):
        _check_image_shape(self.image_shape)
        channels = None if reset else self._image_shape[0]
        return read_pictures(
            X,
            image_shape=self.image_shape,
            channels=channels,
            estimator=self if owner is None else owner,
            reset=reset,
        )

    def _parts(self, X):
        """Pictures and files in parts, so that not all pixels are in memory at once."""
        items = opened(X, self.image_shape, self._image_shape[0])
        if not are_items(items):
            return [X]
        # Whole inference blocks, of which at least one.
        block = _BLOCK_ROWS * int(np.prod(self._image_shape))
        n_blocks = -(-len(items) // _BLOCK_ROWS)
        return [
            items[span.start * _BLOCK_ROWS : span.stop * _BLOCK_ROWS]
            for span in spans(n_blocks, block)
        ]

    @property
    def _pretrainer(self):
        """A SelfSupervisedPretrainer, a frozen one, or None."""
        return None if isinstance(self.pretrained, bool | str) else self.pretrained

    def _image_size(self):
        return self.encoder_.image_shape_[1:]

    def _lays_channels_last(self):
        if self.channels_last == "auto":
            return self._device.type == "cpu"
        return bool(self.channels_last)

    @classmethod
    def _widest(cls, module, config, n_columns):
        return numbers_held(_make_network(config["network"]), n_columns) // 8

    def _view_maker(self):
        dtype = getattr(torch, NUMBERS[self.dtype])
        return partial(views_of_images, self.encoder_.image_shape_, dtype)

    def _make_augment(self):
        if self.augment is None:
            return None
        names = self.augment if isinstance(self.augment, str) else list(self.augment)
        dtype = getattr(torch, NUMBERS[self.dtype])
        augment = make_augment(names)
        if augment is None:  # an empty list
            return None
        return _OfFlatRows(augment, self.encoder_.image_shape_, dtype)

    def _make_members(self, plan, members):
        encoder = self.encoder_
        channels, *size = encoder.image_shape_
        arguments = {
            "backbone": self.backbone,
            "pretrained": self.pretrained if self._pretrainer is None else None,
            "freeze": self.freeze,
            "channels_last": self._lays_channels_last(),
            "test_time_flips": bool(self.test_time_flips),
            "n_classes": len(self.classes_),
            "in_channels": channels,
            "image_size": size,
            "cosine_head": needs_cosines(self.loss),
            "mean": encoder.mean_.tolist(),
            "std": encoder.std_.tolist(),
        }
        networks = []
        for member in members:
            network = _make_network(arguments)
            network.reset_parameters(stream_generator(member["seed"], "init"))
            networks.append(network)
        self.module_config_ = {
            "n_members": len(members),
            "network": {**arguments, "pretrained": None},
        }
        return _stacked(networks)

    @staticmethod
    def _build_module(config):
        """The stacked networks of a `module_config_`, before weights are drawn."""
        network = _make_network(config["network"])
        return _stacked([network] * config["n_members"])


class _OfFlatRows:
    """An augmentation of images, applied to rows of pixels."""

    def __init__(self, augment, shape, dtype):
        self.augment, self.scene = augment, Scene(shape, dtype)

    def __call__(self, rows, generator):
        if not len(rows):  # a member whose epoch has ended before that of another
            return rows.to(self.scene.dtype)
        images = self.scene.images(rows)
        return self.augment(images, generator).reshape(len(rows), -1)


class _FrozenNetwork(ImageNetwork):
    """An ImageNetwork whose backbone stays in eval mode while its last layer trains."""

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self


def _make_network(arguments):
    arguments = dict(arguments)
    frozen = arguments.pop("freeze") is not None
    name, n_classes = arguments.pop("backbone"), arguments.pop("n_classes")
    channels, size = arguments.pop("in_channels"), tuple(arguments.pop("image_size"))
    pixels = {k: arguments.pop(k) for k in _OF_NETWORK}
    backbone = make_backbone(name, n_classes, channels, size, **arguments)
    cls = _FrozenNetwork if frozen else ImageNetwork
    network = cls(backbone, (channels, *size), **pixels)
    if frozen:
        head = {id(p) for p in network.head.parameters()}
        for p in network.parameters():
            p.requires_grad_(id(p) in head)
    return network


def _stacked(networks):
    module = StackedMembers(networks)
    module.block_rows = _BLOCK_ROWS
    return module


def _check_image_shape(shape):
    if shape is None:
        return
    whole = all(isinstance(n, int | np.integer) and n > 0 for n in shape)
    fine = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if not (whole and fine):
        raise ValueError(
            "image_shape must be (height, width) or (height, width, channels) with 1, "
            f"3 or 4 channels, got {shape!r}."
        )
