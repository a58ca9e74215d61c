"""Checks that parameters can be combined, from the `excludes` of each strategy.

`excludes`, {parameter: reason}, is an attribute of the strategy's class or an argument
of `parameter`; all other rules are functions here.
"""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback

from sklimb._messages import short, told
from sklimb.fitting.checks import _numbers
from sklimb.fitting.decision import is_tuned
from sklimb.fitting.portfolio import settings_of
from sklimb.fitting.schedule import schedule_of
from sklimb.parameters.fields import described
from sklimb.training.given_callbacks import unusable
from sklimb.training.losses import LOSSES, needs_cosines
from sklimb.training.m2m import M2MS
from sklimb.training.optimizers import ARGUMENTS, OPTIMIZERS
from sklimb.training.reweighting import ROW_WEIGHTINGS
from sklimb.training.samplers import (
    SAMPLERS,
    column_of,
    draw_of,
    is_uniform,
    sampler_pair,
)
from sklimb.training.scales import SCALES
from sklimb.training.steps import STEPS
from sklimb.training.terms import TERMS, MoCo, Rotation, make_term
from sklimb.training.views.images import make_change

# Registries of the parameters that take a strategy by name.
REGISTRIES = {
    "loss": LOSSES,
    "sampler": SAMPLERS,
    "step": STEPS,
    "joint_ssl": TERMS,
    "row_weighting": ROW_WEIGHTINGS,
    "m2m": M2MS,
}


def check_strategies(estimator, partial=False):
    """Refuse parameter values that contradict each other, before any training.

    `partial` says that partial_fit is running, which sees the rows of one call only.

    Raises
    ------
    ValueError
        What cannot be combined, why, and what to set.
    """
    p = estimator
    for name in ("sampler", "step", "row_weighting"):
        _check_is_no_class(name, getattr(p, name))
    if partial and not isinstance(p.sampler, str) and draw_of(p.sampler) is None:
        raise ValueError(
            f"sampler={short(p.sampler)} cannot be used with partial_fit: it "
            f"re-samples a whole training set once. Use one of {list(SAMPLERS)}."
        )
    if partial:
        _check_no_column(p)
    for name in ("smoothing_scale", "sam_scale"):
        value = getattr(p, name)
        if isinstance(value, str):
            continue
        values = _numbers(value)
        if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(
                f"{name} must be one of {list(SCALES)} or one non-negative factor a "
                f"class, got {short(value)}."
            )
    _check_folds(p)
    _check_metabalance(p, partial)
    _check_step(p.step)
    check_joint_ssl(p.joint_ssl, p._of)
    check_pretrained(p._pretrainer, p._of)
    settings_of(p)
    _refuse_pairs(p)
    if needs_cosines(p.loss) and not p._offers_cosine_head:
        raise ValueError(
            f"loss={short(p.loss)} needs a last layer of cosines, which "
            f"{type(p).__name__} does not have. Use TabularMLPClassifier, or "
            "loss='logit_adjusted' or 'vs'."
        )
    _check_net_params(p.net_params, p.optimizer)
    _check_callbacks(p.callbacks)
    epochs = schedule_of(p)["max_epochs"]
    if p.warmup_epochs >= epochs:
        raise ValueError(
            f"warmup_epochs must be below max_epochs={epochs}, got "
            f"{short(p.warmup_epochs)}: the learning rate would never reach lr."
        )


def _check_is_no_class(name, value):
    if isinstance(value, type):
        raise ValueError(
            f"{name} must be a name or an instance, got the class {value.__name__}. "
            f"Write {value.__name__}()."
        )


def _refuse_pairs(p):
    """Refuse what a parameter that is on, or the strategy that it names, excludes."""
    parameters = described(type(p))
    on = [name for name in parameters if _is_on(p, name, parameters[name]["default"])]
    for own in on:
        excludes = parameters[own]["excludes"]
        if own in REGISTRIES:
            strategy = REGISTRIES[own].make(getattr(p, own))
            excludes = {**excludes, **getattr(strategy, "excludes", {})}
        for name in (name for name in excludes if name in on):
            why = excludes[name]
            why = why(p) if callable(why) else why
            if why is None:
                continue
            what_to_do = "" if why.endswith(".") else ". Set one to its off value."
            raise ValueError(
                f"{name}={short(getattr(p, name))} and {own}={short(getattr(p, own))} "
                f"cannot be combined: {why}{what_to_do}"
            )


def _check_no_column(p):
    """Refuse samplers that balance a column, whose groups a call does not know."""
    for name in ("sampler", "metabalance_sampler"):
        given = getattr(p, name)
        pair = [] if given is None else sampler_pair(given)
        if any(column_of(sampler) is not None for sampler in pair):
            raise ValueError(
                f"{name}={short(given)} cannot be used with partial_fit: it balances a "
                "column over all rows, of which a call has a part. Use fit, or the "
                "group of each class as by=."
            )


def _is_on(p, name, default):
    """Whether a parameter has another value than its off value: None, False or 0.

    Where the default is None, 0 is a value like any other.
    """
    value = getattr(p, name)
    if name == "sampler":
        return not is_uniform(value)
    is_zero = isinstance(value, Real) and value == 0
    return value is not None and not (is_zero and default is not None)


def _check_step(value):
    """Refuse the name of a step that another parameter selects."""
    own = getattr(STEPS.make(value), "parameter", None)
    if own is not None:
        raise ValueError(
            f"step={short(value)} is the step that {own} asks for, and step takes "
            f"those that have no parameter of their own. Set {own} instead."
        )


def _check_metabalance(p, partial):
    """Refuse values that are no samplers, or samplers that partial_fit cannot use."""
    value = p.metabalance_sampler
    if value is None:
        return
    pair = sampler_pair(value)
    if partial and not all(isinstance(s, str) or draw_of(s) is not None for s in pair):
        raise ValueError(
            f"metabalance_sampler={short(value)} cannot be used with partial_fit: it "
            f"re-samples a whole training set once. Use names of {list(SAMPLERS)}."
        )
    if isinstance(value, tuple | list):
        fine = len(value) == 2 and all(
            item in (*SAMPLERS, "natural")
            if isinstance(item, str)
            else not isinstance(item, type)
            and (hasattr(item, "share") or hasattr(item, "fit_resample"))
            for item in value
        )
        if not fine:
            raise ValueError(
                "metabalance_sampler must be one sampler or a pair (support, query) of "
                f"{[*SAMPLERS, 'natural']} or imbalanced-learn objects, got "
                f"{short(value)}."
            )


# Why a term for columns does not fit images, and the other way round.
_ONLY = {
    "columns": "replaces columns of a table, which pixels are not",
    "images": "turns images, and a table has none",
}


def check_joint_ssl(value, of="columns", name="joint_ssl"):
    """Refuse an object that is no term, by its attributes and by one call.

    `of` is what X holds, "columns" or "images".
    """
    _check_is_no_class(name, value)
    if value is not None:
        own = getattr(make_term(value), "of", of)
        if own != of:
            others = [k for k, t in TERMS.items() if getattr(t, "of", of) == of]
            raise ValueError(
                f"{name}={short(value)} {_ONLY[own]}. Use one of {others} instead."
            )
    _check_views(value, of, name)
    term = None if value is None else make_term(value)
    if term is None or isinstance(term, Rotation | MoCo):
        return
    rates = getattr(term, "rates", ())
    width = getattr(term, "d_projector", None)
    fine = len(rates) == 2 and all(0 <= rate <= 1 for rate in rates)
    if not fine or not isinstance(width, Integral) or width < 1:
        raise ValueError(
            f"{name} must be one of {list(TERMS)} or have `rates`, the shares in "
            "[0, 1] of the columns that are corrupted in the two views, and a positive "
            f"`d_projector`, got {short(value)}."
        )
    try:
        with torch.inference_mode(False), torch.enable_grad():
            a = torch.eye(3).unsqueeze(0).requires_grad_()
            got = term(a, a.flip(1), torch.ones(1, 3, dtype=torch.bool))
        fine = got.shape == (1,) and got.requires_grad and bool(got.isfinite().all())
    except Exception as error:
        fine, got = False, f"{type(error).__name__}: {told(error)}"
    if not fine:
        raise ValueError(
            f"{name} must take two views of shape (members, rows, d) and which rows "
            f"are real, and return one finite value a member, shape (1,), got {got} "
            f"from {short(value)}."
        )


def _check_views(value, of, name):
    """Refuse views that images cannot have; tables have none."""
    views = "auto" if value is None else getattr(make_term(value), "views", "auto")
    if isinstance(views, str) and views == "auto":
        return
    if of == "columns":
        raise ValueError(
            f"views={short(views)} in {name} are of images: rows of a table are "
            "corrupted. Set `corruption` instead, and leave views='auto'."
        )
    make_change(views, (3, 8, 8))


def check_pretrained(value, of="columns"):
    """Refuse an object that is no pretrainer, and a frozen one that is not fitted."""
    if value is None:
        return
    frozen = isinstance(value, FrozenEstimator)
    pretrainer = value.estimator if frozen else value
    if isinstance(value, type) or not hasattr(pretrainer, "_schedule"):
        raise ValueError(
            "pretrained must be a SelfSupervisedPretrainer, or a fitted one in "
            f"sklearn.frozen.FrozenEstimator, got {short(value)}."
        )
    if frozen and not hasattr(pretrainer, "estimator_"):
        raise ValueError(
            "pretrained is a FrozenEstimator around a pretrainer that is not fitted. "
            "Fit it first, or give it as it is: then it is fitted with the classifier."
        )
    if not frozen:
        pretrainer._validate_params()
        check_joint_ssl(pretrainer.method, of, "pretrained's method")
        if getattr(pretrainer, "checkpoint", None) is not None:
            raise ValueError(
                "pretrained has a checkpoint, which holds one pre-training, and a "
                "classifier may need several: of folds, and of a search. Fit the "
                "pretrainer first and give it in FrozenEstimator, or set its "
                "checkpoint=None."
            )


def _check_folds(p):
    """Refuse another way to validate beside validation_folds."""
    if p.validation_folds in (None, "auto"):
        return
    others = {
        "validation_split": p.validation_split is not None,
        "warm_start=True": p.warm_start,
        "early_stopping=False": p.early_stopping is False,
        "callbacks": bool(p.callbacks),
    }
    for name, given in others.items():
        if given:
            raise ValueError(
                f"validation_folds={p.validation_folds} and {name} cannot be combined: "
                "every fold trains networks of its own and validates on its own rows. "
                "Set validation_folds=None."
            )


def _check_net_params(net_params, optimizer):
    """Refuse what is no argument of the optimiser, by making one and a step with it."""
    if not net_params:
        return
    ours = ("lr", "weight_decay", "fused", "n_steps", "param_groups", "params")
    given = {}
    for key, value in net_params.items():
        name = str(key).removeprefix("optimizer__")
        if not str(key).startswith("optimizer__") or name in ours:
            raise ValueError(
                f"net_params must name arguments of the optimiser, such as "
                f"'optimizer__betas', got {short(key)}. Everything else is a parameter "
                "of the estimator."
            )
        given[name] = value
    try:
        with torch.inference_mode(False), torch.enable_grad():
            weight = torch.nn.Parameter(torch.ones(1, 1))
            made = OPTIMIZERS[optimizer]([weight], **given)
            weight.grad = torch.ones(1, 1)
            made.step()
        fine, why = bool(weight.isfinite().all()), "a step with them is not finite"
    except Exception as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        fine, why = False, why[:120].rstrip(".")
    if not fine:
        raise ValueError(
            f"net_params cannot be used with optimizer={optimizer!r}, which takes "
            f"{', '.join(ARGUMENTS[optimizer])}: {why}."
        )


def _check_callbacks(callbacks):
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise ValueError(
                f"callbacks must hold skorch callbacks, got {short(item)}. "
                "scikit-learn's are given by set_callbacks."
            )
        why = unusable(callback)
        if why is not None:
            raise ValueError(f"callbacks cannot be used: {why.rstrip('.')}.")


def offers_partial_fit(estimator):
    """True, or the error that says why there is no partial_fit, for `available_if`.

    Raises
    ------
    AttributeError
        A parameter needs held-out rows.
    ValueError
        A parameter needs all rows at once.
    """
    if estimator.temperature_scaling:
        raise AttributeError(
            "temperature_scaling=True cannot be used with partial_fit, which holds no "
            "rows out to find the temperature by. Set temperature_scaling=False, or "
            "use fit."
        )
    if is_tuned(estimator.decision):
        raise AttributeError(
            f"decision={short(estimator.decision)} cannot be used with partial_fit: it "
            "holds no rows out to tune it on. Set decision to 'probability', "
            "'balanced' or a threshold, or use fit."
        )
    if estimator.m2m is not None:
        raise ValueError(
            f"m2m={short(estimator.m2m)} cannot be used with partial_fit: its guide is "
            "trained on all rows first. Use fit, or set m2m=None."
        )
    return True
