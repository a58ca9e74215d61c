"""From a plan and member settings to a trained net: where all the parts meet."""

import copy
from contextlib import contextmanager

import numpy as np
import torch
from skorch.helper import predefined_split

from sklimb.training.batches import Batches
from sklimb.training.callbacks import (
    EstimatorCallbacks,
    KeepBest,
    LearningRate,
    Progress,
    WeightAverage,
)
from sklimb.training.intercept import solve_intercept
from sklimb.training.losses import make_loss
from sklimb.training.monitor import Monitor
from sklimb.training.net import _Net
from sklimb.training.objective import Objective
from sklimb.training.optimizers import OPTIMIZERS, one_value
from sklimb.training.plan import device_rows
from sklimb.training.scales import class_scale, smoothing_table
from sklimb.training.steps import STEPS

# scikit-learn's own bookkeeping of callbacks, which its decorator clears.
_OF_SCIKIT_LEARN = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


def resolve_device(device):
    """The torch device of a `device` parameter.

    Raises
    ------
    ValueError
        The name is no device, or the machine has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].split(". ")[0].rstrip(".")[:120]
        raise ValueError(
            f"device must be 'auto', 'cpu' or a device of this machine, got "
            f"{device!r}: {reason}. Use device='auto' to take what is there."
        ) from error
    return resolved


def make_step(estimator, members, prior, dtype, device):
    """The step that the strategy parameters ask for."""
    rho = one_value([m["sam_asymmetric_rho"] for m in members])
    if isinstance(rho, float) and rho == 0.0:
        return STEPS["plain"]()
    scale = class_scale(estimator.sam_scale, prior, estimator.sam_scale_max)
    uniform = bool((scale == 1.0).all())
    factor = None if uniform else torch.tensor(scale, dtype=dtype, device=device)
    if isinstance(rho, torch.Tensor):
        rho = rho.to(device, dtype)
    return STEPS["sam"](rho, factor, estimator.sam_norm)


def soft_targets(estimator, members, prior, dtype, device):
    """Soft target of each class, (1 or K, classes, classes)."""
    eps = one_value([m["smoothing_eps"] for m in members])
    values = [eps] if isinstance(eps, float) else eps.tolist()
    tables = [
        smoothing_table(e, estimator.smoothing_scale, estimator.smoothing_max, prior)
        for e in values
    ]
    return torch.tensor(np.stack(tables), dtype=dtype, device=device)


def make_net(loss, module, device, **net_params):
    """A fresh, initialised net around a packed module."""
    objective = Objective(module, make_loss(loss))
    net = _Net(module, objective, device=str(device), verbose=0, **net_params)
    return net.initialize()


def set_prior(estimator, net, drawn_shift=None, rows=None):
    """Give the objective the prior shift and each member's intercept.

    With `rows`, parts (X, y, weight) of the training prior, the intercepts are solved
    on them; `drawn_shift` is what the sampler did to that prior.
    """
    objective, device = net.criterion_, estimator._device
    if rows is not None:
        objective.log_shift = log_shift(drawn_shift, device)
        X, y, weight = zip(*rows, strict=True)
        parts = [net.blocks_log_probability(torch.from_numpy(part)) for part in X]
        log_p = torch.cat(parts, 1).cpu().numpy()
        y, weight = np.concatenate(y), np.concatenate(weight)
        estimator.intercept_ = np.stack([solve_intercept(m, y, weight) for m in log_p])
    total = np.log(estimator.prior_shift_) - estimator.intercept_[:, None, :]
    objective.log_shift = torch.tensor(total, device=device)


def log_shift(shift, device):
    """Logarithm of class factors as a tensor, None if they are all 1."""
    return None if (shift == 1).all() else torch.tensor(np.log(shift), device=device)


def fit_members(
    estimator,
    plan,
    validation,
    members,
    batch_size,
    *,
    calibration=None,
    warm=False,
    partial=False,
    context=None,
    seen=None,
):
    """Train the members and set `net_` and what goes with it on the estimator.

    Returns
    -------
    str or None
        That training was interrupted, when everything is in place.
    """
    p, device = estimator, estimator._device
    dtype = getattr(torch, p.dtype)
    prior = estimator.class_prior_
    if warm:  # a copy: a failed fit must not touch what is there
        module = copy.deepcopy(estimator.net_.module_).to(device, dtype)
    else:
        module = estimator._make_members(plan, members).to(device, dtype)
    rows = device_rows(plan.X, plan.y, plan.weight, dtype, device)
    held_out, monitor = None, None
    if validation is not None:
        X, y, weight = validation
        held_out = device_rows(X, y, weight / weight.mean(), dtype, device)
        monitor = Monitor(p.monitor, held_out)
    epochs_before = estimator.n_iter_ if warm else 0
    batches = Batches(
        rows,
        plan.order,
        batch_size,
        [m["seed"] for m in members],
        soft_targets(p, members, prior, dtype, device),
        [m["dropout"] for m in members],
        module.mask_widths(),
        first_epoch=epochs_before,
    )
    max_epochs = 1 if partial else p.max_epochs
    average = WeightAverage(p.ema_decay) if p.ema_decay > 0 else None
    keep = KeepBest(
        p.n_iter_no_change if monitor is not None and p.early_stopping else None,
        monitor is not None and monitor.greater_is_better,
    )
    callbacks = [LearningRate(p.lr_schedule, p.warmup_epochs, max_epochs)]
    callbacks += [] if average is None else [average]
    callbacks += list(p.callbacks or [])
    if context is not None:
        callbacks.append(EstimatorCallbacks(estimator, context, seen))
    callbacks += [Progress()] if p.verbose else []
    callbacks.append(keep)
    net = make_net(
        p.loss,
        module,
        device,
        optimizer=OPTIMIZERS[p.optimizer],
        lr=one_value([m["lr"] for m in members]),
        optimizer__weight_decay=one_value([m["weight_decay"] for m in members]),
        max_epochs=max_epochs,
        train_split=None if held_out is None else predefined_split(held_out),
        callbacks=callbacks,
        warm_start=True,
        **(p.net_params or {}),
    )
    if partial and warm:
        carry_on(net.optimizer_, getattr(estimator, "_optimizer_state", None))
    if p.target_prior is not None:
        net.criterion_.log_shift = log_shift(plan.shift, device)
    step = make_step(p, members, prior, dtype, device)
    net.prepare(batches, step, monitor, average, p.clip_norm)
    estimator.net_, estimator.dtype_ = net, p.dtype
    estimator.device_ = str(device)
    # Whatever the caller's gradient mode is.
    with torch.inference_mode(False), torch.enable_grad():
        net.fit(rows)
    keep.restore(net)
    estimator.intercept_ = np.zeros((len(members), len(estimator.classes_)))
    set_prior(estimator, net, plan.shift, calibration)
    estimator.n_iter_ = epochs_before + len(net.history)
    estimator.best_epoch_ = keep.best_epoch_ + epochs_before
    estimator.best_score_ = keep.best_score_
    estimator.history_ = [dict(row) for row in net.history.to_list()]
    if partial:
        estimator._optimizer_state = p.optimizer, net.optimizer_.state_dict()
    else:
        vars(estimator).pop("_optimizer_state", None)
    net.release()
    if not net.interrupted_:
        return None
    return (
        f"training was interrupted after {len(net.history)} epochs; the best weights "
        "so far are in place"
    )


def carry_on(optimizer, saved):
    """Give an optimiser the moments of the last call, but its own learning rate."""
    if saved is None:
        return
    name, state = saved
    if isinstance(optimizer, OPTIMIZERS[name]):
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state["state"], "param_groups": groups})


@contextmanager
def all_or_nothing(estimator):
    """Give an estimator its attributes back if what happens inside fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        kept = {k: v for k, v in vars(estimator).items() if k in _OF_SCIKIT_LEARN}
        vars(estimator).clear()
        vars(estimator).update(before | kept)
        raise
