"""save and load: fitted classifiers as one safetensors file each, without pickle."""

import hashlib
import json
import os
import warnings
from dataclasses import fields
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sklimb.training.augment.operations import AUGMENTS
from sklimb.training.losses import LOSSES, CrossEntropy, bind
from sklimb.training.m2m import M2MS
from sklimb.training.reweighting import ROW_WEIGHTINGS
from sklimb.training.samplers import SAMPLERS
from sklimb.training.steps import STEPS
from sklimb.training.terms import PRETRAINING_TERMS, TERMS

FORMAT = 2
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
# Classifiers that a file may name: all subclasses of BaseNeuralClassifier.
_CLASSIFIERS = {}
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
    """Write a fitted classifier; an old file is replaced only by a complete new one.

    Raises
    ------
    ValueError
        A loss has its own `log_probability` and is not registered: its code cannot be
        written into the file.
    OSError
        The file cannot be written; no part of it is left behind.
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
    for name in _PLAIN:
        tensors[f"fitted.{name}"] = torch.from_numpy(np.array(getattr(estimator, name)))
    path = Path(path).resolve()
    if not path.parent.is_dir() or path.is_dir():
        raise FileNotFoundError(
            f"path must be a file in an existing folder, got {str(path)!r}."
        )
    write(path, tensors, header)


def write(path, tensors, header):
    """Write tensors and a JSON header; on failure `path` stays as it was."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        # safetensors writes files that only their owner reads.
        temporary.touch()
        mode = (path if path.exists() else temporary).stat().st_mode
        text = json.dumps(header)
        # One entry: safetensors writes several in an order that changes.
        metadata = {"sklimb": f"{_checksum(text, tensors)} {text}"}
        save_file(tensors, temporary, metadata=metadata)
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
        Path of the file.
    device : str, default="auto"
        Device for predictions; a model trained on a GPU loads on a CPU.

    Returns
    -------
    estimator : fitted classifier
        Its predictions have the same bits as those of the saved one on the same kind
        of device.

    Raises
    ------
    ValueError
        The file is damaged, none that sklimb wrote, or of a newer sklimb.

    Warns
    -----
    UserWarning
        An earlier sklimb wrote it, without a checksum.

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
    if not header["checked"]:
        warnings.warn(
            f"{path} was written by an earlier sklimb and has no checksum, so that a "
            "changed bit would not be noticed. Save the classifier again.",
            UserWarning,
            stacklevel=2,
        )
    cls = _classifier(path, *header["class"])
    try:
        params = _params(cls, header)
        loss = _from_json(header["loss"])
    except ValueError as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from error
    if header["dropped"]:
        warnings.warn(
            f"{path} could not hold {', '.join(header['dropped'])}: set them anew "
            "before fitting again. Predictions do not need them.",
            UserWarning,
            stacklevel=2,
        )
    estimator = cls(**{**params, "device": device})
    return _restore(estimator, header, tensors, loss)


def note_classifier(cls):
    """Register a classifier that files may name; `load` imports no names."""
    _CLASSIFIERS[_package(cls.__module__), cls.__qualname__] = cls


def _package(module_name):
    """The package of a module; its classes may have moved since a file was written."""
    return module_name.split(".")[0]


def _classifier(path, module_name, class_name):
    key = _package(module_name), class_name
    if key not in _CLASSIFIERS:
        raise ValueError(
            f"{path} holds a {class_name} of {module_name}, and no such classifier is "
            "defined here. Import the module that defines it before loading."
        )
    return _CLASSIFIERS[key]


def _params(cls, header):
    known = cls._get_param_names()
    params = {}
    for name, value in header["params"].items():
        if name not in known and header["format"] == 1:
            name = _OLD_PARAMETERS.get(name, name)
        if name not in known:
            raise ValueError(f"{cls.__name__} has no parameter {name!r}.")
        params[name] = _from_json(value)
    return params


def _restore(estimator, header, tensors, loss):
    from sklimb.fitting.probabilities import make_net, set_prior, set_temperature
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
    estimator.module_config_, estimator.history_ = header["module"], header["history"]
    estimator.dtype_, estimator.n_iter_ = header["dtype"], header["n_iter"]
    estimator.n_folds_ = header.get("n_folds", estimator.validation_folds or 1)
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
    if header.get("one_by_one"):  # so that predictions do not try vmap again
        module.packed, module.reason = False, header["one_by_one"]
    module.to(estimator._device)
    like = next(module.parameters())
    loss = bind(loss, estimator._loss_counts, like)
    net = make_net(loss, module, len(estimator.classes_), estimator._device)
    estimator.net_ = net.prepare(None, None, None).release()
    set_temperature(estimator.net_, estimator.temperature_)
    set_prior(estimator.net_, estimator.prior_shift_, estimator.intercept_)
    return estimator


def read(path):
    """Header and tensors of a file that `write` wrote.

    The header's "checked" says whether there was a checksum to compare them with.

    Raises
    ------
    ValueError
        It is no such file, or not as it was written.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if "sklimb" not in metadata:
        raise ValueError(f"{path} was not written by sklimb's save.")
    checksum, text = "", metadata["sklimb"]
    if not text.startswith("{"):  # files of format 1 hold the header alone
        checksum, _, text = text.partition(" ")
    if checksum and checksum != _checksum(text, tensors):
        raise ValueError(
            f"{path} is damaged: its content does not agree with its checksum. Save "
            "the classifier again, or take a copy of the file."
        )
    try:
        version = (header := json.loads(text))["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if version > FORMAT:
        raise ValueError(
            f"{path} has format {version}, and this sklimb reads up to {FORMAT}. "
            "Update sklimb."
        )
    if version > 1 and not checksum:
        raise ValueError(f"{path} is damaged: its checksum is gone.")
    return {**header, "checked": bool(checksum)}, tensors


def _checksum(text, tensors):
    """sha256 of a header's text and of names, types, shapes and bytes of tensors."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


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
    """The loss as JSON, on which the fitted probabilities depend."""
    loss = getattr(loss, "unbound", loss)
    try:
        return _to_json(loss)
    except TypeError:  # a callable: its logits are read by softmax
        return _to_json(CrossEntropy())


def _json_params(estimator):
    """Parameters as JSON values, and the names of those that JSON cannot hold."""
    params, dropped = {}, []
    for name, value in estimator.get_params(deep=False).items():
        try:
            params[name] = _to_json(value)
        except TypeError:
            dropped.append(name)
    return params, dropped


def _to_json(value):
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
        return _to_json(value.tolist())
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[_to_json(k), _to_json(v)] for k, v in value.items()]}
    for tag in _TAGS:
        if type(value) in _registered(tag).values():
            own = {f.name: _to_json(getattr(value, f.name)) for f in fields(value)}
            return {tag: [type(value).__name__, own]}
    if hasattr(value, "log_probability"):
        raise ValueError(
            f"loss={value!r} has a log_probability of its own, which a file of numbers "
            "cannot hold. Use joblib.dump, one of sklimb's losses, or a frozen "
            "dataclass that is registered: LOSSES.register(name, loss)."
        )
    raise TypeError(f"{value!r} is code")


def _from_json(value):
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    (tag, content), *rest = value.items()
    if tag == "dict":
        return {_from_json(k): _from_json(v) for k, v in content}
    if tag not in _TAGS:
        raise ValueError(f"it holds a {tag!r}, which this sklimb does not know.")
    # In files of format 1 the fields are beside the name.
    name, own = (content, dict(rest)) if isinstance(content, str) else content
    classes = _registered(tag)
    if name not in classes:
        raise ValueError(
            f"it holds the {tag} {name}, which is not registered. Register it before "
            "loading, as it was when the file was written."
        )
    own = {k: _from_json(v) for k, v in own.items()}
    try:
        return classes[name](**own)
    except TypeError as error:
        raise ValueError(f"the {tag} {name} does not take {own}: {error}") from error


def _registered(tag):
    """{class name: class} of the strategies that files hold under a tag."""
    return {k: v for registry in _TAGS[tag] for k, v in registry.classes().items()}
