"""save: a fitted estimator as tensors and a header."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklimb.persistence.files import FORMAT, write
from sklimb.persistence.fitted import BARE, FITTED, OPTIONAL, check_labels
from sklimb.persistence.paths import replaceable
from sklimb.persistence.registry import place_of
from sklimb.persistence.settings import settings_of
from sklimb.persistence.values import (
    fitted_loss_to_json,
    params_to_json,
    plain,
    to_json,
)


def save(estimator, path):
    """Write a fitted estimator of sklimb to one safetensors file, without pickle.

    Content and folder are flushed to the disk; an old file is replaced only by a
    complete new one. After a kill the path holds the old or the new file as a whole; a
    hidden copy that the kill leaves is deleted by the next save to the same path. A
    link stays, and the file that it leads to is replaced.

    Parameters
    ----------
    estimator : fitted estimator
        A classifier, second stage, pseudo-label classifier, pre-trainer or encoder of
        sklimb; of a search its `best_estimator_`. Pipelines and scikit-learn's
        wrappers are for `skops.io.dump`.
    path : str or path
        A file that is there is replaced, whatever it holds.

    Raises
    ------
    TypeError
        The estimator, or one inside it, is none of sklimb's.
    ValueError
        A loss has its own `log_probability` and is not registered: its code cannot be
        written into the file. Labels are of a type that JSON does not have. The path
        is a pipe, a device or a socket, or a name that no file can have.
    FileNotFoundError
        The folder does not exist, or the path is a folder.
    OSError
        The file cannot be written; no part of it is left behind.

    Examples
    --------
    >>> import os, tempfile, sklimb
    >>> from sklearn.datasets import make_classification
    >>> X, _ = make_classification(random_state=0)
    >>> encoder = sklimb.TabularEncoder().fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "encoder.safetensors")
    ...     sklimb.save(encoder, path)
    ...     again = sklimb.load(path)
    >>> bool((again.transform(X) == encoder.transform(X)).all())
    True
    """
    replaceable(path)  # before anything is computed
    header, tensors = described(estimator, "estimator")
    write(path, tensors, header)


def described(estimator, name):
    """(header, tensors) of a fitted estimator, called `name` in messages."""
    check_saveable(estimator, name)
    check_is_fitted(estimator, estimator._saved_when)
    if hasattr(estimator, "_own_state"):
        return _object(estimator)
    return _classifier(estimator)


def check_saveable(estimator, name):
    """Refuse what a file of sklimb's cannot hold, and say what can."""
    if not isinstance(estimator, type) and place_of(type(estimator)) is not None:
        return
    kind = type(estimator).__name__
    if hasattr(estimator, "best_estimator_"):
        raise TypeError(
            f"{name} is a {kind}, whose results a file of numbers cannot hold. Save "
            "its best_estimator_, or the whole search by skops.io.dump."
        )
    raise TypeError(
        f"{name} is a {kind}, which a file of numbers cannot hold. Use joblib.dump, or "
        "skops.io.dump for what is scikit-learn's around sklimb's estimators."
    )


def _classifier(estimator):
    """Header and tensors of a classifier, or of a network that saw no labels."""
    bare = not hasattr(estimator, "intercept_")
    check_labels(estimator.classes_.dtype.str, estimator.classes_.tolist())
    encoder_config, encoder_arrays = estimator.encoder_._get_state()
    params, dropped = params_to_json(estimator)
    header = {
        "format": FORMAT,
        "class": place_of(type(estimator)),
        "params": params,
        "loss": fitted_loss_to_json(estimator.net_.criterion_.loss_function),
        "dropped": dropped,
        "classes": [estimator.classes_.dtype.str, estimator.classes_.tolist()],
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": names_of_columns(estimator),
        "encoder": encoder_config,
        "module": estimator.module_config_,
        "one_by_one": estimator.net_.module_.reason,
        "dtype": estimator.dtype_,
        "n_iter": 0 if bare else estimator.n_iter_,
        "n_folds": 0 if bare else estimator.n_folds_,
        "history": [] if bare else plain(estimator.history_),
        "portfolio": _portfolio(estimator),
    }
    if bare:
        header["bare"] = True
    if settings_of(estimator):
        header["settings"] = settings_of(estimator)
    tensors = tensors_of("module", estimator.net_.module_)
    for name, array in encoder_arrays.items():
        tensors[f"encoder.{name}"] = as_tensor(array)
    for name in BARE if bare else (*FITTED, *OPTIONAL):
        if hasattr(estimator, name):
            tensors[f"fitted.{name}"] = as_tensor(getattr(estimator, name))
    return header, tensors


def _object(estimator):
    """Header and tensors of any other estimator, with those inside it as parts."""
    params, dropped = {}, []
    for name, value in estimator.get_params(deep=False).items():
        try:
            params[name] = _frozen(estimator, value) or to_json(value)
        except TypeError:
            dropped.append(name)
    header, tensors = {"format": FORMAT, "kind": "object", "parts": {}}, {}
    for name in estimator._saved_parts:
        own, arrays = described(getattr(estimator, name), name)
        header["parts"][name] = own
        tensors |= {f"{name}/{key}": value for key, value in arrays.items()}
    own, arrays = estimator._own_state()
    header |= {
        "class": place_of(type(estimator)),
        "params": params,
        "dropped": dropped,
        "own": own,
        "settings": settings_of(estimator),
    }
    for name, array in arrays.items():
        tensors[f"own.{name}"] = as_tensor(array)
    return header, tensors


def _frozen(estimator, value):
    """{"frozen": name} of a frozen estimator that is saved as a part, or None."""
    for name in estimator._saved_parts:
        if isinstance(value, FrozenEstimator) and value.estimator is getattr(
            estimator, name
        ):
            return {"frozen": name}
    return None


def as_tensor(array):
    """A tensor of its own memory, which safetensors asks for."""
    if isinstance(array, torch.Tensor):
        return array.detach().cpu().contiguous().clone()
    return torch.from_numpy(np.array(array))


def tensors_of(prefix, module):
    """The tensors of a network, on the CPU."""
    return {
        f"{prefix}.{name}": value.detach().cpu().contiguous()
        for name, value in module.state_dict().items()
    }


def names_of_columns(estimator):
    """Names of the columns of X as a list, or None."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else names.tolist()


def _portfolio(estimator):
    table = getattr(estimator, "portfolio_", None)
    return None if table is None else table.to_dict("list")
