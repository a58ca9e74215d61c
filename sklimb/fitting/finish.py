"""What a trained pack leaves on its estimators: fitted attributes, weighed members."""

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from sklimb.fitting.portfolio import MIN_MINORITY_ROWS, select, settings_of
from sklimb.fitting.probabilities import (
    bound_loss,
    make_net,
    set_prior,
    set_temperature,
    temperatures,
)
from sklimb.nn.join import Layout, join
from sklimb.training.device import NUMBERS
from sklimb.training.m2m import make_m2m
from sklimb.training.m2m_batches import warn_if_nothing_moved
from sklimb.training.monitor import Monitor


def finish(job, net, keep, own, partial):
    """Give a job's estimator its net and what goes with it."""
    p, device = job.estimator, job.estimator._device
    members = slice(own.start, own.stop)
    if net.module_ is job.module:
        p.net_ = net
        n_epochs = len(net.history)
    else:
        loss = bound_loss([job], job.module)
        p.net_ = make_net(loss, job.module, len(p.classes_), device).release()
        n_epochs = int(keep.last_epoch_[members].max())
    p.dtype_, p.device_ = NUMBERS[p.dtype], str(device)
    p.intercept_ = np.zeros((len(job.members), len(p.classes_)))
    p.temperature_ = np.ones(len(job.members))
    if p.temperature_scaling:
        p.temperature_ = temperatures(p.net_, job)
    set_prior(p, p.net_, job.plan.last.shift, job.calibration)
    p.n_iter_ = job.epochs_before + n_epochs
    p.best_epoch_ = keep.best_epoch_[members] + job.epochs_before
    p.best_score_ = keep.best_score_[members]
    p._loss_counts = p.class_weight_sum_[None]
    rows = net.history.to_list()[:n_epochs]
    p.history_ = [_row_of(row, members, net.module_ is job.module) for row in rows]
    if p.m2m is not None:
        warn_if_nothing_moved(make_m2m(p.m2m), p.history_)
    if partial:
        term = net.criterion_.term
        weights = None if term is None else term.state_dict()
        p._optimizer_state = p.optimizer, net.optimizer_.state_dict(), weights
        if hasattr(net.step_, "state_dict"):
            p._step_state = p.row_weighting, net.step_.state_dict()
    else:
        vars(p).pop("_optimizer_state", None)
        vars(p).pop("_step_state", None)


def combine(owner, jobs):
    """Give an estimator the members of all its folds, trained as jobs of their own."""
    parts = [job.estimator for job in jobs]
    layout = Layout.of(owner.encoder_)
    module = join([job.module for job in jobs], [layout] * len(jobs))
    owner.module_config_ = dict(parts[0].module_config_)
    owner.module_config_["n_members"] = module.n_members
    n_classes = len(owner.classes_)
    loss = bound_loss(jobs, module)
    owner.net_ = make_net(loss, module, n_classes, owner._device).release()
    shift = torch.cat([part.net_.criterion_.log_shift for part in parts])
    owner.net_.criterion_.log_shift = shift
    # The folds' shifts differ in the last digits; the intercepts hold the difference.
    owner.prior_shift_ = parts[0].prior_shift_
    owner.intercept_ = np.log(owner.prior_shift_) - shift.cpu().numpy()[:, 0]
    for name in ("best_epoch_", "best_score_", "temperature_"):
        setattr(owner, name, np.concatenate([getattr(part, name) for part in parts]))
    set_temperature(owner, owner.net_)
    owner._loss_counts = np.concatenate(
        [
            np.repeat(part._loss_counts, len(job.members), 0)
            for part, job in zip(parts, jobs, strict=True)
        ]
    )
    owner.n_iter_ = max(part.n_iter_ for part in parts)
    owner.history_ = [
        _joined_rows([part.history_[e : e + 1] for part in parts], jobs)
        for e in range(owner.n_iter_)
    ]
    weigh(owner, jobs)


def _joined_rows(rows, jobs):
    """One row of the history from one of each fold, or none where a fold has ended."""
    there = [row[0] for row in rows if row]
    joined = dict(there[0])
    for name in [name for name in joined if name.endswith("_members")]:
        values = [
            row[0][name] if row else [float("nan")] * len(job.members)
            for row, job in zip(rows, jobs, strict=True)
        ]
        joined[name] = [value for part in values for value in part]
        joined[name.removesuffix("_members")] = float(np.nanmean(joined[name]))
    if "valid_loss" in joined:
        joined["valid_loss"] = joined["valid_score"]
    return joined


def weigh(owner, jobs):
    """Set `member_weights_`, and with a portfolio what its members are worth."""
    members = [m for job in jobs for m in job.members]
    owner.member_weights_ = np.full(len(members), 1 / len(members))
    if owner.portfolio is None:
        return
    if jobs[0].validation is not None:
        weights = _selected(owner, jobs)
        if weights is not None:
            owner.member_weights_ = np.tile(weights, len(jobs)) / len(jobs)
    varied = sorted({name for setting in settings_of(owner) for name in setting})
    table = pd.DataFrame(members)[varied]
    table["best_epoch"] = owner.best_epoch_
    table["score"] = owner.best_score_
    table["weight"] = owner.member_weights_
    owner.portfolio_ = table


def _selected(owner, jobs):
    """Weights of one fold's members, by all validation rows; None if they are few."""
    y = np.concatenate([job.validation[1] for job in jobs])
    weight = np.concatenate([job.validation[2] for job in jobs])
    counts = np.bincount(y, minlength=len(owner.classes_))
    rarest = int(counts[counts > 0].min())
    if rarest < MIN_MINORITY_ROWS or (counts > 0).sum() < 2:
        if owner.verbose:
            tqdm.write(
                f"portfolio: the rarest class has {rarest} validation rows, fewer than "
                f"{MIN_MINORITY_ROWS}: all members weigh the same."
            )
        return None
    p = np.concatenate(
        [
            job.estimator.net_.blocks_log_probability(
                torch.from_numpy(job.validation[0])
            )
            .exp()
            .cpu()
            .numpy()
            for job in jobs
        ],
        axis=1,
    )
    monitor = Monitor(owner.monitor, None)

    def score(mixture):
        used = np.flatnonzero(mixture)
        return monitor.of(y, np.tensordot(mixture[used], p[used], 1), weight)

    return select(score, len(p), monitor.greater_is_better)


def _row_of(row, members, alone):
    """A row of the history, cut to some members unless they are alone."""
    row = dict(row)
    if alone:
        return row
    for name in [name for name in row if name.endswith("_members")]:
        values = row[name][members]
        row[name] = values
        row[name.removesuffix("_members")] = float(np.nanmean(values))
    if "valid_loss" in row:
        row["valid_loss"] = row["valid_score"]
    return row
