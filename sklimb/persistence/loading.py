"""load: the estimator that a file describes, each part checked before it is taken."""

import warnings

import numpy as np
import pandas as pd
import torch

from sklimb.fitting.probabilities import make_net, set_prior, set_temperature
from sklimb.persistence.encoders import check_encoder
from sklimb.persistence.files import read
from sklimb.persistence.fitted import BARE, FITTED, check_fitted, check_labels, neutral
from sklimb.persistence.header import checked_header, params_of
from sklimb.persistence.networks import build, try_one_row
from sklimb.persistence.objects import is_object, restored_object
from sklimb.persistence.registry import class_at, made
from sklimb.persistence.settings import set_settings
from sklimb.persistence.values import fitted_loss_from_json
from sklimb.training.device import resolve_device
from sklimb.training.losses import bind


def load(path, device="auto"):
    """Read an estimator that `save` wrote.

    A file is data: it names classes, parameters and strategies of closed tables, and no
    code runs that is not defined here already. Sizes are compared with the tensors in
    the file before anything is allocated, and nothing is fetched from a network.

    Parameters
    ----------
    path : str or path
        Path of the file.
    device : str, default="auto"
        Device for predictions; a model trained on a GPU loads on a CPU.

    Returns
    -------
    estimator : fitted estimator
        Its predictions have the same bits as those of the saved one on the same kind
        of device.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    ValueError
        The file is damaged, none that sklimb wrote, or of a newer sklimb; or something
        else than a file is there, such as a folder or a pipe.

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
    if not isinstance(device, str):
        raise ValueError(f"device must be a str such as 'cpu', got {device!r}.")
    resolved = resolve_device(device)
    header, tensors = read(path)
    try:
        estimator, dropped = restored(header, tensors, device, resolved)
    except ValueError as error:
        raise ValueError(f"{path} cannot be loaded: {error}") from error
    if not header["checked"]:
        warnings.warn(
            f"{path} was written by an earlier sklimb and has no checksum, so that a "
            "changed bit would not be noticed. Save the estimator again.",
            UserWarning,
            stacklevel=2,
        )
    if dropped:
        warnings.warn(
            f"{path} could not hold {', '.join(dropped)}: set them anew "
            "before fitting again. Predictions do not need them.",
            UserWarning,
            stacklevel=2,
        )
    return estimator


def restored(header, tensors, device, resolved):
    """The fitted estimator of a header and tensors, and what it could not hold.

    Raises
    ------
    ValueError
        It says what is wrong.
    """
    dropped = []

    def part(header, tensors):
        of_file = {"version": "", "checked": True}
        if is_object(header):
            made = restored_object({**of_file, **header}, tensors, part)
        else:
            header = checked_header({**of_file, **header})
            made = _restored(header, tensors, device, resolved)
        dropped.extend(header["dropped"])
        return made

    return part(header, tensors), dropped


def _restored(header, tensors, device, resolved):
    """The fitted classifier of a checked header and the tensors."""
    estimator = _unfitted(header, device)
    parts = {"module": {}, "encoder": {}, "fitted": {}}
    for name, value in tensors.items():
        part, _, name = name.partition(".")
        if part not in parts:
            raise ValueError(f"it holds a tensor {part[:40]!r} of no part.")
        parts[part][name] = value
    _set_encoder(estimator, header, parts["encoder"])
    _set_fitted(estimator, header, parts["fitted"])
    estimator._device, estimator.device_ = resolved, str(resolved)
    dtype = getattr(torch, header["dtype"])
    module = build(estimator, header["module"], parts["module"], dtype)
    if header["one_by_one"]:  # so that predictions do not try vmap again
        module.packed, module.reason = False, header["one_by_one"]
    module.to(resolved)
    loss = fitted_loss_from_json(header["loss"])
    loss = bind(loss, estimator._loss_counts, next(module.parameters()))
    net = make_net(loss, module, len(estimator.classes_), resolved)
    estimator.net_ = net.prepare(None, None, None).release()
    set_temperature(estimator.net_, estimator.temperature_)
    set_prior(estimator.net_, estimator.prior_shift_, estimator.intercept_)
    try_one_row(estimator, module, dtype)
    set_settings(estimator, header["settings"])
    if header["bare"]:
        for name in (*set(FITTED) - set(BARE), "n_iter_", "n_folds_", "history_"):
            delattr(estimator, name)
    return estimator


def _unfitted(header, device):
    """The classifier with its parameters, which are checked as in `fit`."""
    cls = class_at(header["class"])
    if not hasattr(cls, "_encoder_class"):
        raise ValueError(f"a {cls.__name__} is no classifier.")
    return made(cls, {**params_of(cls, header), "device": device})


def _set_encoder(estimator, header, arrays):
    """The encoder and what a classifier knows of its columns."""
    config, n_features = header["encoder"], header["n_features_in"]
    check_encoder(estimator._of, config, arrays, n_features, header["dtype"])
    cls = estimator._encoder_class
    unknown = set(config.get("params", {})) - set(_param_names(cls))
    if unknown:
        raise ValueError(f"its encoder has no parameter {sorted(unknown)[0][:40]!r}.")
    estimator.encoder_ = cls._from_state(
        config, {name: value.numpy() for name, value in arrays.items()}
    )
    if hasattr(estimator.encoder_, "_validate_params"):
        estimator.encoder_._validate_params()
    for name in ("_is_categorical", "_image_shape"):
        if hasattr(estimator.encoder_, name):
            setattr(estimator, name, getattr(estimator.encoder_, name))
    estimator.n_features_in_ = n_features
    if header["feature_names_in"] is not None:
        names = np.array(header["feature_names_in"], dtype=object)
        estimator.feature_names_in_ = names


def _param_names(encoder_class):
    names = getattr(encoder_class, "_get_param_names", None)
    return names() if names else ()


def _set_fitted(estimator, header, arrays):
    """Classes, and the arrays and plain values that a fit leaves."""
    estimator.classes_ = check_labels(*header["classes"])
    encoder = estimator.encoder_
    n_encoded = encoder.n_numeric_ + encoder.n_indicators_ + len(encoder.cardinalities_)
    n_members = header["module"].get("n_members")
    plain = torch.ones(len(estimator.classes_), dtype=torch.float64)
    arrays = {"decision_factors_": plain, **arrays}  # older files have none
    sizes = len(estimator.classes_), 0 if estimator._of == "images" else n_encoded
    if header["bare"]:
        n_seeds = len(arrays.get("member_seeds_", ()))  # as many as the file holds
        arrays = {**neutral(n_seeds, *sizes), **arrays}
    check_fitted(arrays, n_members, *sizes)
    for name, value in arrays.items():
        setattr(estimator, name, value.numpy())
    estimator.module_config_ = header["module"]
    estimator.dtype_, estimator.n_iter_ = header["dtype"], header["n_iter"]
    given = estimator.validation_folds
    older = given if isinstance(given, int) else 1  # files without n_folds
    estimator.n_folds_ = header["n_folds"] or older
    estimator.history_ = header["history"]
    if header["portfolio"] is not None:
        estimator.portfolio_ = pd.DataFrame(header["portfolio"])
