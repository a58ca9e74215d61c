"""States of encoders in a file: types, lengths and ranges, before they are taken."""

import json
import math

import numpy as np
import torch

from sklimb.inputs.category_values import tagged, untagged

_TABLE = {
    "is_categorical": torch.bool,
    "stats": torch.float64,
    "knots": torch.float64,
    "knot_counts": torch.int64,
    "missing": torch.float64,
    "rare": torch.int64,
    "rare_counts": torch.int64,
}
_IMAGES = {"mean": torch.float64, "std": torch.float64}


def check_encoder(of, config, arrays, n_features, dtype, encodings=("ordinal",)):
    """Refuse a state that no fitted encoder has.

    Parameters
    ----------
    of : {"columns", "images"}
        What the classifier reads.
    config : object
        JSON of the header.
    arrays : dict
        Name -> tensor.
    n_features : int
        Columns of X.
    dtype : str
        Type of encoded rows.
    encodings : tuple of str
        How categories may be written; networks read codes.

    Raises
    ------
    ValueError
        It says what is wrong.
    """
    names = _IMAGES if of == "images" else _TABLE
    if set(arrays) != set(names):
        raise ValueError("the arrays of its encoder are not those of an encoder.")
    for name, kind in names.items():
        if arrays[name].dtype != kind:
            raise ValueError(f"{name} of its encoder has type {arrays[name].dtype}.")
        if name != "stats" and arrays[name].isnan().any():
            raise ValueError(f"{name} of its encoder is not a number.")
    if of == "images":
        _check_images(config, arrays, n_features, dtype)
        return
    _check_table(config, arrays, n_features, dtype)
    if config["params"].get("category_encoding") not in encodings:
        raise ValueError("its encoder does not write codes, which networks read.")


def _check_images(config, arrays, n_features, dtype):
    _check_keys(config, {"image_shape", "range", "dtype"})
    shape, bounds = config["image_shape"], config["range"]
    if (
        not isinstance(shape, list)
        or len(shape) != 3
        or not all(type(n) is int and n > 0 for n in shape)
        or math.prod(shape) != n_features
    ):
        raise ValueError("its images do not have the shape of its columns.")
    if not (
        isinstance(bounds, list)
        and len(bounds) == 2
        and all(type(b) in (int, float) and math.isfinite(b) for b in bounds)
        and bounds[0] <= bounds[1]
    ):
        raise ValueError("the range of its images is not two numbers.")
    if config["dtype"] != dtype:
        raise ValueError("its images and its network are not of one dtype.")
    for name in _IMAGES:
        if tuple(arrays[name].shape) != (shape[0],):
            raise ValueError(f"{name} of its images is not one number per channel.")


def _check_table(config, arrays, n_features, dtype):
    _check_keys(config, {"params", "names", "columns"})
    params, names = config["params"], config["names"]
    if not isinstance(params, dict) or params.get("dtype") != dtype:
        raise ValueError("its encoder and its network are not of one dtype.")
    check_names(names, n_features)
    flags = arrays["is_categorical"]
    n_categorical = int(flags.sum())
    n_numeric = n_features - n_categorical
    _check_categories(config["columns"], n_categorical)
    shapes = {
        "is_categorical": (n_features,),
        "stats": (n_numeric, 5),
        "knot_counts": (n_numeric,),
        "missing": (n_categorical,),
        "rare_counts": (n_categorical,),
        "knots": (2, _total(arrays["knot_counts"])),
        "rare": (_total(arrays["rare_counts"]),),
    }
    for name, shape in shapes.items():
        if tuple(arrays[name].shape) != shape:
            raise ValueError(
                f"{name} of its encoder has shape {tuple(arrays[name].shape)}, not "
                f"{shape}."
            )
    _check_numbers(params.get("numeric_transform"), arrays)


def _check_keys(config, keys):
    if not isinstance(config, dict) or set(config) != keys:
        raise ValueError(f"its encoder is not described by {', '.join(sorted(keys))}.")


def check_names(names, n_features):
    """Refuse what is neither None nor one name per column."""
    if names is None:
        return
    if (
        not isinstance(names, list)
        or len(names) != n_features
        or not all(isinstance(name, str) for name in names)
    ):
        raise ValueError("its columns do not have one name each.")


def _check_categories(columns, n_categorical):
    """Refuse what is no list of (type, value) for each column of categories."""
    fine = isinstance(columns, list) and len(columns) == n_categorical
    fine = fine and all(isinstance(column, list) for column in columns)
    if not fine or not all(_is_value(pair) for column in columns for pair in column):
        raise ValueError("the categories of its encoder are no lists of typed values.")


def _is_value(pair):
    """Whether (type, value) is what a value of this type is written as."""
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
        return False
    try:
        return json.dumps(tagged(untagged(*pair))) == json.dumps(pair)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return False


def _total(counts):
    """Sum of lengths, exact however large; -1 if one is negative."""
    counts = counts.flatten().tolist()
    return -1 if min(counts, default=0) < 0 else sum(counts)


def _check_numbers(transform, arrays):
    """Refuse ranges and knots that no numeric column has."""
    stats, counts = arrays["stats"].numpy(), arrays["knot_counts"].tolist()
    low, high, center, scale, missing = stats.T
    fine = not np.isnan([low, high]).any() and _shares(missing)
    fine = fine and _shares(arrays["missing"].numpy()) and not (scale < 0).any()
    if transform != "quantile":
        fine = fine and not np.isnan([center, scale]).any()
    if not fine:
        raise ValueError("the ranges of its numeric columns are not numbers.")
    end = 0
    for i, count in enumerate(counts):
        x, z = arrays["knots"].numpy()[:, end : end + count]
        end += count
        # A column with one value has no knots; one of scale 0 does not read them.
        of_quantiles = transform == "quantile"
        if count == 1 or (count and not of_quantiles):
            raise ValueError("a numeric column has the knots of another transform.")
        if of_quantiles and not count and scale[i] != 0:
            raise ValueError("a numeric column has no knots.")
        finite = np.isfinite(x).all() and np.isfinite(z).all()
        if not finite or (x[1:] <= x[:-1]).any():
            raise ValueError("the knots of a numeric column do not increase.")


def _shares(values):
    return bool(((values >= 0) & (values <= 1)).all())
