"""The header of a saved classifier: a closed table of its keys, and their types."""

import inspect

from sklimb._version import __version__
from sklimb.persistence.encoders import check_names
from sklimb.persistence.files import writer
from sklimb.persistence.fitted import check_labels
from sklimb.persistence.values import from_json

_PLAIN = (bool, int, float, str, type(None))
_DTYPES = ("float32", "float64")
# Old names of parameters in files of format 1.
_OLD_PARAMETERS = {
    name: f"metabalance_{name}"
    for name in (
        "inner_lr",
        "beta",
        "second_order",
        "support_batch_size",
        "query_batch_size",
    )
}
# Classifiers that a file may name: all subclasses of BaseNeuralClassifier.
_CLASSIFIERS = {}


def note_classifier(cls):
    """Register a classifier that files may name; `load` imports no names.

    Parameters
    ----------
    cls : type
        A later class of the same name and package replaces an earlier one.
    """
    _CLASSIFIERS[_package(cls.__module__), cls.__qualname__] = cls


def _package(module_name):
    """The package of a module; its classes may have moved since a file was written."""
    return module_name.split(".")[0]


def _is_texts(value):
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _is_history(value):
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _is_table(value):
    """Columns of equal length, of plain values; or None."""
    if value is None:
        return True
    if not isinstance(value, dict) or not value:
        return False
    if not all(isinstance(column, list) for column in value.values()):
        return False
    return len({len(column) for column in value.values()}) == 1 and all(
        isinstance(v, _PLAIN) for column in value.values() for v in column
    )


def _is_count(value):
    return type(value) is int and 0 <= value < 2**31


# Key -> (what it must be, how that is told). A file has all keys and no other.
_KEYS = {
    "format": (_is_count, "a number"),
    "class": (lambda v: _is_texts(v) and len(v) == 2, "a module and a name"),
    "params": (lambda v: isinstance(v, dict), "a dict of parameters"),
    "loss": (lambda v: isinstance(v, dict), "a loss"),
    "dropped": (_is_texts, "a list of names"),
    "classes": (lambda v: isinstance(v, list) and len(v) == 2, "a type and labels"),
    "n_features_in": (lambda v: _is_count(v) and v > 0, "a number of columns"),
    "feature_names_in": (lambda v: v is None or _is_texts(v), "a list of names"),
    "encoder": (lambda v: isinstance(v, dict), "an encoder"),
    "module": (lambda v: isinstance(v, dict), "a network"),
    "one_by_one": (lambda v: isinstance(v, str), "a text"),
    "dtype": (lambda v: v in _DTYPES, " or ".join(_DTYPES)),
    "n_iter": (_is_count, "a number of epochs"),
    "n_folds": (_is_count, "a number of folds"),
    "history": (_is_history, "a list of epochs"),
    "portfolio": (_is_table, "a table"),
    "version": (lambda v: isinstance(v, str), "a text"),
    "checked": (lambda v: isinstance(v, bool), "set by read"),
}
# What files of earlier versions lack, and what that means.
_DEFAULTS = {"one_by_one": "", "version": "", "n_folds": 0}


def checked_header(header):
    """The header with all keys, each of its type.

    Raises
    ------
    ValueError
        A key is missing, not known here, or not of its type.
    """
    header = {**_DEFAULTS, **header}
    for name in header:
        if name not in _KEYS:
            raise ValueError(
                f"it holds {name[:40]!r}, which this sklimb ({__version__}) does not "
                f"know; {writer(header)} wrote it. Update sklimb."
            )
    for name, (fits, what) in _KEYS.items():
        if name not in header:
            raise ValueError(f"its header lacks {name!r}.")
        # A list cannot be looked up among names.
        if isinstance(header[name], list | dict) and name == "dtype":
            raise ValueError(f"{name!r} of its header is not {what}.")
        if not fits(header[name]):
            raise ValueError(f"{name!r} of its header is not {what}.")
    check_names(header["feature_names_in"], header["n_features_in"])
    check_labels(*header["classes"])
    return header


def classifier_of(header):
    """The class that a header names.

    Raises
    ------
    ValueError
        No such classifier is registered here, or it is a base class.
    """
    module_name, class_name = header["class"]
    cls = _CLASSIFIERS.get((_package(module_name), class_name))
    if cls is None:
        raise ValueError(
            f"it holds a {class_name!r} of {module_name!r}, and no such classifier is "
            "defined here. Import the module that defines it before loading."
        )
    if inspect.isabstract(cls):
        raise ValueError(f"it holds a {class_name}, which is no classifier itself.")
    return cls


def params_of(cls, header):
    """{name: value} of a classifier's parameters.

    Raises
    ------
    ValueError
        The class has no such parameter, or its value is none that `save` wrote.
    """
    known = cls._get_param_names()
    params = {}
    for name, value in header["params"].items():
        if name not in known and header["format"] == 1:
            name = _OLD_PARAMETERS.get(name, name)
        _check_known(cls, name, known, header)
        params[name] = from_json(value)
    for name in header["dropped"]:
        _check_known(cls, name, known, header)
    return params


def _check_known(cls, name, known, header):
    if name not in known:
        raise ValueError(
            f"{cls.__name__} has no parameter {name[:40]!r} in this sklimb "
            f"({__version__}); {writer(header)} wrote it. Update sklimb, or the module "
            "that defines the class."
        )
