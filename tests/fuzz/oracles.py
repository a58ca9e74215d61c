"""What must hold of every call: it works, or refuses with a sentence.

`Watch.call` runs one call and checks what is the same for all: the kind of error, the
user's data, warnings and global state. `check_probabilities` and the functions below it
check what an accepted fit must give.
"""

import linecache
import os
import random
import signal
import traceback
import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
import scipy.sparse as sp
import sklearn
import sympy  # noqa: F401  torch imports it when needed, and it adds a filter
import torch
from sklearn.base import BaseEstimator

SECONDS = 30
MAX_WARNINGS = 10
MAX_MESSAGE = 600
# Where an error may be raised, deliberately: here, and by scikit-learn's validation.
OWN = ("/sklimb/", "/sklearn/utils/", "/sklearn/base.py", "/sklearn/model_selection/")
FOREIGN = ("/torch/", "/numpy/", "/pandas/", "/scipy/", "/PIL/", "/joblib/")
# Documented refusals that need a first epoch.
LATE = ("not finite", "diverged", "NaN or infinite")


class Fault(AssertionError):
    """Something that must hold does not."""


class Refused(Exception):
    """A call was refused as it should be."""


def fingerprint(value):
    """What a value holds, as something that can be compared by repr."""
    if isinstance(value, np.ndarray):
        mask = np.ma.getmaskarray(value).tobytes() if np.ma.isMA(value) else None
        plain = value.dtype.hasobject
        held = [fingerprint(v) for v in value.ravel().tolist()] if plain else None
        held = held or np.asarray(value).tobytes()
        return type(value), str(value.dtype), value.shape, value.strides, mask, held
    if isinstance(value, pd.DataFrame):
        columns = [fingerprint(value.iloc[:, i]) for i in range(value.shape[1])]
        return list(value.columns), columns
    if isinstance(value, pd.Series | pd.Index):
        return (
            str(value.dtype),
            [*map(repr, value)],
            getattr(value, "index", 0) is value,
        )
    if isinstance(value, torch.Tensor):
        return value.dtype, value.requires_grad, str(value.grad), value.tolist()
    if sp.issparse(value):
        return type(value), value.nnz, value.toarray().tobytes()
    if isinstance(value, dict):
        return [(fingerprint(k), fingerprint(v)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [fingerprint(v) for v in value]
    if isinstance(value, BaseEstimator):
        return type(value), fingerprint(vars(value))
    if hasattr(value, "to_pydict"):
        return value.to_pydict()
    return repr(value)


def global_state():
    """Everything that belongs to the process and not to a fit."""
    return {
        "torch": (
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
        ),
        "torch seed": torch.get_rng_state().numpy().tobytes(),
        "numpy seed": repr(np.random.get_state()),  # noqa: NPY002
        "Python seed": hash(random.getstate()),
        "numpy": (np.geterr(), np.get_printoptions()),
        "scikit-learn": sklearn.get_config(),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
    }


@contextmanager
def limit(seconds):
    """A fault after so many seconds."""

    def ring(*_):
        raise Fault(f"takes more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check_refusal(error):
    """The error is a sentence of ours or of scikit-learn's validation."""
    name, message = type(error).__name__, str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{'/'.join(last.filename.split('/')[-3:])}:{last.name}"
    told = f"{name} in {place}: {message[:300]}"
    if not isinstance(error, ValueError | TypeError) or isinstance(error, UnicodeError):
        raise Fault(f"raw error: {told}")
    if not any(part in last.filename for part in OWN):
        raise Fault(f"error of another library: {told}")
    if "raise" not in linecache.getline(last.filename, last.lineno):
        raise Fault(f"error that nobody raised on purpose: {told}")
    if len(message) > MAX_MESSAGE:
        raise Fault(f"message of {len(message)} characters: {told}")


def check_warnings(caught):
    """Few warnings, all of them for users."""
    if len(caught) > MAX_WARNINGS:
        raise Fault(f"{len(caught)} warnings, such as: {caught[0].message}")
    for w in caught:
        known = issubclass(w.category, UserWarning)
        if not known or any(part in w.filename for part in FOREIGN):
            place = "/".join(w.filename.split("/")[-3:])
            raise Fault(f"{w.category.__name__} of {place}: {str(w.message)[:200]}")


class Watch:
    """Calls of one input, whose data must stay as they are.

    Parameters
    ----------
    given : object
        The user's data.
    epochs : list
        Of length 0 until something trains.
    """

    def __init__(self, given, epochs):
        self.given, self.epochs = given, epochs

    def call(self, what, function, *arguments, **named):
        """What the function returns; Refused or Fault where it raises."""
        before = repr(fingerprint(self.given))
        self.epochs.clear()
        error = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            state = global_state()
            try:
                with limit(SECONDS):
                    result = function(*arguments, **named)
            except Fault as fault:
                raise Fault(f"{what}: {fault}") from None
            except Exception as raised:
                error = raised
            after = global_state()
        try:
            for name in state:
                if state[name] != after[name]:
                    raise Fault(f"changes the state of {name}")
            if repr(fingerprint(self.given)) != before:
                raise Fault("changes the user's data")
            if error is not None:
                check_refusal(error)
                if self.epochs and not any(late in str(error) for late in LATE):
                    raise Fault(f"refused after training: {str(error)[:300]}")
            check_warnings(caught)
        except Fault as fault:
            raise Fault(f"{what}: {fault}") from error
        if error is not None:
            raise Refused(str(error)) from error
        return result


def check_probabilities(p, n, classes):
    """Probabilities of n rows: finite, in [0, 1], rows of sum 1."""
    if p.shape != (n, len(classes)):
        raise Fault(f"probabilities of shape {p.shape} for {n} rows")
    if not np.isfinite(p).all() or p.min(initial=0) < 0 or p.max(initial=0) > 1:
        raise Fault(f"probabilities from {p.min()} to {p.max()}")
    if n and abs(p.sum(1, dtype=np.float64) - 1).max() > 1e-6:
        off = abs(p.sum(1, dtype=np.float64) - 1).max()
        raise Fault(f"probabilities that sum to 1 only within {off:.1e}")


def check_equal(a, b, what, within=0.0):
    """Two arrays of numbers are equal, or nearly."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise Fault(f"{what}: shape {a.shape} against {b.shape}")
    if a.size and not np.nanmax(abs(a - b)) <= within:
        raise Fault(f"{what}: differs by {np.nanmax(abs(a - b)):.1e}")
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        raise Fault(f"{what}: NaN in other places")


def flat(y):
    """Labels as Python values."""
    for name in ("to_pylist", "to_list", "tolist"):
        if hasattr(y, name):
            y = getattr(y, name)()
    return np.ravel(np.array(y, dtype=object)).tolist()


def check_classes(classes, y, weighted):
    """The classes are the labels, or some of them if rows have weights."""
    labels, found = set(flat(y)), set(classes.tolist())
    if not (found <= labels if weighted else found == labels):
        raise Fault(f"classes_ {str(classes)[:60]} of labels {str(labels)[:60]}")


def rows_of(X, rows):
    """Some rows of X in its own container, None where that has no rows to take."""
    if isinstance(X, pd.DataFrame | pd.Series):
        return X.iloc[rows]
    if isinstance(X, list | tuple):
        return type(X)([X[i] for i in rows])
    if hasattr(X, "take") and hasattr(X, "to_pydict"):
        return X.take(rows)
    if sp.issparse(X):
        return X.tocsr()[rows]
    if isinstance(X, np.ndarray | torch.Tensor) and X.ndim:
        return X[rows]
    if type(X).__module__.startswith("polars") and hasattr(X, "height"):
        return X[rows]
    return None


def same_values(X):
    """Other containers of the same values: {name: X}."""
    if isinstance(X, pd.DataFrame) and X.columns.is_unique:
        other = {"frame of objects": X.astype(object), "copy": X.copy()}
        plain = all(isinstance(kind, np.dtype) for kind in X.dtypes)
        if plain and all(kind.kind in "fiu" for kind in X.dtypes):
            other["frame to float64"] = X.astype(np.float64)
        return other
    if type(X) is not np.ndarray or X.dtype.kind not in "fiu" or X.ndim < 2:
        return {}
    other = {
        "Fortran order": np.asfortranarray(X),
        "strided": np.repeat(X, 2, axis=0)[::2],
        "other bytes": X.astype(X.dtype.newbyteorder()),
    }
    if X.dtype.kind == "f" and X.itemsize < 8:
        other["float64"] = X.astype(np.float64)
    if X.ndim == 2 and X.dtype.kind == "f":
        other["frame"] = pd.DataFrame(X)
    return other
