"""Weights of the user as one float64 number per row, with their checks."""

from numbers import Number

import numpy as np
import pandas as pd
import scipy.sparse as sp

from sklimb._compat import _check_sample_weight
from sklimb.inputs.containers import as_column


def check_weights(sample_weight, n_rows, non_negative=True):
    """Weights of n_rows rows as float64; None is ones, one number is that of all rows.

    Raises
    ------
    ValueError
        Values that are no numbers, negative or missing, a wrong length, zeros only.
    """
    if sample_weight is not None and not sp.issparse(sample_weight):
        sample_weight = _as_numbers(as_column(sample_weight, "sample_weight"))
        if not np.isfinite(sample_weight).all():
            what = "NaN" if np.isnan(sample_weight).any() else "infinity"
            raise ValueError(
                f"Input sample_weight contains {what}: every weight must be a finite "
                "number. Give 0 to rows that shall not count."
            )
    return _check_sample_weight(
        sample_weight,
        np.empty((n_rows, 1)),
        dtype=np.float64,
        ensure_non_negative=non_negative,
    )


def _as_numbers(weights):
    """float64 of whatever holds numbers or text of numbers; NaN where one is missing.

    numpy's own errors would not say that weights are meant.
    """
    values = None
    try:
        values = np.asarray(weights)
        if values.dtype.kind in "cmMV":
            raise TypeError
        if values.dtype.kind == "O":
            values = np.where(pd.isna(values), np.nan, values)
        values = values.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        what = type(weights).__name__
        if values is not None and values.ndim:
            kinds = {type(value).__name__ for value in values.ravel().tolist()[:100]}
            what = f"{what} of {', '.join(sorted(kinds)[:3])}"
        raise ValueError(
            f"sample_weight must hold one number a row, got a {what}. Give an array of "
            "floats."
        ) from error
    return float(values) if isinstance(weights, Number) else values
