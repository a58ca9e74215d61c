"""The models of the benchmark on tables, each with its construction and fit."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier, early_stopping
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier

from benchmarks.common.kept import digest
from sklimb import TabularEncoder, TabularMLPClassifier
from sklimb.fitting.budget import NETWORKS

ROUNDS, PATIENCE = 2000, 50
# Out of the box; benchmarks.common takes it away.
TabularMLPClassifier._networks = NETWORKS


# One patient network with one split.
ONE = {"n_members": 1, "validation_folds": None, "max_epochs": 200}


def make_ours(seed, **changes):
    return TabularMLPClassifier(random_state=seed, device="cpu", **changes)


def make_one(seed, **changes):
    return make_ours(seed, **{**ONE, **changes})


def fit_ours(model, X, y, X_val, y_val):
    return model.fit(X, y, X_val=X_val, y_val=y_val)


def make_xgboost(seed, **changes):
    return XGBClassifier(
        n_estimators=ROUNDS,
        early_stopping_rounds=PATIENCE,
        enable_categorical=True,
        tree_method="hist",
        eval_metric="logloss",
        n_jobs=1,
        random_state=seed,
        **changes,
    )


def fit_xgboost(model, X, y, X_val, y_val):
    return model.fit(X, y, eval_set=[(X_val, y_val)], verbose=False)


def make_lightgbm(seed):
    return LGBMClassifier(
        n_estimators=ROUNDS, n_jobs=1, random_state=seed, verbosity=-1
    )


def fit_lightgbm(model, X, y, X_val, y_val):
    return model.fit(
        X,
        y,
        eval_X=X_val,
        eval_y=y_val,
        eval_metric="binary_logloss",
        callbacks=[early_stopping(PATIENCE, verbose=False)],
    )


def make_catboost(seed):
    return CatBoostClassifier(
        iterations=ROUNDS,
        early_stopping_rounds=PATIENCE,
        loss_function="Logloss",
        thread_count=1,
        random_seed=seed,
        logging_level="Silent",
        allow_writing_files=False,
    )


def strings(X):
    """X with categories as strings: CatBoost refuses missing categories."""
    names = X.select_dtypes("category").columns
    return X.assign(**{c: X[c].astype(object).fillna("missing") for c in names})


def fit_catboost(model, X, y, X_val, y_val):
    names = [c for c in X if pd.api.types.is_object_dtype(X[c])]
    return model.fit(X, y, cat_features=names, eval_set=(X_val, y_val))


def make_logistic(seed):
    return make_pipeline(
        TabularEncoder(category_encoding="onehot"),
        LogisticRegression(max_iter=2000, random_state=seed),
    )


def fit_logistic(model, X, y, X_val, y_val):
    candidates = [
        clone(model).set_params(logisticregression__C=C).fit(X, y)
        for C in (0.01, 0.1, 1.0)
    ]
    return min(candidates, key=lambda m: log_loss(y_val, m.predict_proba(X_val)))


def make_mlp(seed):
    return make_pipeline(
        TabularEncoder(category_encoding="onehot"),
        MLPClassifier(early_stopping=True, validation_fraction=0.15, random_state=seed),
    )


def fit_mlp(model, X, y, X_val, y_val):
    return model.fit(pd.concat([X, X_val]), np.concatenate([y, y_val]))


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
        From (estimator, X, y, X_val, y_val) to a fitted one.
    note : str, default=""
        What the estimator's parameters do not say; part of the results' key.
    read : callable, default=None
        What is done to X before the model sees it.
    goes_through : tuple of str
        Modules and packages of ours that a fit goes through.
    """

    title: str
    package: str
    make: Callable
    fit: Callable
    note: str = ""
    read: Callable | None = None
    goes_through: tuple[str, ...] = ()

    def record(self):
        """What the report says about the model; unset parameters are left out."""
        params = self.make(0).get_params().items()
        # Floats that equal themselves: JSON has no NaN.
        simple = {
            k: v
            for k, v in params
            if isinstance(v, bool | int | float | str) and v == v
        }
        return {"title": self.title, "note": self.note, "parameters": simple}

    def code(self):
        """What `code_digest` is given of the model; `make` is in its parameters."""
        read = () if self.read is None else (self.read,)
        return (self.fit, *read, *self.goes_through)

    def digest(self):
        """Changes with the configuration and the package's version."""
        params = self.make(0).get_params()
        return digest([self.package, version(self.package), self.note, params])


STOPPED = f"at most {ROUNDS} trees, stopped after {PATIENCE} without a better log loss"
OURS, ENCODER = ("sklimb",), ("sklimb.preprocessing",)
MODELS = {
    "sklimb": Model(
        "sklimb", "sklimb", make_one, fit_ours, "one network", goes_through=OURS
    ),
    "sklimb_4": Model(
        "sklimb x4",
        "sklimb",
        lambda seed: make_one(seed, n_members=4),
        fit_ours,
        "four networks",
        goes_through=OURS,
    ),
    "xgboost": Model("XGBoost", "xgboost", make_xgboost, fit_xgboost, STOPPED),
    "xgboost_lr0.05": Model(
        "XGBoost lr 0.05",
        "xgboost",
        lambda seed: make_xgboost(seed, learning_rate=0.05),
        fit_xgboost,
        STOPPED,
    ),
    "lightgbm": Model("LightGBM", "lightgbm", make_lightgbm, fit_lightgbm, STOPPED),
    "catboost": Model(
        "CatBoost", "catboost", make_catboost, fit_catboost, STOPPED, strings
    ),
    "logistic": Model(
        "logistic",
        "scikit-learn",
        make_logistic,
        fit_logistic,
        "C of 0.01, 0.1, 1 with the least log loss on the validation rows",
        goes_through=ENCODER,
    ),
    "mlp": Model(
        "MLPClassifier",
        "scikit-learn",
        make_mlp,
        fit_mlp,
        "holds out its own validation rows and stops by accuracy",
        goes_through=ENCODER,
    ),
}
