"""Which strategies exclude each other: the one place that knows."""

from numbers import Integral

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback

from sklimb.fitting.checks import _numbers
from sklimb.fitting.portfolio import settings_of
from sklimb.training.losses import make_loss
from sklimb.training.samplers import DRAWS, SAMPLERS, sampler_pair
from sklimb.training.scales import SCALES
from sklimb.training.terms import TERMS, MoCo, Rotation, make_term
from sklimb.training.views.images import make_change


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
        values = _numbers(value)
        if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(
                f"{name} must be one of {list(SCALES)} or one non-negative factor a "
                f"class, got {value!r}."
            )
    _check_folds(p)
    _check_metabalance(p, partial)
    check_joint_ssl(p.joint_ssl, p._of)
    _check_frozen(p)
    check_pretrained(p._pretrainer, p._of)
    _check_row_weighting(p)
    _check_m2m(p)
    _check_compile(p)
    needs_cosines = getattr(make_loss(p.loss), "cosine_head", False)
    if needs_cosines and not p._offers_cosine_head:
        raise ValueError(
            f"loss={p.loss!r} needs a last layer of cosines, which "
            f"{type(p).__name__} does not have. Use TabularMLPClassifier, or "
            "loss='logit_adjusted' or 'vs'."
        )
    if p.mix is not None and getattr(make_loss(p.loss), "needs_hard_labels", False):
        raise ValueError(
            f"mix={p.mix!r} and loss={p.loss!r} cannot be combined: a mixed row has "
            "two classes, and the loss needs one to put its margin on. Set mix=None or "
            "another loss."
        )
    if p.drw_start is not None and p.warm_start:
        raise ValueError(
            f"drw_start={p.drw_start!r} and warm_start=True cannot be combined: the "
            "share of epochs would begin anew. Set one of them to its default."
        )
    settings_of(p)
    _check_net_params(p.net_params)
    _check_callbacks(p.callbacks)
    if p.warmup_epochs >= p.max_epochs:
        raise ValueError(
            f"warmup_epochs must be below max_epochs={p.max_epochs}, got "
            f"{p.warmup_epochs!r}: the learning rate would never reach lr."
        )


def _refuse_beside(p, own, others):
    """Refuse the first of {name: (whether it is set, why not)} beside `own`."""
    for name, (given, why) in others.items():
        if given:
            raise ValueError(
                f"{name}={getattr(p, name)!r} and {own}={getattr(p, own)!r} cannot be "
                f"combined: {why}. Set one to its off value."
            )


def _check_metabalance(p, partial):
    """Refuse what replaces the step or chooses the rows beside MetaBalance."""
    value = p.metabalance_sampler
    if value is None:
        return
    others = {
        "sam_asymmetric_rho": (p.sam_asymmetric_rho > 0, "each replaces the step"),
        "sampler": (
            not isinstance(p.sampler, str) or p.sampler != "uniform",
            "each chooses the rows of a batch",
        ),
        "drw_start": (p.drw_start is not None, "each chooses the rows of a batch"),
    }
    _refuse_beside(p, "metabalance_sampler", others)
    if partial and not all(isinstance(item, str) for item in sampler_pair(value)):
        raise ValueError(
            f"metabalance_sampler={value!r} cannot be used with partial_fit: it "
            f"re-samples a whole training set once. Use names of {list(SAMPLERS)}."
        )
    if isinstance(value, tuple | list):
        fine = len(value) == 2 and all(
            item in (*SAMPLERS, "natural")
            if isinstance(item, str)
            else hasattr(item, "fit_resample") and not isinstance(item, type)
            for item in value
        )
        if not fine:
            raise ValueError(
                "metabalance_sampler must be one sampler or a pair (support, query) of "
                f"{[*SAMPLERS, 'natural']} or imbalanced-learn objects, got {value!r}."
            )


def _check_frozen(p):
    """Refuse a term that would teach a backbone which does not learn."""
    if p.joint_ssl is not None and getattr(p, "freeze", None) is not None:
        raise ValueError(
            f"joint_ssl={p.joint_ssl!r} and freeze={p.freeze!r} cannot be combined: "
            "the term teaches the backbone, which stays as it is. Set one to None."
        )


# What terms for one kind of X alone do, and what to take for the other.
_ONLY = {
    "columns": "replaces columns of a table, which pixels are not",
    "images": "turns images, and a table has none",
}


def check_joint_ssl(value, of="columns", name="joint_ssl"):
    """Refuse an object that is no term, by what it says and by one call.

    `of` says what X holds, "columns" or "images".
    """
    if isinstance(value, type):
        raise ValueError(
            f"{name} must be a name or an instance, got the class {value.__name__}. "
            f"Write {value.__name__}()."
        )
    if value is not None:
        own = getattr(make_term(value), "of", of)
        if own != of:
            others = [k for k, t in TERMS.items() if getattr(t, "of", of) == of]
            raise ValueError(
                f"{name}={value!r} {_ONLY[own]}. Use one of {others} instead."
            )
    _check_views(value, of, name)
    if value is None or isinstance(value, str | Rotation | MoCo):
        return
    rates = getattr(value, "rates", ())
    width = getattr(value, "d_projector", None)
    fine = len(rates) == 2 and all(0 <= rate <= 1 for rate in rates)
    if not fine or not isinstance(width, Integral) or width < 1:
        raise ValueError(
            f"{name} must be one of {list(TERMS)} or have `rates`, the shares in "
            "[0, 1] of the columns that are corrupted in the two views, and a positive "
            f"`d_projector`, got {value!r}."
        )
    try:
        with torch.inference_mode(False), torch.enable_grad():
            a = torch.eye(3).unsqueeze(0).requires_grad_()
            got = make_term(value)(a, a.flip(1), torch.ones(1, 3, dtype=torch.bool))
        fine = got.shape == (1,) and got.requires_grad and bool(got.isfinite().all())
    except Exception as error:
        fine, got = False, f"{type(error).__name__}: {error}"
    if not fine:
        raise ValueError(
            f"{name} must take two views of shape (members, rows, d) and which rows "
            f"are real, and return one finite value a member, shape (1,), got {got} "
            f"from {value!r}."
        )


def _check_views(value, of, name):
    """Refuse views of a term that no image can have, or that a table has none of."""
    views = getattr(value, "views", "auto")
    if isinstance(views, str) and views == "auto":
        return
    if of == "columns":
        raise ValueError(
            f"views={views!r} in {name} are of images: rows of a table are corrupted. "
            "Set `corruption` instead, and leave views='auto'."
        )
    make_change(views, (3, 8, 8))


def check_pretrained(value, of="columns"):
    """Refuse what cannot pre-train, and a fitted one that is not there yet."""
    if value is None:
        return
    frozen = isinstance(value, FrozenEstimator)
    pretrainer = value.estimator if frozen else value
    if isinstance(value, type) or not hasattr(pretrainer, "_schedule"):
        raise ValueError(
            "pretrained must be a SelfSupervisedPretrainer, or a fitted one in "
            f"sklearn.frozen.FrozenEstimator, got {value!r}."
        )
    if frozen and not hasattr(pretrainer, "estimator_"):
        raise ValueError(
            "pretrained is a FrozenEstimator around a pretrainer that is not fitted. "
            "Fit it first, or give it as it is: then it is fitted with the classifier."
        )
    if not frozen:
        pretrainer._validate_params()
        check_joint_ssl(pretrainer.method, of, "pretrained's method")


def _check_row_weighting(p):
    """Refuse what replaces the step or weighs the rows beside learned weights."""
    value = p.row_weighting
    if value is None:
        return
    if isinstance(value, type):
        raise ValueError(
            f"row_weighting must be a name or an instance, got the class "
            f"{value.__name__}. Write {value.__name__}()."
        )
    climbs = p.sam_asymmetric_rho > 0 or any(
        setting.get("sam_asymmetric_rho", 0) > 0 for setting in settings_of(p)
    )
    given = "portfolio" if climbs and not p.sam_asymmetric_rho else "sam_asymmetric_rho"
    others = {
        given: (climbs, "each replaces the step"),
        "metabalance_sampler": (
            p.metabalance_sampler is not None,
            "each replaces the step",
        ),
        "sampler": (
            not isinstance(p.sampler, str) or p.sampler not in DRAWS,
            "a re-sampled row may be a copy of one that is kept apart (only "
            f"{list(DRAWS)} draw without copies)",
        ),
        "joint_ssl": (
            p.joint_ssl is not None,
            "learned weights are found for the supervised loss alone",
        ),
        "m2m": (p.m2m is not None, "each says which rows count how much"),
        "drw_start": (
            p.drw_start is not None,
            "each changes the weights of rare rows, the learned ones from the start",
        ),
    }
    _refuse_beside(p, "row_weighting", others)


def _check_m2m(p):
    """Refuse what chooses or changes the rows beside M2m, and what spans fits."""
    if p.m2m is None:
        return
    others = {
        "sampler": (
            not isinstance(p.sampler, str) or p.sampler != "uniform",
            "m2m draws classes equally from its start on",
        ),
        "drw_start": (
            p.drw_start is not None,
            "each has a start of its own; M2m(start=...) sets that of m2m",
        ),
        "metabalance_sampler": (
            p.metabalance_sampler is not None,
            "each chooses the rows of a batch",
        ),
        "mix": (p.mix is not None, "each changes the rows of a batch"),
        "warm_start": (p.warm_start, "the share of epochs would begin anew"),
    }
    _refuse_beside(p, "m2m", others)


def _check_compile(p):
    """Refuse what needs more of a pass than a compiled one offers."""
    if not p.compile:
        return
    others = {
        "row_weighting": (
            p.row_weighting is not None,
            "learned weights need forward-mode derivatives, which a compiled pass does "
            "not have",
        ),
        "metabalance_second_order": (
            p.metabalance_second_order and p.metabalance_sampler is not None,
            "a compiled pass can be differentiated once only",
        ),
        "metabalance_sampler": (
            isinstance(p.compile, str) and p.metabalance_sampler is not None,
            "the gradients of a task would be overwritten by the next one's; "
            "compile=True keeps them",
        ),
    }
    _refuse_beside(p, "compile", others)


def _check_folds(p):
    """validation_folds is one way to validate; refuse another beside it."""
    if p.validation_folds is None:
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


def _check_net_params(net_params):
    ours = ("optimizer__lr", "optimizer__weight_decay", "optimizer__fused")
    for key in net_params or ():
        if not str(key).startswith("optimizer__") or key in ours:
            raise ValueError(
                f"net_params must name arguments of the optimiser, such as "
                f"'optimizer__betas', got {key!r}. Everything else is a parameter of "
                "the estimator."
            )


def _check_callbacks(callbacks):
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise ValueError(
                f"callbacks must hold skorch callbacks, got {item!r}. scikit-learn's "
                "are given by set_callbacks."
            )


def offers_partial_fit(estimator):
    """True, or why there is no partial_fit: scikit-learn's `available_if` asks.

    Raises
    ------
    AttributeError
        A parameter needs rows that are held out.
    ValueError
        A parameter needs all rows at once.
    """
    if estimator.temperature_scaling:
        raise AttributeError(
            "temperature_scaling=True cannot be used with partial_fit, which holds no "
            "rows out to find the temperature by. Set temperature_scaling=False, or "
            "use fit."
        )
    if estimator.m2m is not None:
        raise ValueError(
            f"m2m={estimator.m2m!r} cannot be used with partial_fit: its guide is "
            "trained on all rows first. Use fit, or set m2m=None."
        )
    return True
