"""The packs of a search, spread over joblib's workers."""

from contextlib import nullcontext

import torch
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

from sklimb.fitting.train import step_seconds
from sklimb.model_selection._packs import run_pack

# Seconds after which processes have started and imported what they need.
_START = 10.0
_TIMED = 16


def processes_that_pay(make_jobs, n_fits):
    """How many processes of one thread beat the threads of this one, or None.

    Two threads share each short product of a step and wait for each other; two
    processes share out packs, and do not.

    Parameters
    ----------
    make_jobs : callable
        n -> list of about n Jobs.
    n_fits : int
    """
    n_threads = torch.get_num_threads()
    if n_threads < 2 or n_fits < 2 * n_threads or effective_n_jobs(None) > 1:
        return None  # nothing to gain, or joblib's context says where to train
    n = min(_TIMED, n_fits // n_threads)
    try:
        jobs = make_jobs(n)
        first, p = jobs[0], jobs[0].recipe.parameters
        if first.recipe.device.type != "cpu":
            return None
        together = step_seconds(jobs)
        torch.set_num_threads(1)
        apart = step_seconds(make_jobs(n)) / n_threads
    except Exception:  # a candidate that cannot be fitted is reported as such later
        return None
    finally:
        torch.set_num_threads(n_threads)
    # Each network trains at least until it may stop.
    epochs = min(p.max_epochs, p.n_iter_no_change)
    n_steps = epochs * -(-len(first.plan.X) // first.batch_size) * n_fits / n
    return n_threads if (together - apart) * n_steps > _START else None


def one_thread_each(chosen):
    """A context for workers that `processes_that_pay` has chosen, or none."""
    if not chosen:
        return nullcontext()
    return parallel_config("loky", inner_max_num_threads=1)


def run_packs(task, folds, packs, n_jobs, checkpoint, progress=None):
    """(number, results) of packs, as they finish and are kept in `checkpoint`.

    Some backends hand nothing over before all that they were given is finished: there
    the workers write what they finish into the folder, so that a worker that dies takes
    nothing else with it. A folder that they do not share is written from here.

    Parameters
    ----------
    task : Work
    folds : Folds
    packs : list of (int, list of (candidate, split))
    n_jobs : int or None
    checkpoint : Checkpoint
    progress : callable, default=None
        As in `run_pack`.
    """
    try:
        parallel = Parallel(
            n_jobs=n_jobs, return_as="generator_unordered", batch_size=1
        )
    except ValueError:  # the backend of Ray, and those of processes that are forked
        size, sent = effective_n_jobs(n_jobs), _sent_once(task, folds)
        # Within one Parallel, so that workers start once and not with each round.
        with Parallel(n_jobs, batch_size=1) as parallel:
            for begin in range(0, len(packs), size):
                todo = [
                    delayed(_kept)(checkpoint, i, sent, pairs, progress)
                    for i, pairs in packs[begin : begin + size]
                ]
                found = parallel(todo)
                for i, results in found:  # pyright: ignore[reportGeneralTypeIssues]
                    if checkpoint.finished(i) is None:
                        checkpoint.keep(i, results)
                    yield i, results
        return
    todo = [delayed(_numbered)(i, task, folds, pairs, progress) for i, pairs in packs]
    for i, results in parallel(todo):  # pyright: ignore[reportGeneralTypeIssues]
        checkpoint.keep(i, results)
        yield i, results


def _numbered(i, task, folds, pairs, progress):
    return i, run_pack(task, folds, pairs, progress)


def _kept(checkpoint, i, sent, *args):
    i, results = _numbered(i, *sent(), *args)
    checkpoint.keep(i, results)
    return i, results


def _sent_once(*things):
    """A function that returns the things in a worker, to which they are sent once.

    joblib itself sees to that for processes (files that are mapped) and dask; Ray puts
    all arguments of a call into the call.
    """
    if type(get_active_backend()[0]).__module__.split(".")[0] == "ray":
        return _InRay(things)
    return _Here(things)


class _Here:
    def __init__(self, things):
        self.things = things

    def __call__(self):
        return self.things


class _InRay:
    """Things in Ray's object store, of which each machine gets a copy."""

    def __init__(self, things):
        import ray  # pyright: ignore[reportMissingImports]

        self.reference = ray.put(things)

    def __call__(self):
        import ray  # pyright: ignore[reportMissingImports]

        return ray.get(self.reference)
