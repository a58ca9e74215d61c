"""Two Gaussian data sets whose best classifier is known (Yang and Xu, 2020)."""

from numbers import Integral, Real

import numpy as np
from scipy.special import expit, logit
from sklearn.utils import Bunch

from sklimb.datasets._transactions import _generator


def make_two_means(
    n_samples=1000,
    *,
    positive_share=0.5,
    means=(-1.0, 1.0),
    scale=1.0,
    random_state=None,
):
    """Make one Gaussian feature with a different mean in each of two classes.

    The setup of Theorem 1 of Yang and Xu (2020): if both classes are equally frequent,
    the best boundary is the midpoint of the means. A classifier trained on few positive
    rows puts it too far on their side. If it labels further rows, and a share p of its
    positive and q of its negative labels is right, independently of X, the midpoint of
    the means of both labels is off by (p - q) * (means[1] - means[0]) / 2.

    Parameters
    ----------
    n_samples : int, default=1000
        Rows.
    positive_share : float in (0, 1), default=0.5
        Probability of class 1.
    means : pair of float, default=(-1.0, 1.0)
        Means of class 0 and class 1.
    scale : float, default=1.0
        Standard deviation of both.
    random_state : int, RandomState, Generator or None, default=None
        Equal integers give equal data.

    Returns
    -------
    bunch : Bunch
        X : ndarray of shape (n_samples, 1)
            The rows.
        y : ndarray of shape (n_samples,)
            0 or 1 (int64).
        proba : ndarray of shape (n_samples,)
            P(y = 1 | X).

    Raises
    ------
    ValueError
        When a parameter is out of its range.

    Notes
    -----
    The errors of a threshold do depend on X, because it cuts the tails off. The
    midpoint of the means on its two sides is then farther off than Theorem 1 says, but
    still between the threshold and the best boundary if classes are equally frequent.

    References
    ----------
    Yang and Xu, "Rethinking the Value of Labels for Improving Class-Imbalanced
    Learning", 2020, section 2.1.

    Examples
    --------
    >>> from sklimb.datasets import make_two_means
    >>> data = make_two_means(20000, random_state=0)
    >>> midpoint = (data.X[data.y == 0].mean() + data.X[data.y == 1].mean()) / 2
    >>> round(abs(float(midpoint)), 1)
    0.0
    """
    _check(n_samples, positive_share, scale)
    low, high = (float(mean) for mean in means)
    rng = _generator(random_state)
    y = (rng.random(n_samples) < positive_share).astype(np.int64)
    x = np.array([low, high])[y] + scale * rng.standard_normal(n_samples)
    log_odds = (high - low) * (x - (low + high) / 2) / scale**2
    return Bunch(X=x[:, None], y=y, proba=expit(log_odds + logit(positive_share)))


def make_two_radii(
    n_samples=1000,
    *,
    n_features=20,
    positive_share=0.5,
    scale=1.0,
    variance_ratio=4.0,
    random_state=None,
):
    """Make two Gaussians around the origin, of which the negative class is wider.

    The setup of Theorems 2 and 3 of Yang and Xu (2020). On X every linear classifier
    has a balanced error of more than 1/4; on the squared length of a row, which
    self-supervised learning should find, a threshold half-way between the class means
    has an error that falls exponentially with `n_features`.

    Parameters
    ----------
    n_samples : int, default=1000
        Rows.
    n_features : int, default=20
        Columns.
    positive_share : float in (0, 1), default=0.5
        Probability of class 1, the inner one.
    scale : float, default=1.0
        Standard deviation of the columns in class 1.
    variance_ratio : float, default=4.0
        Variance of class 0 divided by that of class 1, above 1 (beta in the paper,
        where it is above 3).
    random_state : int, RandomState, Generator or None, default=None
        Equal integers give equal data.

    Returns
    -------
    bunch : Bunch
        X : ndarray of shape (n_samples, n_features)
            The rows.
        y : ndarray of shape (n_samples,)
            0 or 1 (int64).
        proba : ndarray of shape (n_samples,)
            P(y = 1 | X).

    Raises
    ------
    ValueError
        When a parameter is out of its range.

    Notes
    -----
    Theorem 2 says that no linear classifier `sign(<theta, x> + b)` has an error below
    1/4. It holds for b >= 0 only, as its premise says: the classifier that always
    predicts "negative" has the error `positive_share`. The balanced error needs no such
    premise.

    References
    ----------
    Yang and Xu, "Rethinking the Value of Labels for Improving Class-Imbalanced
    Learning", 2020, section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklimb.datasets import make_two_radii
    >>> data = make_two_radii(
    ...     2000, n_features=50, positive_share=0.1, random_state=0
    ... )
    >>> z = (data.X**2).sum(1)
    >>> b = (z[data.y == 1].mean() + z[data.y == 0].mean()) / 2
    >>> bool(np.mean((z < b) != data.y) < 0.05)
    True
    """
    _check(n_samples, positive_share, scale)
    if not isinstance(n_features, Integral) or n_features < 1:
        raise ValueError(
            f"n_features must be an integer of at least 1, got {n_features!r}."
        )
    if not isinstance(variance_ratio, Real) or not 1 < variance_ratio < np.inf:
        raise ValueError(f"variance_ratio must be above 1, got {variance_ratio!r}.")
    rng = _generator(random_state)
    y = (rng.random(n_samples) < positive_share).astype(np.int64)
    spread = scale * np.where(y == 1, 1.0, np.sqrt(variance_ratio))
    X = spread[:, None] * rng.standard_normal((n_samples, n_features))
    squared = (X**2).sum(1) / scale**2
    log_odds = n_features * np.log(variance_ratio) - squared * (1 - 1 / variance_ratio)
    return Bunch(X=X, y=y, proba=expit(log_odds / 2 + logit(positive_share)))


def _check(n_samples, positive_share, scale):
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(
            f"n_samples must be an integer of at least 1, got {n_samples!r}."
        )
    if not isinstance(positive_share, Real) or not 0 < float(positive_share) < 1:
        raise ValueError(f"positive_share must be in (0, 1), got {positive_share!r}.")
    if not isinstance(scale, Real) or not 0 < float(scale) < np.inf:
        raise ValueError(f"scale must be above 0, got {scale!r}.")
