"""Boosted trees tuned by Optuna's TPE on the same folds, stopped early there."""

import warnings

import numpy as np
import optuna
from catboost import CatBoostClassifier
from sklearn.metrics import log_loss
from xgboost import XGBClassifier

ROUNDS, PATIENCE = 2000, 50
# Trials before the model of the sampler, of Optuna's default of 10.
STARTUP = 10


def suggest_xgboost(trial):
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "max_depth": trial.suggest_int("max_depth", 2, 10),
        "min_child_weight": trial.suggest_float("min_child_weight", 0.1, 50, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-2, 30, log=True),
        "gamma": trial.suggest_float("gamma", 1e-6, 5, log=True),
    }


XGBOOST_FIRST = {
    "learning_rate": 0.05,
    "max_depth": 6,
    "min_child_weight": 1.0,
    "subsample": 1.0,
    "colsample_bytree": 1.0,
    "reg_lambda": 1.0,
    "gamma": 1e-6,
}


def make_xgboost(seed, n_trees, stop, params):
    return XGBClassifier(
        n_estimators=n_trees,
        early_stopping_rounds=PATIENCE if stop else None,
        enable_categorical=True,
        tree_method="hist",
        eval_metric="logloss",
        n_jobs=1,
        random_state=seed,
        **params,
    )


def fit_xgboost(model, X, y, held_out):
    if held_out is None:
        return model.fit(X, y)
    return model.fit(X, y, eval_set=[held_out], verbose=False)


def suggest_catboost(trial):
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "depth": trial.suggest_int("depth", 3, 8),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 1, 30, log=True),
        "random_strength": trial.suggest_float("random_strength", 0.1, 10, log=True),
        "bagging_temperature": trial.suggest_float("bagging_temperature", 0, 1),
        "one_hot_max_size": trial.suggest_categorical("one_hot_max_size", [2, 10, 25]),
    }


CATBOOST_FIRST = {
    "learning_rate": 0.05,
    "depth": 6,
    "l2_leaf_reg": 3.0,
    "random_strength": 1.0,
    "bagging_temperature": 1.0,
    "one_hot_max_size": 2,
}


def make_catboost(seed, n_trees, stop, params):
    return CatBoostClassifier(
        iterations=n_trees,
        early_stopping_rounds=PATIENCE if stop else None,
        thread_count=1,
        random_seed=seed,
        logging_level="Silent",
        allow_writing_files=False,
        **params,
    )


def fit_catboost(model, X, y, held_out):
    names = [c for c in X if X[c].dtype == object or str(X[c].dtype) == "str"]
    return model.fit(X, y, cat_features=names, eval_set=held_out)


def n_trees_of(model):
    """The number of trees that early stopping kept."""
    if isinstance(model, XGBClassifier):
        return model.best_iteration + 1
    return model.get_best_iteration() + 1


def tuned(suggest, make, fit, first):
    """A competitor of the functions of a library."""

    def run(X, y, cv, seed, clock):
        """TPE until the budget ends; the best trial, refitted to all rows.

        Held-out rows of a fold stop its trees and score them. The refit has the mean
        of the numbers of trees, and time for it is kept.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        slowest = 0.0  # seconds of a fit to a fold, for the reserve of the refit
        out_of_time = False

        def objective(trial):
            nonlocal slowest, out_of_time
            params, losses, sizes = suggest(trial), [], []
            for train, test in cv:
                if clock.left < 2.5 * slowest:  # this fit, and the refit to more rows
                    out_of_time = True
                    raise optuna.TrialPruned
                held_out = X.iloc[test], y[test]
                model, own = clock.timed(
                    lambda rows=train, held_out=held_out: fit(
                        make(seed, ROUNDS, True, params),
                        X.iloc[rows],
                        y[rows],
                        held_out,
                    )
                )
                slowest = max(slowest, own)
                p = model.predict_proba(held_out[0])[:, 1].astype(float)
                losses.append(log_loss(held_out[1], p, labels=[0, 1]))
                sizes.append(n_trees_of(model))
            trial.set_user_attr("n_trees", max(1, round(float(np.mean(sizes)))))
            return float(np.mean(losses))

        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
        study = optuna.create_study(sampler=sampler)
        study.enqueue_trial(first)
        while not out_of_time:
            study.optimize(objective, n_trials=1)
        done = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        if done:
            chosen, n_trees = study.best_params, study.best_trial.user_attrs["n_trees"]
        else:  # not one trial in time
            chosen, n_trees = first, 300
        model = fit(make(seed, n_trees, False, chosen), X, y, None)
        return model, {"candidates": len(done), "chosen": {**chosen, "trees": n_trees}}

    return run


fit_tuned_xgboost = tuned(suggest_xgboost, make_xgboost, fit_xgboost, XGBOOST_FIRST)
fit_tuned_catboost = tuned(
    suggest_catboost, make_catboost, fit_catboost, CATBOOST_FIRST
)
