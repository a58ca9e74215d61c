"""Rows that are ready to train, of what the caller gives: read, split, encoded.

`prepare` depends on few parameters (ROW_PARAMETERS), so that a search does it once a
fold and hands the result to every candidate; _jobs.py is the rest.
"""

import copy
import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_consistent_length

from sklimb._messages import short
from sklimb._random import root_seed
from sklimb.fitting.baseline import balanced_median_row
from sklimb.fitting.budget import most_that_validate, take_folds
from sklimb.fitting.checks import (
    check_columns_of_pretrained,
    check_fit_arguments,
    check_same_as_pretrained,
    check_same_columns,
    check_same_network,
)
from sklimb.fitting.compatibility import check_strategies
from sklimb.fitting.sample import sample_of
from sklimb.inputs.containers import as_rows
from sklimb.inputs.labels import (
    check_labels,
    check_same_classes,
    group_codes,
    label_codes,
)
from sklimb.inputs.rowset import RowSet
from sklimb.inputs.splits import check_classes_left, hold_out, without_copies
from sklimb.inputs.weights import check_weights
from sklimb.training.compiled import check_compiler
from sklimb.training.device import resolve_device
from sklimb.training.views.columns import Pool

# Numbers beyond it are clamped: their squares, which normalising layers take, overflow.
_LARGEST = 1e15

# What `prepare` looks at.
ROW_PARAMETERS = (
    "categorical_features",
    "numeric_transform",
    "min_frequency",
    "dtype",
    "device",
    "random_state",
    "merge_duplicates",
    "early_stopping",
    "validation_fraction",
    "validation_split",
    "validation_folds",
    "image_shape",
    "pretrained",
)


@dataclass
class Prepared:
    """Rows of one fit, encoded.

    Attributes
    ----------
    train, held_out : RowSet, RowSet or None
    X, X_held : encoded rows of both
    seed : int
        Root seed of the fit.
    fitted : dict
        What reading and encoding set on the estimator.
    foreign : bool
        The validation rows were given by the caller and are not of the training prior.
    unlabeled : tuple (X, weight) or None
        Encoded rows without labels.
    counted : bool
        Whether rows with pseudo-labels are part of the class statistics.
    n_rows : int or None
        Merged rows that the caller gave; None where no parameter depends on it.
    pretrained : list
        What was pre-trained on these rows: a search's candidates often share it.
    order : callable or None
        The order of each epoch, if it is another than any.
    solved_on : tuple (X, y, weight) or None
        Rows that the output bias is solved on; None is all that train or validate.
    """

    train: RowSet
    held_out: RowSet | None
    X: np.ndarray
    X_held: np.ndarray | None
    seed: int
    fitted: dict
    foreign: bool = False
    unlabeled: tuple | None = None
    counted: bool = True
    n_rows: int | None = None
    pretrained: list = field(default_factory=list)
    order: object | None = None
    solved_on: tuple | None = None

    @cached_property
    def pool(self):
        """Training and unlabelled rows, one after the other: what views need."""
        if self.unlabeled is None:
            return Pool(self.X, self.train.weight)
        X, weight = self.unlabeled
        weights = self.train.weight, weight
        return Pool.joined([self.X, X], weights, draws_rows=True)

    @cached_property
    def baseline(self):
        """Where explanations of these rows start; a search's candidates share it."""
        rows = sample_of(self.X, self.train.y, self.train.weight)
        return balanced_median_row(*rows, self.fitted["encoder_"])

    @property
    def counted_weight(self):
        """Weights of the training rows in class statistics: 0 if not counted."""
        if self.counted or self.train.pseudo is None:
            return self.train.weight
        return np.where(self.train.pseudo, 0.0, self.train.weight)


def ready(
    estimator,
    sample_weight=None,
    groups=None,
    X_val=None,
    y_val=None,
    sample_weight_val=None,
    X_unlabeled=None,
):
    """Refuse parameters and arguments of `fit` that are wrong, before any work."""
    estimator._validate_params()
    check_strategies(estimator)
    check_fit_arguments(X_val, y_val, sample_weight_val, groups, estimator, X_unlabeled)


def prepare(
    estimator,
    X,
    y,
    sample_weight=None,
    groups=None,
    X_val=None,
    y_val=None,
    sample_weight_val=None,
    X_unlabeled=None,
    *,
    warm=False,
):
    """Read, split and encode the rows of one call of `fit`."""
    estimator._device = resolve_device(estimator.device)
    if estimator.compile:
        check_compiler(estimator._device.type)
    rows = read_rows(estimator, X, y, sample_weight, groups, reset=not warm)
    present = np.unique(rows.y[rows.weight > 0])
    if warm and len(present) < 2:
        raise ValueError(
            "y must hold at least two classes, as in the first fit, got one class: "
            f"{short(estimator.classes_.tolist()[present[0]])}. Give rows of both, or "
            "train on with partial_fit, which takes rows of one class."
        )
    seed = root_seed(estimator.random_state)
    pseudo, counted = None, True
    if estimator._pseudo_labels is not None:  # see semisup
        rows.pseudo, counted = estimator._pseudo_labels
        rows, pseudo = rows.apart()
    n_rows = take_folds(estimator, rows, seed, X_val is None and not warm)
    train, held_out = split_rows(estimator, rows, X_val, y_val, sample_weight_val, seed)
    if pseudo is not None:
        pseudo = pseudo.positive()
        if held_out is not None and X_val is None and not estimator.validation_split:
            pseudo = pseudo.take(without_copies(pseudo, held_out))
        train = train.joined(pseudo).canonical(estimator.merge_duplicates)
    if warm:
        check_same_network(estimator)
    else:
        n_own = 0 if held_out is None or X_val is not None else len(held_out)
        estimator.encoder_ = _fit_encoder(estimator, train, len(train) + n_own)
    if X_val is not None:
        warn_if_foreign(estimator.encoder_, held_out.table)
    prepared = _encoded(estimator, train, held_out, seed, X_val is not None)
    prepared.counted, prepared.n_rows = counted, n_rows
    if X_unlabeled is not None:
        prepared.unlabeled = read_unlabeled(estimator, X_unlabeled)
    return prepared


def read_unlabeled(estimator, X_unlabeled):
    """Encoded rows without labels and how often each occurs.

    Raises
    ------
    ValueError
        Their columns or shapes are not those of X.
    """
    if estimator._of == "columns":
        X_unlabeled = as_rows(X_unlabeled, "X_unlabeled")
        check_same_columns(estimator, X_unlabeled)
    try:
        table = estimator._read_table(X_unlabeled, reset=False)
    except ValueError as error:
        raise ValueError(f"X_unlabeled cannot be read: {error}") from error
    rows = RowSet(table, np.zeros(table.n_rows, dtype=int), np.ones(table.n_rows))
    rows = rows.canonical(estimator.merge_duplicates)
    return encoded_rows(estimator.encoder_, rows.table, "X_unlabeled"), rows.weight


def _fit_encoder(estimator, rows, n_rows=None):
    """An encoder fitted on rows, or that of a frozen pretrainer.

    `n_rows` train or validate; None in `partial_fit`, whose later calls bring more.
    """
    if isinstance(estimator._pretrainer, FrozenEstimator):
        pretrainer = estimator._pretrainer.estimator
        check_columns_of_pretrained(estimator, pretrainer)
        check_same_as_pretrained(estimator, pretrainer)
        return copy.deepcopy(pretrainer.encoder_)
    return estimator._make_encoder(n_rows)._fit_table(rows.table, rows.weight)


def prepare_call(estimator, X, y, sample_weight, classes, first):
    """Read and encode the rows of one call of `partial_fit`."""
    estimator._device = resolve_device(estimator.device)
    if estimator.compile:
        check_compiler(estimator._device.type)
    rows = read_rows(estimator, X, y, sample_weight, None, reset=first, classes=classes)
    rows = rows.positive().canonical(estimator.merge_duplicates)
    if first:
        estimator.encoder_ = _fit_encoder(estimator, rows)
        estimator.n_folds_ = 1
    else:
        check_same_network(estimator)
    return _encoded(estimator, rows, None, root_seed(estimator.random_state), False)


def encoded_rows(encoder, table, name=None):
    """The rows of a table as the network reads them: encoded, and not too large."""
    X = encoder._transform_table(table, name)
    if getattr(encoder, "numeric_transform", "quantile") != "quantile":
        np.clip(X, -_LARGEST, _LARGEST, out=X)
    return X


def _encoded(estimator, train, held_out, seed, foreign):
    encoder = estimator.encoder_
    X = encoded_rows(encoder, train.table)
    if X.shape[1] == 0:
        raise ValueError("X must have at least one column.")
    X_held = None
    if held_out is not None:
        X_held = encoded_rows(encoder, held_out.table, "X_val" if foreign else None)
    return Prepared(train, held_out, X, X_held, seed, fitted_of(estimator), foreign)


def fitted_of(estimator):
    """What reading and encoding have set on an estimator."""
    names = ("classes_", "n_features_in_", "feature_names_in_", "encoder_", "_device")
    names += ("_is_categorical", "_image_shape", "n_folds_")
    return {k: v for k, v in vars(estimator).items() if k in names}


def read_rows(estimator, X, y, sample_weight, groups, *, reset, classes=None, name="y"):
    """Validated rows, labels as codes of `classes_`."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    table = estimator._read_table(X, reset)
    y = check_labels(y, name)
    check_consistent_length(np.empty((table.n_rows, 1)), y)
    weight = check_weights(sample_weight, table.n_rows)
    keep = np.flatnonzero(weight > 0)
    with np.errstate(over="ignore"):
        total = float(weight.sum())
    if not 0 < total < np.inf:
        raise ValueError(
            f"sample_weight must have a positive and finite sum, got {short(total)}."
        )
    group = None if groups is None else group_codes(groups, y)
    if reset:
        labels = y[keep] if classes is None else check_labels(classes, "classes")
        estimator.classes_ = np.unique(labels)
        if len(estimator.classes_) < 2:
            where = "" if len(keep) == len(y) else " where sample_weight > 0"
            raise ValueError(
                f"y must hold at least two classes{where}, got one class: "
                f"{short(estimator.classes_.tolist()[0])}. There is nothing to tell "
                "apart; partial_fit takes all labels that will come as classes=."
            )
    elif classes is not None:
        check_same_classes(estimator.classes_, classes)
    codes = label_codes(y, estimator.classes_, keep, name)
    return RowSet(table, codes, weight, group)


def split_rows(estimator, rows, X_val, y_val, weight_val, seed):
    """Training and validation rows (or None), each in canonical order."""
    merge = estimator.merge_duplicates
    if X_val is not None:
        held_out = read_rows(
            estimator, X_val, y_val, weight_val, None, reset=False, name="y_val"
        )
        parts = rows.positive(), held_out.positive()
        return tuple(part.canonical(merge) for part in parts)
    if not estimator.early_stopping or estimator.n_folds_ > 1:
        return rows.positive().canonical(merge), None
    train, held_out = hold_out(
        rows,
        estimator.validation_split,
        estimator.validation_fraction,
        seed,
        merge,
        most_that_validate(estimator),
    )
    if held_out is None and estimator.early_stopping is True:
        raise ValueError(
            "early_stopping=True needs a class with two different rows to hold one "
            f"out, and all {len(estimator.classes_)} classes have one. Set "
            "early_stopping=False or 'auto'."
        )
    check_classes_left(rows, train, estimator.classes_)
    return train, held_out


def warn_if_foreign(encoder, table, name="X_val", stacklevel=3):
    """Warn of rows that look as if they had missed the steps of a Pipeline."""
    if encoder._foreign_rows(table).mean() > 0.5:
        warnings.warn(
            f"More than half of the rows of {name} lie outside the training ranges "
            f"in most columns. Inside a Pipeline, {name} must pass the same steps as "
            f'X: give the Pipeline transform_input=["{name}"].',
            UserWarning,
            stacklevel=stacklevel,
        )
