"""The header of a saved classifier: a closed table of its keys, and their types."""

from sklimb._version import __version__
from sklimb.persistence.encoders import check_names
from sklimb.persistence.files import writer
from sklimb.persistence.fitted import check_labels
from sklimb.persistence.settings import is_settings
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


def is_texts(value):
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def is_history(value):
    """Whether a value is a list of epochs."""
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


def is_count(value):
    """Whether a value is a number of things."""
    return type(value) is int and 0 <= value < 2**31


# Key -> (what it must be, how that is told). A file has all keys but the optional ones,
# and no other.
_KEYS = {
    "format": (is_count, "a number"),
    "class": (lambda v: is_texts(v) and len(v) == 2, "a module and a name"),
    "params": (lambda v: isinstance(v, dict), "a dict of parameters"),
    "loss": (lambda v: isinstance(v, dict), "a loss"),
    "dropped": (is_texts, "a list of names"),
    "classes": (lambda v: isinstance(v, list) and len(v) == 2, "a type and labels"),
    "n_features_in": (lambda v: is_count(v) and v > 0, "a number of columns"),
    "feature_names_in": (lambda v: v is None or is_texts(v), "a list of names"),
    "encoder": (lambda v: isinstance(v, dict), "an encoder"),
    "module": (lambda v: isinstance(v, dict), "a network"),
    "one_by_one": (lambda v: isinstance(v, str), "a text"),
    "dtype": (lambda v: v in _DTYPES, " or ".join(_DTYPES)),
    "n_iter": (is_count, "a number of epochs"),
    "n_folds": (is_count, "a number of folds"),
    "history": (is_history, "a list of epochs"),
    "portfolio": (_is_table, "a table"),
    "settings": (is_settings, "requests and an output"),
    "bare": (lambda v: isinstance(v, bool), "true or false"),
    "version": (lambda v: isinstance(v, str), "a text"),
    "checked": (lambda v: isinstance(v, bool), "set by read"),
}
# What files of earlier versions lack, and what that means.
_DEFAULTS = {"one_by_one": "", "version": "", "n_folds": 0}
# What only some files hold, and what holds for the others.
_OPTIONAL = {"settings": {}, "bare": False}


def checked_header(header):
    """The header with all keys, each of its type.

    Raises
    ------
    ValueError
        A key is missing, not known here, or not of its type.
    """
    header = {**_DEFAULTS, **_OPTIONAL, **header}
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


def params_of(cls, header):
    """{name: value} of the parameters of an object.

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
        check_known(cls, name, header)
        params[name] = from_json(value)
    for name in header["dropped"]:
        check_known(cls, name, header)
    return params


def check_known(cls, name, header):
    """Refuse the name of a parameter that a class does not have."""
    if name not in cls._get_param_names():
        raise ValueError(
            f"{cls.__name__} has no parameter {name[:40]!r} in this sklimb "
            f"({__version__}); {writer(header)} wrote it. Update sklimb, or the module "
            "that defines the class."
        )
