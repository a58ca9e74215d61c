"""save and load: one safetensors file of tensors and JSON, no pickle, atomic."""

import importlib
import json
import os
import warnings
from dataclasses import fields, is_dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sklimb.training.losses import CrossEntropy, bind

FORMAT = 1
# Dataclasses that a file may name, by the tag of their JSON and where they are.
_TAGS = {
    "loss": "sklimb.training.losses",
    "row_weighting": "sklimb.training.reweighting",
    "term": "sklimb.training.terms",
    "m2m": "sklimb.training.m2m",
}
_PLAIN = (
    "class_prior_",
    "class_weight_sum_",
    "intercept_",
    "temperature_",
    "baseline_",
    "prior_shift_",
    "member_seeds_",
    "member_weights_",
    "_loss_counts",
    "best_epoch_",
    "best_score_",
)


def save(estimator, path):
    """Write a fitted classifier; the old file is replaced only when all is written.

    Raises
    ------
    ValueError
        A loss with its own `log_probability` that is not one of sklimb's, because its
        code cannot be put into a file of numbers.
    OSError
        The file cannot be written; nothing of it is left behind.
    """
    encoder_config, encoder_arrays = estimator.encoder_._get_state()
    params, dropped = _json_params(estimator)
    header = {
        "format": FORMAT,
        "class": [type(estimator).__module__, type(estimator).__qualname__],
        "params": params,
        "loss": _fitted_loss(estimator.net_.criterion_.loss_function),
        "dropped": dropped,
        "classes": [estimator.classes_.dtype.str, estimator.classes_.tolist()],
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": _names(estimator),
        "encoder": encoder_config,
        "module": estimator.module_config_,
        "one_by_one": getattr(estimator.net_.module_, "reason", ""),
        "dtype": estimator.dtype_,
        "n_iter": estimator.n_iter_,
        "history": estimator.history_,
        "portfolio": _portfolio(estimator),
    }
    tensors = {
        f"module.{name}": value.detach().cpu().contiguous()
        for name, value in estimator.net_.module_.state_dict().items()
    }
    for name, array in encoder_arrays.items():
        tensors[f"encoder.{name}"] = torch.from_numpy(np.array(array))
    for name in _PLAIN:
        tensors[f"fitted.{name}"] = torch.from_numpy(np.array(getattr(estimator, name)))
    path = Path(path).resolve()
    if not path.parent.is_dir() or path.is_dir():
        raise FileNotFoundError(
            f"path must be a file in an existing folder, got {str(path)!r}."
        )
    write(path, tensors, header)


def write(path, tensors, header):
    """Write tensors and a JSON header; `path` is all there or as it was."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        # safetensors writes files that only their owner reads.
        temporary.touch()
        mode = (path if path.exists() else temporary).stat().st_mode
        save_file(tensors, temporary, metadata={"sklimb": json.dumps(header)})
        temporary.chmod(mode)
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, SafetensorError):  # how safetensors reports a full disk
            raise OSError(f"{path} could not be written: {error}") from error
        raise


def load(path, device="auto"):
    """Read a classifier that `save` wrote.

    Parameters
    ----------
    path : str or path
        Of the file.
    device : str, default="auto"
        Where it shall predict; a model trained on a GPU loads on a CPU.

    Returns
    -------
    estimator : fitted classifier
        Its predictions have the same bits as those of the saved one on the same kind
        of device.

    Raises
    ------
    ValueError
        The file is not one that sklimb wrote, or a newer sklimb wrote it.

    Examples
    --------
    >>> import os, tempfile, sklimb
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(random_state=0)
    >>> clf = sklimb.TabularMLPClassifier(max_epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     clf.save(path)
    ...     again = sklimb.load(path)
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    header, tensors = read(path)
    module_name, class_name = header["class"]
    if module_name.split(".")[0] != "sklimb":
        raise ValueError(
            f"{path} names the class {module_name}.{class_name}: only "
            "classes of sklimb are loaded."
        )
    cls = getattr(importlib.import_module(module_name), class_name)
    if header["dropped"]:
        warnings.warn(
            f"{path} could not hold {', '.join(header['dropped'])}: set them anew "
            "before fitting again. Predictions do not need them.",
            UserWarning,
            stacklevel=2,
        )
    params = {name: _from_json(value) for name, value in header["params"].items()}
    estimator = cls(**{**params, "device": device})
    return _restore(estimator, header, tensors)


def _restore(estimator, header, tensors):
    from sklimb.fitting.probabilities import make_net, set_prior
    from sklimb.training.device import resolve_device

    arrays = _prefixed(tensors, "encoder.")
    estimator.encoder_ = estimator._encoder_class._from_state(
        header["encoder"], {name: value.numpy() for name, value in arrays.items()}
    )
    for name in ("_is_categorical", "_image_shape"):
        if hasattr(estimator.encoder_, name):
            setattr(estimator, name, getattr(estimator.encoder_, name))
    dtype, labels = header["classes"]
    estimator.classes_ = np.array(labels, dtype=np.dtype(dtype))
    estimator.n_features_in_ = header["n_features_in"]
    if header["feature_names_in"] is not None:
        names = np.array(header["feature_names_in"], dtype=object)
        estimator.feature_names_in_ = names
    for name, value in _prefixed(tensors, "fitted.").items():
        setattr(estimator, name, value.numpy())
    estimator.module_config_ = header["module"]
    estimator.dtype_, estimator.n_iter_ = header["dtype"], header["n_iter"]
    estimator.history_ = header["history"]
    if header["portfolio"] is not None:
        estimator.portfolio_ = pd.DataFrame(header["portfolio"])
    estimator._device = resolve_device(estimator.device)
    estimator.device_ = str(estimator._device)
    module = estimator._build_module(header["module"])
    module.to(getattr(torch, header["dtype"]))
    state = _prefixed(tensors, "module.")
    for name, buffer in list(module.named_buffers()):
        if buffer.shape != state[name].shape:  # members of folds have their own bins
            owner, _, last = name.rpartition(".")
            setattr(module.get_submodule(owner), last, torch.empty_like(state[name]))
    module.load_state_dict(state)
    if hasattr(module, "live"):
        module.all_live = bool(module.live.all())
    if header.get("one_by_one"):  # vmap is not tried again at each prediction
        module.packed, module.reason = False, header["one_by_one"]
    module.to(estimator._device)
    like = next(module.parameters())
    loss = bind(_from_json(header["loss"]), estimator._loss_counts, like)
    n_classes = len(estimator.classes_)
    net = make_net(loss, module, n_classes, estimator._device)
    estimator.net_ = net.prepare(None, None, None).release()
    set_prior(estimator, estimator.net_)
    return estimator


def read(path):
    """Header and tensors of a file that `write` wrote."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if "sklimb" not in metadata:
        raise ValueError(f"{path} was not written by sklimb's save.")
    header = json.loads(metadata["sklimb"])
    if header["format"] > FORMAT:
        raise ValueError(
            f"{path} has format {header['format']}, and this sklimb reads up to "
            f"{FORMAT}. Update sklimb."
        )
    return header, tensors


def _prefixed(tensors, prefix):
    return {
        k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)
    }


def _names(estimator):
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else names.tolist()


def _portfolio(estimator):
    table = getattr(estimator, "portfolio_", None)
    return None if table is None else table.to_dict("list")


def _fitted_loss(loss):
    """What the fitted probabilities need to know of the loss."""
    loss = getattr(loss, "unbound", loss)
    try:
        return _to_json(loss)
    except TypeError:  # a callable: its logits are read by softmax
        return _to_json(CrossEntropy())


def _json_params(estimator):
    """Parameters as JSON values, and the names of those that only code could hold."""
    params, dropped = {}, []
    for name, value in estimator.get_params(deep=False).items():
        try:
            params[name] = _to_json(value)
        except TypeError:
            dropped.append(name)
    return params, dropped


def _to_json(value):
    """A value as JSON; dicts and losses are tagged, because JSON has only text keys.

    Raises
    ------
    TypeError
        Only code could hold it.
    ValueError
        A loss with a `log_probability` of its own, without which the file's
        probabilities would be others.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _to_json(value.tolist())
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[_to_json(k), _to_json(v)] for k, v in value.items()]}
    for tag, module in _TAGS.items():
        if is_dataclass(value) and type(value).__module__ == module:
            own = {f.name: _to_json(getattr(value, f.name)) for f in fields(value)}
            return {tag: type(value).__name__, **own}
    if hasattr(value, "log_probability"):
        raise ValueError(
            f"loss={value!r} has a log_probability of its own, which a file of numbers "
            "cannot hold. Use joblib.dump, or one of sklimb's losses."
        )
    raise TypeError(f"{value!r} is code")


def _from_json(value):
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {_from_json(k): _from_json(v) for k, v in value["dict"]}
    tag = next(tag for tag in _TAGS if tag in value)
    own = {k: _from_json(v) for k, v in value.items() if k != tag}
    module = importlib.import_module(_TAGS[tag])
    return getattr(module, value[tag])(**own)
