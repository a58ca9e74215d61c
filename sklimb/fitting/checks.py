"""Checks of parameters against the data: columns, classes, fitted networks."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from sklimb._messages import listed, short, told
from sklimb.fitting.budget import AUTO_FOLDS, is_auto
from sklimb.fitting.decision import is_tuned
from sklimb.fitting.portfolio import settings_of
from sklimb.fitting.schedule import value_of
from sklimb.training.device import NUMBERS
from sklimb.training.losses import needs_cosines


def _numbers(value):
    """An array-like parameter as floats; NaN where it is none."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return np.array([np.nan])


def check_same_network(estimator):
    """Refuse parameters that need another network or encoder than the fitted one."""
    config = estimator.module_config_
    there = {**config, **config.get("network", {}), **estimator.encoder_.get_params()}
    if NUMBERS[estimator.dtype] == estimator.dtype_:
        there.pop("dtype")
    else:
        there["dtype"] = estimator.dtype_
    for name in ("frequency_scale", "n_bins", "categorical_features", "n_numeric"):
        there.pop(name, None)
    if getattr(estimator, "numeric_transform", None) == "auto":
        there.pop("numeric_transform")  # the encoder keeps its own
    there.pop("pretrained", None)  # where the weights came from
    if getattr(estimator, "channels_last", None) == "auto":
        there.pop("channels_last", None)  # the network keeps its own
    # `n_members` in the config counts networks of all settings and folds.
    n_settings, n_members = len(settings_of(estimator)), there.pop("n_members")
    wanted, folds = estimator.n_members, estimator.validation_folds
    folds = {1, AUTO_FOLDS if is_auto(folds) else folds or 1}
    if is_auto(wanted):
        wanted = n_members // n_settings  # whatever is there
    if n_members not in {wanted * n_settings * n for n in folds}:
        there["n_members"] = n_members
    cosines = needs_cosines(estimator.loss)
    if cosines != there.get("cosine_head", False):
        needs = "cosines" if cosines else "plain logits"
        raise ValueError(
            f"loss={short(estimator.loss)} cannot go on in a warm start or "
            f"partial_fit: it needs a last layer of {needs}, and the network that is "
            "there has the other one. Set loss back, or start with a new estimator."
        )
    for name, value in there.items():
        if hasattr(estimator, name) and value_of(estimator, name) != value:
            raise ValueError(
                f"{name} cannot change from {short(value)} to "
                f"{short(value_of(estimator, name))} in a warm start or partial_fit: "
                f"the network that is there goes on. Set {name}={short(value)}, or "
                "start with a new estimator."
            )


def check_same_as_pretrained(estimator, pretrainer):
    """Refuse a classifier that is not built like the network that was pre-trained."""
    other = pretrainer.estimator_
    if type(estimator) is not type(other):
        raise ValueError(
            f"pretrained holds the network of a {type(other).__name__}, and this is a "
            f"{type(estimator).__name__}. Give the pretrainer such an estimator."
        )
    names = (*other.encoder_.get_params(), *_flat(other.module_config_))
    for name in names:
        free = name in ("dtype", "n_members", "n_classes", "frequency_scale")
        free |= name in ("freeze", "pretrained", "channels_last")
        if free or "dropout" in name or not hasattr(estimator, name):
            continue
        here, there = value_of(estimator, name), value_of(other, name)
        if name == "numeric_transform":
            there = other.encoder_.numeric_transform
            here = there if here == "auto" else here  # its encoder is taken
        if name != "categorical_features" and here != there:
            raise ValueError(
                f"{name}={short(here)} does not agree with pretrained, whose estimator "
                f"has {name}={short(there)}: the weights would not fit. Give both the "
                "same."
            )


def _flat(config):
    return {**config, **config.get("network", {})}


def check_columns_of_pretrained(estimator, pretrainer):
    """Refuse a table whose columns are not those of the pretrainer's."""
    other = pretrainer.estimator_
    here, there = (getattr(e, "feature_names_in_", None) for e in (estimator, other))
    same = (here is None or there is None) or np.array_equal(here, there)
    if not same or estimator.n_features_in_ != other.n_features_in_:
        raise ValueError(
            "X must have the columns that pretrained was fitted on, "
            f"{other.n_features_in_ if there is None else listed(there)}, got "
            f"{estimator.n_features_in_ if here is None else listed(here)}."
        )
    shape, there = (getattr(e, "_image_shape", None) for e in (estimator, other))
    if shape != there:
        raise ValueError(
            "X must hold images like those that pretrained was fitted on, of the shape "
            f"(channels, height, width) {there}, got {shape}."
        )
    columns = [getattr(e, "_is_categorical", None) for e in (estimator, other)]
    if not np.array_equal(*columns):
        raise ValueError(
            "X has other categorical columns than the rows that pretrained was fitted "
            "on. Give both the same dtypes or categorical_features."
        )


def check_loss(loss, n_classes, dtype):
    """Refuse a callable that is no loss, by one call on zeros.

    Raises
    ------
    ValueError
        It fails, averages, cuts the gradient or returns what is not finite.
    """
    try:
        with torch.inference_mode(False), torch.enable_grad():
            logits = torch.zeros(1, 2, n_classes, dtype=dtype, requires_grad=True)
            value = loss(logits, torch.eye(n_classes, dtype=dtype)[None, :2])
        fine = value.shape == (1, 2) and value.requires_grad
        fine = fine and bool(value.isfinite().all())
        got = f"{tuple(value.shape)}"
    except Exception as error:
        fine, got = False, f"{type(error).__name__}: {told(error)}"
    if not fine:
        raise ValueError(
            f"loss must return one value a row, a finite tensor of shape (1, 2) with a "
            f"gradient for logits of shape (1, 2, {n_classes}), got {got}. Do not "
            f"average in it: weights are applied afterwards. loss={short(loss)}."
        )


def check_fit_arguments(
    X_val, y_val, sample_weight_val, groups, estimator, X_unlabeled=None
):
    """Refuse arguments of `fit` that cannot be combined."""
    pretrains = estimator._pretrainer is not None
    pretrains &= not isinstance(estimator._pretrainer, FrozenEstimator)
    if X_unlabeled is not None and estimator.joint_ssl is None and not pretrains:
        raise ValueError(
            "X_unlabeled was given, but nothing learns from rows without labels. Set "
            "joint_ssl='vicreg', 'simclr' or 'scarf', or pretrained to a "
            "SelfSupervisedPretrainer that is not frozen, or leave X_unlabeled out."
        )
    if (X_val is None) != (y_val is None):
        given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{given} was given without {missing}. Give both or neither.")
    if X_val is None and sample_weight_val is not None:
        raise ValueError(
            "sample_weight_val was given without X_val and y_val, which it weights."
        )
    if X_val is not None and estimator.validation_split is not None:
        raise ValueError(
            "X_val and validation_split cannot be combined: each names the validation "
            "rows. Set validation_split=None or leave X_val out."
        )
    if X_val is not None and estimator.validation_folds not in (None, "auto"):
        raise ValueError(
            "X_val and validation_folds cannot be combined: each names the validation "
            "rows. Set validation_folds=None or leave X_val out."
        )
    held_out = X_val is not None or estimator.early_stopping
    if estimator.temperature_scaling and not held_out:
        raise ValueError(
            "temperature_scaling=True and early_stopping=False cannot be combined: the "
            "temperature is found on held-out rows, and none are. Give X_val and "
            "y_val, or set one of the two to its default."
        )
    if is_tuned(estimator.decision) and not held_out:
        raise ValueError(
            f"decision={short(estimator.decision)} and early_stopping=False cannot be "
            "combined: an objective is tuned on held-out rows, and none are. Give "
            "X_val and y_val, or set one of the two to its default."
        )
    if X_val is not None and groups is not None:
        raise ValueError(
            "groups and X_val cannot be combined: with X_val there is no internal "
            "split for groups to respect. Leave one out."
        )


def check_same_columns(estimator, X_unlabeled):
    """Refuse unlabelled rows whose columns are not those of X, and name them."""
    names = getattr(estimator, "feature_names_in_", None)
    given = getattr(X_unlabeled, "columns", None)
    if names is not None and given is not None:
        given = [str(name) for name in given]
        lacking = [name for name in names if name not in given]
        other = [name for name in given if name not in names]
        if lacking or other:
            raise ValueError(
                "X_unlabeled must have the columns of X: it lacks "
                f"{listed(lacking) if lacking else 'none'} and has "
                f"{listed(other) if other else 'none'} besides."
            )
        pairs = zip(given, names, strict=False)
        moved = next(((a, b) for a, b in pairs if a != b), None)
        if moved:
            raise ValueError(
                "X_unlabeled must have the columns of X in their order, got "
                f"{short(moved[0])} in the place of {short(moved[1])}."
            )
        return
    shape = getattr(X_unlabeled, "shape", None)
    if shape is None:
        shape = np.shape(X_unlabeled)
    if len(shape) == 2 and shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X_unlabeled must have the {estimator.n_features_in_} columns of X, got "
            f"{shape[1]}."
        )


def check_batches_of_one(module, parameters):
    """Refuse batches of one row of a table where BatchNorm needs two."""
    if not any(isinstance(m, torch.nn.BatchNorm1d) for m in module.modules()):
        return
    names = ["batch_size"]
    if parameters.metabalance_sampler is not None:
        names = ["metabalance_support_batch_size", "metabalance_query_batch_size"]
    for name in names:
        if getattr(parameters, name) == 1:
            raise ValueError(
                f"{name}=1 cannot be used with a network that has BatchNorm: one row "
                "has no variance to train on. Set it to 2 or more."
            )


def check_numbers_vary(numbers):
    """Refuse m2m where every encoded number, (rows, columns), is constant."""
    if not (numbers.min(0) < numbers.max(0)).any():
        raise ValueError(
            "m2m translates numbers, and no numeric column of X varies over the "
            "training rows. Set m2m=None, or use sampler='balanced'."
        )


def check_temperature_rows(held_out):
    """Refuse to find a temperature on no rows, or on rows of one class.

    Parameters
    ----------
    held_out : tuple (X, y, weight) or None
    """
    n_classes = 0
    if held_out is not None:
        _, y, weight = held_out
        n_classes = len(np.unique(y[weight > 0]))
    if n_classes < 2:
        raise ValueError(
            "temperature_scaling=True needs held-out rows of two classes at least, and "
            f"they are of {n_classes}: one class cannot say how sure to be. Give more "
            "rows, or set temperature_scaling=False."
        )


def check_per_class(name, value, n_classes):
    """Refuse an array parameter that does not hold one value per class."""
    if not isinstance(value, str) and len(value) != n_classes:
        raise ValueError(
            f"{name} must hold one value a class ({n_classes}), got {len(value)} "
            "values."
        )


def resolve_prior(target_prior, train_prior, classes):
    """The class shares that predict_proba assumes, or None for no correction."""
    if target_prior is None:
        return None
    n_classes = len(classes)
    if isinstance(target_prior, str):
        if target_prior == "train":
            return train_prior
        return np.full(n_classes, 1 / n_classes)
    prior = _numbers(target_prior)
    if prior.shape != (n_classes,) or not (prior > 0).all():
        raise ValueError(
            f"target_prior must hold one positive share a class ({n_classes}), got "
            f"{short(target_prior)}."
        )
    if abs(prior.sum() - 1) > 1e-6:
        raise ValueError(
            f"target_prior must sum to 1, got {short(target_prior)}, which sums to "
            f"{prior.sum():.6g}. Divide it by its sum."
        )
    return prior
