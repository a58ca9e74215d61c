"""Decoding of pictures and image files to bytes, in blocks, by several workers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from sklimb.inputs.on_disk import are_many, filled, spans

# Number of images that an error names.
_NAMED = 5


@dataclass(frozen=True)
class _Unreadable:
    """The reason why an image cannot be read: "names 'a.png', which ..." (of X)."""

    why: str


def decode(items, image_shape, channels):
    """Pictures or files as rows of bytes, one channel after the other.

    Parameters
    ----------
    items : list
        PIL images or paths of files.
    image_shape : tuple or None
        The size after resizing, (H, W) or (H, W, C).
    channels : int or None
        1 or 3; None is 1 if all of them are grey.

    Returns
    -------
    rows : uint8 array of shape (n, C * H * W)
        In a temporary file if they take more than scikit-learn's `working_memory`.
    shape : tuple
        (C, H, W)

    Raises
    ------
    ValueError
        Items of other kinds, images that cannot be read or of unequal sizes.
    """
    Image = _pillow()
    check_items(items)
    size = None if image_shape is None else tuple(image_shape[:2])
    # Pillow releases the interpreter's lock, so threads suffice.
    with Parallel(n_jobs=-1, prefer="threads") as workers:
        if channels is None:
            modes = workers(delayed(_mode_of)(item, Image) for item in items)
            _refuse(modes)
            channels = 1 if all(_is_grey(mode) for mode in modes) else 3
        first, shape = _first_read(items, size, channels, Image)
        width, unreadable = int(np.prod(shape)), []

        def blocks():
            for span in spans(len(items), width):
                own = items[span]
                parts = workers(
                    delayed(_decode_one)(item, size, channels, Image) for item in own
                )
                block = np.zeros((len(own), width), dtype=np.uint8)
                for row, part, item in zip(block, parts, own, strict=True):
                    if isinstance(part, _Unreadable):
                        unreadable.append(part)
                        continue
                    if part.shape != shape:
                        _refuse_sizes(first, shape, item, part.shape)
                    row[:] = part.reshape(-1)
                yield block

        in_file = are_many(len(items) * width)
        rows = filled(blocks(), (len(items), width), np.uint8, in_file)
    _refuse(unreadable)
    return rows, shape


def check_items(items):
    """Refuse what is neither a picture nor a path.

    Raises
    ------
    ValueError
        An item is neither; its position in X.
    """
    for i, item in enumerate(items):
        if not isinstance(item, str | Path) and not hasattr(item, "getbands"):
            raise ValueError(
                f"X[{i}] must be a PIL image or the path of a file, like the first, "
                f"got {type(item).__name__}."
            )


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
        f"{height} x {width} pixels ({_name(item)})"
        for item, (_, height, width) in ((first, shape), (other, others))
    ]
    raise ValueError(
        f"All images must have one size, got {named[0]} and {named[1]}. Set "
        "image_shape=(H, W), to which pictures and files are resized."
    )


def _name(item):
    return repr(item) if hasattr(item, "getbands") else repr(str(item))


def _is_grey(mode):
    return mode in ("1", "L", "LA") or mode.startswith("I;16")


def _opened(item, Image):
    """The picture given or that of a file, or an `_Unreadable`."""
    if hasattr(item, "getbands"):
        return item
    try:
        return Image.open(item)
    except _errors(Image) as error:
        return _Unreadable(f"names {_name(item)}, which is no image: {error}")


def _errors(Image):
    """Errors that Pillow raises for missing, broken and too large files."""
    return OSError, SyntaxError, EOFError, Image.DecompressionBombError


def _mode_of(item, Image):
    image = _opened(item, Image)
    if isinstance(image, _Unreadable):
        return image
    mode = image.mode
    if image is not item:
        image.close()
    return mode


def _first_read(items, size, channels, Image):
    """The first image that can be read, and its (C, H, W)."""
    results = []
    for item in items:
        results.append(_decode_one(item, size, channels, Image))
        if not isinstance(results[-1], _Unreadable):
            return item, results[-1].shape
    _refuse(results)
    raise AssertionError("there are no items")


def _decode_one(item, size, channels, Image):
    """Bytes (C, H, W) of one image, upright, or an `_Unreadable`."""
    from PIL import ImageOps

    given = _opened(item, Image)
    if isinstance(given, _Unreadable):
        return given
    if given.mode in ("I", "F"):
        return _Unreadable(
            f"holds an image of mode {given.mode!r}, whose range nobody knows "
            f"({_name(item)}). Give arrays of numbers (np.asarray of each image)."
        )
    try:
        image = ImageOps.exif_transpose(given)
        if image.mode.startswith("I;16"):  # 16 bits, which convert() would cut off
            wide = np.asarray(image, dtype=np.uint16) >> 8
            image = Image.fromarray(wide.astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
        if size is not None and image.size != size[::-1]:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        pixels = np.asarray(image).reshape(image.size[1], image.size[0], channels)
        return pixels.transpose(2, 0, 1)
    except _errors(Image) as error:
        return _Unreadable(f"holds {_name(item)}, which cannot be read: {error}")
    finally:
        if given is not item:
            given.close()
