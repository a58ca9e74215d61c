"""Checks of levels of images: all are numbers, of the range that training had."""

import numpy as np

from sklimb.inputs.on_disk import spans

# Upper ends of ranges by which levels are called.
_ENDS = (1, 255, 1023, 4095, 16383, 65535)


def other_range(least, most, low, high, mean):
    """What to say of levels far outside the training range, or far darker; else None.

    Parameters
    ----------
    least, most : float
        Smallest and largest level of the images.
    low, high : float
        Those of the training images.
    mean : float
        Mean of the training images, where low is 0 and high is 1.
    """
    span = high - low
    outside = most > high + span or least < low - span
    # A uniform image has no range; a dark one still has bright pixels.
    dark = least < most < low + span * mean / 4
    if span <= 0 or not (outside or dark):
        return None
    here, there = _called(least, most), _called(low, high)
    if here == there:
        here, there = (f"{a:.4g} to {b:.4g}" for a, b in ((least, most), (low, high)))
    return (
        f"X has levels within {here}, and the training images had {there}: images of "
        "another range are not recognised. Scale X to that of training."
    )


def _called(low, high):
    end = next((end for end in _ENDS if low >= 0 and high <= end), None)
    return f"{low:.4g} to {high + 0.0:.4g}" if end is None else f"0 to {end}"


def check_finite(pixels):
    """Refuse NaN and infinite pixels, block by block: a mask of all is not held."""
    flat = pixels.reshape(len(pixels), -1) if len(pixels) else pixels
    for rows in spans(len(flat), flat[:1].nbytes):
        if not np.isfinite(flat[rows]).all():
            what = "NaN" if np.isnan(flat[rows]).any() else "infinity"
            raise ValueError(f"Input X contains {what}: every pixel must be a number.")
