"""A table whose folds encode differently, and how a packed search is compared."""

import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV

from sklimb import TabularMLPClassifier
from sklimb.model_selection import PackedSearchCV

# Small and in float64; 128 to 136 training rows, so 8 or 9 steps an epoch.
TINY = {
    "d_block": 8,
    "d_embedding": 3,
    "n_frequencies": 4,
    "dtype": "float64",
    "max_epochs": 4,
    "batch_size": 16,
    "lr": 1e-2,
    "random_state": 0,
}
N_ROWS = 200
# The documented promise; sums in another order differ by 1e-15 here.
TOLERANCE = 1e-6


def tiny(**params):
    """A classifier that trains in a moment."""
    return TabularMLPClassifier(**{**TINY, **params})


def uneven_table(n_classes=2):
    """200 rows: numbers, missing values, two categories, labels 0, 1 (and 2).

    The training rows of some of `uneven_splits`, but not of others, lack the missing
    values of "gaps" or of "late", all but one value of "late", or a category.
    """
    rng = np.random.default_rng(0)
    a, b, gaps, late = rng.normal(size=(4, N_ROWS))
    y = (a + 0.5 * b + 0.5 * rng.normal(size=N_ROWS) > 0.7).astype(int)
    y[b > 0.8] += n_classes - 2
    gaps[[3, 17, 30]] = np.nan
    late[:60] = late[100:] = 1.0
    late[[70, 80]] = np.nan
    city = rng.choice(["x", "y", "z"], N_ROWS).astype(object)
    city[[112, 120, 133, 150]] = "rare"
    kind = rng.choice(["p", "q"], N_ROWS).astype(object)
    kind[[5, 12, 25]] = "new"
    X = pd.DataFrame({"a": a, "b": b, "gaps": gaps, "late": late})
    return X.assign(city=pd.Categorical(city), kind=pd.Categorical(kind)), y


def uneven_splits():
    """Three splits with 45, 40 and 50 test rows."""
    rows = np.arange(N_ROWS)
    tests = [rows[:45], rows[60:100], rows[110:160]]
    return [(np.setdiff1d(rows, test), test) for test in tests]


def numbers():
    """Two columns of `uneven_table` as an array, and its labels."""
    X, y = uneven_table()
    return X[["a", "b"]].to_numpy(), y


def assert_same_results(got, want, atol=TOLERANCE):
    """Both fitted searches found the same, but for times."""
    a, b = got.cv_results_, want.cv_results_
    assert set(a) - {"n_epochs"} == set(b) - {"n_epochs"}
    assert repr(a["params"]) == repr(b["params"])
    for key in b:
        if key.startswith(("mean_", "std_", "split", "rank_")) and "_time" not in key:
            np.testing.assert_allclose(a[key], b[key], rtol=0, atol=atol, err_msg=key)
        elif key.startswith("param_"):
            assert repr(list(a[key])) == repr(list(b[key]))
    for name in ("best_index_", "best_params_", "best_score_"):
        assert hasattr(got, name) == hasattr(want, name)
    if hasattr(want, "best_score_"):
        scores = got.best_score_, want.best_score_
        np.testing.assert_allclose(*scores, rtol=0, atol=atol)
    if hasattr(want, "best_index_"):
        assert got.best_index_ == want.best_index_


def both(estimator, grid, X, y, fit_params=None, max_members=64, **settings):
    """The packed search, after a comparison with GridSearchCV.

    Every candidate must score otherwise: a parameter that did nothing would prove
    nothing.
    """
    fit_params = fit_params or {}
    settings = {
        "cv": uneven_splits(),
        "scoring": "neg_log_loss",
        "return_train_score": True,
        "refit": False,
        **settings,
    }
    grid_search = GridSearchCV(estimator, grid, **settings).fit(X, y, **fit_params)
    packed = PackedSearchCV(estimator, grid, max_members=max_members, **settings)
    packed.fit(X, y, **fit_params)
    name = next(k for k in packed.cv_results_ if k.startswith("mean_test"))
    scores = np.sort(packed.cv_results_[name])
    assert (np.diff(scores[np.isfinite(scores)]) > 10 * TOLERANCE).all()
    assert_same_results(packed, grid_search)
    return packed
