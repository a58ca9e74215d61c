"""The competitors: every one gets all training rows and validates as it likes."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from catboost import CatBoostClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.common.kept import digest
from benchmarks.common.splits import hold_out
from benchmarks.tables.models import (
    fit_lightgbm,
    fit_xgboost,
    make_lightgbm,
    make_ours,
    make_xgboost,
    strings,
)
from sklimb import TabularEncoder


def with_values(X):
    """X without columns that have none: binning fails on them."""
    return X.loc[:, X.notna().any()]


def fit_plain(model, X, y, groups, seed):
    return model.fit(X, y)


def fit_in_groups(model, X, y, groups, seed):
    return model.fit(X, y, groups=groups)


def fit_latest(model, X, y, groups, seed):
    """The latest 15 % of the rows validate."""
    cut = round(0.85 * len(y))
    split = [(np.arange(cut), np.arange(cut, len(y)))]
    return model.set_params(validation_split=split).fit(X, y)


def fit_stopped(model, X, y, groups, seed):
    """A random 15 % of the rows stop the boosting."""
    train, validation = hold_out(y, groups, np.arange(len(y)), seed)
    parts = [(X.iloc[rows], y[rows]) for rows in (train, validation)]
    return fit_xgboost(model, *parts[0], *parts[1])


def fit_stopped_lightgbm(model, X, y, groups, seed):
    """The same rows stop it."""
    train, validation = hold_out(y, groups, np.arange(len(y)), seed)
    parts = [(X.iloc[rows], y[rows]) for rows in (train, validation)]
    return fit_lightgbm(model, *parts[0], *parts[1])


def make_catboost(seed):
    return CatBoostClassifier(
        thread_count=1,
        random_seed=seed,
        logging_level="Silent",
        allow_writing_files=False,
    )


def fit_catboost(model, X, y, groups, seed):
    names = [c for c in X if X[c].dtype == object or str(X[c].dtype) == "str"]
    return model.fit(X, y, cat_features=names)


def make_histogram(seed):
    return HistGradientBoostingClassifier(random_state=seed)


def make_logistic(seed):
    return make_pipeline(
        TabularEncoder(category_encoding="onehot"),
        LogisticRegression(max_iter=2000, random_state=seed),
    )


@dataclass(frozen=True)
class Model:
    """One column of the report.

    Parameters
    ----------
    title : str
        Head of the column.
    package : str
        Distribution whose version is part of the results' key.
    make : callable
        From a seed to an estimator.
    fit : callable
        From (estimator, X, y, groups, seed) to a fitted one.
    read : callable, default=None
        What is done to X before the model sees it.
    goes_through : tuple of str
        Modules and packages of ours that a fit goes through.
    temporal_only : bool, default=False
    settings : dict, default=None
        Parameters that differ from the defaults, of ours: the code's digest holds the
        others, and a new parameter makes no other model.
    """

    title: str
    package: str
    make: Callable
    fit: Callable = fit_plain
    read: Callable | None = None
    goes_through: tuple[str, ...] = ()
    temporal_only: bool = False
    settings: dict | None = None

    def code(self):
        """What `code_digest` is given of the model; `make` is in its parameters."""
        read = () if self.read is None else (self.read,)
        return (self.fit, *read, *self.goes_through)

    def digest(self):
        """Changes with the configuration and the package's version."""
        settings = self.settings
        if settings is None:
            settings = self.make(0).get_params()
        return digest([self.package, version(self.package), settings])

    def takes(self, in_time):
        """Whether it is fitted to a table."""
        return in_time or not self.temporal_only


def ours(title, fit=fit_in_groups, **settings):
    """A model of ours with these settings beside its defaults."""
    own = {"temporal_only": settings.pop("temporal_only", False)}

    def make(seed):
        return make_ours(seed, **settings)

    return Model(
        title, "sklimb", make, fit, None, ("sklimb",), **own, settings=settings
    )


MODELS = {
    "logistic": Model(
        "logistic",
        "scikit-learn",
        make_logistic,
        goes_through=("sklimb.preprocessing",),
    ),
    "histogram": Model(
        "HistGradientBoosting", "scikit-learn", make_histogram, read=with_values
    ),
    "xgboost": Model(
        "XGBoost",
        "xgboost",
        lambda seed: make_xgboost(seed, learning_rate=0.05),
        fit_stopped,
    ),
    "lightgbm": Model("LightGBM", "lightgbm", make_lightgbm, fit_stopped_lightgbm),
    "catboost": Model("CatBoost", "catboost", make_catboost, fit_catboost, strings),
    "auto": ours(
        "sklimb", n_members="auto", validation_folds="auto", max_epochs="auto"
    ),
    "one": ours("1 network", n_members=1, validation_folds=None),
    "latest": ours(
        "1 network, latest rows validate",
        fit_latest,
        n_members=1,
        validation_folds=None,
        temporal_only=True,
    ),
}
