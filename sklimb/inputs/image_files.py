"""Decoding of pictures and image files to pixels, in blocks, by several workers."""

import io
import os
from dataclasses import dataclass
from threading import Lock

import numpy as np
from joblib import Parallel, delayed

from sklimb.inputs.image_pixels import channels_of, pixels_of_array, pixels_of_picture
from sklimb.inputs.on_disk import are_many, filled, spans

# Number of images that an error names.
_NAMED = 5
# Formats whose further frames belong to the first: previews of cameras, layers.
_ONE_IMAGE = ("MPO", "PSD")
# An open file, or a picture that several rows share, is one worker's at a time.
_SHARED = Lock()


@dataclass(frozen=True)
class _Unreadable:
    """The reason why an image cannot be read: "names 'a.png', which ..." (of X)."""

    why: str


def decode(items, image_shape, channels):
    """Pictures, files or arrays as rows of pixels, one channel after the other.

    Parameters
    ----------
    items : list of Item
    image_shape : tuple or None
        The size after resizing, (H, W) or (H, W, C).
    channels : int or None
        Of the result; None is 1 if all of them are grey, else 3 (arrays: or 4).

    Returns
    -------
    rows : uint8 or float32 array of shape (n, C * H * W)
        In a temporary file if they take more than scikit-learn's `working_memory`.
    shape : tuple
        (C, H, W)

    Raises
    ------
    ValueError
        Images that cannot be read, of unequal sizes, or of 8 and of more bits.
    """
    Image = _pillow()
    size = None if image_shape is None else tuple(image_shape[:2])
    # Pillow releases the interpreter's lock, so threads suffice.
    with Parallel(n_jobs=-1, prefer="threads") as workers:
        if channels is None:
            counts = workers(delayed(_channels)(item, Image) for item in items)
            _refuse(counts)
            channels = max(counts)
        first, one = _first_read(items, size, channels, Image)
        shape, dtype = one.shape, one.dtype
        width, unreadable = int(np.prod(shape)), []
        row_bytes = width * dtype.itemsize

        def blocks():
            for span in spans(len(items), row_bytes):
                own = items[span]
                parts = workers(
                    delayed(_decode_one)(item, size, channels, Image) for item in own
                )
                block = np.zeros((len(own), width), dtype=dtype)
                for row, part, item in zip(block, parts, own, strict=True):
                    if isinstance(part, _Unreadable):
                        unreadable.append(part)
                        continue
                    if part.shape != shape:
                        _refuse_sizes(first, shape, item, part.shape)
                    if part.dtype != dtype:
                        _refuse_levels(first, dtype, item)
                    row[:] = part.reshape(-1)
                yield block

        in_file = are_many(len(items) * row_bytes)
        rows = filled(blocks(), (len(items), width), dtype, in_file)
    _refuse(unreadable)
    return rows, shape


def _pillow():
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ImportError(
            "Pictures and files are read by Pillow, which is not installed. Run "
            '`pip install "sklimb[vision]"`, or give arrays.'
        ) from error
    return Image


def _refuse(results):
    """Name the images that cannot be read, if there are any."""
    whys = [result.why for result in results if isinstance(result, _Unreadable)]
    if len(whys) == 1:
        raise ValueError(f"X {whys[0]}")
    if whys:
        named = "; ".join(f"it {why}" for why in whys[:_NAMED])
        rest = "" if len(whys) <= _NAMED else f"; and {len(whys) - _NAMED} more"
        raise ValueError(f"X has {len(whys)} images that cannot be read: {named}{rest}")


def _refuse_sizes(first, shape, other, others):
    named = [
        f"{height} x {width} pixels ({item.name})"
        for item, (_, height, width) in ((first, shape), (other, others))
    ]
    raise ValueError(
        f"All images must have one size, got {named[0]} and {named[1]}. Set "
        "image_shape=(H, W), to which pictures and files are resized, and arrays in a "
        "list."
    )


def _refuse_levels(first, dtype, other):
    bytes_, wide = (first, other) if dtype == np.uint8 else (other, first)
    raise ValueError(
        f"All images must have levels of one depth, got 8 bits ({bytes_.name}) and "
        f"more ({wide.name}), and nobody knows which levels are equal. Give arrays, "
        "scaled to one range."
    )


def _opened(item, Image):
    """The picture or array given, or the picture of a file, or an `_Unreadable`."""
    given, image = item.value, None
    if item.kind == "array":
        return given
    try:
        if item.kind == "picture":
            image = given
        else:
            image = Image.open(given if item.kind == "path" else _stream(item))
        why = _loss(item, image)
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        why = (
            f"names {item.name}, which is too large for Pillow: {error} If it is "
            "yours, raise PIL.Image.MAX_IMAGE_PIXELS"
        )
    except Exception as error:
        # A damaged head makes the readers of some formats fail in any way.
        why = f"names {item.name}, which is no image: {_reason(item, error, Image)}"
    if why is None:
        return image
    if image is not None and image is not given:
        image.close()
    return _Unreadable(why)


def _stream(item):
    """The content of bytes or of an open file, which stays where it is."""
    if item.kind == "bytes":
        return io.BytesIO(item.value)
    with _SHARED:
        place = item.value.tell()
        item.value.seek(0)
        content = item.value.read()
        item.value.seek(place)
    return io.BytesIO(content)


def _reason(item, error, Image):
    """Why there is no image, in words without the path, which is told before."""
    path = item.value if item.kind == "path" else None
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if path is not None and os.path.isdir(path):
        return "it is a folder, whose files X must name"
    if isinstance(error, Image.UnidentifiedImageError):
        if path is not None and os.path.getsize(path) == 0:
            return "it is empty"
        return "Pillow knows no such format"
    return getattr(error, "strerror", None) or str(error)


def _loss(item, image):
    """Why an image of Pillow would not be the whole picture; None if it is."""
    # A picture that the caller has wound to another frame is that frame.
    chosen = item.kind == "picture" and image.tell() > 0
    if not chosen and image.format not in _ONE_IMAGE and _has_frames(item, image):
        return (
            f"holds {item.name}, which has several pages or frames, of which an image "
            "is one. Give each that is meant as image.seek(k) and image.copy() of "
            "Pillow make it, or in a file of its own"
        )
    if image.mode in ("RGB", "RGBA", "LA") and _is_cut(image):
        return (
            f"holds {item.name}, which has colours of 16 bits, of which Pillow keeps "
            "8. Give arrays, such as those of imageio or OpenCV"
        )
    return None


def _has_frames(item, image):
    if item.kind != "picture":
        return getattr(image, "is_animated", False)
    with _SHARED:  # some formats look for a second frame
        return getattr(image, "is_animated", False)


def _is_cut(image):
    """Whether Pillow reads the upper 8 of 16 bits; known until pixels are loaded."""
    for codec, _, _, how in getattr(image, "tile", ()):
        how = how if isinstance(how, tuple) else (how,)
        if codec.startswith("ppm"):
            return how[-1] > 255
        if how and isinstance(how[0], str) and ";16" in how[0]:
            return True
    return False


def _channels(item, Image):
    image = _opened(item, Image)
    if isinstance(image, _Unreadable):
        return image
    try:
        return channels_of(image)
    except ValueError as error:
        return _Unreadable(f"holds {item.name}, which cannot be read: {error}")
    finally:
        if image is not item.value:
            image.close()


def _first_read(items, size, channels, Image):
    """The first image that can be read, and its pixels."""
    results = []
    for item in items:
        results.append(_decode_one(item, size, channels, Image))
        if not isinstance(results[-1], _Unreadable):
            return item, results[-1]
    _refuse(results)
    raise AssertionError("there are no items")


def _decode_one(item, size, channels, Image):
    """Pixels (C, H, W) of one image, upright, or an `_Unreadable`."""
    image = _opened(item, Image)
    if isinstance(image, _Unreadable):
        return image
    try:
        if item.kind == "array":
            return pixels_of_array(image, size, channels)
        return pixels_of_picture(image, size, channels)
    except MemoryError:
        raise
    except Exception as error:
        # Whatever a damaged file does to Pillow, its name is told.
        return _Unreadable(f"holds {item.name}, which cannot be read: {error}")
    finally:
        if image is not item.value:
            image.close()
