"""Jobs whose members train as one program: the module, its net and their parts."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from skorch.helper import predefined_split

from sklimb.fitting.device_rows import make_batches, make_panel
from sklimb.fitting.probabilities import bound_loss, log_shift, make_net
from sklimb.nn.join import Layout, join, split
from sklimb.training import steps
from sklimb.training.callbacks import (
    Deferred,
    EstimatorCallbacks,
    KeepBest,
    LearningRate,
    Progress,
    WeightAverage,
)
from sklimb.training.compiled import Compiled
from sklimb.training.device import NUMBERS
from sklimb.training.m2m import make_m2m
from sklimb.training.m2m_batches import (
    TranslatedBatches,
    TranslatedShare,
    make_translation,
)
from sklimb.training.monitor import BestScores, Monitor
from sklimb.training.optimizers import OPTIMIZERS, one_value
from sklimb.training.terms import JointTerm, make_term


@dataclass
class Job:
    """One estimator's fit, ready to train.

    Attributes
    ----------
    estimator : object
        Its parameters are read, its fitted attributes are set.
    module : nn.Module
        Packed, with one member for each item of `members`.
    members : list of dict
        Settings that may differ from member to member.
    plan : Plan
    validation : tuple (X, y, weight) or None
    calibration : list of tuples (X, y, weight) or None
        Rows that the intercept is solved on.
    pool : Pool or None
        Rows that views are made from.
    epochs_before : int
        Epochs of earlier fits that this one goes on from.
    error : Exception or None
        Why nothing was learned.
    guide : Job or None
        The fit of the networks that guide M2m, trained before this one.
    """

    estimator: object
    module: object
    members: list
    plan: object
    validation: tuple | None = None
    calibration: list | None = None
    pool: object = None
    epochs_before: int = 0
    error: Exception | None = None
    guide: "Job | None" = None

    @property
    def batch_size(self):
        """Rows a step, at most all of them."""
        wanted = self.estimator.batch_size
        wanted = self.estimator._auto_batch_size if wanted == "auto" else wanted
        return int(min(wanted, len(self.plan.y)))

    @property
    def n_rows(self):
        """Rows an epoch: at first, at last, and of MetaBalance's support."""
        plans = self.plan, self.plan.last, self.plan.support or self.plan
        return tuple(plan.order.n_rows for plan in plans)

    @property
    def sort_key(self):
        """Members that step alike stand side by side (see optimizers.py)."""
        first = self.members[0]
        plans = (self.plan, self.plan.last)
        n_steps = tuple(-(-plan.order.n_rows // self.batch_size) for plan in plans)
        return n_steps, first["lr"], first["weight_decay"]


def make_step(jobs, dtype, device, optimizer):
    """The step that the strategy parameters ask for."""
    members = [m for job in jobs for m in job.members]
    priors = [job.estimator.class_prior_ for job in jobs for _ in job.members]
    p = jobs[0].estimator
    return steps.make_step(steps.Fits(p, members, priors, optimizer, dtype, device))


def make_term_of(jobs, layouts, module):
    """The term beside the supervised loss with its projectors, or None."""
    p = jobs[0].estimator
    if p.joint_ssl is None:
        return None
    like = next(module.parameters())
    rows = like.new_zeros(1, 2, Layout.common(layouts).n_columns)
    module.eval()  # two rows and no masks: only the width is asked for
    with torch.no_grad():
        d_in = module.embed(rows).shape[-1]
    members = [m for job in jobs for m in job.members]
    weight = one_value([m["joint_ssl_weight"] for m in members])
    if isinstance(weight, torch.Tensor):
        weight = weight.to(like)
    seeds = [m["seed"] for m in members]
    term = JointTerm(make_term(p.joint_ssl), weight, d_in, seeds)
    return term.to(like)


def _joint_log_shift(jobs, plans, device):
    """`log_shift` of every member, (classes,) for one job, else (K, 1, classes)."""
    shifts = [
        np.ones_like(plan.shift) if job.estimator.target_prior is None else plan.shift
        for job, plan in zip(jobs, plans, strict=True)
    ]
    if len(jobs) == 1:
        return log_shift(shifts[0], device)
    if all((shift == 1).all() for shift in shifts):
        return None
    sizes = [len(job.members) for job in jobs]
    rows = np.repeat(np.log(np.stack(shifts)), sizes, axis=0)
    return torch.tensor(rows[:, None, :], device=device)


class Pack:
    """Jobs in the order of their members, and the net that trains them.

    Parameters are those of `train`.
    """

    def __init__(
        self, jobs, owner=None, partial=False, context=None, seen=None, drop=None
    ):
        in_order, jobs = jobs, sorted(jobs, key=lambda job: job.sort_key)
        self.jobs = jobs
        p, device = jobs[0].estimator, jobs[0].estimator._device
        dtype = getattr(torch, NUMBERS[p.dtype])
        self.layouts = [Layout.of(job.estimator.encoder_) for job in jobs]
        for job in jobs:
            job.module.to(device, dtype)
        self.module = jobs[0].module
        if len(jobs) > 1:
            self.module = join([job.module for job in jobs], self.layouts)
        self.batches, late, self.rows = make_batches(
            jobs, self.layouts, self.module, dtype, device
        )
        panel = make_panel(jobs, self.layouts, dtype, device)
        monitor = None if panel is None else Monitor(p.monitor, panel)
        average = WeightAverage(p.ema_decay) if p.ema_decay > 0 else None
        self.keep = KeepBest(
            p.n_iter_no_change if monitor is not None and p.early_stopping else None,
            monitor is not None and monitor.greater_is_better,
            None if drop is None else _by_member(drop, in_order, jobs),
            _compared(drop, p.monitor, panel),
            # Each size of the pack is compiled anew.
            leaving=1 / 2 if p.compile else 1 / 16,
        )
        max_epochs = 1 if partial else p.max_epochs
        callbacks = [LearningRate(p.lr_schedule, p.warmup_epochs, max_epochs)]
        start = p.drw_start
        if p.m2m is not None:
            start = make_m2m(p.m2m).start
            translation = make_translation(
                jobs, self.layouts, self.module, dtype, device
            )
            late = TranslatedBatches(late, translation)
            callbacks.append(TranslatedShare())
        if late is not None:
            shift = _joint_log_shift(jobs, [job.plan.late for job in jobs], device)
            first = min(math.ceil(start * max_epochs), max_epochs - 1)
            callbacks.append(Deferred(late, shift, first, self.keep))
        callbacks += [] if average is None else [average]
        callbacks += list(p.callbacks or [])
        if context is not None:
            callbacks.append(EstimatorCallbacks(owner, context, seen))
        callbacks += [Progress()] if p.verbose and owner is not None else []
        callbacks.append(self.keep)
        members = [m for job in jobs for m in job.members]
        term = make_term_of(jobs, self.layouts, self.module)
        n_steps = list(
            zip(self.batches.n_steps, (late or self.batches).n_steps, strict=True)
        )
        self.net = make_net(
            bound_loss(jobs, self.module),
            self.module,
            len(p.classes_),
            device,
            term,
            optimizer=OPTIMIZERS[p.optimizer],
            lr=one_value([m["lr"] for m in members]),
            optimizer__weight_decay=one_value([m["weight_decay"] for m in members]),
            optimizer__n_steps=n_steps,
            max_epochs=max_epochs,
            train_split=None if panel is None else predefined_split(panel.sets[0]),
            callbacks=callbacks,
            warm_start=True,
            **(p.net_params or {}),
        )
        if partial and jobs[0].epochs_before:
            carry_on(self.net, getattr(p, "_optimizer_state", None))
        self.net.criterion_.autocast = p.dtype == "bfloat16"
        if p.compile:
            # The episodes of MetaBalance have a length for each of their halves.
            rows = None if p.metabalance_sampler else self.batches.batch_size
            self.net.criterion_.compiled = Compiled(self.module, p.compile, rows)
        plans = [job.plan for job in jobs]
        self.net.criterion_.log_shift = _joint_log_shift(jobs, plans, device)
        step = make_step(jobs, dtype, device, self.net.optimizer_)
        if partial and jobs[0].epochs_before:
            carry_on_step(step, p)
        self.net.prepare(self.batches, step, monitor, average, p.clip_norm)

    def split(self):
        """Give each job the weights of its members."""
        if len(self.jobs) > 1:
            split(self.module, [job.module for job in self.jobs], self.layouts)


def _compared(drop, monitor, panel):
    """What `drop` compares by if that is not what stops members."""
    name = getattr(drop, "metric", None)
    if name in (None, monitor) or panel is None:
        return None
    return BestScores(name, panel)


def _by_member(drop, in_order, jobs):
    """`drop`, which speaks of jobs in the caller's order, for members in the pack's."""
    position = {id(job): i for i, job in enumerate(in_order)}
    job_of = np.array([position[id(job)] for job in jobs for _ in job.members])

    def dropped(epoch, score, done):
        if callable(score):
            if not drop.compares_after(epoch):
                score = np.full(len(job_of), np.nan)
            else:
                score = score()
        n_jobs = len(in_order)
        best, ended = np.full(n_jobs, np.nan), np.ones(n_jobs, dtype=bool)
        for j in range(n_jobs):
            own = job_of == j
            best[j], ended[j] = score[own].mean(), done[own].all()
        return drop(epoch, best, ended)[job_of]

    return dropped


def carry_on(net, saved):
    """Go on with the projectors and moments of the last call, but the own rate."""
    if saved is None:
        return
    (name, state, weights), term = saved, net.criterion_.term
    here = {} if term is None else term.state_dict()
    if {k: t.shape for k, t in here.items()} != {
        k: t.shape for k, t in (weights or {}).items()
    }:
        return  # another term: its parameters have no past
    if term is not None:
        term.load_state_dict(weights)
    optimizer = net.optimizer_
    if isinstance(optimizer, OPTIMIZERS[name]):
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state["state"], "param_groups": groups})


def carry_on_step(step, estimator):
    """Give a step what it has learned in the last call of partial_fit."""
    made_by, state = getattr(estimator, "_step_state", (None, None))
    if state is not None and made_by == (estimator.row_weighting, estimator.step):
        step.load_state_dict(state)
