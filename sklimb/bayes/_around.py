"""What all posteriors share: the classifier inside, its rows and its decision."""

import copyreg
from abc import abstractmethod

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import (
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from sklimb._compat import _fit_context, _routing_enabled
from sklimb._decisions import Decisions
from sklimb._documentation import Documented
from sklimb._wrapped import (
    SPLITTING,
    Around,
    check_known,
    check_no_validation_rows,
    transformed,
    unwrap,
)
from sklimb.bayes._rows import jobs_of
from sklimb.fitting.decision import decide, is_tuned
from sklimb.fitting.train import all_or_nothing


class Posterior(Documented, Decisions, Around, ClassifierMixin, BaseEstimator):
    """A distribution over the weights of the networks of a classifier."""

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, **fit_params):
        """Fit the classifier unless it is frozen, then the posterior of its weights.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Of a frozen classifier the rows that it was fitted on.
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            A weight of k is k rows: it sharpens the posterior. To a Pipeline inside
            it is given as its last step's.
        **fit_params : dict
            Further arguments of the classifier's `fit`, such as `groups` or `X_val`; a
            frozen one takes those of its own fit, by which rows are held out again. Of
            a Pipeline without metadata routing, names have the step's prefix.

        Returns
        -------
        self : object
        """
        owner = type(self).__name__
        before, classifier, prefix = unwrap(self.estimator, owner)
        routed = given = dict(fit_params)
        if sample_weight is not None:
            given = {**given, "sample_weight": sample_weight}
            routed = {**routed, f"{prefix}sample_weight": sample_weight}
        if _routing_enabled():
            routed = process_routing(self, "fit", **given).estimator.fit
        given = {name.removeprefix(prefix): value for name, value in given.items()}
        if isinstance(self.estimator, FrozenEstimator):
            check_known(given, owner, (*SPLITTING, "X_unlabeled"))
            check_is_fitted(self.estimator)
        check_no_validation_rows(owner, before, given)
        self._check(classifier, given)
        with all_or_nothing(self):
            if isinstance(self.estimator, FrozenEstimator):
                self.estimator_ = self.estimator.estimator
            else:
                self.estimator_ = clone(self.estimator).fit(X, y, **routed)
            before, classifier, _ = unwrap(self.estimator_)
            self.classes_ = classifier.classes_
            for name in ("n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)  # of an earlier fit
                if hasattr(self.estimator_, name):
                    setattr(self, name, getattr(self.estimator_, name))
            jobs = jobs_of(classifier, transformed(before, X), y, given)
            # Whatever the caller's gradient mode is.
            with torch.inference_mode(False), torch.enable_grad():
                self._fit_posterior(classifier, jobs)
            self._set_decision(classifier, jobs)
        return self

    @abstractmethod
    def _check(self, classifier, given):
        """Refuse, before training, a classifier that has no such posterior.

        `given` are the further arguments of `fit`.
        """

    @abstractmethod
    def _fit_posterior(self, classifier, jobs):
        """Set the fitted attributes of the posterior."""

    @abstractmethod
    def _held_out(self, jobs):
        """Probabilities of the held-out rows of each job by its own members."""

    def _set_decision(self, classifier, jobs):
        """How to decide: as the classifier, an objective by the posterior's values."""
        vars(self).pop("decision_scores_", None)  # of an earlier fit
        self.decision_factors_ = classifier.decision_factors_
        parts = [job.validation for job in jobs if job.validation is not None]
        if not is_tuned(classifier.decision) or not parts:
            return
        p = np.concatenate(self._held_out(jobs))
        _, y, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        shares = np.mean([job.shares for job in jobs], axis=0)
        found = decide(
            classifier.decision, self.classes_, shares, lambda: (p, y, weight)
        )
        vars(self).update(found)

    def __reduce__(self):
        # pickle, joblib and copies.
        return copyreg.__newobj__, (type(self),), vars(self).copy()

    def __getstate__(self):
        # skops, which would write tensors that it cannot read.
        if hasattr(self, "estimator_"):
            raise TypeError(
                f"A fitted {type(self).__name__} cannot be held by skops: use "
                "joblib.dump, or keep the classifier inside, estimator_, and fit the "
                "posterior again."
            )
        return vars(self).copy()

    def save(self, path):
        """Refused: there is no file format of posteriors.

        Parameters
        ----------
        path : str or path
            Not looked at.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            f"A {type(self).__name__} cannot be saved by sklimb: use joblib.dump, or "
            "save the classifier inside, estimator_, and fit the posterior again."
        )
