"""What "auto" stands for in n_members and validation_folds: a budget of networks.

The fewer rows, the more an average of networks gains and the less it costs. Folds use
the budget best, because all rows then train and all validate, so they come first; a
second network in each of them gains nothing that shows. What the caller sets is taken
as it is, and "auto" beside it is what the rest of the budget pays for. Where folds are
not possible they give way, to one split and more members.

Rows are counted once they are merged and those of weight 0 have left: neither weights
nor their order change what is taken.
"""

import numpy as np

from sklimb.fitting.portfolio import is_set
from sklimb.fitting.schedule import MOST_VALIDATE, is_short
from sklimb.inputs.splits import split_folds

AUTO_FOLDS = 5
# (merged rows below which, networks); one for more rows (benchmarks/out_of_the_box).
NETWORKS = ((50_000, 5), (100_000, 2))
# Parameters with which a network costs several times as much, or that ask for several
# networks themselves: one for each.
_DEAR = ("portfolio", "joint_ssl", "m2m", "metabalance_sampler", "row_weighting")
# With these the caller names the validation rows, or a fit that folds cannot have.
_OTHERS = ("validation_split", "validation_fraction", "warm_start", "callbacks")


def is_auto(value):
    """Whether a parameter is left to the budget."""
    return isinstance(value, str)


def networks(estimator, n_rows):
    """Networks that the budget pays for, of so many merged rows."""
    dear = any(getattr(estimator, name) is not None for name in _DEAR)
    if dear or estimator._pretrainer is not None:
        return 1
    for below, n in estimator._networks:
        if n_rows < below:
            return n
    return 1


def take_folds(estimator, rows, seed, free):
    """Set `n_folds_`; the number of merged rows, or None where nothing is "auto".

    Parameters
    ----------
    estimator : classifier
    rows : RowSet
        All rows that the caller gave, without those that a model has labelled.
    seed : int
        Root seed of the fit.
    free : bool
        Whether the fit may choose its validation rows.
    """
    folds, members = estimator.validation_folds, estimator.n_members
    if not is_auto(folds):
        estimator.n_folds_ = folds or 1
        if not is_auto(members):
            return None
    rows = rows.positive().canonical(estimator.merge_duplicates)
    if is_auto(folds):
        each = 1 if is_auto(members) else members
        pays = networks(estimator, len(rows)) >= each * AUTO_FOLDS
        able = pays and free and _may_have_folds(estimator)
        able = able and _folds_hold(estimator, rows, seed)
        estimator.n_folds_ = AUTO_FOLDS if able else 1
    return len(rows)


def most_that_validate(estimator):
    """Rows that the short training holds out at most, or None for no such bound."""
    if not is_short(estimator) or is_set(estimator, "validation_fraction"):
        return None
    return MOST_VALIDATE


def members_of_each(estimator, n_rows):
    """Members of a setting in a fold; 1 where `n_rows` is None, as in partial_fit."""
    if not is_auto(estimator.n_members):
        return estimator.n_members
    if n_rows is None:
        return 1
    return max(1, networks(estimator, n_rows) // estimator.n_folds_)


def _may_have_folds(estimator):
    """Whether nothing that the caller has set validates in another way."""
    if not estimator.early_stopping or hasattr(estimator.sampler, "fit_resample"):
        return False  # such an object may refuse the fewer rows of a fold
    return not any(is_set(estimator, name) for name in _OTHERS)


def _folds_hold(estimator, rows, seed):
    """Whether each fold trains on all classes, and validates on those it needs."""
    n_groups = len(rows) if rows.group is None else len(np.unique(rows.group))
    if min(np.bincount(rows.y).max(), n_groups) < AUTO_FOLDS:
        return False
    needs_two = estimator.temperature_scaling or estimator.monitor in (
        "roc_auc",
        "average_precision",
    )
    n_classes = len(np.unique(rows.y))
    return all(
        len(np.unique(rows.y[train])) == n_classes
        and len(np.unique(rows.y[held_out])) > needs_two
        for train, held_out in split_folds(
            rows, AUTO_FOLDS, seed, estimator.merge_duplicates
        )
    )
