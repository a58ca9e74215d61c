"""The packs of a search, spread over joblib's workers."""

from joblib import Parallel, delayed, effective_n_jobs

from sklimb.model_selection._packs import run_pack


def run_packs(task, folds, packs, n_jobs, progress=None):
    """(number, results) of packs, as they finish.

    Parameters
    ----------
    task : Work
    folds : Folds
    packs : list of (int, list of (candidate, split))
    n_jobs : int or None
    progress : callable, default=None
        As in `run_pack`.
    """
    todo = [delayed(_numbered)(i, task, folds, pairs, progress) for i, pairs in packs]
    try:
        parallel = Parallel(
            n_jobs=n_jobs, return_as="generator_unordered", batch_size=1
        )
    except ValueError:  # the backend of Ray, and those of processes that are forked
        size = effective_n_jobs(n_jobs)
        for begin in range(0, len(todo), size):
            yield from Parallel(n_jobs, batch_size=1)(todo[begin : begin + size])
        return
    yield from parallel(todo)


def _numbered(i, task, folds, pairs, progress):
    return i, run_pack(task, folds, pairs, progress)
