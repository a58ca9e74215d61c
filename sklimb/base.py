"""BaseNeuralClassifier: the scikit-learn face of all classifiers.

What a kind of classifier decides, and what meta-estimators build on, is in
`_inner_face`.
"""

from abc import ABCMeta
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklimb._compat import CallbackSupportMixin, _fit_context, with_callbacks
from sklimb._decisions import Decisions
from sklimb._deployment import Deployment
from sklimb._documentation import Documented
from sklimb._estimator_callbacks import EstimatorCallbacks
from sklimb._fit_checkpoint import checkpoint_of, going_on
from sklimb._inner_face import InnerFace
from sklimb.explanation import (
    attributions,
    check_baseline,
    check_count,
    check_explain,
    framed,
    largest,
)
from sklimb.fitting.checks import check_fit_arguments
from sklimb.fitting.compatibility import check_strategies, offers_partial_fit
from sklimb.fitting.decision import decided
from sklimb.fitting.jobs import make_fold_jobs, make_job
from sklimb.fitting.portfolio import mixed
from sklimb.fitting.prepare import prepare, prepare_call
from sklimb.fitting.schedule import schedule_of
from sklimb.fitting.streamed import prepare_streamed
from sklimb.fitting.train import all_or_nothing, time_limit
from sklimb.inputs.streams import is_stream
from sklimb.parameters.attributes import ATTRIBUTES
from sklimb.persistence import Saved


class BaseNeuralClassifier(
    Documented,
    Saved,
    InnerFace,
    Decisions,
    Deployment,
    CallbackSupportMixin,  # pyright: ignore[reportGeneralTypeIssues]
    ClassifierMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Base of all classifiers of sklimb."""

    _attributes: ClassVar[dict] = ATTRIBUTES

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
        X_unlabeled=None,
    ):
        """Fit the network to a table.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Numbers and categories, missing values allowed. For rows that do not fit
            into memory a `pyarrow.dataset.Dataset`, or a callable that returns a new
            iterator of data frames; then `y` and `sample_weight` are names of columns.
        y : array-like of shape (n_samples,) or str
            Labels; -1 is a label like any other. Objects are read as what they hold:
            whole Decimals, or booleans beside integers, become integers; text beside
            numbers is refused.
        sample_weight : array-like of shape (n_samples,) or str, default=None
            Weight k is the same as k repetitions, bit for bit, and 0 removes the row
            (not with `merge_duplicates=False` or a `validation_split`, which count
            rows).
        groups : array-like of shape (n_samples,), default=None
            Rows of one group stay on one side of the internal split.
        X_val, y_val, sample_weight_val : optional
            Validation rows instead of an internal split.
        X_unlabeled : array-like or data frame of shape (n, n_features), default=None
            Rows of the same columns without labels, each of weight 1. A `pretrained`
            that is not fitted trains on them too, and each step of `joint_ssl` makes
            its views from rows drawn from the training and these rows by their weight.
            In a Pipeline that changes columns give it
            `transform_input=["X_unlabeled"]`.

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
            Ctrl-C, after the best weights of the epochs that ended and all attributes
            are in place. If none has ended, the estimator is as it was before.

        Warns
        -----
        InputWarning
            Columns without a value, and categories that are numbers, dates or
            identifiers in the form of text: nothing is converted by guess. See
            `TabularEncoder`.
        """
        until = time_limit(self)
        check_strategies(self)
        check_fit_arguments(X_val, y_val, sample_weight_val, groups, self, X_unlabeled)
        warm = self.warm_start and hasattr(self, "net_")
        seen = {"X": X, "y": y}
        if sample_weight is not None:
            seen["metadata"] = {"sample_weight": sample_weight}
        context = self._init_callback_context(
            max_subtasks=schedule_of(self)["max_epochs"]
        )
        callbacks = [] if context is None else [EstimatorCallbacks(self, context, seen)]
        with all_or_nothing(self), checkpoint_of(self, is_stream(X)) as checkpoint:
            others = groups, X_val, y_val, sample_weight_val, X_unlabeled
            if is_stream(X):
                seed = checkpoint.seed
                rows = prepare_streamed(self, X, y, sample_weight, others, seed)
                callbacks += going_on(checkpoint, self, rows)
            else:
                rows = prepare(self, X, y, sample_weight, *others, warm=warm)
            if self.n_folds_ > 1:
                jobs = make_fold_jobs(self, rows)
            else:
                jobs = [make_job(self, rows, warm=warm)]
            interrupted = self._train(jobs, callbacks=callbacks, until=until)
            if not interrupted:
                checkpoint.end()
        if interrupted:
            raise KeyboardInterrupt(interrupted)
        return self

    @available_if(offers_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch over the given rows.

        The first call fits the encoder and fixes the classes; later calls refit
        neither (unseen categories use the common code) and add to the class counts. No
        early stopping, sampler objects or merging across calls. There is no
        partial_fit with `temperature_scaling`, which needs held-out rows.

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
            interrupted = self._train([job], partial=True)
        if interrupted:
            raise KeyboardInterrupt(interrupted)
        return self

    def predict_proba(self, X):
        """Probabilities, averaged over members by `member_weights_`.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`.

        Warns
        -----
        InputWarning
            Once a call, of categorical columns all of whose values training has not
            seen, in 10 rows at least or where texts have become numbers or the reverse.
        """
        p = self.predict_proba_members(X)
        if len(p) == 1:
            return p[0]
        return mixed(self.member_weights_, p)

    def predict_proba_members(self, X):
        """Probabilities of each member.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_members, n_samples, n_classes)
        """
        check_is_fitted(self, "net_")
        parts = [
            self.net_.blocks_log_probability(self._encode(part)).exp_().cpu().numpy()
            for part in self._parts(X)
        ]
        return np.concatenate(parts, 1)

    def embed(self, X):
        """Features that the last layer sees.

        Their shape follows from the parameters alone: one network's features, those of
        the first member, unless you have asked for several networks by a number.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, d) or (n_members, n_samples, d)
            The latter where `n_members` or `validation_folds` is a number above 1, or
            there is a portfolio.
        """
        check_is_fitted(self, "net_")
        parts = [
            self.net_.blocks_embed(self._encode(part)).cpu().numpy()
            for part in self._parts(X)
        ]
        h = np.concatenate(parts, 1)
        asked = self.portfolio is not None or any(
            given not in (1, None, "auto")
            for given in (self.n_members, self.validation_folds)
        )
        return h if asked and len(h) > 1 else h[0]

    def explain(
        self,
        X,
        method="integrated_gradients",
        *,
        target=None,
        n_steps=32,
        baseline="balanced_median",
        as_frame=False,
    ):
        """What each column of X adds to the log odds of a class.

        The columns of a row add up to `log(p / (1 - p))` of its target class, with p of
        `predict_proba`, less that of the baseline, within 0.001. A column's missing
        indicator or embedding is part of it.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
        method : {"integrated_gradients"}, default="integrated_gradients"
            Gradients, averaged on the straight line from the baseline to the row
            (Sundararajan et al., 2017); categories move between their learned vectors.
        target : label, default=None
            The class whose log odds against all others are explained. By default
            `classes_[1]` of two classes, and of more that which `predict` chooses for
            each row.
        n_steps : int, default=32
            Gradients on each line. Where the sum is still off, more are taken.
        baseline : "balanced_median" or X-like of one row, default="balanced_median"
            What a row is compared with. "balanced_median" is `baseline_`: medians and
            most frequent categories of the training rows, every class counting the
            same; `sklimb.explanation.baseline_values` tells it in the units of X.
        as_frame : bool, default=False
            Return a data frame with the columns and the index of X.

        Returns
        -------
        attributions : array or data frame of shape (n_samples, n_features_in_)
            In log odds, in the order of the columns of X (`feature_names_in_`).

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            An unknown method, a target that is no class, a baseline of several rows.

        Warns
        -----
        ConvergenceWarning
            A row whose columns do not add up, however many gradients are taken.

        Examples
        --------
        >>> from sklimb import TabularMLPClassifier
        >>> from sklimb.datasets import make_transactions
        >>> data = make_transactions(1000, fraud_rate=0.1, random_state=0)
        >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0)
        >>> clf.fit(data.X, data.y).explain(data.X[:5]).shape == data.X[:5].shape
        True
        """
        check_is_fitted(self, "net_")
        codes = check_explain(self, method, target, n_steps)
        start = self.baseline_
        if not isinstance(baseline, str) or baseline != "balanced_median":
            start = self._encode(check_baseline(baseline), "baseline")[0].numpy()
        encoded = self._encode(X)
        if codes is None:
            codes = decided(self.predict_proba(X), self.decision_factors_)
        codes = np.broadcast_to(codes, len(encoded))
        found = attributions(self, encoded.numpy(), codes, n_steps, start)
        return framed(self, X, found) if as_frame else found

    def reasons(self, X, k=3, *, target=None, baseline="balanced_median"):
        """The columns of each row that add most to the log odds of a class.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
        k : int, default=3
            Columns per row, at most all.
        target, baseline : optional
            As in `explain`.

        Returns
        -------
        pandas.DataFrame
            `k` rows for each row of X, the largest contribution first: "row" (its label
            in the index of X), "column", "value", "contribution" (in log odds). A
            negative contribution is no reason and stands last.

        Raises
        ------
        ValueError
            As `explain`; k below 1.

        Examples
        --------
        >>> from sklimb import TabularMLPClassifier
        >>> from sklimb.datasets import make_transactions
        >>> data = make_transactions(1000, fraud_rate=0.1, random_state=0)
        >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0)
        >>> clf.fit(data.X, data.y).reasons(data.X[:5]).shape
        (15, 4)
        """
        check_count("k", k)
        found = self.explain(X, target=target, baseline=baseline, as_frame=True)
        return largest(found, X, k)

    def input_report(self, X):
        """Share of unseen, missing and out-of-range values of each column of X.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        pandas.DataFrame
            See `TabularEncoder.input_report`.
        """
        check_is_fitted(self, "net_")
        return self.encoder_.input_report(X)
