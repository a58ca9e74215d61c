"""Uncertainty of predictions by what members disagree on, and whom to ask."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from scipy.special import xlogy

from sklimb._messages import short
from sklimb.analysis._fitted import check_classifier, refuse_unfitted
from sklimb.fitting.decision import decided
from sklimb.fitting.portfolio import mixed
from sklimb.inputs.labels import check_labels, label_codes
from sklimb.inputs.weights import check_weights

KINDS = ("error", "total", "mutual_information")


@dataclass(frozen=True)
class Uncertainty:
    """The result of `uncertainty`, which tells what each field is."""

    total: np.ndarray
    expected: np.ndarray
    mutual_information: np.ndarray
    entropy_members: np.ndarray


@dataclass(frozen=True)
class Referral:
    """The result of `refer`, which tells what each field is."""

    rows: np.ndarray
    referred: np.ndarray
    score: np.ndarray
    expected_error: float
    expected_error_before: float
    error: float | None
    error_before: float | None
    share_referred: np.ndarray
    expected_error_curve: np.ndarray
    error_curve: np.ndarray | None


def uncertainty(clf, X):
    """Entropy of the predictions, and the part that members disagree on.

    The total is the entropy of the mean probabilities; the expected part is the mean
    entropy of the members (aleatoric: what no further member resolves); the difference
    is the mutual information of label and network (epistemic). A single network has no
    mutual information.

    Parameters
    ----------
    clf : classifier
        Fitted, of sklimb or with a method `predict_proba_members(X)` that returns an
        array of shape (n_members, n_samples, n_classes), as those of a posterior have.
        Members count by `member_weights_` where there are such, draws of a posterior
        by those of the members they come from.
    X : array-like or data frame of shape (n_samples, n_features)

    Returns
    -------
    result : Uncertainty
        In nats; arrays of shape (n_samples,):

        - total: entropy of the mean probabilities
        - expected: mean entropy of the members
        - mutual_information: their difference, 0 or more
        - entropy_members: array of shape (n_members, n_samples), of each member

    Raises
    ------
    ValueError
        `clf` has no members to ask.

    References
    ----------
    Depeweg et al., "Decomposition of Uncertainty in Bayesian Deep Learning for
    Efficient and Risk-sensitive Learning", 2018. Lakshminarayanan et al., "Simple and
    Scalable Predictive Uncertainty Estimation using Deep Ensembles", 2017.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import uncertainty
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(n_members=3, max_epochs=3, random_state=0)
    >>> found = uncertainty(clf.fit(data.X, data.y), data.X)
    >>> bool((found.total >= found.mutual_information).all())
    True
    """
    p, weights = _members(clf, X, "uncertainty")
    entropy = _entropy(p)
    total = _entropy(mixed(weights, p))
    expected = mixed(weights, entropy)
    return Uncertainty(total, expected, np.maximum(total - expected, 0), entropy)


def refer(clf, X, budget, y=None, *, by="error", sample_weight=None):
    """Which rows to send to a person, and the error that remains in the others.

    Rows are sent in the order of `by`, the least certain first; a person is taken to be
    right. Errors are shares of all rows, by weight.

    Parameters
    ----------
    clf : classifier
        As in `uncertainty`.
    X : array-like or data frame of shape (n_samples, n_features)
    budget : int or float
        Rows that a person can look at: a number of rows, or a share of them below 1.
    y : array-like of shape (n_samples,), default=None
        Labels, where they are known: then `error` is told, too.
    by : {"error", "total", "mutual_information"}, default="error"
        What makes a row uncertain: the probability that `predict` is wrong, or a part
        of `uncertainty`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in errors; the budget counts rows.

    Returns
    -------
    result : Referral
        - rows: array of shape (n_referred,), positions of the rows to send, in order
        - referred: bool array of shape (n_samples,)
        - score: array of shape (n_samples,), larger is less certain
        - expected_error, expected_error_before: float, share of wrong predictions by
          the classifier's own probabilities, after and before
        - error, error_before: float or None, by `y`
        - share_referred: array of shape (n_samples + 1,), of budgets from none to all
        - expected_error_curve, error_curve: arrays of shape (n_samples + 1,), the error
          that remains at each of them; the latter None without `y`

    Raises
    ------
    ValueError
        A budget below 0 or above the rows there are, an unknown `by`.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import refer
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0).fit(data.X, data.y)
    >>> found = refer(clf, data.X, budget=20)
    >>> len(found.rows), found.expected_error < found.expected_error_before
    (20, True)
    """
    if by not in KINDS:
        raise ValueError(f"by must be one of {list(KINDS)}, got {short(by)}.")
    p, weights = _members(clf, X, "refer")
    mean = mixed(weights, p)
    n = len(mean)
    n_sent = _rows_of(budget, n)
    weight = check_weights(sample_weight, n)
    weight = weight / weight.sum()
    factors = getattr(clf, "decision_factors_", np.ones(mean.shape[1]))
    called = decided(mean, factors)
    doubt = 1 - mean[np.arange(n), called]
    score = doubt
    if by != "error":
        total = _entropy(mean)
        score = total if by == "total" else total - mixed(weights, _entropy(p))
    order = np.argsort(-score, kind="stable")
    expected = _left(doubt * weight, order)
    error = None
    if y is not None:
        codes = label_codes(
            check_labels(y), clf.classes_, np.arange(len(np.asarray(y)))
        )
        if len(codes) != n:
            raise ValueError(f"y must have one label a row, {n}, got {len(codes)}.")
        error = _left((called != codes) * weight, order)
    referred = np.zeros(n, dtype=bool)
    referred[order[:n_sent]] = True
    return Referral(
        order[:n_sent],
        referred,
        score,
        float(expected[n_sent]),
        float(expected[0]),
        None if error is None else float(error[n_sent]),
        None if error is None else float(error[0]),
        np.arange(n + 1) / n,
        expected,
        error,
    )


def _members(clf, X, function):
    """Probabilities (K, rows, classes) of all members, and their weights."""
    if not hasattr(clf, "predict_proba_members") or hasattr(clf, "best_estimator_"):
        check_classifier(clf, function)
    elif not hasattr(clf, "classes_"):
        refuse_unfitted(clf, function)
    p = np.asarray(clf.predict_proba_members(X), dtype=np.float64)
    weights = getattr(clf, "member_weights_", None)
    if hasattr(clf, "_weights_of_draws"):  # of a posterior
        weights = clf._weights_of_draws(len(p))
    if weights is None or len(weights) != len(p):
        weights = np.full(len(p), 1 / len(p))
    return p, weights


def _rows_of(budget, n):
    """The number of rows that a budget pays for."""
    if isinstance(budget, Integral) and not isinstance(budget, bool):
        if 0 <= int(budget) <= n:
            return int(budget)
    elif isinstance(budget, Real) and not isinstance(budget, bool):
        if 0 <= float(budget) < 1:
            return round(float(budget) * n)
    raise ValueError(
        f"budget must be a number of rows from 0 to {n}, or a share below 1, got "
        f"{short(budget)}."
    )


def _entropy(p):
    return -xlogy(p, p).sum(-1)


def _left(errors, order):
    """What is left of the errors when the first 0, 1, ... rows of `order` are sent."""
    left = np.concatenate([[0.0], np.cumsum(errors[order[::-1]])])
    return left[::-1]
