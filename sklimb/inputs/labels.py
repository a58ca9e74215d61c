"""Labels and groups of the user as integer codes, with their checks."""

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklimb.inputs.containers import as_column


def check_labels(y, name="y"):
    """Labels, one per row, none missing: numbers, strings or booleans."""
    y = column_or_1d(as_column(y, name), warn=True)
    if y.dtype.kind not in "biuSU" and pd.isna(y).any():
        row = int(np.flatnonzero(pd.isna(y))[0])
        raise ValueError(
            f"Input {name} contains NaN: row {row} has no label. Drop such rows, or "
            "give the missing label a name."
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("Input y contains infinity: a label must be finite.")
    if y.dtype.kind in "mM":
        raise ValueError(
            f"{name} must hold numbers, strings or booleans, got {y.dtype}. Give the "
            "classes names, such as y.astype(str)."
        )
    check_classification_targets(y)
    if y.dtype.kind == "O":
        y = np.asarray(y.tolist())
    return y


def label_codes(y, classes, needed, name="y"):
    """Position of each label among the sorted `classes`; rows `needed` must have one.

    Raises
    ------
    ValueError
        A label that is not among the classes.
    """
    codes = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    known = classes[codes] == y
    if not known[needed].all():
        unknown = y[needed][~known[needed]][0]
        raise ValueError(
            f"{name} holds the label {unknown.item()!r}, which is not among the "
            f"classes {classes.tolist()!r}. Drop such rows; or name all classes in "
            "the first call of partial_fit (classes=), or fit with warm_start=False."
        )
    return codes.astype(np.int64)


def group_codes(groups, y):
    """Groups as integer codes, one for each label."""
    groups = column_or_1d(as_column(groups, "groups"))
    check_consistent_length(y, groups)
    return pd.factorize(groups, sort=True)[0].astype(np.int64)


def check_same_classes(known, classes):
    """Refuse classes that are not those of the first call of partial_fit."""
    if not np.array_equal(known, np.unique(check_labels(classes, "classes"))):
        raise ValueError(
            f"classes must be those of the first call, {known.tolist()!r}, got "
            f"{list(classes)!r}. Leave classes out, or start with a new estimator."
        )
