"""BaseNeuralClassifier: validate, encode labels, weights, fit, predict.

The one room with scikit-learn plumbing. A classifier adds its parameters and
`_make_members`; meta-estimators reuse `_encode`, `_make_members` and `_fit_members`.
"""

from abc import ABCMeta, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklimb._compat import CallbackSupportMixin, _fit_context, with_callbacks
from sklimb._parameters import PARAMETER_CONSTRAINTS
from sklimb._prepare import make_fold_jobs, make_job, prepare, prepare_call
from sklimb._table import read_table
from sklimb.persistence import save
from sklimb.preprocessing import TabularEncoder
from sklimb.training.compatibility import (
    check_fit_arguments,
    check_strategies,
    offers_partial_fit,
)
from sklimb.training.fitting import all_or_nothing, train
from sklimb.training.plan import NUMBERS
from sklimb.training.portfolio import AUTO, resolved, settings_of


def _mix(weights, p):
    used = np.flatnonzero(weights)
    return np.tensordot(weights[used], p[used], 1)


class BaseNeuralClassifier(
    CallbackSupportMixin,  # pyright: ignore[reportGeneralTypeIssues]
    ClassifierMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """What every sklimb classifier shares; see TabularMLPClassifier for parameters."""

    _parameter_constraints: ClassVar[dict] = PARAMETER_CONSTRAINTS
    # What "auto" stands for.
    _auto: ClassVar[dict] = AUTO
    # Whether the network can end in cosines, which some losses need.
    _offers_cosine_head: ClassVar[bool] = False

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
            rows = prepare(
                self,
                X,
                y,
                sample_weight,
                groups,
                X_val,
                y_val,
                sample_weight_val,
                warm=warm,
            )
            if self.validation_folds:
                jobs = make_fold_jobs(self, rows)
            else:
                jobs = [make_job(self, rows, warm=warm)]
            interrupted = self._fit_members(jobs, context=context, seen=seen)
        if interrupted:
            raise KeyboardInterrupt(interrupted)
        return self

    @available_if(offers_partial_fit)
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
        AttributeError
            With `m2m`, which needs all rows first; then there is no `partial_fit`.
        """
        check_strategies(self, partial=True)
        first = not hasattr(self, "net_")
        with all_or_nothing(self):
            rows = prepare_call(self, X, y, sample_weight, classes, first)
            job = make_job(self, rows, warm=not first, partial=True)
            interrupted = self._fit_members([job], partial=True)
        if interrupted:
            raise KeyboardInterrupt(interrupted)
        return self

    def predict(self, X):
        """Labels of the largest probability, shape (n_samples,)."""
        p = self.predict_proba(X)
        return self.classes_[p.argmax(1)]

    def predict_proba(self, X):
        """Probabilities of shape (n_samples, n_classes), averaged over members.

        By `member_weights_`, which are equal without a portfolio.
        """
        p = self.predict_proba_members(X)
        if len(p) == 1:
            return p[0]
        weights = self.member_weights_
        return p.mean(0) if (weights == weights[0]).all() else _mix(weights, p)

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
            dtype=NUMBERS[self.dtype],
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

    def _member_settings(self, seed):
        """What may differ from member to member."""
        return {
            "seed": int(seed),
            "lr": resolved(self, "lr"),
            "weight_decay": resolved(self, "weight_decay"),
            "smoothing_eps": self.smoothing_eps,
            "sam_asymmetric_rho": self.sam_asymmetric_rho,
        }

    def _members(self):
        """Settings of all members, in the order of `member_seeds_`."""
        settings = settings_of(self)
        return [
            {**self._member_settings(seed), **settings[i % len(settings)]}
            for i, seed in enumerate(self.member_seeds_)
        ]

    def _fit_members(self, jobs, **how):
        """Train the members of all jobs and keep the result in `net_`."""
        return train(jobs, owner=self, **how)
