"""Packs: jobs whose members train as one program, with their module and net."""

import copy
import math

import numpy as np
import torch
from skorch.helper import predefined_split

from sklimb.fitting.device_rows import make_batches, make_panel
from sklimb.fitting.probabilities import bound_loss, log_shift, make_net
from sklimb.nn.join import Layout, join, split
from sklimb.training import steps
from sklimb.training.callbacks import (
    BY_STEP,
    Clock,
    Deferred,
    KeepBest,
    LearningRate,
    RateByStep,
    WeightAverage,
)
from sklimb.training.compiled import Compiled, mode_for
from sklimb.training.device import keep_freed_memory
from sklimb.training.given_callbacks import check_watched
from sklimb.training.going_on import GoingOn
from sklimb.training.m2m import make_m2m
from sklimb.training.m2m_batches import (
    TranslatedBatches,
    TranslatedShare,
    make_translation,
)
from sklimb.training.monitor import BestScores, Monitor
from sklimb.training.optimizers import OPTIMIZERS, one_value
from sklimb.training.terms import JointTerm, make_term


def make_step(jobs, dtype, device, optimizer):
    """The step that the strategy parameters select."""
    members = [m for job in jobs for m in job.members]
    priors = [job.prior for job in jobs for _ in job.members]
    p = jobs[0].recipe.parameters
    return steps.make_step(steps.Fits(p, members, priors, optimizer, dtype, device))


def make_term_of(jobs, layouts, module):
    """The self-supervised term with its projectors, or None."""
    p = jobs[0].recipe.parameters
    if p.joint_ssl is None:
        return None
    like = next(module.parameters())
    rows = like.new_zeros(1, 2, Layout.common(layouts).n_columns)
    module.eval()  # only the width of the output is needed
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
        np.ones_like(plan.shift)
        if job.recipe.parameters.target_prior is None
        else plan.shift
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
    """Jobs in the order of `Job.sort_key`, and the net that trains them.

    Parameters
    ----------
    jobs : list of Job
    partial : bool, default=False
        Whether partial_fit is running.
    callbacks : list, default=()
        Further callbacks of the loop.
    drop : callable or None, default=None
        As in `train`.
    until : float or None, default=None
        When training ends at the latest.
    """

    def __init__(self, jobs, partial=False, callbacks=(), drop=None, until=None):
        in_order, self.jobs = jobs, sorted(jobs, key=lambda job: job.sort_key)
        self.recipe = self.jobs[0].recipe
        self.layouts = [job.layout for job in self.jobs]
        self.members = [m for job in self.jobs for m in job.members]
        self.module = self._joined_module()
        device, dtype = self.recipe.device, self.recipe.dtype
        if device.type == "cpu":
            keep_freed_memory()
        asked = self.recipe.parameters.compile
        self.compile = mode_for(asked, self.module, device)
        self.batches, late, self.rows = make_batches(
            self.jobs, self.layouts, self.module, dtype, device
        )
        p = self.recipe.parameters
        panel = make_panel(self.jobs, self.layouts, dtype, device)
        check_watched(p.callbacks or [], p.monitor, panel is not None)
        monitor = None if panel is None else Monitor(p.monitor, panel)
        average = WeightAverage(p.ema_decay) if p.ema_decay > 0 else None
        self.keep = self._keep_best(monitor, drop, in_order)
        max_epochs = 1 if partial else p.max_epochs
        late, later = self._later(late, max_epochs)
        # What changes the draws in later epochs, or None.
        self.late = next((cb for cb in later if isinstance(cb, Deferred)), None)
        rate = RateByStep if p.lr_schedule == BY_STEP else LearningRate
        given = [rate(p.lr_schedule, p.warmup_epochs, max_epochs), *later]
        given += [] if average is None else [average]
        last = [cb for cb in callbacks if isinstance(cb, GoingOn)]
        callbacks = [cb for cb in callbacks if cb not in last]
        given += [*(p.callbacks or []), *callbacks, self.keep, *last]
        given += [] if until is None else [Clock(until)]
        self.net = self._make_net(given, max_epochs, late, panel)
        if partial and self.jobs[0].epochs_before:
            carry_on(self.net, self.jobs[0].states.get("optimizer"))
        self._set_objective()
        step = make_step(self.jobs, dtype, device, self.net.optimizer_)
        if partial and self.jobs[0].epochs_before:
            carry_on_step(step, self.jobs[0])
        self.net.prepare(self.batches, step, monitor, average, p.clip_norm)
        self.net.show(p.callbacks, self.recipe.classes)

    def _joined_module(self):
        """One module with the members of all jobs, on the device."""
        for job in self.jobs:
            job.module.to(self.recipe.device, self.recipe.dtype)
        if len(self.jobs) == 1:
            return self.jobs[0].module
        return join([job.module for job in self.jobs], self.layouts)

    def _keep_best(self, monitor, drop, in_order):
        """The callback that keeps each member's best weights and stops it."""
        p = self.recipe.parameters
        return KeepBest(
            p.n_iter_no_change if monitor is not None and p.early_stopping else None,
            monitor is not None and monitor.greater_is_better,
            None if drop is None else _by_member(drop, in_order, self.jobs),
            _compared(drop, p.monitor, None if monitor is None else monitor.panel),
            # Each size of a pack is compiled separately, so sizes change rarely.
            leaving=1 / 2 if self.compile else 1 / 16,
        )

    def _later(self, late, max_epochs):
        """Batches of the later epochs or None, and their callbacks."""
        p, device = self.recipe.parameters, self.recipe.device
        start, callbacks = p.drw_start, []
        if p.m2m is not None:
            start = make_m2m(p.m2m).start
            translation = make_translation(
                self.jobs, self.layouts, self.module, self.recipe.dtype, device
            )
            late = TranslatedBatches(late, translation)
            callbacks.append(TranslatedShare())
        if late is None:
            return None, callbacks
        plans = [job.plan.late for job in self.jobs]
        shift = _joint_log_shift(self.jobs, plans, device)
        first = min(math.ceil(start * max_epochs), max_epochs - 1)
        return late, [*callbacks, Deferred(late, shift, first, self.keep)]

    def _make_net(self, callbacks, max_epochs, late, panel):
        p, members = self.recipe.parameters, self.members
        n_steps = zip(self.batches.n_steps, (late or self.batches).n_steps, strict=True)
        return make_net(
            bound_loss(self.jobs, self.module),
            self.module,
            len(self.recipe.classes),
            self.recipe.device,
            make_term_of(self.jobs, self.layouts, self.module),
            optimizer=OPTIMIZERS[p.optimizer],
            lr=one_value([m["lr"] for m in members]),
            optimizer__weight_decay=one_value([m["weight_decay"] for m in members]),
            optimizer__n_steps=list(n_steps),
            max_epochs=max_epochs,
            train_split=None if panel is None else predefined_split(panel.sets[0]),
            callbacks=callbacks,
            warm_start=True,
            **(p.net_params or {}),
        )

    def _set_objective(self):
        """Set number format, compilation and prior shift of the objective."""
        p, objective = self.recipe.parameters, self.net.criterion_
        objective.autocast = p.dtype == "bfloat16"
        if self.compile:
            # Support and query batches of MetaBalance have different lengths.
            rows = None if p.metabalance_sampler else self.batches.batch_size
            objective.compiled = Compiled(self.module, self.compile, rows)
        plans = [job.plan for job in self.jobs]
        objective.log_shift = _joint_log_shift(self.jobs, plans, self.recipe.device)

    def split(self):
        """Copy the weights of each job's members back to its module."""
        if len(self.jobs) > 1:
            split(self.module, [job.module for job in self.jobs], self.layouts)


def _compared(drop, monitor, panel):
    """Scores that `drop` compares by, or None if they are those that stop members."""
    name = getattr(drop, "metric", None)
    if name in (None, monitor) or panel is None:
        return None
    return BestScores(name, panel)


def _by_member(drop, in_order, jobs):
    """`drop`, which takes jobs in the caller's order, for members of the pack."""
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
    """Restore projectors and moments of the last call, but not its learning rate."""
    if saved is None:
        return
    (name, state, weights), term = saved, net.criterion_.term
    here = {} if term is None else term.state_dict()
    if {k: t.shape for k, t in here.items()} != {
        k: t.shape for k, t in (weights or {}).items()
    }:
        return  # the state is of another term
    if term is not None:
        term.load_state_dict(weights)
    optimizer = net.optimizer_
    if isinstance(optimizer, OPTIMIZERS[name]):
        groups = optimizer.state_dict()["param_groups"]
        # Updates change moments in place, and those of a call that fails must stay.
        moments = copy.deepcopy(state["state"])
        optimizer.load_state_dict({"state": moments, "param_groups": groups})


def carry_on_step(step, job):
    """Restore the state of a step from the last call of partial_fit."""
    made_by, state = job.states.get("step", (None, None))
    p = job.recipe.parameters
    if state is not None and made_by == (p.row_weighting, p.step):
        step.load_state_dict(copy.deepcopy(state))
