"""PseudoLabelClassifier: learns from unlabelled rows by the labels of a classifier."""

import warnings
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklimb._compat import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    _safe_indexing,
)
from sklimb._documentation import Documented
from sklimb._random import root_seed
from sklimb.base import BaseNeuralClassifier
from sklimb.fitting.prepare import warn_if_foreign
from sklimb.inputs.containers import as_column, as_rows
from sklimb.inputs.labels import check_labels
from sklimb.inputs.weights import check_weights
from sklimb.semisup._checks import (
    check_estimator,
    check_readable,
    warn_of_minus_one,
)
from sklimb.semisup._saved import SavedPseudoLabels
from sklimb.semisup._stack import check_unlabeled, parted, stacked


def _has(name):
    return lambda self: hasattr(getattr(self, "estimator_", self.estimator), name)


class PseudoLabelClassifier(
    Documented,
    SavedPseudoLabels,
    MetaEstimatorMixin,
    ClassifierMixin,
    BaseEstimator,
):
    """Self-training: learn from unlabelled rows by the labels that a model gives them.

    A clone of `estimator` is fitted to the labelled rows and labels `X_unlabeled`; a
    fresh clone is fitted to both. The same again for each further round (section 2.2).
    Unlabelled rows help where they come from the same source as the labelled ones; rows
    of other sources hurt (Figure 2 there).

    Parameters
    ----------
    estimator : classifier
        Of sklimb, or any of scikit-learn's kind, XGBoost for instance.
    omega : float, default=1.0
        Weight of a row with a pseudo-label, in units of `sample_weight`: the loss is
        the sum over labelled rows plus omega times the sum over unlabelled ones. 1 is
        the authors' code, which concatenates. A weight w between the *means* of
        both parts is omega = w * n_labelled / n_unlabeled. 0 is off.
    rounds : int, default=1
        How often rows are labelled and a fresh clone is fitted. Ends before if a round
        would label as the one before.
    threshold : float in (0, 1] or None, default=None
        Rows whose largest probability is below it are left out of a round. None, as in
        the authors' code, keeps all.
    count_pseudo_labels : "auto" or bool, default="auto"
        Whether pseudo-labels are part of the class statistics: `class_prior_`, hence
        what target_prior="train" means, class_weight="balanced", and the counts of
        losses, scales and deferred re-weighting. True is the authors' code. But hard
        labels understate rare classes that overlap with others, and probabilities
        would follow (at 5 % of the labels of the taiwan table, a mean of 0.6 of
        the true share); with False both follow the labelled rows. "auto" is False for
        sklimb classifiers and True for others, which cannot tell.
    unlabeled : label or None, default=None
        The label in `y` of rows that have none, such as -1 for scikit-learn's
        SelfTrainingClassifier: they are unlabelled rows like those of `X_unlabeled`.
        None takes every label for a label.

    Attributes
    ----------
    estimator_ : classifier
        The last clone; it predicts.
    classes_ : array of shape (n_classes,)
    n_rounds_ : int
        Rounds that were trained; 0 if the labelled rows alone were.
    pseudo_label_counts_ : array of shape (n_rounds_, n_classes)
        Rows that each class was given, by round.
    n_features_in_, feature_names_in_
        Of `estimator_`.

    Notes
    -----
    Pseudo-labels never validate: a sklimb classifier makes its internal split, folds
    or `validation_split` on the labelled rows, the same in all rounds, and unlabelled
    copies of a held-out row with its label are left out; nor do they judge others in
    `row_weighting`. Other classifiers with an early stopping of their own do not know
    which rows are which.

    A label of -1 is a label like any other here, unless `unlabeled=-1`. In a
    Pipeline they must pass the same steps as X: with metadata routing enabled,
    `Pipeline([..., ("clf", PseudoLabelClassifier(...).set_fit_request(
    X_unlabeled=True))], transform_input=["X_unlabeled"])`. Searches hand `X_unlabeled`
    to every fold, but cut it to the fold if it has exactly as many rows as X,
    because they take it for one value per row.

    References
    ----------
    Yang and Xu, "Rethinking the Value of Labels for Improving Class-Imbalanced
    Learning", 2020, section 2.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.semisup import PseudoLabelClassifier
    >>> data = make_transactions(2000, fraud_rate=0.2, random_state=0)
    >>> base = TabularMLPClassifier(d_block=16, max_epochs=5, random_state=0)
    >>> clf = PseudoLabelClassifier(base, omega=0.5)
    >>> clf = clf.fit(data.X[:500], data.y[:500], X_unlabeled=data.X[500:])
    >>> clf.n_rounds_, int(clf.pseudo_label_counts_.sum())
    (1, 1500)
    """

    _graph_of = "estimator_"  # what a graph is made of
    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "omega": [Interval(Real, 0, None, closed="left")],
        "rounds": [Interval(Integral, 1, None, closed="left")],
        "threshold": [Interval(Real, 0, 1, closed="right"), None],
        "count_pseudo_labels": [StrOptions({"auto"}), "boolean"],
        "unlabeled": [Real, str, "boolean", None],
    }

    def __init__(
        self,
        estimator,
        *,
        omega=1.0,
        rounds=1,
        threshold=None,
        count_pseudo_labels="auto",
        unlabeled=None,
    ):
        self.estimator = estimator
        self.omega = omega
        self.rounds = rounds
        self.threshold = threshold
        self.count_pseudo_labels = count_pseudo_labels
        self.unlabeled = unlabeled

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator)
        tags.input_tags = own.input_tags
        tags.classifier_tags = own.classifier_tags
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_unlabeled=None,
        groups=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit to labelled rows, then to these and the unlabelled ones.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Labelled rows.
        y : array-like of shape (n_samples,)
            Their labels; -1 is a label like any other, unless `unlabeled` says so.
        sample_weight : array-like of shape (n_samples,), default=None
            Of the labelled rows; an unlabelled row has the weight `omega`.
        X_unlabeled : array-like or data frame of shape (n_unlabeled, n_features), \
                default=None
            Rows without labels, with the columns of X. None fits to X alone.
        groups, X_val, y_val, sample_weight_val : optional
            Of labelled rows, as in the `fit` of sklimb classifiers, which alone take
            them.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            Before training: X_unlabeled has other columns or no rows; the estimator
            takes no weights where they are needed, has no probabilities for
            `threshold`, or is not sklimb's and cannot tell pseudo-labels from labels
            where that is asked for; all rows of y are unlabelled.

        Warns
        -----
        UnlabeledWarning
            -1 among three labels or more, without `unlabeled` and `X_unlabeled`.
        """
        X, y = as_rows(X), as_column(y, "y")
        sample_weight = as_column(sample_weight, "sample_weight")
        X_unlabeled = as_rows(X_unlabeled, "X_unlabeled")
        given = {
            "groups": groups,
            "X_val": X_val,
            "y_val": y_val,
            "sample_weight_val": sample_weight_val,
        }
        given = {name: value for name, value in given.items() if value is not None}
        check_estimator(self, sample_weight, given)
        if self.unlabeled is not None:
            per_row = {"sample_weight": sample_weight, "groups": groups}
            X, y, X_unlabeled, per_row = parted(
                X, y, X_unlabeled, per_row, self.unlabeled
            )
            sample_weight = per_row["sample_weight"]
            given.update({"groups": per_row["groups"]} if "groups" in given else {})
        elif X_unlabeled is None:
            warn_of_minus_one(y)
        use = X_unlabeled is not None
        if use:
            check_unlabeled(X, X_unlabeled)
            check_readable(self.estimator, X, X_unlabeled)
        template = clone(self.estimator)
        if isinstance(template, BaseNeuralClassifier):  # one split for all rounds
            template.set_params(random_state=root_seed(template.random_state))
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        model = clone(template).fit(X, y, **weights, **given)
        self._keep(model, np.zeros((0, len(model.classes_)), dtype=np.int64))
        if not use or self.omega == 0:
            return self
        if isinstance(model, BaseNeuralClassifier):
            table = model._read_table(X_unlabeled, reset=False)
            warn_if_foreign(model.encoder_, table, "X_unlabeled", stacklevel=4)
        before = None
        for _ in range(self.rounds):
            codes, kept = self._label(model, X_unlabeled)
            given_labels = np.where(kept, codes, -1)
            if before is not None and np.array_equal(given_labels, before):
                break
            before = given_labels
            if not kept.any():
                warnings.warn(
                    "No row of X_unlabeled has a probability of at least "
                    f"threshold={self.threshold}: the model of round "
                    f"{self.n_rounds_} is kept. Lower the threshold, or set None.",
                    UserWarning,
                    stacklevel=3,
                )
                break
            labels = model.classes_[codes]
            model = clone(template)
            self._fit_both(model, X, y, sample_weight, X_unlabeled, labels, kept, given)
            counts = np.bincount(codes[kept], minlength=len(model.classes_))
            self._keep(model, np.vstack([self.pseudo_label_counts_, counts]))
        return self

    def _keep(self, model, counts):
        """Set the fitted attributes; an interrupted round leaves those before it."""
        self.estimator_ = model
        self.classes_ = model.classes_
        self.pseudo_label_counts_ = counts
        self.n_rounds_ = len(counts)

    def _label(self, model, X_unlabeled):
        """Class code of each row, and which rows are sure enough."""
        if not hasattr(model, "predict_proba"):
            codes = np.searchsorted(model.classes_, model.predict(X_unlabeled))
            return codes, np.ones(len(codes), dtype=bool)
        p = model.predict_proba(X_unlabeled)
        kept = np.ones(len(p), dtype=bool)
        if self.threshold is not None:
            kept = p.max(1) >= self.threshold
        return p.argmax(1), kept

    def _fit_both(self, model, X, y, sample_weight, X_unlabeled, labels, kept, given):
        """Fit a fresh model to labelled rows and the kept ones with pseudo-labels."""
        rows = np.flatnonzero(kept)
        y = check_labels(y)
        n, extra = len(y), len(rows)
        both = stacked(X, _safe_indexing(X_unlabeled, rows))
        fit_params = dict(given)
        if sample_weight is not None or self.omega != 1:
            own = check_weights(sample_weight, n, non_negative=False)
            weight = np.concatenate([own, np.full(extra, float(self.omega))])
            fit_params["sample_weight"] = weight
        if "groups" in given:  # any group: pseudo-labels are apart from the split
            groups = np.asarray(given["groups"])
            fit_params["groups"] = np.append(groups, np.repeat(groups[:1], extra))
        y = np.concatenate([y, labels[rows]])
        if not isinstance(model, BaseNeuralClassifier):
            model.fit(both, y, **fit_params)
            return
        is_pseudo = np.repeat([False, True], [n, extra])
        # NOTE[DIFF]: the authors count pseudo-labels as labels; "auto" does not.
        count = self.count_pseudo_labels != "auto" and bool(self.count_pseudo_labels)
        with model._with_pseudo_labels(is_pseudo, count):
            model.fit(both, y, **fit_params)

    @property
    def n_features_in_(self):
        """Columns of X."""
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the columns of X."""
        return self.estimator_.feature_names_in_

    def predict(self, X):
        """Labels by the last model.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,)
        """
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict(X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X):
        """Probabilities by the last model.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self, "estimator_")
        return self.estimator_.predict_proba(X)

    @available_if(_has("decision_function"))
    def decision_function(self, X):
        """Scores by the last model.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            As its `decision_function` gives them.
        """
        check_is_fitted(self, "estimator_")
        return self.estimator_.decision_function(X)
