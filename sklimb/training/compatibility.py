"""Which strategies exclude each other: the one place that knows."""

import numpy as np

from sklimb.training.samplers import SAMPLERS
from sklimb.training.scales import SCALES


def check_strategies(estimator, partial=False):
    """Refuse parameter values that contradict each other, before any training.

    `partial` is a call of partial_fit, where nothing may span calls.

    Raises
    ------
    ValueError
        What cannot be combined, why, and what to set.
    """
    p = estimator
    prior = p.target_prior
    asks_prior = prior is not None and not (isinstance(prior, str) and prior == "train")
    if asks_prior and p.class_weight is not None:
        raise ValueError(
            f"target_prior={prior!r} and class_weight={p.class_weight!r} cannot be "
            "combined: both move the prior, so the probabilities would be corrected "
            "twice. Set class_weight=None or target_prior='train'."
        )
    if isinstance(p.sampler, type):
        raise ValueError(
            f"sampler must be a name or an instance, got the class "
            f"{p.sampler.__name__}. Write {p.sampler.__name__}()."
        )
    if partial and not isinstance(p.sampler, str):
        raise ValueError(
            f"sampler={p.sampler!r} cannot be used with partial_fit: it re-samples a "
            f"whole training set once. Use one of {list(SAMPLERS)}."
        )
    for name in ("smoothing_scale", "sam_scale"):
        value = getattr(p, name)
        if isinstance(value, str):
            continue
        values = np.asarray(value, dtype=float)
        if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(
                f"{name} must be one of {list(SCALES)} or one non-negative factor a "
                f"class, got {value!r}."
            )
    if p.warmup_epochs >= p.max_epochs:
        raise ValueError(
            f"warmup_epochs must be below max_epochs={p.max_epochs}, got "
            f"{p.warmup_epochs!r}: the learning rate would never reach lr."
        )


def check_fit_arguments(X_val, y_val, sample_weight_val, groups, estimator):
    """Refuse validation arguments that do not belong together."""
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
    if X_val is not None and groups is not None:
        raise ValueError(
            "groups and X_val cannot be combined: with X_val there is no internal "
            "split for groups to respect. Leave one out."
        )


def check_per_class(name, value, n_classes):
    """Refuse an array parameter that does not hold one value a class."""
    if not isinstance(value, str) and len(value) != n_classes:
        raise ValueError(
            f"{name} must hold one value a class ({n_classes}), got {len(value)} "
            "values."
        )


def resolve_prior(target_prior, train_prior, classes):
    """The class shares that predict_proba shall assume, or None to leave them."""
    if target_prior is None:
        return None
    n_classes = len(classes)
    if isinstance(target_prior, str):
        if target_prior == "train":
            return train_prior
        return np.full(n_classes, 1 / n_classes)
    prior = np.asarray(target_prior, dtype=np.float64)
    if prior.shape != (n_classes,) or (prior <= 0).any():
        raise ValueError(
            f"target_prior must hold one positive share a class ({n_classes}), got "
            f"{target_prior!r}."
        )
    if abs(prior.sum() - 1) > 1e-6:
        raise ValueError(
            f"target_prior must sum to 1, got {target_prior!r}, which sums to "
            f"{prior.sum():.6g}. Divide it by its sum."
        )
    return prior
