"""BaseNeuralClassifier: validate, encode labels, weights, fit, predict.

The one room with scikit-learn plumbing. A classifier adds its parameters and
`_make_members`; meta-estimators reuse `_encode`, `_make_members` and `_fit_members`.
"""

import warnings
from abc import ABCMeta, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sklimb._compat import (
    CallbackSupportMixin,
    _check_sample_weight,
    _fit_context,
    with_callbacks,
)
from sklimb._labels import (
    check_labels,
    check_same_classes,
    group_codes,
    label_codes,
)
from sklimb._parameters import PARAMETER_CONSTRAINTS
from sklimb._random import member_seeds, root_seed
from sklimb._rows import RowSet, check_classes_left, hold_out
from sklimb._table import read_table
from sklimb.persistence import save
from sklimb.preprocessing import TabularEncoder
from sklimb.training.compatibility import (
    check_fit_arguments,
    check_loss,
    check_per_class,
    check_same_network,
    check_strategies,
    resolve_prior,
)
from sklimb.training.fitting import all_or_nothing, fit_members, resolve_device
from sklimb.training.losses import make_loss
from sklimb.training.monitor import check_monitor
from sklimb.training.plan import class_weight_vector, make_plan

_BATCH_SIZE = 256


class BaseNeuralClassifier(
    CallbackSupportMixin,  # pyright: ignore[reportGeneralTypeIssues]
    ClassifierMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """What every sklimb classifier shares; see TabularMLPClassifier for parameters."""

    _parameter_constraints: ClassVar[dict] = PARAMETER_CONSTRAINTS

    @abstractmethod
    def _make_members(self, plan, members):
        """The packed module of `members`, one dict of settings each, for a Plan."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        groups=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the network to a table.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Numbers and categories, missing values allowed.
        y : array-like of shape (n_samples,)
            Labels; -1 is a label like any other.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight k is the same as k repetitions, bit for bit, and 0 removes the row
            (not with `merge_duplicates=False` or a `validation_split`, which count
            rows).
        groups : array-like of shape (n_samples,), default=None
            Rows of one group stay on one side of the internal split.
        X_val, y_val, sample_weight_val : optional
            Validation rows instead of an internal split.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            Before training: parameters that exclude each other, one class only,
            infinite values, datetime columns, wrong lengths. After the first epoch: a
            loss that is not finite.
        KeyboardInterrupt
            Ctrl-C, after the best weights so far and all attributes are in place.
        """
        check_strategies(self)
        check_fit_arguments(X_val, y_val, sample_weight_val, groups, self)
        warm = self.warm_start and hasattr(self, "net_")
        seen = {"X": X, "y": y}
        if sample_weight is not None:
            seen["metadata"] = {"sample_weight": sample_weight}
        context = self._init_callback_context(max_subtasks=self.max_epochs)
        with all_or_nothing(self):
            self._device = resolve_device(self.device)
            rows = self._read_rows(X, y, sample_weight, groups, reset=not warm)
            seed = root_seed(self.random_state)
            train, held_out = self._hold_out(
                rows, X_val, y_val, sample_weight_val, seed
            )
            if warm:
                check_same_network(self)
            else:
                encoder = self._make_encoder()
                self.encoder_ = encoder._fit_table(train.table, train.weight)
            if X_val is not None:
                self._warn_if_foreign(held_out.table)
            interrupted = self._train(
                train,
                held_out,
                seed,
                warm=warm,
                foreign=X_val is not None,
                context=context,
                seen=seen,
            )
        if interrupted:
            raise KeyboardInterrupt(interrupted)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch over the given rows.

        The first call fits the encoder and fixes the classes; later calls refit
        neither (unseen categories use the common code) and add to the class counts. No
        early stopping, sampler objects or merging across calls.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; needed if the first call lacks some.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As `fit`; also a label not among the classes, or a sampler object.
        """
        check_strategies(self, partial=True)
        first = not hasattr(self, "net_")
        with all_or_nothing(self):
            self._device = resolve_device(self.device)
            rows = self._read_rows(
                X, y, sample_weight, None, reset=first, classes=classes
            )
            rows = rows.positive().canonical(self.merge_duplicates)
            if first:
                encoder = self._make_encoder()
                self.encoder_ = encoder._fit_table(rows.table, rows.weight)
            else:
                check_same_network(self)
            seed = root_seed(self.random_state)
            interrupted = self._train(rows, None, seed, warm=not first, partial=True)
        if interrupted:
            raise KeyboardInterrupt(interrupted)
        return self

    def predict(self, X):
        """Labels of the largest probability, shape (n_samples,)."""
        p = self.predict_proba(X)
        return self.classes_[p.argmax(1)]

    def predict_proba(self, X):
        """Probabilities of shape (n_samples, n_classes), averaged over members."""
        p = self.predict_proba_members(X)
        return p[0] if len(p) == 1 else p.mean(0)

    def predict_proba_members(self, X):
        """Probabilities of each member, shape (n_members, n_samples, n_classes)."""
        X = self._encode(X)
        p = self.net_.blocks_log_probability(X).exp_()
        return p.cpu().numpy()

    def embed(self, X):
        """Penultimate features, (n_samples, d), or (n_members, n_samples, d)."""
        X = self._encode(X)
        h = self.net_.blocks_embed(X).cpu().numpy()
        return h[0] if len(h) == 1 else h

    def input_report(self, X):
        """Share of unseen, missing and out-of-range values of each column of X.

        See `TabularEncoder.input_report`.
        """
        check_is_fitted(self, "net_")
        return self.encoder_.input_report(X)

    def save(self, path):
        """Write the fitted classifier to one safetensors file; see `sklimb.load`."""
        check_is_fitted(self, "net_")
        save(self, path)

    def _make_encoder(self):
        return TabularEncoder(
            categorical_features=self.categorical_features,
            numeric_transform=self.numeric_transform,
            min_frequency=self.min_frequency,
            dtype=self.dtype,
        )

    def _encode(self, X):
        """Encoded rows of X as a tensor on the CPU, ready for the net."""
        check_is_fitted(self, "net_")
        table = self._read_table(X, reset=False)
        encoded = self.encoder_._transform_table(table)
        return torch.from_numpy(encoded).to(getattr(torch, self.dtype_))

    def _read_table(self, X, reset):
        spec = self.categorical_features if reset else self._is_categorical
        table = read_table(X, categorical_features=spec, estimator=self, reset=reset)
        if reset:
            self._is_categorical = table.is_categorical
        return table

    def _read_rows(self, X, y, sample_weight, groups, *, reset, classes=None, name="y"):
        """Validated rows, labels as codes of `classes_`."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        table = self._read_table(X, reset)
        y = check_labels(y, name)
        check_consistent_length(np.empty((table.n_rows, 1)), y)
        weight = _check_sample_weight(
            sample_weight,
            np.empty((table.n_rows, 1)),
            dtype=np.float64,
            ensure_non_negative=True,
        )
        keep = np.flatnonzero(weight > 0)
        with np.errstate(over="ignore"):
            total = float(weight.sum())
        if not 0 < total < np.inf:
            raise ValueError(
                f"sample_weight must have a positive and finite sum, got {total!r}."
            )
        group = None if groups is None else group_codes(groups, y)
        if reset:
            labels = y[keep] if classes is None else check_labels(classes, "classes")
            self.classes_ = np.unique(labels)
            if len(self.classes_) < 2:
                raise ValueError(
                    "y must hold at least two classes, got one class: "
                    f"{self.classes_.tolist()[0]!r}. There is nothing to tell apart; "
                    "partial_fit takes all labels that will come as classes=."
                )
        elif classes is not None:
            check_same_classes(self.classes_, classes)
        codes = label_codes(y, self.classes_, keep, name)
        return RowSet(table, codes, weight, group)

    def _hold_out(self, rows, X_val, y_val, weight_val, seed):
        """Training and validation rows (or None), each in canonical order."""
        merge = self.merge_duplicates
        if X_val is not None:
            held_out = self._read_rows(
                X_val, y_val, weight_val, None, reset=False, name="y_val"
            )
            parts = rows.positive(), held_out.positive()
            return tuple(part.canonical(merge) for part in parts)
        if not self.early_stopping:
            return rows.positive().canonical(merge), None
        train, held_out = hold_out(
            rows, self.validation_split, self.validation_fraction, seed, merge
        )
        if held_out is None and self.early_stopping is True:
            raise ValueError(
                "early_stopping=True needs a class with two different rows to hold one "
                f"out, and all {len(self.classes_)} classes have one. Set "
                "early_stopping=False or 'auto'."
            )
        check_classes_left(rows, train, self.classes_)
        return train, held_out

    def _warn_if_foreign(self, table):
        if self.encoder_._foreign_rows(table).mean() > 0.5:
            warnings.warn(
                "More than half of the rows of X_val lie outside the training ranges "
                "in most columns. Inside a Pipeline, X_val must pass the same steps as "
                'X: give the Pipeline transform_input=["X_val"].',
                UserWarning,
                stacklevel=3,
            )

    def _train(
        self,
        train,
        held_out,
        seed,
        *,
        warm,
        foreign=False,
        partial=False,
        context=None,
        seen=None,
    ):
        """Plan, fit the members and set the fitted attributes, also on Ctrl-C."""
        n_classes = len(self.classes_)
        check_loss(make_loss(self.loss), n_classes, getattr(torch, self.dtype))
        for name in ("smoothing_scale", "sam_scale"):
            check_per_class(name, getattr(self, name), n_classes)
        X = self.encoder_._transform_table(train.table)
        if X.shape[1] == 0:
            raise ValueError("X must have at least one column.")
        factor = class_weight_vector(
            self.class_weight, train.y, train.weight, self.classes_
        )
        plan = make_plan(
            X,
            train.y,
            train.weight,
            sampler=self.sampler,
            class_factor=factor,
            classes=self.classes_,
            layout=(self.encoder_.n_numeric_, self.encoder_.n_indicators_),
            seed=seed,
        )
        self._count_classes(train, plan, partial)
        validation = None
        if held_out is not None:
            check_monitor(self.monitor, held_out.y, n_classes)
            validation = (
                self.encoder_._transform_table(held_out.table),
                held_out.y,
                held_out.weight * factor[held_out.y],
            )
        calibration = None
        if self.target_prior is not None and not partial:
            calibration = [(X, train.y, train.weight * factor[train.y])]
            if validation is not None and not foreign:
                calibration.append(validation)
        if not warm:
            self.member_seeds_ = member_seeds(seed, self.n_members)
        return self._fit_members(
            plan,
            validation,
            [self._member_settings(s) for s in self.member_seeds_],
            warm=warm,
            partial=partial,
            calibration=calibration,
            context=context,
            seen=seen,
        )

    def _count_classes(self, train, plan, partial):
        """Class shares of training, and what the sampler made of them."""
        weight = np.bincount(
            train.y, weights=train.weight, minlength=len(self.classes_)
        )
        if partial and hasattr(self, "net_"):
            weight = weight + self.class_weight_sum_
        self.class_weight_sum_ = weight
        self.class_prior_ = prior = weight / weight.sum()
        if partial:
            plan.accumulate(prior, self.sampler)
        wanted = resolve_prior(self.target_prior, prior, self.classes_)
        shift = np.ones(len(self.classes_))
        if wanted is not None:
            known = (plan.drawn_prior > 0) & (wanted > 0)
            shift[known] = plan.drawn_prior[known] / wanted[known]
        self.prior_shift_ = shift

    def _member_settings(self, seed):
        """What may differ from member to member."""
        return {
            "seed": int(seed),
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "dropout": self.dropout,
            "smoothing_eps": self.smoothing_eps,
            "sam_asymmetric_rho": self.sam_asymmetric_rho,
            "frequency_scale": self.frequency_scale,
        }

    def _fit_members(self, plan, validation, members, **how):
        """Train `members` (one dict of settings each) and keep the result in `net_`."""
        batch_size = _BATCH_SIZE if self.batch_size == "auto" else self.batch_size
        if batch_size > len(plan.y) and self.batch_size != "auto":
            warnings.warn(
                f"batch_size={batch_size} is larger than the {len(plan.y)} training "
                f"rows and is taken as {len(plan.y)}.",
                UserWarning,
                stacklevel=4,
            )
        batch_size = int(min(batch_size, len(plan.y)))
        return fit_members(self, plan, validation, members, batch_size, **how)
