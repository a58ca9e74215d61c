"""The models that are fitted to large tables, each on all cores."""

from lightgbm import LGBMClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from xgboost import XGBClassifier

from benchmarks.common import CORES
from sklimb import TabularMLPClassifier
from sklimb.fitting.budget import NETWORKS


class OutOfTheBox(TabularMLPClassifier):
    """With the budget of networks that users get; benchmarks.common takes it away."""

    _networks = NETWORKS


PATIENT = {"max_epochs": 200, "validation_folds": None, "n_members": 1}


def _ours(**parameters):
    return lambda: OutOfTheBox(**parameters, random_state=0)


MODELS = {
    "TabularMLP": _ours(),
    "TabularMLP patient": _ours(**PATIENT),
    "TabularMLP in blocks": _ours(merge_duplicates=False),
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(
        categorical_features="from_dtype", early_stopping=True, random_state=0
    ),
    "LightGBM": lambda: LGBMClassifier(n_jobs=CORES, verbose=-1, random_state=0),
    "XGBoost": lambda: XGBClassifier(
        enable_categorical=True, n_jobs=CORES, random_state=0
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
