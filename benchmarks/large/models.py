"""The models that are fitted to large tables, each on all cores.

Boosters have a rate of 0.05, categories as such, and as many trees as rows that they
hold out want. Leaves of few rows of one class make their probabilities of rare events
far worse (`default` shows it), so each has what it offers against them; these settings
were the best of a few at 150,000 rows.
"""

from lightgbm import LGBMClassifier, early_stopping
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

from benchmarks.common import CORES
from sklimb import TabularMLPClassifier
from sklimb.fitting.budget import NETWORKS


class OutOfTheBox(TabularMLPClassifier):
    """With the budget of networks that users get; benchmarks.common takes it away."""

    _networks = NETWORKS


RATE, MOST_TREES, HELD_OUT, WAIT = 0.05, 3000, 0.15, 50


class Stopped:
    """A booster that stops by rows that it holds out.

    Parameters
    ----------
    booster : LGBMClassifier or XGBClassifier
    fit_params : callable
        (held-out rows, labels) -> what `fit` of the booster takes beside rows.
    """

    def __init__(self, booster, fit_params):
        self.booster, self.fit_params = booster, fit_params

    def get_params(self):
        """Settings of the booster."""
        return self.booster.get_params()

    def fit(self, X, y):
        """Hold rows out and fit."""
        X, X_held, y, y_held = train_test_split(
            X, y, test_size=HELD_OUT, stratify=y, random_state=0
        )
        self.booster.fit(X, y, **self.fit_params(X_held, y_held))
        best = getattr(self.booster, "best_iteration_", None)
        self.n_iter_ = self.booster.best_iteration + 1 if best is None else best
        return self

    def predict_proba(self, X):
        """The booster's own."""
        return self.booster.predict_proba(X)


PATIENT = {"max_epochs": 200, "validation_folds": None, "n_members": 1}


def _ours(**parameters):
    return lambda: OutOfTheBox(**parameters, random_state=0)


MODELS = {
    "TabularMLP": _ours(),
    "TabularMLP patient": _ours(**PATIENT),
    "TabularMLP in blocks": _ours(merge_duplicates=False),
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(
        learning_rate=RATE,
        max_iter=MOST_TREES,
        min_samples_leaf=100,
        l2_regularization=10.0,
        early_stopping=True,
        validation_fraction=HELD_OUT,
        n_iter_no_change=WAIT,
        random_state=0,
    ),
    "HistGradientBoosting default": lambda: HistGradientBoostingClassifier(
        early_stopping=True, random_state=0
    ),
    "LightGBM": lambda: Stopped(
        LGBMClassifier(
            learning_rate=RATE,
            n_estimators=MOST_TREES,
            min_child_samples=100,
            min_child_weight=1.0,
            reg_lambda=1.0,
            cat_smooth=50.0,
            n_jobs=CORES,
            verbose=-1,
            random_state=0,
        ),
        lambda X, y: {
            "eval_X": (X,),
            "eval_y": (y,),
            "callbacks": [early_stopping(WAIT, verbose=False)],
        },
    ),
    "XGBoost": lambda: Stopped(
        XGBClassifier(
            learning_rate=RATE,
            n_estimators=MOST_TREES,
            early_stopping_rounds=WAIT,
            enable_categorical=True,
            n_jobs=CORES,
            random_state=0,
        ),
        lambda X, y: {"eval_set": [(X, y)], "verbose": False},
    ),
}
# Rows come in blocks, simulated anew in each of two passes, which counts as time.
IN_BLOCKS = ("TabularMLP in blocks",)
# Larger tables than these are not for the model: it would train for hours.
LARGEST = {"TabularMLP patient": 150_000}


def is_ours(name):
    """Whether a model is of this package."""
    return name.startswith("Tabular")


def settings(name):
    """What a model was made with, for the digest of its lines."""
    return {"model": name, "parameters": repr(MODELS[name]().get_params())}


def as_rows(X):
    """X as all of them read it: numbers for booleans."""
    return X.astype(dict.fromkeys(X.select_dtypes("bool").columns, "int8"))
