"""Labels and groups of the user as integer codes, with their checks."""

from decimal import Decimal
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklimb._messages import listed, short
from sklimb.inputs.containers import as_column


def check_labels(y, name="y"):
    """Labels, one per row, none missing: numbers, strings or booleans.

    Objects become an array of their kind: integers, whole Decimals and integers beside
    booleans become integers; booleans stay booleans.
    """
    y = column_or_1d(as_column(y, name), warn=True)
    if y.dtype.kind not in "biuSU" and pd.isna(y).any():
        row = int(np.flatnonzero(pd.isna(y))[0])
        raise ValueError(
            f"Input {name} contains NaN: row {row} has no label. Drop such rows, or "
            "give the missing label a name."
        )
    if y.dtype.kind == "O":
        y = _of_objects(y, name)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"Input {name} contains infinity: a label must be finite.")
    if y.dtype.kind in "mM":
        raise ValueError(
            f"{name} must hold numbers, strings or booleans, got {y.dtype}. Give the "
            "classes names, such as y.astype(str)."
        )
    with np.errstate(invalid="ignore"):  # it casts, and 1e300 has no integer
        check_classification_targets(y)
    return y


def _of_objects(y, name):
    """Labels of dtype object as an array of text, booleans, integers or floats."""
    values = y.tolist()
    kinds = {kind: _kind(kind) for kind in dict.fromkeys(map(type, values))}
    found = set(kinds.values())
    if found == {"text"}:
        ends = next((i for i, v in enumerate(values) if v.endswith("\0")), None)
        if ends is not None:
            raise ValueError(
                f"{name} holds {short(values[ends])} in row {ends}, and arrays of text "
                "drop a NUL at the end. Give this class another name."
            )
        return np.asarray(values)
    if found == {"boolean"}:
        return np.array(values, dtype=bool)
    odd = next((i for i, v in enumerate(values) if not kinds[type(v)]), None)
    if odd is not None:
        raise ValueError(
            f"{name} must hold numbers, strings or booleans, got {short(values[odd])} "
            f"of type {type(values[odd]).__name__} in row {odd}. Give the classes "
            "names or numbers."
        )
    if "text" in found:
        rows = [kinds[type(value)] == "text" for value in values]
        text, other = rows.index(True), rows.index(False)
        raise ValueError(
            f"{name} mixes text and numbers: row {text} holds {short(values[text])}, "
            f"row {other} {short(values[other])}. Give all labels one type, such as by "
            f"{name}.astype(str)."
        )
    decimals = (float(value) for value in values if kinds[type(value)] == "decimal")
    whole = "float" not in found and all(value.is_integer() for value in decimals)
    labels = np.array([(int if whole else float)(value) for value in values])
    if whole and labels.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must hold integers of at most 64 bits, got more. Give the classes "
            "names, such as by astype(str)."
        )
    return labels


def _kind(kind):
    """What labels of a type are, None for those that are no labels."""
    for name, types in (
        ("text", str),
        ("boolean", bool | np.bool_),
        ("integer", Integral),
        ("decimal", Decimal),
        ("float", Real),
    ):
        if issubclass(kind, types):
            return name
    return None


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
            f"{name} holds the label {short(unknown.item())}, which is not among the "
            f"classes {listed(classes.tolist())}. Drop such rows; or name all classes "
            "in the first call of partial_fit (classes=), or fit with warm_start=False."
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
            f"classes must be those of the first call, {listed(known.tolist())}, "
            f"got {listed(list(classes))}. Leave classes out, or start with a new "
            "estimator."
        )
