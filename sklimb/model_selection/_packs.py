"""Jobs of a search that train in one program, and their results."""

import math
import time
import traceback
import warnings
from itertools import groupby

import torch

from sklimb._compat import (
    _check_method_params,
    _MultimetricScorer,
    _num_samples,
    _score,
)
from sklimb.fitting.train import time_limit, train
from sklimb.model_selection._candidates import classifier_of, fresh
from sklimb.model_selection._halving import Halving, metric_of
from sklimb.nn import PackedMLP

_NO_MEMORY = "did not fit in memory"


class Work:
    """Everything that a worker needs besides the rows; sent once to each.

    Parameters
    ----------
    candidates : list of unfitted estimators
    scorer : a scorer, or several as one
    score_params : dict
    seed : int
        For candidates with random_state=None.
    search : PackedSearchCV
        For error_score, return_train_score, halving_factor, scoring and refit.
    """

    def __init__(self, candidates, scorer, score_params, seed, search):
        self.candidates, self.seed = candidates, seed
        self.scorer, self.score_params = scorer, score_params
        self.error_score = search.error_score
        self.return_train_score = search.return_train_score
        self.halving_factor = search.halving_factor
        self.metric = metric_of(search.scoring, search.refit)

    def __sizeof__(self):
        return 2000 * len(self.candidates)  # see Folds.__sizeof__


def run_pack(task, folds, pairs, progress=None):
    """Train and score the (candidate, split) pairs of a pack.

    Returns
    -------
    list of dict
        One for each pair, as scikit-learn's `_fit_and_score` gives it, with "n_epochs",
        "valid_scores" of all epochs and "halved_epoch" (NaN for none).

    An out-of-memory error splits the pack in two, and so does any other error of its
    training: then the fit that is at fault fails alone.
    """
    try:
        return _run(task, folds, pairs, progress)
    except _PackError as error:
        what = str(error)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(pairs) // 2
    warnings.warn(
        f"A pack of {len(pairs)} fits {what} and is split in two. max_members={half} "
        "avoids the attempt.",
        RuntimeWarning,
        stacklevel=2,
    )
    first = run_pack(task, folds, pairs[:half], progress)
    return first + run_pack(task, folds, pairs[half:], progress)


class _PackError(Exception):
    """A pack of several fits cannot be trained; fewer of them may."""


def _is_out_of_memory(error):
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return "can't allocate memory" in str(error)


def _run(task, folds, pairs, progress):
    begin = time.perf_counter()
    candidates, jobs, results, halved = {}, {}, {}, {}
    for pair in pairs:
        c, split = pair
        candidate = fresh(task.candidates[c], task.seed)
        candidates[pair] = candidate
        try:
            fit_params = _cut(folds, folds.fit_params, split, 0)
            folded = classifier_of(candidate).validation_folds not in (None, "auto")
            if folded:  # a pack of its own
                X, y = folds.rows(candidate, split, 0)
                candidate.fit(X, y, **fit_params)
            else:
                jobs[pair] = folds.job(candidate, split, fit_params)
        except Exception as error:
            results[pair] = _failed(task, error, len(pairs))
    for group in _alike(jobs):
        drop = None
        if task.halving_factor is not None or progress is not None:
            drop = Halving(group, task.halving_factor, jobs, progress, task.metric)
        message = _train(task, [jobs[pair] for pair in group], drop)
        if message:
            raise KeyboardInterrupt(message)
        dropped = {} if drop is None else drop.dropped
        halved.update({pair: dropped[pair[0]] for pair in group if pair[0] in dropped})
        for pair in group:
            if jobs[pair].error is not None:
                results[pair] = _failed(task, jobs[pair].error, len(pairs))
            else:
                classifier_of(candidates[pair])._keep([jobs[pair]])
    # A pack's time is shared by its members.
    share = (time.perf_counter() - begin) / len(pairs)
    for pair in pairs:
        if pair not in results:
            results[pair] = _scored(task, folds, candidates[pair], pair[1])
        results[pair]["fit_time"] = share
        results[pair]["halved_epoch"] = halved.get(pair, math.nan)
        results[pair]["n_test_samples"] = _num_samples(folds.splits[pair[1]][1])
    return [results[pair] for pair in pairs]


def _train(task, jobs, drop):
    """`train`, whose errors go into `Job.error` if it is clear whose they are."""
    try:
        until = time_limit(jobs[0].recipe.parameters, len(jobs))
        return train(jobs, alone=False, drop=drop, until=until)
    except Exception as error:
        if len(jobs) == 1:
            jobs[0].error = error
            return None
        if _is_out_of_memory(error):
            raise _PackError(_NO_MEMORY) from error
        if task.error_score == "raise":
            raise
        raise _PackError(f"failed ({type(error).__name__}: {error})") from error


def _alike(jobs):
    """Lists of pairs that train side by side; folds may lack a class."""

    def shape(pair):
        job = jobs[pair]
        p, layout, own = job.recipe.parameters, job.layout, ()
        if not isinstance(job.module, PackedMLP):
            # Other networks are not padded, neither in columns nor in rows (BatchNorm).
            own = layout.indicators, layout.cardinalities, job.n_rows
        if p.mix is not None:  # columns are drawn for
            own = (*own, layout.indicators)
        if p.m2m is not None:
            numeric = tuple(job.recipe.numeric_columns.tolist())
            own = (*own, layout.indicators, numeric)
        if job.plan.support is not None:
            own = (*own, job.n_rows)  # tasks else have no common rhythm
        return (
            len(job.recipe.classes),
            layout.n_numeric,
            len(layout.cardinalities),
            job.validation is None,
            p.max_epochs,  # of the rows, as those of a step are
            job.recipe.batch_size,
            own,
        )

    for _, group in groupby(sorted(jobs, key=shape), key=shape):
        group = list(group)
        if jobs[group[0]].recipe.parameters.callbacks:  # they look at one network
            yield from ([pair] for pair in group)
        else:
            yield group


def _cut(folds, params, split, part):
    rows = folds.splits[split][part]
    return _check_method_params(folds.X, params=params, indices=rows)


def _failed(task, error, n_fits):
    """What stands for one of a pack's `n_fits` that failed.

    Raises
    ------
    Exception
        `error` itself with error_score="raise"; _PackError for too little memory.
    """
    if n_fits > 1 and _is_out_of_memory(error):
        raise _PackError(_NO_MEMORY) from error
    if task.error_score == "raise":
        raise error
    text = "".join(traceback.format_exception(error))
    score = task.error_score
    if isinstance(task.scorer, _MultimetricScorer):
        score = {name: task.error_score for name in task.scorer._scorers}
    result = {"fit_error": text, "test_scores": score, "score_time": 0.0}
    if task.return_train_score:
        result["train_scores"] = score
    return {**result, "n_epochs": 0, "valid_scores": []}


def _scored(task, folds, candidate, split):
    """Scores of a fitted candidate, by scikit-learn's own rules."""
    begin = time.perf_counter()
    history = classifier_of(candidate).history_
    result = {
        "fit_error": None,
        "n_epochs": int(classifier_of(candidate).n_iter_),
        "valid_scores": [row.get("valid_score", math.nan) for row in history],
    }
    names = ["train_scores", "test_scores"]
    for part, name in enumerate(names):
        if part == 0 and not task.return_train_score:
            continue
        X, y = folds.rows(candidate, split, part)
        params = _cut(folds, task.score_params, split, part)
        result[name] = _score(candidate, X, y, task.scorer, params, task.error_score)
    result["score_time"] = time.perf_counter() - begin
    return result
