"""ImageResNetClassifier: images in the place of tables, everything else alike."""

from typing import ClassVar

import numpy as np
import torch

from sklimb._compat import HasMethods, StrOptions
from sklimb._decoding import check_items
from sklimb._parameters import PARAMETER_CONSTRAINTS
from sklimb._pictures import ImageEncoder, are_pictures, read_pictures
from sklimb._random import stream_generator
from sklimb._row_files import spans
from sklimb.base import BaseNeuralClassifier
from sklimb.nn.images import ImageNetwork, check_backbone, make_backbone
from sklimb.nn.stacked import StackedMembers
from sklimb.nn.widths import numbers_held
from sklimb.training.augment import make_augment
from sklimb.training.image_views import ImageViews, Scene
from sklimb.training.losses import make_loss
from sklimb.training.plan import NUMBERS

# Images of one inference block: a network of images is arithmetic from few rows on.
_BLOCK_ROWS = 32
_OF_NETWORK = ("mean", "std", "channels_last", "test_time_flips")
_OF_TABLES = ("categorical_features", "numeric_transform", "min_frequency")


class ImageResNetClassifier(BaseNeuralClassifier):
    """Residual networks for class-imbalanced images.

    All imbalance strategies of `TabularMLPClassifier` are parameters here too, and work
    on the same training room. Bytes stay bytes until a batch is augmented, on the
    device.

    Parameters
    ----------
    backbone : str, default="resnet32"
        "resnet8", "resnet20", "resnet32", "resnet56" (He et al., 2016, section 4.2, for
        small images), "resnet18", "resnet34", "resnet50", "resnet152",
        "wide_resnet28_10", or "timm/" and a name of the timm library (needs the extra
        `vision`).
    pretrained : True, str, SelfSupervisedPretrainer or None, default=None
        Weights of a timm backbone, which True downloads and a path reads; or as in
        `TabularMLPClassifier`.
    freeze : {"backbone"} or None, default=None
        Train the last layer alone (a linear probe); running statistics stay.
    image_shape : (height, width) or (height, width, channels), default=None
        What flat rows of numbers hold, and what pictures and files are resized to.
        Without it, flat rows are read as grey squares, or else as images of one line.
    augment : str, list of str or None, default=None
        What is done to each training image, on the device: "flip", "crop", "cutout",
        "erasing", "trivial" (TrivialAugment), "randaugment", "autoaugment", "augmix",
        "resized_crop", "jitter" (brightness, contrast, saturation, hue; of grey images
        the first two), "grayscale", "blur", or several in order.
    test_time_flips : bool, default=False
        Predict, validate and embed with features that are averaged with those of the
        mirrored image.
    channels_last : bool, default=False
        Memory layout of activations, for tensor cores.
    joint_ssl : {"vicreg", "simclr", "rotation"} or object or None, default=None
        A self-supervised term beside the loss, as in `TabularMLPClassifier`. Its two
        views of an image are made as its `views` say, ``SimCLR(views="color")``:
        "randaugment" are crops with a margin of an eighth of the side, flipped by
        chance, after `RandAugment(2, 9)`; "color" are resized crops, flipped, with
        jittered colours or grey, as in SimCLR; "auto" is "randaugment"; a list names
        augmentations, as `augment` does. "rotation" asks by how many quarters a
        cropped and flipped image was turned; images must be square.
    mix : {"mixup", "cutmix"} or None, default=None
        As in `TabularMLPClassifier`; "cutmix" takes a rectangle.
    optimizer : {"adamw", "sgd"}, default="sgd"
    lr : float or "auto", default="auto"
        "auto" is 0.1.
    weight_decay : float or "auto", default="auto"
        "auto" is 0.0005.
    lr_schedule : {"constant", "cosine"}, default="cosine"
    warmup_epochs : int, default=0
    max_epochs : int, default=100
    batch_size : int or "auto", default="auto"
        "auto" is 128, or all images if there are fewer.
    n_iter_no_change : int, default=100
        With a cosine the last epochs are the best: the best weights are kept, and
        nothing stops early.
    loss, class_weight, drw_start, sampler, smoothing_eps, \
            smoothing_scale, smoothing_max, sam_asymmetric_rho, sam_scale, \
            sam_scale_max, sam_norm, joint_ssl_weight, mix_alpha, m2m, \
            metabalance_sampler, metabalance_steps, inner_lr, beta, second_order, \
            support_batch_size, query_batch_size, row_weighting, \
            row_weighting_rows, target_prior, temperature_scaling, n_members, \
            portfolio, ema_decay, clip_norm, early_stopping, validation_fraction, \
            validation_split, validation_folds, monitor, warm_start, \
            merge_duplicates, dtype, device, compile, random_state, verbose, \
            callbacks, net_params
        As in `TabularMLPClassifier`, with the same defaults and attributes.

    Attributes
    ----------
    encoder_ : object
        Shape, range, mean and standard deviation of the training images.

    Notes
    -----
    X may be an array (n, H, W), (n, H, W, C) or (n, C, H, W) of bytes or floats, flat
    rows, a list of PIL images or of file paths. Files are read once a fit, by several
    workers, turned by their EXIF tag, and kept as bytes. Bytes that exceed
    scikit-learn's `working_memory` (1 GiB, see `sklearn.set_config`) are put into
    temporary files, which training reads by the batch and the system holds in memory as
    far as there is room; they are gone with the fit, whatever happens. The folder of
    temporary files (`TMPDIR`, which should be on a disk) needs twice the bytes of the
    images, with `pretrained` or `validation_folds` more. Predictions read files part by
    part and keep none. Not so bounded are rows that a `sampler` makes before training
    ("over", "smote" and the like) and the validation rows of a pack of
    `PackedSearchCV`.

    BatchNorm: SAM's second pass leaves the running statistics alone; an image that
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
    _parameter_constraints: ClassVar[dict] = {
        **{k: v for k, v in PARAMETER_CONSTRAINTS.items() if k not in _OF_TABLES},
        "backbone": [str],
        "pretrained": ["boolean", str, HasMethods(["fit", "transform"]), None],
        "freeze": [StrOptions({"backbone"}), None],
        "image_shape": [tuple, list, None],
        "augment": [str, list, tuple, None],
        "test_time_flips": ["boolean"],
        "channels_last": ["boolean"],
    }

    def __init__(
        self,
        *,
        backbone="resnet32",
        pretrained=None,
        freeze=None,
        image_shape=None,
        augment=None,
        test_time_flips=False,
        channels_last=False,
        loss="ce",
        class_weight=None,
        drw_start=None,
        sampler="uniform",
        smoothing_eps=0.0,
        smoothing_scale="complement",
        smoothing_max=0.5,
        sam_asymmetric_rho=0.0,
        sam_scale="inverse",
        sam_scale_max=10.0,
        sam_norm="batch",
        joint_ssl=None,
        joint_ssl_weight=0.1,
        mix=None,
        mix_alpha=1.0,
        m2m=None,
        metabalance_sampler=None,
        metabalance_steps=80,
        inner_lr=0.01,
        beta=0.0,
        second_order=False,
        support_batch_size=20,
        query_batch_size=30,
        row_weighting=None,
        row_weighting_rows=10,
        target_prior="train",
        temperature_scaling=False,
        n_members=1,
        portfolio=None,
        optimizer="sgd",
        lr="auto",
        weight_decay="auto",
        lr_schedule="cosine",
        warmup_epochs=0,
        max_epochs=100,
        batch_size="auto",
        ema_decay=0.0,
        clip_norm=None,
        early_stopping="auto",
        validation_fraction=0.15,
        validation_split=None,
        validation_folds=None,
        monitor="loss",
        n_iter_no_change=100,
        warm_start=False,
        merge_duplicates=True,
        dtype="float32",
        device="auto",
        compile=False,
        random_state=None,
        verbose=0,
        callbacks=None,
        net_params=None,
    ):
        self.backbone = backbone
        self.pretrained = pretrained
        self.freeze = freeze
        self.image_shape = image_shape
        self.augment = augment
        self.test_time_flips = test_time_flips
        self.channels_last = channels_last
        self.loss = loss
        self.class_weight = class_weight
        self.drw_start = drw_start
        self.sampler = sampler
        self.smoothing_eps = smoothing_eps
        self.smoothing_scale = smoothing_scale
        self.smoothing_max = smoothing_max
        self.sam_asymmetric_rho = sam_asymmetric_rho
        self.sam_scale = sam_scale
        self.sam_scale_max = sam_scale_max
        self.sam_norm = sam_norm
        self.joint_ssl = joint_ssl
        self.joint_ssl_weight = joint_ssl_weight
        self.mix = mix
        self.mix_alpha = mix_alpha
        self.m2m = m2m
        self.metabalance_sampler = metabalance_sampler
        self.metabalance_steps = metabalance_steps
        self.inner_lr = inner_lr
        self.beta = beta
        self.second_order = second_order
        self.support_batch_size = support_batch_size
        self.query_batch_size = query_batch_size
        self.row_weighting = row_weighting
        self.row_weighting_rows = row_weighting_rows
        self.target_prior = target_prior
        self.temperature_scaling = temperature_scaling
        self.n_members = n_members
        self.portfolio = portfolio
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.warmup_epochs = warmup_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.ema_decay = ema_decay
        self.clip_norm = clip_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.validation_folds = validation_folds
        self.monitor = monitor
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.merge_duplicates = merge_duplicates
        self.dtype = dtype
        self.device = device
        self.compile = compile
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.net_params = net_params

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        tags.input_tags.three_d_array = True
        return tags

    @property
    def input_report(self):
        """Images have no columns to report on."""
        raise AttributeError(f"{type(self).__name__} has no columns to report on.")

    @property
    def explain(self):
        """A pixel is no reason."""
        raise AttributeError(
            f"{type(self).__name__} has no columns to explain. Libraries for images, "
            "such as captum, take its `net_.module_`."
        )

    def _baseline(self, prepared):
        return np.zeros(0)

    def _make_encoder(self):
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
        """Pictures and files in parts: nobody has to hold the pixels of all."""
        if not are_pictures(X):
            return [X]
        items = list(X)
        check_items(items)
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

    def _widest(self, module):
        network = _make_network(self.module_config_["network"])
        return numbers_held(network, self.encoder_.n_numeric_) // 8

    def _make_views(self, term, layout):
        shape = self.encoder_.image_shape_
        turned = getattr(term, "n_views", 2) == 1
        if turned and shape[1] != shape[2]:
            raise ValueError(
                "'rotation' needs square images, which a quarter turn leaves in shape, "
                f"got {shape[1]} x {shape[2]} pixels. Use 'vicreg' or 'simclr', or cut "
                "the images to squares."
            )
        dtype = getattr(torch, NUMBERS[self.dtype])
        views = getattr(term, "views", "auto")
        return ImageViews(shape, dtype, turned=turned, views=views)

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
            "channels_last": bool(self.channels_last),
            "test_time_flips": bool(self.test_time_flips),
            "n_classes": len(self.classes_),
            "in_channels": channels,
            "image_size": size,
            "cosine_head": getattr(make_loss(self.loss), "cosine_head", False),
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
        """The stacked networks of a `module_config_`; weights are not drawn yet."""
        network = _make_network(config["network"])
        return _stacked([network] * config["n_members"])


class _OfFlatRows:
    """An augmentation of images for rows of pixels."""

    def __init__(self, augment, shape, dtype):
        self.augment, self.scene = augment, Scene(shape, dtype)

    def __call__(self, rows, generator):
        if not len(rows):  # a member whose epoch has ended before that of another
            return rows.to(self.scene.dtype)
        images = self.scene.images(rows)
        return self.augment(images, generator).reshape(len(rows), -1)


class _FrozenNetwork(ImageNetwork):
    """An ImageNetwork whose backbone predicts, also while its last layer trains."""

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
