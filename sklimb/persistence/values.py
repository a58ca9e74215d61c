"""Values of parameters as JSON and back, by a closed table of strategies."""

import math
from dataclasses import fields

import numpy as np
import torch

from sklimb.persistence.registry import class_at, made, place_of
from sklimb.training.augment.operations import AUGMENTS
from sklimb.training.losses import LOSSES, CrossEntropy
from sklimb.training.m2m import M2MS
from sklimb.training.reweighting import ROW_WEIGHTINGS
from sklimb.training.samplers import SAMPLERS
from sklimb.training.steps import STEPS
from sklimb.training.terms import PRETRAINING_TERMS, TERMS

# Registries of the dataclasses that a file may name, by the tag of their JSON.
_TAGS = {
    "loss": [LOSSES],
    "row_weighting": [ROW_WEIGHTINGS],
    "term": [TERMS, PRETRAINING_TERMS],
    "m2m": [M2MS],
    "augment": [AUGMENTS],
    "sampler": [SAMPLERS],
    "step": [STEPS],
}
# What a field of a strategy may hold, by its annotation.
_FIELDS = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}


def fitted_loss_to_json(loss):
    """The loss as JSON, on which the fitted probabilities depend."""
    loss = getattr(loss, "unbound", loss)
    try:
        return to_json(loss)
    except TypeError:  # a callable: its logits are read by softmax
        return to_json(CrossEntropy())


def fitted_loss_from_json(value):
    """The loss of a `fitted_loss_to_json`."""
    loss = from_json(value)
    if not isinstance(value, dict) or "loss" not in value:
        raise ValueError("its loss is none.")
    return loss


def params_to_json(estimator):
    """Parameters as JSON values, and the names of those that JSON cannot hold."""
    params, dropped = {}, []
    for name, value in estimator.get_params(deep=False).items():
        try:
            params[name] = to_json(value)
        except TypeError:
            dropped.append(name)
    return params, dropped


def plain(value):
    """A value of a history as JSON: plain numbers for numpy's and torch's.

    What a callback has put there and JSON does not have is told as a text.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    return str(value)


def to_json(value):
    """A value as JSON; dicts and strategies are tagged: JSON has only text keys.

    Raises
    ------
    TypeError
        JSON cannot hold it.
    ValueError
        A loss has its own `log_probability` and is not registered, so a loaded file
        would give other probabilities.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[to_json(k), to_json(v)] for k, v in value.items()]}
    for tag in _TAGS:
        if type(value) in _registered(tag).values():
            own = {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
            return {tag: [type(value).__name__, own]}
    if place_of(type(value)) is not None:  # an estimator that a fit would clone
        own = value.get_params(deep=False)
        own = {name: to_json(of) for name, of in own.items()}
        return {"estimator": [place_of(type(value)), own]}
    if hasattr(value, "log_probability"):
        raise ValueError(
            f"loss={value!r} has a log_probability of its own, which a file of numbers "
            "cannot hold. Use joblib.dump, one of sklimb's losses, or a frozen "
            "dataclass that is registered: LOSSES.register(name, loss)."
        )
    raise TypeError(f"{value!r} is code")


def from_json(value):
    """The value of a `to_json`; objects are made of registered classes alone.

    Raises
    ------
    ValueError
        It is none that `to_json` wrote, or names what is not registered here.
    """
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not value:
        raise ValueError("it holds a value without a tag.")
    (tag, content), *rest = value.items()
    if tag == "dict":
        return _dict_of(content, rest)
    if tag == "estimator":
        return _estimator_of(content, rest)
    if tag not in _TAGS:
        raise ValueError(f"it holds a {tag!r}, which this sklimb does not know.")
    if isinstance(content, str):  # files of format 1: the fields are beside the name
        return _object_of(tag, content, dict(rest))
    if rest or not (
        isinstance(content, list)
        and len(content) == 2
        and isinstance(content[0], str)
        and isinstance(content[1], dict)
    ):
        raise ValueError(f"its {tag} is no name with its fields.")
    return _object_of(tag, *content)


def _dict_of(pairs, rest):
    if rest or not isinstance(pairs, list):
        raise ValueError("it holds a dict that is no list of pairs.")
    made = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError("it holds a dict that is no list of pairs.")
        key = from_json(pair[0])
        if isinstance(key, list | dict):
            raise ValueError("it holds a dict with a key that is no plain value.")
        made[key] = from_json(pair[1])
    return made


def _estimator_of(content, rest):
    """An estimator that is not fitted, of [[module, name], parameters]."""
    fine = not rest and isinstance(content, list) and len(content) == 2
    if not fine or not isinstance(content[1], dict):
        raise ValueError("it holds an estimator that is no class with its parameters.")
    own = {name: from_json(value) for name, value in content[1].items()}
    return made(class_at(content[0]), own)


def _object_of(tag, name, own):
    """The strategy of a tag, the name of its class and its fields as JSON."""
    classes = _registered(tag)
    if name not in classes:
        raise ValueError(
            f"it holds the {tag} {name}, which is not registered. Register it before "
            "loading, as it was when the file was written."
        )
    cls = classes[name]
    own = {k: from_json(v) for k, v in own.items()}
    _check_fields(cls, tag, own)
    try:
        return cls(**own)
    # The class may be a user's, and check its fields as it likes.
    except Exception as error:
        raise ValueError(f"the {tag} {name} does not take {own}: {error}") from error


def _check_fields(cls, tag, own):
    """Refuse values of another type than that of a field."""
    for field in fields(cls):
        allowed = _FIELDS.get(field.type)
        if field.name not in own or allowed is None:
            continue
        value = own[field.name]
        wrong = not isinstance(value, allowed)
        wrong = wrong or (isinstance(value, bool) and bool not in allowed)
        if wrong or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(
                f"the {tag} {cls.__name__} does not take {field.name}={value!r}."
            )


def _registered(tag):
    """{class name: class} of the strategies that files hold under a tag."""
    return {k: v for registry in _TAGS[tag] for k, v in registry.classes().items()}
