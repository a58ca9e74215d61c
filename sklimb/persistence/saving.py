"""save: a fitted classifier as tensors and a header."""

import numpy as np
import torch

from sklimb.persistence.files import FORMAT, write
from sklimb.persistence.fitted import FITTED, check_labels
from sklimb.persistence.paths import replaceable
from sklimb.persistence.values import fitted_loss_to_json, params_to_json


def save(estimator, path):
    """Write a fitted classifier; an old file is replaced only by a complete new one.

    Content and folder are flushed to the disk. After a kill the path holds the old or
    the new file as a whole; a hidden copy that the kill leaves is deleted by the next
    save to the same path. A link stays, and the file that it leads to is replaced.

    Parameters
    ----------
    estimator : fitted classifier
    path : str or path
        A file that is there is replaced, whatever it holds.

    Raises
    ------
    ValueError
        A loss has its own `log_probability` and is not registered: its code cannot be
        written into the file. Labels are of a type that JSON does not have. The path
        is a pipe, a device or a socket, or a name that no file can have.
    FileNotFoundError
        The folder does not exist, or the path is a folder.
    OSError
        The file cannot be written; no part of it is left behind.
    """
    replaceable(path)  # before anything is computed
    check_labels(estimator.classes_.dtype.str, estimator.classes_.tolist())
    encoder_config, encoder_arrays = estimator.encoder_._get_state()
    params, dropped = params_to_json(estimator)
    header = {
        "format": FORMAT,
        "class": [type(estimator).__module__, type(estimator).__qualname__],
        "params": params,
        "loss": fitted_loss_to_json(estimator.net_.criterion_.loss_function),
        "dropped": dropped,
        "classes": [estimator.classes_.dtype.str, estimator.classes_.tolist()],
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": _names(estimator),
        "encoder": encoder_config,
        "module": estimator.module_config_,
        "one_by_one": estimator.net_.module_.reason,
        "dtype": estimator.dtype_,
        "n_iter": estimator.n_iter_,
        "n_folds": estimator.n_folds_,
        "history": estimator.history_,
        "portfolio": _portfolio(estimator),
    }
    tensors = {
        f"module.{name}": value.detach().cpu().contiguous()
        for name, value in estimator.net_.module_.state_dict().items()
    }
    for name, array in encoder_arrays.items():
        tensors[f"encoder.{name}"] = torch.from_numpy(np.array(array))
    for name in FITTED:
        tensors[f"fitted.{name}"] = torch.from_numpy(np.array(getattr(estimator, name)))
    write(path, tensors, header)


def _names(estimator):
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else names.tolist()


def _portfolio(estimator):
    table = getattr(estimator, "portfolio_", None)
    return None if table is None else table.to_dict("list")
