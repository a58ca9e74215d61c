"""Samplers: the rows of each epoch, and re-sampling before training.

"uniform", "balanced" and "sqrt" draw row numbers every epoch; the other names and
imbalanced-learn objects change the encoded training rows once, before training.

To add a draw, write a frozen dataclass with `share(prior)`, class shares (classes,) ->
shares of the draws, which need not sum to 1, and name it in SAMPLERS; an object of
imbalanced-learn can be named there too. `excludes`, {parameter: reason}, names what it
cannot be combined with.
"""

import warnings
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn import config_context
from sklearn.base import clone

from sklimb._compat import _set_random_states
from sklimb._messages import short, told
from sklimb.inputs.labels import label_codes
from sklimb.training.device import array_as_numbers
from sklimb.training.registry import Registry


@dataclass(frozen=True)
class Uniform:
    """Every row once per epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from sklimb.strategies import Uniform
    >>> Uniform().share(np.array([0.64, 0.36])).tolist()
    [0.64, 0.36]
    """

    def share(self, prior):
        """The classes' own shares.

        Parameters
        ----------
        prior : array of shape (classes,)
            Class shares of the training rows.

        Returns
        -------
        share : array of shape (classes,)
            The given one.
        """
        return prior


@dataclass(frozen=True)
class Balanced:
    """All classes equally, or all groups of rows (Bansal et al., 2021, section 5.4).

    Rows of a group are drawn by their weights. The change of the class shares is
    divided out of probabilities as `target_prior` says, that of groups is not.

    Parameters
    ----------
    by : str, int, sequence of shape (n_classes,) or None, default=None
        None: the classes. A name or number of a column of X: the rows of each of its
        values, a missing one included (refused in `fit` where they are too many);
        the network reads it too, and there is no `partial_fit`. A sequence: the group
        of each class in the order of `classes_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklimb.strategies import Balanced
    >>> Balanced().share(np.array([0.64, 0.36])).tolist()
    [1.0, 1.0]
    >>> Balanced(["f", "m", "m"]).share(np.array([0.1, 0.6, 0.3])).round(2).tolist()
    [1.0, 0.67, 0.33]
    """

    by: Any = None

    def __post_init__(self):
        if self.by is not None and not isinstance(self.by, str | Integral):
            object.__setattr__(self, "by", tuple(self.by))

    @property
    def column(self):
        """The column whose values are balanced, or None."""
        return self.by if isinstance(self.by, str | Integral) else None

    def share(self, prior):
        """1 for each class that occurs, or for each group of classes.

        Parameters
        ----------
        prior : array of shape (classes,)
            Class shares of the training rows.

        Returns
        -------
        share : array of shape (classes,)
            Up to a factor; of a column, where the rows decide, the given shares.
        """
        if self.by is None:
            return (prior > 0).astype(float)
        if self.column is not None:
            return prior
        if len(self.by) != len(prior):
            raise ValueError(
                "by must name a column, or the group of each of the "
                f"{len(prior)} classes in that order, got {len(self.by)} groups."
            )
        _, group = np.unique([str(g) for g in self.by], return_inverse=True)
        total = np.bincount(group, weights=prior)[group]
        return prior / np.where(total > 0, total, 1)


@dataclass(frozen=True)
class SquareRoot:
    """Classes by the root of their share (Mahajan et al., 2018).

    Examples
    --------
    >>> import numpy as np
    >>> from sklimb.strategies import SquareRoot
    >>> SquareRoot().share(np.array([0.64, 0.36])).tolist()
    [0.8, 0.6]
    """

    def share(self, prior):
        """The root of each share.

        Parameters
        ----------
        prior : array of shape (classes,)
            Class shares of the training rows.

        Returns
        -------
        share : array of shape (classes,)
            Relative to each other: the sum need not be 1.
        """
        return np.sqrt(prior)


@dataclass(frozen=True)
class Smote:
    """SMOTE, SMOTENC or SMOTEN of imbalanced-learn, depending on the columns."""


@dataclass(frozen=True)
class Named:
    """A sampler of imbalanced-learn with its defaults.

    Parameters
    ----------
    module, name : str
        Its module in imbalanced-learn, and its class.
    """

    module: str
    name: str

    def make(self):
        """The sampler, imported here: that takes longer than the import of sklimb."""
        return getattr(import_module(f"imblearn.{self.module}"), self.name)()


SAMPLERS = Registry(
    "sampler",
    {
        "uniform": Uniform(),
        "balanced": Balanced(),
        "sqrt": SquareRoot(),
        "smote": Smote(),
        "over": Named("over_sampling", "RandomOverSampler"),
        "under": Named("under_sampling", "RandomUnderSampler"),
        "borderline_smote": Named("over_sampling", "BorderlineSMOTE"),
        "svm_smote": Named("over_sampling", "SVMSMOTE"),
        "adasyn": Named("over_sampling", "ADASYN"),
        "all_knn": Named("under_sampling", "AllKNN"),
        "cluster_centroids": Named("under_sampling", "ClusterCentroids"),
        "near_miss": Named("under_sampling", "NearMiss"),
        "smote_enn": Named("combine", "SMOTEENN"),
    },
)


def draw_of(sampler):
    """The object with `share` that draws rows each epoch, None if it re-samples."""
    sampler = SAMPLERS.make(sampler)
    return sampler if hasattr(sampler, "share") else None


def draw_names():
    """Names of the samplers that draw rows each epoch."""
    return [name for name in SAMPLERS if draw_of(name) is not None]


def is_uniform(sampler):
    """Whether a sampler, or its name, leaves the rows as they are."""
    return isinstance(SAMPLERS.make(sampler), Uniform)


# The built-in names.
DRAWS = tuple(draw_names())


def sampler_pair(sampler):
    """(support, query) of a metabalance_sampler; a single one is for the query."""
    pair = sampler if isinstance(sampler, tuple | list) else ("natural", sampler)
    return tuple(
        "uniform" if isinstance(s, str) and s == "natural" else s for s in pair
    )


def class_share(sampler, prior):
    """Share of the draws that each class gets under a sampler with `share`.

    Raises
    ------
    ValueError
        It does not give one non-negative share per class.
    """
    draw = draw_of(sampler)
    if isinstance(draw, Uniform):
        return prior
    share = np.where(prior > 0, np.asarray(draw.share(prior), dtype=float), 0.0)
    if share.shape != prior.shape or not (share >= 0).all() or not share.sum() > 0:
        raise ValueError(
            f"sampler={short(draw)} must give one non-negative share a class, of which "
            f"one at least is positive, got {short(share)} for the class shares "
            f"{short(prior)}."
        )
    return share / share.sum()


def column_of(sampler):
    """The column of X whose values a sampler balances, or None."""
    return getattr(draw_of(sampler), "column", None)


@dataclass(frozen=True)
class UniformOrder:
    """Every row once, in a new order each epoch."""

    n_rows: int

    def __call__(self, generator):
        return torch.randperm(self.n_rows, generator=generator)


class WeightedOrder:
    """As many draws as rows, with replacement, row i with probability p_i."""

    def __init__(self, probability):
        self.n_rows = len(probability)
        total = np.cumsum(probability)
        self.cumulative = torch.from_numpy(total / total[-1])

    def __call__(self, generator):
        u = torch.rand(self.n_rows, generator=generator, dtype=torch.float64)
        rows = torch.searchsorted(self.cumulative, u, right=True)
        return rows.clamp_max(self.n_rows - 1)


def resample(sampler, X, y, weight, *, classes, n_numeric, n_indicators, seed):
    """Run an imbalanced-learn sampler on encoded rows.

    Rows that keep their index keep their weight; a synthetic row gets the mean weight
    of its class.

    Returns
    -------
    X, y, weight : arrays
        The new rows.

    Raises
    ------
    ValueError
        SMOTE on a table with categories; too few rows of a class for an object.
    """
    X = array_as_numbers(X)
    sampler = _make_sampler(sampler, X, y, classes, n_numeric, n_indicators)
    _seed(sampler, int(seed % 2**32))
    n_rows = len(X)
    try:
        # The user's labels, so that sampling_strategy={"fraud": 500} means that class.
        # Arrays inside, whatever the user wants from transformers.
        with config_context(transform_output="default"):
            new_X, new_y = sampler.fit_resample(X, classes[y])[:2]
    except ValueError as error:
        counts = {str(classes[c]): int(n) for c, n in enumerate(np.bincount(y))}
        raise ValueError(
            f"sampler={type(sampler).__name__} cannot re-sample the {n_rows} training "
            f"rows (rows a class: {counts}, after the internal validation split): "
            f"{told(error)} If a class has too few rows, give it fewer neighbours, or "
            "use sampler='over' or 'balanced'."
        ) from error
    new_X = np.asarray(new_X, dtype=X.dtype)
    new_y = label_codes(np.asarray(new_y), classes, slice(None), "the sampler's y")
    lost = np.setdiff1d(y, new_y)
    if len(lost) or new_X.shape[1:] != X.shape[1:]:
        what = f"class {short(classes[lost].tolist()[0])}" if len(lost) else "columns"
        raise ValueError(
            f"sampler={type(sampler).__name__} must keep every class and column, and "
            f"it lost {what}."
        )
    index = getattr(sampler, "sample_indices_", None)
    totals = np.bincount(y, weights=weight, minlength=len(classes))
    mean = totals / np.maximum(np.bincount(y, minlength=len(classes)), 1)
    if index is not None and len(index) == len(new_X):
        return new_X, new_y, weight[index]
    new_weight = mean[new_y]
    # Over-samplers return the given rows first.
    if len(new_X) >= n_rows and np.array_equal(new_X[:n_rows], X):
        new_weight[:n_rows] = weight
    return new_X, new_y, new_weight


def _seed(sampler, seed):
    """Seed a sampler, and the samplers inside of it, where the user has not."""
    given = {
        name: value
        for name, value in sampler.get_params().items()
        if name.endswith("random_state") and value is not None
    }
    _set_random_states(sampler, seed)
    sampler.set_params(**given)


def _make_sampler(sampler, X, y, classes, n_numeric, n_indicators):
    sampler = SAMPLERS.make(sampler)
    n_flags = X.shape[1] - n_numeric
    n_codes = n_flags - n_indicators
    if isinstance(sampler, Smote):
        return _smote(y, classes, n_numeric, n_flags)
    sampler = sampler.make() if isinstance(sampler, Named) else clone(sampler)
    if n_codes and type(sampler).__name__ in _NUMBERS_ONLY:
        raise ValueError(
            f"sampler={type(sampler).__name__} would interpolate category codes, "
            f"and the table has {n_codes} categorical columns. Use "
            "sampler='smote', which takes SMOTENC or SMOTEN by the columns at hand."
        )
    return sampler


def _smote(y, classes, n_numeric, n_flags):
    # Here, because imbalanced-learn takes longer to import than sklimb.
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC, RandomOverSampler

    counts = np.bincount(y, minlength=len(classes))
    smallest = int(counts[counts > 0].min())
    if smallest < 2:
        rarest = np.where(counts > 0, counts, counts.max() + 1).argmin()
        name = classes.tolist()[rarest]
        warnings.warn(
            f"sampler='smote' needs 2 rows of a class and class {short(name)} has 1 "
            "after the internal split: it is over-sampled by repetition "
            "(sampler='over').",
            UserWarning,
            stacklevel=2,
        )
        return RandomOverSampler()
    k = min(5, smallest - 1)
    if k < 5:
        warnings.warn(
            f"sampler='smote' uses {k} instead of 5 neighbours: the smallest class has "
            f"{smallest} training rows.",
            UserWarning,
            stacklevel=2,
        )
    if not n_flags:
        return SMOTE(k_neighbors=k)
    if not n_numeric:
        return SMOTEN(k_neighbors=k)
    # A list: imbalanced-learn compares it to "auto".
    flags = list(range(n_numeric, n_numeric + n_flags))
    return SMOTENC(categorical_features=flags, k_neighbors=k)


_NUMBERS_ONLY = (
    "SMOTE",
    "ADASYN",
    "BorderlineSMOTE",
    "SVMSMOTE",
    "KMeansSMOTE",
    "SMOTEENN",
    "SMOTETomek",
)
