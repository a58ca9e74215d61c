"""Views of images: two random changes of an image, or one that is turned."""

from dataclasses import dataclass

import torch

from sklimb._messages import short
from sklimb._random import stream_generator
from sklimb.training.augment.operations import (
    Augment,
    Crop,
    Flip,
    make_augment,
)
from sklimb.training.augment.policies import (
    RandAugment,
)
from sklimb.training.device import as_numbers, to_device
from sklimb.training.registry import Registry
from sklimb.training.terms import n_views
from sklimb.training.views.columns import PoolDraws


@dataclass(frozen=True)
class Scene:
    """Shape and dtype of the images that the rows of a batch hold.

    Attributes
    ----------
    shape : tuple of int
        (channels, height, width)
    dtype : torch.dtype
        Dtype of changed pixels, in [0, 1].
    """

    shape: tuple
    dtype: torch.dtype

    def images(self, rows):
        """Rows as images in [0, 1]."""
        return as_numbers(rows, self.dtype).to(self.dtype).view(-1, *self.shape)


VIEWS = Registry(
    "views",
    {
        # Crops with a margin of an eighth of the shorter side, flips, two operations
        # whose shifts grow with the image.
        "randaugment": lambda margin: [Crop(margin), "flip", RandAugment(2, 9)],
        # Chen et al. (2020), as for small images, without blur.
        "color": lambda margin: ["resized_crop", "flip", "jitter", "grayscale"],
    },
)


def make_change(views, shape):
    """The Augment that makes a view of an image.

    Parameters
    ----------
    views : str or sequence
        "auto", a name of `VIEWS`, or names and callables as `make_augment` takes them.
    shape : tuple of int
        (channels, height, width)

    Raises
    ------
    ValueError
        `views` is none of these.
    """
    # NOTE[DIFF]: Chen et al. (2020) crop windows of 8 % to 100 % of the image and
    # distort colours, which leaves too little of grey images of 8 or 28 pixels.
    if isinstance(views, str) and views == "auto":
        views = "randaugment"
    if isinstance(views, str) and views in VIEWS:
        views = VIEWS[views]
        views = views(min(shape[1:]) // 8) if callable(views) else views
    elif isinstance(views, str):
        raise ValueError(
            f"views must be 'auto', one of {list(VIEWS)}, or a list of augmentations, "
            f"got {short(views)}."
        )
    change = make_augment(views, "views")
    if change is None:
        raise ValueError(f"views must hold an augmentation, got {short(views)}.")
    return change


class ImageViews(PoolDraws):
    """Makes views of the images of a batch.

    Two views are two changes of the same image. For rotations there is one view: a crop
    with a margin of an eighth of the shorter side, flipped, and turned by a quarter for
    each image whose position in the batch is 1, 5, 9 and so on, by two for 2, 6, 10 and
    by three for 3, 7, 11. Batches are drawn in random order, so this is a random
    assignment with equal shares.

    Parameters
    ----------
    shape : tuple of int
        (channels, height, width)
    dtype : torch.dtype
    turned : bool, default=False
        Whether there is one turned view instead of two.
    views : str or sequence, default="auto"
        See `make_change`.
    """

    def __init__(self, shape, dtype, *, turned=False, views="auto"):
        super().__init__()
        self.scene, self.turned = Scene(tuple(shape), dtype), turned
        weak = Augment([Crop(min(shape[1:]) // 8), Flip()])
        self.change = weak if turned else make_change(views, shape)

    def start(self, draws, epoch, device):
        """Generators of an epoch, one per draw; on the CPU, as in Augment."""
        return [stream_generator(draw.seed, "views", epoch) for draw in draws]

    def make(self, X, draws, generators, left, table, size):
        """Views of X (draws, n, columns), each of its shape, in [0, 1].

        `left` are the rows that each draw still has: nothing is drawn for padding.
        `table` holds all rows, on any device. `size` is the rows per batch.
        """
        n = X.shape[1]
        sizes = [min(n, int(rows)) for rows in left]
        X = self.drawn(X, draws, generators, sizes, table)
        views = [
            X.new_zeros(X.shape, dtype=self.scene.dtype)
            for _ in range(1 if self.turned else 2)
        ]
        for d, (m, generator) in enumerate(zip(sizes, generators, strict=True)):
            if not m:
                continue
            images = self.scene.images(X[d, :m])
            for view in views:
                changed = self.change(images, generator)
                if self.turned:
                    changed = turned(changed, torch.arange(m) % size)
                view[d, :m] = changed.flatten(1)
        return views


def views_of_images(shape, dtype, term, layout):
    """Views of images of a shape (channels, height, width), as a term needs them."""
    turned = n_views(term) == 1
    if turned and shape[1] != shape[2]:
        raise ValueError(
            "'rotation' needs square images, which a quarter turn leaves in shape, "
            f"got {shape[1]} x {shape[2]} pixels. Use 'vicreg' or 'simclr', or cut "
            "the images to squares."
        )
    views = getattr(term, "views", "auto")
    return ImageViews(shape, dtype, turned=turned, views=views)


def turned(images, positions):
    """Square images, each turned by (position modulo 4) quarters."""
    out = images.clone()
    for quarters in (1, 2, 3):
        rows = (positions % 4 == quarters).nonzero().squeeze(1)
        rows = to_device(rows, images.device)
        out[rows] = images[rows].rot90(quarters, (-2, -1))
    return out
