"""Digests by which values are compared across processes."""

from types import BuiltinFunctionType, FunctionType
from uuid import uuid4

import joblib


def digest(value, *, across_processes=False):
    """A text that is equal for equal values.

    A value that cannot be pickled, such as an estimator that holds a lambda, is
    compared part by part. A function or class equals only itself or, across processes,
    all with its name; an object without parts equals nothing or all of its type.
    """
    try:
        return joblib.hash(value)
    except Exception:  # pickle raises what it likes
        pass
    if isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        name = f"{value.__module__}.{value.__qualname__}"
        return name if across_processes else f"{name} {id(value)}"
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, (list, tuple)):
        parts = value
    else:
        try:
            parts = value.__reduce_ex__(4)[:3]
        except TypeError:
            kind = type(value).__qualname__
            return kind if across_processes else f"{kind} {uuid4()}"
    inner = [digest(part, across_processes=across_processes) for part in parts]
    return joblib.hash((type(value).__qualname__, inner))
