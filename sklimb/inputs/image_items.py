"""Containers of images: which hold pictures or files, one by one, and which numbers."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Number

import numpy as np

# Lengths by which a last (or first) axis is known to be that of the channels.
CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True)
class Item:
    """One image as it was given, and its position in X."""

    value: object
    row: int

    @property
    def kind(self):
        """What the image is: "path", "picture", "array", "bytes" or "file"."""
        return _kind_of(self.value)

    @property
    def name(self):
        """How messages call it."""
        if self.kind == "path":
            return repr(str(os.fspath(self.value)))
        return f"X[{self.row}]"


def opened(X, image_shape=None, channels=None):
    """X as a list of `Item`, or as numbers.

    Parameters
    ----------
    X : object
        What the caller gave.
    image_shape : tuple or None
        Arrays of another size in a list are items, which are resized.
    channels : int or None
        Arrays with other channels in a list are items, which are converted.

    Returns
    -------
    list of Item, or X (as a list, if it is a column of objects)

    Raises
    ------
    ValueError
        X is one image, or several columns with text, or an item is no image.
    """
    if isinstance(X, list) and X and isinstance(X[0], Item):
        return X
    if _kind_of(X) in ("path", "picture", "bytes", "file"):
        raise ValueError(
            f"X must be a list of images, got one {_kind_of(X)}: give [X], and take "
            "the first of the results."
        )
    if isinstance(X, Iterator):
        raise ValueError(
            f"X must be a list of images, got a {type(X).__name__}, which can be read "
            "once: give list(X)."
        )
    values = _column(X)
    if values is None:
        return X
    present = next((v for v in values if not _is_missing(v)), None)
    if present is None:
        none_at = next((i for i, v in enumerate(values) if v is None), None)
        if none_at is None:  # no rows, or NaN, which are numbers
            return X
        raise _no_image(none_at, None)
    if _kind_of(present) is None:
        return X
    values = [_as_array(value) for value in values]
    for i, value in enumerate(values):
        if _kind_of(value) is None:
            raise _no_image(i, value)
    if _kind_of(present) == "array" and _are_alike(values, image_shape, channels):
        return values
    return [Item(value, i) for i, value in enumerate(values)]


def are_items(X):
    """Whether `opened` has made items of X."""
    return isinstance(X, list) and bool(X) and isinstance(X[0], Item)


def pictures_of(X):
    """The single images that a list or column of any kind holds; None of others."""
    if len(getattr(X, "shape", (0,))) != 1 or _kind_of(X) is not None:
        return None
    values = _column(X)
    present = next((v for v in values or () if not _is_missing(v)), None)
    return None if _kind_of(present) is None else values


def layout(shape):
    """(C, H, W) of an array of one image, or None: (H, W), (H, W, C) or (C, H, W)."""
    if len(shape) == 2:
        return 1, *shape
    if len(shape) == 3 and shape[2] in CHANNELS:
        return shape[2], *shape[:2]
    return shape if len(shape) == 3 and shape[0] in CHANNELS else None


def _no_image(row, value):
    got = "nothing" if _is_missing(value) else type(value).__name__
    return ValueError(
        f"X[{row}] must be a PIL image, an array (H, W) or (H, W, C), the path of a "
        f"file, its bytes or an open file, got {got}. Give its image or drop the row."
    )


def _kind_of(value):
    if _is_frame(value):
        return None
    if isinstance(value, str | os.PathLike):
        return "path"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes"
    if hasattr(value, "getbands"):
        return "picture"
    if hasattr(value, "read") and hasattr(value, "seek"):
        return "file"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) in (2, 3):
        return "array"
    return None


def _is_frame(X):
    return hasattr(X, "columns") and len(getattr(X, "shape", ())) == 2


def _is_missing(value):
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # of pandas
        return True
    return isinstance(value, Number | np.generic) and bool(value != value)


def _as_array(value):
    # Open files have a detach, too, which takes their content away.
    is_tensor = _kind_of(value) == "array" and hasattr(value, "detach")
    return value.detach().cpu().numpy() if is_tensor else value


def _are_alike(values, image_shape, channels):
    """Whether all values are arrays of one shape that need no change."""
    if not all(isinstance(value, np.ndarray) for value in values):
        return False
    if len({value.shape for value in values}) > 1:
        return False
    shape = layout(values[0].shape)
    if shape is None:
        return True  # refused where arrays are read
    sized = image_shape is None or shape[1:] == tuple(image_shape[:2])
    return sized and channels in (None, shape[0])


def _column(X):
    """The values of a list or of one column of objects; None of anything else."""
    if isinstance(X, list | tuple):
        return list(X)
    if _is_frame(X):
        if X.shape[1] != 1:
            _refuse_text(X)
            return None
        X = _only_column(X)
    if isinstance(X, np.ndarray):
        if X.dtype.kind not in "OUTS":
            return None
        if X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
        if X.ndim == 2:
            _refuse_text(X)
        return list(X) if X.ndim == 1 else None
    if len(getattr(X, "shape", (0,))) != 1:
        return None
    for name in ("to_pylist", "to_list"):  # of pyarrow; of pandas and polars
        if hasattr(X, name):
            return getattr(X, name)()
    return None


def _only_column(X):
    """The one column of a frame of pandas, polars or pyarrow."""
    if hasattr(X, "iloc"):
        return X.iloc[:, 0]
    return X.to_series(0) if hasattr(X, "to_series") else X.column(0)


def _first_row(X):
    """The first row of several columns, as {how one writes a column: value}."""
    if isinstance(X, np.ndarray):
        return {f"X[:, {i}]": value for i, value in enumerate(X[0])}
    if hasattr(X, "iloc"):
        names, values = X.columns, X.iloc[0].tolist()
    elif hasattr(X, "row"):
        names, values = X.columns, X.row(0)
    else:
        row = X.slice(0, 1).to_pylist()[0]
        names, values = row.keys(), row.values()
    return {f"X[{name!r}]": value for name, value in zip(names, values, strict=True)}


def _refuse_text(X):
    if not len(X):
        return
    for column, value in _first_row(X).items():
        if isinstance(value, str) and not _is_number(value):
            raise ValueError(
                "X must be one column of files, or pixels in numbers alone, got "
                f"{X.shape[1]} columns with text in {column}. If that names the files, "
                f"give {column}."
            )


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
