"""Training of jobs in packs, and fitted attributes that are set all or none."""

import time
from contextlib import contextmanager
from functools import partial as bound

import numpy as np
import torch

from sklimb._progress import say
from sklimb.fitting.decision import decide, held_out_of
from sklimb.fitting.finish import combine, finish, weighed
from sklimb.fitting.pack import Pack
from sklimb.training.callbacks import EpochBar
from sklimb.training.processes import shared_steps

# Attributes of scikit-learn's callbacks, which its decorator clears.
_OF_SCIKIT_LEARN = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


def time_limit(parameters, n_fits=1):
    """When training ends that begins now, or None; each of the fits has its own time.

    As `time.perf_counter` tells it.
    """
    if parameters.max_seconds is None:
        return None
    return time.perf_counter() + n_fits * parameters.max_seconds


def train(jobs, *, alone=True, partial=False, callbacks=(), drop=None, until=None):
    """Train all members of all jobs side by side and fill the jobs' attributes.

    All jobs are one program, except with BatchNorm or MetaBalance: there jobs with
    unequal numbers of rows train apart, because padding rows would count.

    Parameters
    ----------
    jobs : list of Job
        They differ only in data, class weights and the settings of their members.
        Members are in the order of `Job.sort_key`.
    alone : bool, default=True
        All jobs belong to one fit: errors are raised, and `verbose` shows progress.
        Otherwise the error of a job is stored in `Job.error`.
    partial : bool, default=False
        Whether partial_fit is running.
    callbacks : list, default=()
        Further callbacks of the first program.
    drop : callable or None, default=None
        (epoch, best score per job, done per job) -> mask of the jobs that end here.
    until : float or None, default=None
        What `time_limit` says; packs that train one after the other share what is left.

    Returns
    -------
    str or None
        A message if training was interrupted; attributes are set in either case, from
        the epochs that ended.

    Raises
    ------
    KeyboardInterrupt
        Training was interrupted before an epoch had ended.
    ValueError
        The loss was not finite in the first epoch.
    """
    packs = _without_padding(jobs)
    assert drop is None or len(packs) == 1
    for i, pack in enumerate(packs):
        end = _part_of(until, 1 / (len(packs) - i))
        interrupted = _train_pack(pack, alone, partial, callbacks, drop, end)
        callbacks = ()  # they belong to the first program
        if interrupted and pack is not packs[-1]:
            raise KeyboardInterrupt(
                "training was interrupted before all folds had begun; nothing is fitted"
            )
    return interrupted


def fitted_attributes(jobs):
    """The fitted attributes of one fit, of all its folds together."""
    found = combine(jobs) if len(jobs) > 1 else jobs[0].attributes
    found = found | weighed(jobs, found)
    p, classes = jobs[0].recipe.parameters, jobs[0].recipe.classes
    held_out = bound(held_out_of, jobs, found["member_weights_"])
    shares = np.mean([job.shares for job in jobs], axis=0)
    return found | decide(p.decision, classes, shares, held_out)


def _without_padding(jobs):
    """Lists of jobs, each of which is one program."""
    first = jobs[0]
    normalises = first.module.needs_two_rows
    if not normalises and first.plan.support is None:
        return [jobs]
    packs = {}
    for job in jobs:
        packs.setdefault(job.n_rows, []).append(job)
    return list(packs.values())


def _part_of(until, share):
    """The end of a share of the time that is left."""
    if until is None:
        return None
    now = time.perf_counter()
    return now + share * (until - now)


def _train_pack(jobs, alone, partial, callbacks, drop, until):
    """`train` for jobs that are one program."""
    verbose = alone and jobs[0].recipe.parameters.verbose
    if jobs[0].guide is not None:
        _train_guides(jobs, alone, _part_of(until, 1 / 2))
    if verbose:
        callbacks = [*callbacks, EpochBar()]
    pack = Pack(jobs, partial, callbacks, drop, until)
    jobs, net, keep = pack.jobs, pack.net, pack.keep
    # The caller may have switched gradients off.
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        shared_steps(net, pack.rows, pack.recipe.parameters),
    ):
        net.fit(pack.rows)
    if net.interrupted_:
        _forget_unfinished(pack)
    keep.restore(net)
    pack.split()
    begin = 0
    for job in jobs:
        own = range(begin, begin + len(job.members))
        begin = own.stop
        if job.error is not None:
            continue
        try:
            keep.check(own)
        except ValueError as error:
            if net.interrupted_:  # Ctrl-C, which a search must not take for a failure
                raise KeyboardInterrupt(f"interrupted; {error}") from error
            if alone:
                raise
            job.error = error
            continue
        finish(job, net, keep, own, partial)
    net.release()
    if verbose and pack.module.reason:
        say(pack.module.reason)
    if not net.interrupted_:
        return None
    return (
        f"training was interrupted after {len(net.history)} epochs; the best weights "
        "so far are in place"
    )


def _forget_unfinished(pack):
    """Drop what an interrupted fit has told of epochs that did not end.

    Raises
    ------
    KeyboardInterrupt
        No epoch has ended: there is nothing to keep.
    """
    n_epochs = pack.keep.n_epochs_
    if n_epochs == 0:
        raise KeyboardInterrupt(
            "training was interrupted before its first epoch ended; nothing was fitted"
        )
    del pack.net.history[n_epochs:]
    if pack.late is not None and n_epochs < pack.late.first + 1:
        for job in pack.jobs:
            job.without_late()


def _train_guides(jobs, alone, until=None):
    """Train the guides of M2m; the error of a guide becomes that of its job."""
    if train([job.guide for job in jobs], alone=False, until=until):
        raise KeyboardInterrupt(
            "training was interrupted while the guides of m2m were trained; nothing is "
            "fitted"
        )
    for job in jobs:
        job.error = job.guide.error
        if alone and job.error is not None:
            raise job.error


def step_seconds(jobs, n_steps=4):
    """Seconds per training step of these jobs as one pack, which changes the jobs.

    The minimum over a few steps after the first two, because noise only adds.
    """
    pack = Pack(jobs)
    net, seconds = pack.net, []
    for callback in net.updates_:
        callback.on_train_begin(net)
    net._set_training(True)
    on_gpu = torch.device(net.device).type == "cuda"
    with torch.inference_mode(False), torch.enable_grad():
        for i, batch in enumerate(pack.batches):
            begin = time.perf_counter()
            net.train_step(batch)
            if on_gpu:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
            if i > n_steps:
                break
    return min(seconds[2:] or seconds)


@contextmanager
def all_or_nothing(estimator):
    """Restore an estimator's attributes if the body fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        kept = {k: v for k, v in vars(estimator).items() if k in _OF_SCIKIT_LEARN}
        vars(estimator).clear()
        vars(estimator).update(before | kept)
        raise
