"""From jobs to fitted estimators: trained in packs, guides first, nothing by halves."""

import time
from contextlib import contextmanager

import torch
from tqdm.auto import tqdm

from sklimb.fitting.finish import combine, finish, weighed
from sklimb.fitting.pack import Pack
from sklimb.training.callbacks import Progress

# scikit-learn's own bookkeeping of callbacks, which its decorator clears.
_OF_SCIKIT_LEARN = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


def train(jobs, *, alone=True, partial=False, callbacks=(), drop=None):
    """Train all members of all jobs side by side and fill the jobs' attributes.

    One program, but for two cases with unequal numbers of rows, where the rows that pad
    the shorter ones would count: statistics of BatchNorm, tasks of MetaBalance.

    Parameters
    ----------
    jobs : list of Job
        Alike in everything but data, class weights and what the members' settings hold.
        The order of their members in the pack is that of `Job.sort_key`.
    alone : bool, default=True
        The jobs are all of one fit: errors are raised, and `verbose` shows progress.
        Otherwise the error of a job is kept in `Job.error`.
    partial : bool, default=False
        A call of partial_fit.
    callbacks : list, default=()
        Further callbacks of the first program.
    drop : callable or None, default=None
        (epoch, best scores, which are done), each by job -> which jobs end here.

    Returns
    -------
    str or None
        That training was interrupted, when everything is in place.

    Raises
    ------
    ValueError
        The loss was not finite in the first epoch.
    """
    packs = _without_padding(jobs)
    assert drop is None or len(packs) == 1
    for pack in packs:
        interrupted = _train_pack(pack, alone, partial, callbacks, drop)
        callbacks = ()  # they look at one program
        if interrupted and pack is not packs[-1]:
            raise KeyboardInterrupt(
                "training was interrupted before all folds had begun; nothing is fitted"
            )
    return interrupted


def fitted_attributes(jobs):
    """The fitted attributes of one fit, of all its folds together."""
    if len(jobs) > 1:
        return combine(jobs)
    found = jobs[0].attributes
    return found | weighed(jobs, found)


def _without_padding(jobs):
    """Lists of jobs that may be one program."""
    first = jobs[0]
    normalises = first.module.needs_two_rows
    if not normalises and first.plan.support is None:
        return [jobs]
    packs = {}
    for job in jobs:
        packs.setdefault(job.n_rows, []).append(job)
    return list(packs.values())


def _train_pack(jobs, alone, partial, callbacks, drop):
    """`train` for jobs that are one program."""
    verbose = alone and jobs[0].recipe.parameters.verbose
    if jobs[0].guide is not None:
        _train_guides(jobs, alone)
    if verbose:
        callbacks = [*callbacks, Progress()]
    pack = Pack(jobs, partial, callbacks, drop)
    jobs, net, keep = pack.jobs, pack.net, pack.keep
    # Whatever the caller's gradient mode is.
    with torch.inference_mode(False), torch.enable_grad():
        net.fit(pack.rows)
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
            if alone:
                raise
            job.error = error
            continue
        finish(job, net, keep, own, partial)
    net.release()
    if verbose and pack.module.reason:
        tqdm.write(pack.module.reason)
    if not net.interrupted_:
        return None
    return (
        f"training was interrupted after {len(net.history)} epochs; the best weights "
        "so far are in place"
    )


def _train_guides(jobs, alone):
    """Train what guides M2m; a guide that learned nothing fails its job."""
    if train([job.guide for job in jobs], alone=False):
        raise KeyboardInterrupt(
            "training was interrupted while the guides of m2m were trained; nothing is "
            "fitted"
        )
    for job in jobs:
        job.error = job.guide.error
        if alone and job.error is not None:
            raise job.error


def step_seconds(jobs, n_steps=4):
    """Seconds of a training step of these jobs as one pack; they are used up.

    The least of a few steps after the first two: noise only adds.
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
    """Give an estimator its attributes back if what happens inside fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        kept = {k: v for k, v in vars(estimator).items() if k in _OF_SCIKIT_LEARN}
        vars(estimator).clear()
        vars(estimator).update(before | kept)
        raise
