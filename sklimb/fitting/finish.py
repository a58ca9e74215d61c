"""Fitted attributes of a trained pack, and the weights of its members."""

import numpy as np
import pandas as pd
import torch

from sklimb._progress import say
from sklimb.fitting.portfolio import MIN_MINORITY_ROWS, mixture_of, select
from sklimb.fitting.probabilities import (
    bound_loss,
    make_net,
    set_prior,
    set_temperature,
    solved_intercepts,
    temperatures,
)
from sklimb.nn.join import join
from sklimb.training.device import NUMBERS
from sklimb.training.m2m import make_m2m
from sklimb.training.m2m_batches import warn_if_nothing_moved
from sklimb.training.monitor import Monitor


def finish(job, net, keep, own, partial):
    """Fill the fitted attributes of a job from the trained net."""
    recipe, p, found = job.recipe, job.recipe.parameters, job.attributes
    members = slice(own.start, own.stop)
    alone = net.module_ is job.module
    if alone:
        made, n_epochs = net, len(net.history)
    else:
        loss, n_classes = bound_loss([job], job.module), len(recipe.classes)
        made = make_net(loss, job.module, n_classes, recipe.device).release()
        n_epochs = int(keep.last_epoch_[members].max())
    found["net_"] = made
    found["dtype_"], found["device_"] = NUMBERS[p.dtype], str(recipe.device)
    temperature = np.ones(len(job.members))
    if p.temperature_scaling:
        temperature = temperatures(made, job)
    set_temperature(made, temperature)
    intercept = np.zeros((len(job.members), len(recipe.classes)))
    if job.calibration is not None:
        intercept = solved_intercepts(made, job.plan.last.shift, job.calibration)
    set_prior(made, found["prior_shift_"], intercept)
    found["temperature_"], found["intercept_"] = temperature, intercept
    found["n_iter_"] = job.epochs_before + n_epochs
    found["best_epoch_"] = keep.best_epoch_[members] + job.epochs_before
    found["best_score_"] = keep.best_score_[members]
    found["_loss_counts"] = job.counts[None]
    rows = net.history.to_list()[:n_epochs]
    found["history_"] = [_row_of(row, members, alone) for row in rows]
    if p.m2m is not None:
        warn_if_nothing_moved(make_m2m(p.m2m), found["history_"])
    if partial:
        found["_states"] = _states_of(net, p)


def _states_of(net, p):
    """State from which the next call of partial_fit continues."""
    term = net.criterion_.term
    weights = None if term is None else term.state_dict()
    states = {"optimizer": (p.optimizer, net.optimizer_.state_dict(), weights)}
    if hasattr(net.step_, "state_dict"):
        states["step"] = (p.row_weighting, p.step), net.step_.state_dict()
    return states


def combine(jobs):
    """Fitted attributes of all folds together, trained as jobs of their own."""
    recipe, parts = jobs[0].recipe, [job.attributes for job in jobs]
    module = join([job.module for job in jobs], [jobs[0].layout] * len(jobs))
    loss = bound_loss(jobs, module)
    net = make_net(loss, module, len(recipe.classes), recipe.device).release()
    shift = torch.cat([part["net_"].criterion_.log_shift for part in parts])
    net.criterion_.log_shift = shift
    found = {name: parts[0][name] for name in ("dtype_", "device_")}
    found["net_"] = net
    found["module_config_"] = {
        **parts[0]["module_config_"],
        "n_members": module.n_members,
    }
    # The shifts of folds differ in the last digits; the intercepts make up for it.
    found["prior_shift_"] = parts[0]["prior_shift_"]
    found["intercept_"] = np.log(found["prior_shift_"]) - shift.cpu().numpy()[:, 0]
    for name in ("best_epoch_", "best_score_", "temperature_"):
        found[name] = np.concatenate([part[name] for part in parts])
    set_temperature(net, found["temperature_"])
    found["_loss_counts"] = np.concatenate(
        [
            np.repeat(part["_loss_counts"], len(job.members), 0)
            for part, job in zip(parts, jobs, strict=True)
        ]
    )
    found["n_iter_"] = max(part["n_iter_"] for part in parts)
    found["history_"] = [
        _joined_rows([part["history_"][e : e + 1] for part in parts], jobs)
        for e in range(found["n_iter_"])
    ]
    return found


def _joined_rows(rows, jobs):
    """One row of the history from those of all folds; NaN where a fold has ended."""
    there = [row[0] for row in rows if row]
    joined = dict(there[0])
    for name in [name for name in joined if name.endswith("_members")]:
        values = [
            row[0][name] if row else [float("nan")] * len(job.members)
            for row, job in zip(rows, jobs, strict=True)
        ]
        joined[name] = [value for part in values for value in part]
        joined[name.removesuffix("_members")] = _mean(joined[name])
    if "valid_loss" in joined:
        joined["valid_loss"] = joined["valid_score"]
    return joined


def _mean(values):
    """Mean of the values that are there, NaN if none is."""
    there = [value for value in values if not np.isnan(value)]
    return float(np.mean(there)) if there else float("nan")


def weighed(jobs, found):
    """`member_weights_`, and the attributes of a portfolio if there is one.

    Parameters
    ----------
    jobs : list of Job
        The folds of one fit.
    found : dict
        Fitted attributes of all of them.
    """
    p = jobs[0].recipe.parameters
    members = [m for job in jobs for m in job.members]
    weights = np.full(len(members), 1 / len(members))
    if p.portfolio is None:
        return {"member_weights_": weights}
    if jobs[0].validation is not None:
        chosen = _selected(jobs)
        if chosen is not None:
            weights = np.tile(chosen, len(jobs)) / len(jobs)
    table = pd.DataFrame(members)[list(jobs[0].varied)]
    table["best_epoch"] = found["best_epoch_"]
    table["score"] = found["best_score_"]
    table["weight"] = weights
    return {"member_weights_": weights, "portfolio_": table}


def _selected(jobs):
    """Weights of one fold's members by its validation rows; None if these are few."""
    p, n_classes = jobs[0].recipe.parameters, len(jobs[0].recipe.classes)
    y = np.concatenate([job.validation[1] for job in jobs])
    weight = np.concatenate([job.validation[2] for job in jobs])
    counts = np.bincount(y, minlength=n_classes)
    rarest = int(counts[counts > 0].min())
    if rarest < MIN_MINORITY_ROWS or (counts > 0).sum() < 2:
        if p.verbose:
            say(
                f"portfolio: the rarest class has {rarest} validation rows, fewer than "
                f"{MIN_MINORITY_ROWS}: all members weigh the same."
            )
        return None
    log_p = [
        job.attributes["net_"].blocks_log_probability(
            torch.from_numpy(job.validation[0])
        )
        for job in jobs
    ]
    probabilities = np.concatenate([part.exp().cpu().numpy() for part in log_p], axis=1)
    monitor = Monitor(p.monitor, None)

    def score(mixture):
        return monitor.of(y, mixture_of(mixture, probabilities), weight)

    return select(score, len(probabilities), monitor.greater_is_better)


def _row_of(row, members, alone):
    """A row of the history cut to some members, or unchanged if they are `alone`."""
    row = dict(row)
    if alone:
        return row
    for name in [name for name in row if name.endswith("_members")]:
        values = row[name][members]
        row[name] = values
        row[name.removesuffix("_members")] = _mean(values)
    if "valid_loss" in row:
        row["valid_loss"] = row["valid_score"]
    return row
