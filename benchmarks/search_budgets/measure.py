"""Eight tables, the competitors, and one search of one competitor on one split."""

import warnings
from importlib.metadata import version

from benchmarks.common.kept import digest, source_digest
from benchmarks.common.scores import score
from benchmarks.common.splits import folds
from benchmarks.out_of_the_box.measure import make_unit
from benchmarks.out_of_the_box.tables import load
from benchmarks.search_budgets import boosters, networks
from benchmarks.search_budgets.clock import Clock
from benchmarks.tables.models import strings

# Four of each half of `out_of_the_box`, of eight families; small ones first.
TABLES = (
    "heart",
    "german",
    "yeast1",
    "car-good",
    "phoneme",
    "thyroid",
    "wine",
    "loan",
)
FOLDS = 3
# Name: title, package, fit, what is done to X before.
COMPETITORS = {
    "networks": ("PackedSearchCV", "sklimb", networks.fit_networks, None),
    "xgboost": ("XGBoost, TPE", "xgboost", boosters.fit_tuned_xgboost, None),
    "catboost": ("CatBoost, TPE", "catboost", boosters.fit_tuned_catboost, strings),
    "default": ("ours, no search", "sklimb", networks.fit_out_of_the_box, None),
}
MODULES = {
    "networks": "search_budgets.networks",
    "default": "search_budgets.networks",
    "xgboost": "search_budgets.boosters",
    "catboost": "search_budgets.boosters",
}


def digest_of(name):
    """Changes with the version of a competitor's package."""
    package = COMPETITORS[name][1]
    return digest([package, version(package), version("optuna")])


def run(table, split, name, budget, data_home):
    """One competitor with `budget` processor seconds; the line that is kept."""
    unit, data = make_unit(table, split, data_home), load(table, data_home)
    _, _, fit, read = COMPETITORS[name]
    X, y = data.X if read is None else read(data.X), data.y
    X_train = X.iloc[unit.train].reset_index(drop=True)
    y_train = y[unit.train]
    cv = list(folds(y_train, None, FOLDS, split))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # batches that are clamped, few positives
        networks.warm_up()
        clock = Clock(budget)
        model, found = fit(X_train, y_train, cv, split, clock)
        seconds = clock.used
        p = model.predict_proba(X.iloc[unit.test])[:, 1].astype(float)
        if isinstance(model, networks.Mean):  # what the search alone would have given
            alone = model.searched.predict_proba(X.iloc[unit.test])[:, 1].astype(float)
            found["alone"] = score(y[unit.test], alone)
    return {
        "table": table,
        "split": split,
        "competitor": name,
        "budget": budget,
        "digest": digest_of(name),
        "n_train": len(unit.train),
        "n_positive": int(y_train.sum()),
        "cpu_seconds": round(seconds, 2),
        **score(y[unit.test], p),
        **found,
        "source": source_digest(),
    }
