"""Splits of a fit's rows into training and validation rows."""

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from sklimb._messages import short, told
from sklimb._random import stream_seed


def hold_out(rows, splitter, fraction, seed, merge, most=None):
    """Training and validation rows, each in canonical order; (rows, None) without them.

    At most about `most` rows are held out by the fraction.

    A user's splitter is given the rows in the user's order; the default split follows
    merging, so that copies of a row are never on both sides.
    """
    if splitter is not None:
        # Row numbers are the user's, so rows of weight 0 still count here.
        parts = (rows.take(part).positive() for part in split_given(rows, splitter))
        return tuple(part.canonical(merge) for part in parts)
    rows = rows.positive().canonical(merge)
    if most is not None:
        fraction = min(fraction, most / len(rows))
    train, held_out = split_default(rows, fraction, seed)
    if not len(held_out):
        return rows, None
    if merge:
        train, held_out = kept_whole(rows, [(train, held_out)])[0]
    return rows.take(train), rows.take(held_out)


def kept_whole(rows, parts):
    """Splits after which all rows of equal X are on the side of the heaviest of them.

    Rows of equal X and label are one row by then. Those of other labels would otherwise
    train without it: a table of few different rows, all with both labels, would teach
    that each of them has one. Splits of other tables stay as they are, and so do those
    that would leave a class without training rows, or one class alone to validate on.

    Parameters
    ----------
    rows : RowSet
        Merged rows in canonical order.
    parts : list of (train, held_out) row numbers
        The held-out parts do not overlap.
    """
    if rows.group is not None:
        return parts
    _, x = np.unique(rows.table.row_hash(), return_inverse=True)
    if x.max() + 1 == len(x):
        return parts
    # Of equally heavy rows the first of the order.
    order = np.lexsort((np.arange(len(x))[::-1], rows.weight))
    heaviest = np.empty(x.max() + 1, dtype=int)
    heaviest[x[order]] = order
    side = np.zeros(len(x), dtype=int)
    for i, (_, held_out) in enumerate(parts, 1):
        side[held_out] = i
    side = side[heaviest[x]]
    whole = [
        (np.flatnonzero(side != i), np.flatnonzero(side == i))
        for i in range(1, len(parts) + 1)
    ]

    def n_classes(part):
        return len(np.unique(rows.y[part]))

    fine = all(
        n_classes(train) == n_classes(before)
        and n_classes(held_out) >= min(2, n_classes(others))
        for (train, held_out), (before, others) in zip(whole, parts, strict=True)
    )
    return whole if fine else parts


def without_copies(pseudo, held_out):
    """Numbers of the rows without a copy of equal label among the held-out rows.

    Copies of a row are never on both sides, as in the default split.
    """
    keep = np.ones(len(pseudo), dtype=bool)
    row_hash, held_out_hash = pseudo.table.row_hash(), held_out.table.row_hash()
    for c in np.unique(held_out.y):
        copies = np.isin(row_hash, held_out_hash[held_out.y == c])
        keep &= ~(copies & (pseudo.y == c))
    return np.flatnonzero(keep)


def check_classes_left(rows, train, classes):
    """Refuse a split that leaves a class without training rows."""
    needed = np.unique(rows.positive().y)
    lost = np.setdiff1d(needed, train.y)
    if len(lost):
        raise ValueError(
            f"class {short(classes[lost].tolist()[0])} has no training rows left: "
            "groups or validation_split hold all of them out. Split otherwise, pass "
            "X_val, or set early_stopping=False."
        )


def split_default(rows, fraction, seed):
    """Row numbers (train, validation) of a stratified split that keeps groups whole.

    Each class with two or more rows gives at least one and keeps at least one; a class
    with one row trains. With groups, folds of StratifiedGroupKFold.
    """
    random_state = stream_seed(seed, "split")
    if rows.group is not None:
        return _split_groups(rows, fraction, random_state)
    rng = np.random.default_rng(random_state)
    held_out = np.zeros(len(rows), dtype=bool)
    for c in np.unique(rows.y):
        members = np.flatnonzero(rows.y == c)
        n = len(members)
        if n >= 2:
            take = min(max(round(fraction * n), 1), n - 1)
            held_out[rng.permutation(members)[:take]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _split_groups(rows, fraction, random_state):
    n_groups = len(np.unique(rows.group))
    if n_groups < 2:
        raise ValueError(
            "groups must hold at least two groups to validate on rows of another one, "
            "got 1. Set early_stopping=False or leave groups out."
        )
    largest = int(np.bincount(rows.y).max())
    n_splits = max(2, min(round(1 / fraction), n_groups, largest))
    folds = StratifiedGroupKFold(
        n_splits, shuffle=True, random_state=random_state % 2**32
    )
    n_classes = len(np.unique(rows.y))
    with warnings.catch_warnings():
        # A class may be smaller than the number of folds, which is checked below.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts = list(folds.split(np.zeros((len(rows), 1)), rows.y, rows.group))
    for train, held_out in parts:
        if len(np.unique(rows.y[train])) == n_classes:
            return train, held_out
    return parts[0]  # refused by check_classes_left


def split_given(rows, splitter):
    """The last split of a scikit-learn splitter: for TimeSeriesSplit, the latest rows.

    Raises
    ------
    ValueError
        The splitter fails, or yields nothing, or an empty part.
    """
    X = np.zeros((len(rows), 1))
    try:
        splits = check_cv(splitter, rows.y, classifier=True)
        parts = list(splits.split(X, rows.y, rows.group))
    except (TypeError, ValueError) as error:
        raise ValueError(
            "validation_split must be an int, a splitter or pairs of training and "
            f"validation row numbers, and it cannot split these rows: {error}"
        ) from error
    if not parts:
        raise ValueError(
            f"validation_split must yield a split, got {short(splitter)}. A generator "
            "is used up after one fit: give a list of it."
        )
    try:
        train, held_out = (np.arange(len(rows))[np.asarray(p)] for p in parts[-1])
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(
            "validation_split must yield pairs of training and validation row numbers "
            f"below {len(rows)}, got a last item that is none: {told(error)}."
        ) from error
    if not len(train) or not len(held_out):
        raise ValueError(
            "validation_split must leave rows on both sides, got "
            f"{len(train)} training and {len(held_out)} validation rows."
        )
    return train, held_out


def split_folds(rows, n_folds, seed, merge=True):
    """(train, validation) row numbers of each fold, stratified; groups stay whole.

    So do rows of equal X, if equal rows have been merged (`merge`). The only row of a
    class trains in every fold.

    Raises
    ------
    ValueError
        No class has two rows.
    """
    if rows.pseudo is not None:
        labelled, pseudo = (np.flatnonzero(rows.pseudo == kind) for kind in (0, 1))
        own, others = rows.apart()
        parts = split_folds(own, n_folds, seed, merge)
        for i, (train, held_out) in enumerate(parts):
            kept = pseudo[without_copies(others, own.take(held_out))]
            train = np.sort(np.concatenate([labelled[train], kept]))
            parts[i] = train, labelled[held_out]
        return parts
    random_state = stream_seed(seed, "split") % 2**32
    counts = np.bincount(rows.y)
    n_folds = min(n_folds, int(counts.max()))
    if n_folds < 2:
        raise ValueError(
            "validation_folds needs a class with two different rows, and all classes "
            "have one. Set validation_folds=None and early_stopping=False."
        )
    single = np.flatnonzero(counts[rows.y] == 1)
    others = np.flatnonzero(counts[rows.y] > 1)
    kind = StratifiedKFold if rows.group is None else StratifiedGroupKFold
    folds = kind(n_folds, shuffle=True, random_state=random_state)
    group = None if rows.group is None else rows.group[others]
    with warnings.catch_warnings():
        # A fold may lack a class in validation, because all folds together hold it.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts = list(folds.split(np.zeros((len(others), 1)), rows.y[others], group))
    parts = [
        (np.sort(np.concatenate([others[train], single])), others[held_out])
        for train, held_out in parts
    ]
    return kept_whole(rows, parts) if merge else parts
