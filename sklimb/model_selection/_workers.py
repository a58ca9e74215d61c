"""The packs of a search, spread over joblib's workers."""

from joblib import Parallel, delayed, effective_n_jobs

from sklimb.model_selection._packs import run_pack


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
        size = effective_n_jobs(n_jobs)
        for begin in range(0, len(packs), size):
            todo = [
                delayed(_kept)(checkpoint, i, task, folds, pairs, progress)
                for i, pairs in packs[begin : begin + size]
            ]
            found = Parallel(n_jobs, batch_size=1)(todo)
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


def _kept(checkpoint, i, *args):
    i, results = _numbered(i, *args)
    checkpoint.keep(i, results)
    return i, results
