"""The reader of images: arrays, flat rows, pictures and files.

An image is stored as a row of C * H * W pixels, one channel after the other, so that
splits, samplers and batches treat it like a row of a table.
"""

import warnings
from contextlib import contextmanager
from hashlib import blake2b
from math import isqrt

import numpy as np
from sklearn.utils import check_array

from sklimb._compat import validate_data
from sklimb._messages import short
from sklimb.exceptions import InputWarning
from sklimb.inputs.containers import as_rows
from sklimb.inputs.image_files import decode
from sklimb.inputs.image_items import CHANNELS, are_items, opened
from sklimb.inputs.image_levels import check_finite, other_range
from sklimb.inputs.on_disk import filled, spans, take_rows
from sklimb.inputs.table import (
    check_container,
    check_is_2d,
    is_series,
    told_of_numbers,
)

# Pixels farther out, in ranges of the training images, are clamped: products overflow.
_FARTHEST = 1e6


class Pictures:
    """Images as flat rows, with the interface of `Table`.

    Parameters
    ----------
    pixels : array of shape (n, C * H * W), uint8 or float
    shape : tuple
        (C, H, W)
    rows : array of int or None
        Row numbers of these images in `pixels`; None is all. They are copied on use.
    """

    names = None
    is_categorical = None

    def __init__(self, pixels, shape, rows=None):
        self.pixels, self.image_shape, self.rows = pixels, shape, rows
        self.n_rows = len(pixels) if rows is None else len(rows)

    @property
    def shape(self):
        """(n_rows, n_columns), for scikit-learn's validation."""
        return self.n_rows, self.pixels.shape[1]

    def take(self, rows):
        """The images of an index array, a mask or a slice."""
        base = np.arange(self.n_rows) if self.rows is None else self.rows
        return Pictures(self.pixels, self.image_shape, base[rows])

    def joined(self, other):
        """These images, followed by those of another part of the same array."""
        rows = np.concatenate([self.rows, other.rows])
        return Pictures(self.pixels, self.image_shape, rows)

    def values(self, rows=slice(None)):
        """Pixels of some images; in a temporary file if many are read from files."""
        return take_rows(self.pixels, rows if self.rows is None else self.rows[rows])

    def blocks(self):
        """Pixels of all images, in blocks."""
        row_bytes = self.pixels.itemsize * self.pixels.shape[1]
        for span in spans(self.n_rows, row_bytes):
            yield self.pixels[span if self.rows is None else self.rows[span]]

    def bounds(self):
        """Smallest and largest level of all images."""
        of_parts = [(part.min(), part.max()) for part in self.blocks()]
        low, high = zip(*of_parts, strict=True)
        return float(min(low)), float(max(high))

    def row_hash(self):
        """One 64-bit hash per image; equal pixels of one dtype have equal hashes."""
        out = np.empty(self.n_rows, dtype=np.uint64)
        for i in range(self.n_rows):
            row = self.values(i)
            if row.dtype != np.uint8:
                row = row + 0.0  # -0.0 as 0.0
            digest = blake2b(row.tobytes(), digest_size=8).digest()
            out[i] = int.from_bytes(digest, "little")
        return out


def read_pictures(X, *, image_shape=None, channels=None, estimator=None, reset=False):
    """Read images as `Pictures`.

    Parameters
    ----------
    X : array or list
        Arrays (n, H, W), (n, H, W, C) or (n, C, H, W), flat rows of H * W * C numbers,
        or a list (or one column) of PIL images, paths, bytes of files, open files or
        arrays of one image.
    image_shape : tuple or None
        (H, W) or (H, W, C): the shape of flat rows, or the size to which pictures,
        files and arrays in a list are resized.
    channels : int or None
        Channels of the training images, for pictures, files and arrays in a list.
    estimator : object
        For scikit-learn's messages and its count of features.
    reset : bool
        Set n_features_in_ rather than compare with it.

    Raises
    ------
    ValueError
        Shapes that are no images, images of unequal sizes, NaN or infinite pixels.

    Warns
    -----
    InputWarning
        With `reset`: flat rows that are no squares, which become images of one line.
    """
    check_container(X)
    X = opened(X, image_shape, channels)
    if are_items(X):
        rows, shape = decode(X, image_shape, channels)
        if estimator is not None:
            _check_shape(estimator, rows, shape, reset)
        return Pictures(rows, shape)
    X = as_rows(X)
    pixels = _numbers(X, estimator)
    flat = pixels.ndim == 2
    fitted = None if reset else getattr(estimator, "_image_shape", None)
    if fitted is not None:
        _refuse_one_image(pixels.shape, fitted)
    if flat:
        height, width, depth = _shape_of(pixels.shape[1], image_shape, fitted, reset)
        pixels = pixels.reshape(len(pixels), height, width, depth)
    pixels = _channels_first(pixels)
    shape = pixels.shape[1:]
    if image_shape is not None and (shape[1:] != tuple(image_shape[:2])):
        raise ValueError(
            f"image_shape={short(tuple(image_shape))} does not agree with images of "
            f"{shape[1]} x {shape[2]} pixels. Set image_shape=None: arrays of images "
            "say their shape themselves; or give list(X), whose images are resized."
        )
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    if estimator is not None:
        _check_shape(estimator, X if flat else rows, shape, reset)
    return Pictures(rows, shape)


def _check_shape(estimator, seen, shape, reset):
    validate_data(estimator, seen, skip_check_array=True, reset=reset)
    if reset:
        estimator._image_shape = shape
    elif shape != estimator._image_shape:
        there, here = (
            "{} channels of {} x {}".format(*s) for s in (estimator._image_shape, shape)
        )
        raise ValueError(
            f"X must hold images like those of training, {there} pixels, got {here}."
        )


def _refuse_one_image(shape, fitted):
    """Refuse one image where images are expected; its shape is that of training."""
    channels, *size = fitted
    whole = {(*size, channels), tuple(fitted)}
    if channels == 1:
        whole.add(tuple(size))
    many = {(int(np.prod(fitted)),)} | ({tuple(size)} if channels == 1 else set())
    if shape in whole and shape[1:] not in many:
        raise ValueError(
            f"X must hold images, got one of shape {shape}: give X[None], and take the "
            "first of the results."
        )


@contextmanager
def _told_of_shapes(X):
    """Say which image has another shape, where numpy says that one has."""
    try:
        yield
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(
            f"All images (or rows) of X must have one shape, and that of X[{_odd(X)}] "
            "is not that of X[0] or is no rectangle. Give arrays in a list and "
            "image_shape=(H, W), to which they are resized."
        ) from error


def _numbers(X, estimator):
    """Images or flat rows as an array: uint8 unchanged, everything else as floats."""
    name = None if estimator is None else estimator
    if isinstance(X, list | tuple) and all(isinstance(x, np.ndarray) for x in X):
        X = np.stack(X) if len({x.shape for x in X}) == 1 else X
    elif (
        hasattr(X, "dtypes")
        and not is_series(X)
        and all(kind == np.uint8 for kind in X.dtypes)
    ):
        X = X.to_numpy()
    is_bytes = getattr(X, "dtype", None) == np.uint8
    # Its own message of missing values is five lines long.
    with told_of_numbers(), _told_of_shapes(X):
        pixels = check_array(
            X,
            dtype=None if is_bytes else (np.float32, np.float64),
            allow_nd=True,
            ensure_2d=is_series(X),
            ensure_all_finite=False,
            estimator=name,
            input_name="X",
        )
    check_is_2d(pixels)
    if not is_bytes:
        check_finite(pixels)
    if pixels.ndim > 4:
        raise ValueError(
            "X must have the shape (n, H, W), (n, H, W, C), (n, C, H, W) or (n, H * W "
            f"* C), got {pixels.ndim} dimensions."
        )
    if 0 in pixels.shape:
        raise ValueError(f"X must hold images with pixels, got shape {pixels.shape}.")
    return pixels


def _odd(X):
    """Position of the first item of X whose shape is not that of the first."""
    shapes = []
    for i, item in enumerate(X):
        try:
            shapes.append(np.shape(item))
        except ValueError:  # rows of unequal lengths
            return i
        if shapes[i] != shapes[0]:
            return i
    return 0


def _channels_first(pixels):
    """(n, C, H, W) of (n, H, W), (n, H, W, C) or (n, C, H, W)."""
    if pixels.ndim == 3:
        return pixels[:, None]
    if pixels.shape[-1] in CHANNELS:
        return pixels.transpose(0, 3, 1, 2)
    if pixels.shape[1] in CHANNELS:
        return pixels
    raise ValueError(
        f"X must have an axis of 1, 3 or 4 channels, the last or the second, got shape "
        f"{pixels.shape}."
    )


def _shape_of(n_pixels, image_shape, fitted, warns):
    """(H, W, C) of flat rows, from image_shape if it is given.

    Otherwise the shape of the training images, `fitted` (C, H, W), if the number of
    pixels is equal; otherwise a grey square if possible, else one line.
    """
    if image_shape is None:
        if fitted is not None and np.prod(fitted) == n_pixels:
            return fitted[1], fitted[2], fitted[0]
        side = isqrt(n_pixels)
        if side * side == n_pixels:
            return side, side, 1
        if warns:
            warnings.warn(
                f"Each row of X has {n_pixels} numbers, which are no grey square, and "
                f"is read as an image of 1 x {n_pixels} pixels. Give image_shape=(H, "
                "W) or (H, W, C), or train a table with TabularMLPClassifier.",
                InputWarning,
                stacklevel=2,
            )
        return 1, n_pixels, 1
    shape = (*image_shape, 1) if len(image_shape) == 2 else tuple(image_shape)
    if np.prod(shape) != n_pixels:
        raise ValueError(
            f"image_shape={short(tuple(image_shape))} has {int(np.prod(shape))} "
            f"numbers an image, and the rows of X have {n_pixels}. Give (H, W) or (H, "
            "W, C)."
        )
    return shape


class ImageEncoder:
    """Encoder of flat images, with the interface of TabularEncoder.

    Bytes stay bytes; floats are scaled to [0, 1] by the range of the training images.
    Mean and standard deviation per channel are applied by the network.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of encoded floats.
    """

    n_indicators_ = 0
    cardinalities_ = ()
    indicator_columns_ = np.empty(0, dtype=int)
    constant_columns_ = np.empty(0, dtype=int)

    def __init__(self, dtype="float32"):
        self.dtype = dtype

    def get_params(self, deep=True):
        """Parameters that must not change in a warm start."""
        return {"dtype": self.dtype}

    def _fit_table(self, pictures, weight):
        self.image_shape_ = tuple(int(n) for n in pictures.image_shape)
        self.low_, self.high_ = 0.0, 255.0
        if pictures.pixels.dtype != np.uint8:
            self.low_, self.high_ = pictures.bounds()
        channels = self.image_shape_[0]
        share = weight / weight.sum()
        # Mean and mean square per channel and image.
        means = np.empty((2, channels, len(weight)))
        begin = 0
        for part in pictures.blocks():
            by_channel = part.reshape(len(part), channels, -1)
            span = slice(begin, begin + len(part))
            for c in range(channels):
                own = self._scaled(by_channel[:, c], np.float64)
                means[0, c, span] = own.mean(1)
                means[1, c, span] = np.square(own).mean(1)
            begin += len(part)
        mean, square = (
            np.array([share @ own for own in of_images]) for of_images in means
        )
        self.mean_ = mean
        std = np.sqrt(np.maximum(square - mean**2, 0))
        self.std_ = np.where(std > 1e-6, std, 1.0)
        return self

    @property
    def n_numeric_(self):
        """Columns of an encoded row."""
        return int(np.prod(self.image_shape_))

    @property
    def numeric_columns_(self):
        """All columns."""
        return np.arange(self.n_numeric_)

    def _scaled(self, values, dtype):
        low, span = self.low_, self.high_ - self.low_
        size = max(abs(low), abs(self.high_))
        # Otherwise float32 loses the differences, and float64 may overflow.
        if not (size < 1e30 and (span == 0 or span > max(size / 4096, 1e-30))):
            values, dtype = values * np.float64(2.0**-3), np.float64
            low, span = low * 2.0**-3, self.high_ * 2.0**-3 - low * 2.0**-3
        with np.errstate(over="ignore"):
            scaled = (values.astype(dtype) - low) / (span if span > 0 else 1.0)
        return np.clip(scaled, -_FARTHEST, _FARTHEST, out=scaled)

    def _transform_table(self, pictures, name=None):
        """Encoded rows: bytes as they are, floats in [0, 1]."""
        values = pictures.values()
        of_bytes = (self.low_, self.high_) == (0.0, 255.0)
        if values.dtype == np.uint8 and of_bytes:
            return values
        if of_bytes and len(values) and 0 < values.max() <= 1 and values.min() >= 0:
            raise ValueError(
                "X holds floats of at most 1, and the classifier was trained on pixels "
                "of 0 to 255: multiply X by 255, or train on floats."
            )
        if values.dtype == np.uint8 and self.high_ <= 1 < values.max(initial=0):
            raise ValueError(
                "X holds bytes, and the classifier was trained on floats of at most 1: "
                "divide X by 255, or train on bytes."
            )
        if (other := self._other_range(pictures)) is not None:
            warnings.warn(other, InputWarning, stacklevel=2)
        if not isinstance(values, np.memmap):
            return self._scaled(values, self.dtype).astype(self.dtype, copy=False)
        parts = spans(len(values), values.itemsize * values.shape[1])
        scaled = (self._scaled(values[span], self.dtype) for span in parts)
        return filled(scaled, values.shape, np.dtype(self.dtype), True)

    def _other_range(self, pictures):
        """What there is to say of levels of another range; None of the same."""
        if not pictures.n_rows:
            return None
        return other_range(*pictures.bounds(), self.low_, self.high_, self.mean_.max())

    def _foreign_rows(self, pictures):
        """Whether most pixels of an image are outside the training range.

        Not if all levels are of another range, which is told when they are encoded.
        """
        if self._other_range(pictures) is not None:
            return np.zeros(pictures.n_rows, dtype=bool)
        foreign = []
        for part in pictures.blocks():
            values = part.astype(np.float64)
            outside = (values < self.low_) | (values > self.high_)
            foreign.append(outside.mean(1) > 0.5)
        return np.concatenate(foreign)

    def _get_state(self):
        config = {
            "image_shape": list(self.image_shape_),
            "range": [self.low_, self.high_],
            "dtype": self.dtype,
        }
        return config, {"mean": self.mean_, "std": self.std_}

    @classmethod
    def _from_state(cls, config, arrays):
        encoder = cls(config["dtype"])
        encoder.image_shape_ = encoder._image_shape = tuple(config["image_shape"])
        encoder.low_, encoder.high_ = config["range"]
        encoder.mean_, encoder.std_ = arrays["mean"], arrays["std"]
        return encoder
