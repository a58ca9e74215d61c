"""Pixels of one picture or array: upright, opaque, of the size and channels asked for.

Bytes stay bytes; pictures of 16 or 32 bits and other arrays become floats of the levels
that they hold, as whole arrays of images do.
"""

import numpy as np

from sklimb.inputs.image_items import layout

# Alpha blends with what is beneath, which viewers of files and web pages paint white;
# ink, black in most drawings, would be lost on black.
_BENEATH = (255, 255, 255, 255)


def channels_of(value):
    """Channels of a picture, 1 if it is grey and else 3, or of an array of one image.

    Raises
    ------
    ValueError
        The array is no image.
    """
    if hasattr(value, "getbands"):
        return 1 if _is_grey(value.mode) else 3
    shape = layout(value.shape)
    if shape is None or 0 in shape:
        raise ValueError(
            "its shape must be (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels, "
            f"got {value.shape}"
        )
    return shape[0]


def pixels_of_picture(image, size, channels):
    """uint8 or float32 (C, H, W) of a PIL image.

    Parameters
    ----------
    image : PIL image
    size : tuple or None
        (H, W) after resizing.
    channels : int
        1 or 3.
    """
    from PIL import Image, ImageOps

    if channels > 3:
        raise ValueError(
            "pictures become images of 1 or 3 channels, and those of training have "
            f"{channels}. Give arrays"
        )
    image = ImageOps.exif_transpose(image)
    if _is_wide(image.mode):
        return pixels_of_array(np.asarray(image), size, channels)
    image = _opaque(image, Image).convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(image).reshape(image.size[1], image.size[0], channels)
    return pixels.transpose(2, 0, 1)


def pixels_of_array(array, size, channels):
    """uint8 or float32 (C, H, W) of an array of one image.

    Raises
    ------
    ValueError
        NaN or infinite levels, other channels.
    """
    from PIL import Image

    shape = layout(array.shape)
    pixels = np.asarray(array)
    if pixels.ndim == 2:
        pixels = pixels[None]
    elif shape != pixels.shape:
        pixels = pixels.transpose(2, 0, 1)
    if pixels.dtype != np.uint8:
        with np.errstate(over="ignore"):
            pixels = pixels.astype(np.float32)
        if not np.isfinite(pixels).all():
            raise ValueError("it has NaN, infinite or too large levels")
    if len(pixels) == 3 and channels == 1 and pixels.dtype == np.uint8:
        grey = Image.fromarray(pixels.transpose(1, 2, 0)).convert("L")
        pixels = np.asarray(grey)[None]
    if len(pixels) == 1 and channels == 3:
        pixels = np.repeat(pixels, 3, axis=0)
    if len(pixels) != channels:
        raise ValueError(f"it has {len(pixels)} channels where others have {channels}")
    if size is not None and pixels.shape[1:] != size:
        pixels = np.stack([_resized(plane, size, Image) for plane in pixels])
    return pixels


def _resized(plane, size, Image):
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))


def _is_grey(mode):
    return mode in ("1", "L", "LA", "La") or _is_wide(mode)


def _is_wide(mode):
    """Whether levels are of more than 8 bits."""
    return mode in ("I", "F") or mode.startswith("I;16")


def _opaque(image, Image):
    """An image without alpha, on white; colours under alpha = 0 are not seen."""
    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    is_clear = image.mode in ("RGBA", "LA", "PA", "RGBa")
    if not is_clear and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    if image.getextrema()[3][0] == 255:
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, _BENEATH), image)
