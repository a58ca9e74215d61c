"""Timings of predict_proba of one row, of many and a million, beside boosted trees."""

import time

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from benchmarks.common import CORES
from sklimb import TabularMLPClassifier

# Columns: (numeric, categorical).
TABLES = {
    "3 columns": (2, 1),
    "60 columns": (40, 20),
    "300 columns": (200, 100),
    "300 numbers": (300, 0),
}
MANY = 1000
# Most milliseconds of one row of 300 columns.
GOAL = 8.0
# Many rows: columns, rows, most seconds on two threads.
WIDE = (20, 10)
MILLION = 1_000_000
GOAL_MILLION = 4.0
MODELS = {
    "TabularMLP": lambda: TabularMLPClassifier(max_epochs=1, random_state=0),
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=0
    ),
    "XGBoost": lambda: XGBClassifier(enable_categorical=True, n_jobs=1, random_state=0),
}


def make_frame(n_rows, n_numeric, n_categorical):
    """Numbers, a fifth of whose columns have missing values, and categories; labels."""
    rng = np.random.default_rng(0)
    columns = {}
    for j in range(n_numeric):
        columns[f"number {j}"] = values = rng.normal(size=n_rows)
        if j % 5 == 0:
            values[rng.random(n_rows) < 0.1] = np.nan
    for j in range(n_categorical):
        columns[f"category {j}"] = pd.Categorical(rng.choice(list("abcdefgh"), n_rows))
    return pd.DataFrame(columns), (rng.random(n_rows) < 0.2).astype(int)


def timed(model, rows):
    """Milliseconds of one call."""
    begin = time.perf_counter()
    model.predict_proba(rows)
    return 1e3 * (time.perf_counter() - begin)


def costs(shape, repeats):
    """Median milliseconds of each model, for one row and for MANY."""
    X, y = make_frame(2 * MANY, *shape)
    models = {name: make().fit(X, y) for name, make in MODELS.items()}
    parts = {"one": X.iloc[[3]], "many": X.iloc[:MANY]}
    out = {name: {} for name in models}
    for what, rows in parts.items():
        ms = {name: [] for name in models}
        for repeat in range(repeats if what == "one" else max(3, repeats // 20)):
            for name, model in models.items():  # in turn: other load affects all
                value = timed(model, rows)
                if repeat:  # the first call of each allocates
                    ms[name].append(value)
        for name in models:
            out[name][what] = float(np.median(ms[name]))
    return out


def seconds_of(n_rows, repeats=3):
    """Seconds of each model for so many rows on all cores: a fresh process runs this.

    Least over the repeats, because noise only adds; processor seconds are those of the
    same call.
    """
    X, y = make_frame(2 * MANY, *WIDE)
    many, _ = make_frame(n_rows, *WIDE)
    out = {}
    with threadpool_limits(CORES):
        for name, make in MODELS.items():
            model = make()
            if name == "XGBoost":
                model.set_params(n_jobs=CORES)
            model.fit(X, y).predict_proba(X)
            calls = []
            for _ in range(repeats):
                processor = time.process_time()
                wall = timed(model, many) / 1e3
                calls.append((wall, time.process_time() - processor))
            out[name] = dict(zip(("seconds", "processor"), min(calls), strict=True))
    return out
