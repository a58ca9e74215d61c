"""Saved objects other than classifiers: own numbers, and estimators inside them."""

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklimb._version import __version__
from sklimb.persistence.files import writer
from sklimb.persistence.header import check_known, is_count, is_texts
from sklimb.persistence.registry import class_at, made
from sklimb.persistence.settings import is_settings, set_settings
from sklimb.persistence.values import from_json


def _is_dict(value):
    return isinstance(value, dict)


# Key -> (what it must be, how that is told). A file has all keys and no other.
_KEYS = {
    "format": (is_count, "a number"),
    "kind": (lambda v: v == "object", "'object'"),
    "class": (lambda v: is_texts(v) and len(v) == 2, "a module and a name"),
    "params": (_is_dict, "a dict of parameters"),
    "dropped": (is_texts, "a list of names"),
    "own": (_is_dict, "a dict"),
    "parts": (
        lambda v: _is_dict(v) and all(_is_dict(part) for part in v.values()),
        "a dict of headers",
    ),
    "settings": (is_settings, "requests and an output"),
    "version": (lambda v: isinstance(v, str), "a text"),
    "checked": (lambda v: isinstance(v, bool), "set by read"),
}


def is_object(header):
    """Whether a header is that of an object, not of a classifier."""
    return "kind" in header


def restored_object(header, tensors, restored_part):
    """The object of a header and its tensors.

    Parameters
    ----------
    header : dict
    tensors : dict
        Name -> tensor.
    restored_part : callable
        (header, tensors) -> the estimator of a part.

    Raises
    ------
    ValueError
        It says what is wrong.
    """
    _check_header(header)
    cls = class_at(header["class"])
    if not hasattr(cls, "_own_state"):
        raise ValueError(f"a {cls.__name__} is no object with parts.")
    if list(header["parts"]) != list(cls._saved_parts):
        raise ValueError(f"its parts are not those of a {cls.__name__}.")
    own, of_parts = _split(tensors, header["parts"])
    parts = {
        name: restored_part(part, of_parts[name])
        for name, part in header["parts"].items()
    }
    obj = made(cls, _params(cls, header, parts))
    restore_own(obj, parts, header["own"], own)
    set_settings(obj, header["settings"])
    return obj


def restore_own(obj, parts, config, arrays):
    """Give an unfitted object its fitted estimators and its own numbers."""
    vars(obj).update(parts)
    for name in obj._saved_parts:
        if not obj._takes(parts[name]):
            raise ValueError(
                f"a {type(parts[name]).__name__} is no {name} of a "
                f"{type(obj).__name__}."
            )
    obj._set_own_state(config, arrays)


def _check_header(header):
    for name in header:
        if name not in _KEYS:
            raise ValueError(
                f"it holds {name[:40]!r}, which this sklimb ({__version__}) does not "
                f"know; {writer(header)} wrote it. Update sklimb."
            )
    for name, (fits, what) in _KEYS.items():
        if name not in header:
            raise ValueError(f"its header lacks {name!r}.")
        if not fits(header[name]):
            raise ValueError(f"{name!r} of its header is not {what}.")


def _split(tensors, names):
    """Own tensors and those of each part, without prefixes."""
    own, parts = {}, {name: {} for name in names}
    for name, value in tensors.items():
        part, slash, rest = name.partition("/")
        if slash and part in parts:
            parts[part][rest] = value
        elif name.startswith("own."):
            own[name.removeprefix("own.")] = value
        else:
            raise ValueError(f"it holds a tensor {name[:40]!r} of no part.")
    return own, parts


def _params(cls, header, parts):
    """{name: value} of an object's parameters."""
    params = {}
    for name, value in header["params"].items():
        check_known(cls, name, header)
        frozen = value.get("frozen") if isinstance(value, dict) else None
        if isinstance(frozen, str) and frozen in parts:
            params[name] = FrozenEstimator(parts[frozen])
        else:
            params[name] = from_json(value)
    for name in header["dropped"]:
        check_known(cls, name, header)
        if name == "estimator" and "estimator_" in parts:  # which has no default
            params[name] = clone(parts["estimator_"])
    return params
