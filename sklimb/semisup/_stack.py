"""Unlabelled rows below labelled ones: same columns, same kind of X."""

import sys

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils import check_consistent_length, column_or_1d

from sklimb._compat import _safe_indexing
from sklimb.inputs.image_items import pictures_of

_PICTURES = "list of pictures"


def check_unlabeled(X, X_unlabeled):
    """Refuse unlabelled rows that are none, or not of the columns of X.

    Raises
    ------
    ValueError
        Names the columns that are missing, unknown or in another place.
    """
    kinds = [_kind(part) for part in (X, X_unlabeled)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"X_unlabeled must be of the same kind as X, a {kinds[0]}, got a "
            f"{kinds[1]}. Inside a Pipeline it must pass the same steps as X: give the "
            'Pipeline transform_input=["X_unlabeled"].'
        )
    if kinds[0] == _PICTURES:
        shapes = [(len(part), 1) for part in (X, X_unlabeled)]
    else:
        shapes = [_shape(X, "X"), _shape(X_unlabeled, "X_unlabeled")]
    if len(shapes[1]) < 2:
        raise ValueError(
            f"X_unlabeled must have rows and columns, got the shape {shapes[1]}."
        )
    if shapes[1][0] == 0:
        raise ValueError(
            "X_unlabeled must hold at least one row, got none. Leave it out (None) to "
            "fit to the labelled rows alone."
        )
    if kinds[0].endswith("data frame"):
        _check_names(list(X.columns), list(X_unlabeled.columns))
    elif shapes[0][1:] != shapes[1][1:]:
        raise ValueError(
            f"X_unlabeled must have the {shapes[0][1]} columns of X, got "
            f"{shapes[1][1]} columns."
            if len(shapes[0]) == 2
            else f"X_unlabeled must hold images of shape {shapes[0][1:]}, like X, got "
            f"{shapes[1][1:]}."
        )


def _shape(rows, name):
    try:
        return np.shape(rows)
    except ValueError:
        raise ValueError(
            f"{name} must have as many values in each row, got rows of unequal lengths."
        ) from None


def _check_names(names, others):
    missing = [name for name in names if name not in others]
    unknown = [name for name in others if name not in names]
    if missing or unknown:
        raise ValueError(
            f"X_unlabeled must have the columns of X: it lacks {missing} and has "
            f"{unknown} besides."
        )
    if names != others:
        moved = [a for a, b in zip(names, others, strict=False) if a != b]
        raise ValueError(
            "X_unlabeled must have the columns of X in the same order: another column "
            f"stands in the place of {moved}. Pass X_unlabeled[X.columns]."
        )


def parted(X, y, X_unlabeled, per_row, unlabeled):
    """Rows with a label, and those of the label `unlabeled` with X_unlabeled.

    Returns
    -------
    X, y : rows with a label
    X_unlabeled : rows without one, those given last, or None
    per_row : dict
        The given values per row of rows with a label.

    Raises
    ------
    ValueError
        No row has a label, or lengths differ.
    """
    y = column_or_1d(y)
    check_consistent_length(X, y, *per_row.values())
    # One by one: numpy does not compare texts with numbers.
    is_unlabeled = np.array([label == unlabeled for label in y.tolist()], dtype=bool)
    if is_unlabeled.all():
        raise ValueError(
            f"unlabeled={unlabeled!r} is the label of all {len(y)} rows. Give rows "
            "with labels too, or set unlabeled=None."
        )
    if len({*y[~is_unlabeled].tolist()}) < 2:
        raise ValueError(
            f"unlabeled={unlabeled!r} leaves rows of one label, and there is nothing "
            "to tell apart. Give rows of other labels too, or set unlabeled=None."
        )
    if not is_unlabeled.any():
        return X, y, X_unlabeled, per_row
    with_label, without = (np.flatnonzero(is_unlabeled == kind) for kind in (0, 1))
    rest = _safe_indexing(X, without)
    if X_unlabeled is not None:
        check_unlabeled(X, X_unlabeled)
        rest = stacked(rest, X_unlabeled)
    X, y = _safe_indexing(X, with_label), y[with_label]
    per_row = {
        name: None if value is None else column_or_1d(value)[with_label]
        for name, value in per_row.items()
    }
    return X, y, rest, per_row


def stacked(X, X_unlabeled):
    """Rows of X, then those of X_unlabeled; categories of both are kept."""
    kind = _kind(X)
    if kind == "pandas data frame":
        return _stacked_pandas(X, X_unlabeled)
    if kind == "polars data frame":
        return _stacked_polars(X, X_unlabeled)
    if kind == "sparse matrix":
        return sp.vstack([X, X_unlabeled], format="csr")
    if kind == _PICTURES:
        return [*pictures_of(X), *pictures_of(X_unlabeled)]
    return np.concatenate([_matrix(X), _matrix(X_unlabeled)])


def _kind(X):
    polars = sys.modules.get("polars")
    if isinstance(X, pd.DataFrame):
        return "pandas data frame"
    if polars is not None and isinstance(X, polars.DataFrame):
        return "polars data frame"
    if sp.issparse(X):
        return "sparse matrix"
    return "array" if pictures_of(X) is None else _PICTURES


def _matrix(X):
    # Of a list of numbers and strings numpy would make strings.
    return np.asarray(X, dtype=object if isinstance(X, list | tuple) else None)


def _stacked_pandas(X, X_unlabeled):
    above, below = X.copy(deep=False), X_unlabeled.copy(deep=False)
    for name, dtype in X.dtypes.items():
        # Of two sets of categories pandas would make plain values.
        if isinstance(dtype, pd.CategoricalDtype) and below[name].dtype != dtype:
            values = pd.Index(below[name].dropna().unique())
            unknown = values.difference(dtype.categories, sort=False)
            shared = pd.CategoricalDtype(dtype.categories.append(unknown))
            above[name] = above[name].astype(shared)
            below[name] = below[name].astype(shared)
    return pd.concat([above, below], ignore_index=True)


def _stacked_polars(X, X_unlabeled):
    polars = sys.modules["polars"]
    schemas = X.schema, X_unlabeled.schema
    texts = polars.String, polars.Categorical, polars.Enum
    mixed = [
        polars.col(name).cast(polars.String)
        for name in X.columns
        if schemas[0][name] != schemas[1][name] and schemas[0][name] in texts
    ]
    parts = [part.with_columns(mixed) for part in (X, X_unlabeled)]
    return polars.concat(parts, how="vertical_relaxed")
