"""Inside everything that scikit-learn and imbalanced-learn offer, on the loan table."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline as ImbalancedPipeline
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklimb import TabularEncoder, TabularMLPClassifier

SMALL = {"max_epochs": 6, "d_block": 32, "d_embedding": 8, "random_state": 0}


@pytest.fixture(scope="module")
def fitted(loan):
    return TabularMLPClassifier(**SMALL).fit(*loan)


def test_clone_keeps_parameters_and_nothing_fitted(fitted):
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "net_")


@pytest.mark.parametrize("way", ["pickle", "joblib", "deepcopy"])
def test_copies_predict_the_same_bits(fitted, loan, way, tmp_path):
    if way == "pickle":
        again = pickle.loads(pickle.dumps(fitted))
    elif way == "deepcopy":
        again = copy.deepcopy(fitted)
    else:
        joblib.dump(fitted, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(
        again.predict_proba(loan[0]), fitted.predict_proba(loan[0])
    )


def test_a_pickle_holds_the_model_and_not_the_rows(fitted):
    n_parameters = sum(p.numel() for p in fitted.net_.module_.parameters())
    # Weights in float32, the encoder, and little else (no rows, no optimiser).
    assert len(pickle.dumps(fitted)) < 4 * n_parameters + 300_000


def test_read_only_and_memory_mapped_input(loan, tmp_path):
    X, y = loan
    numbers = X.select_dtypes("number").to_numpy(dtype=np.float32)
    np.save(tmp_path / "X.npy", numbers)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    numbers.flags.writeable = False
    clf = TabularMLPClassifier(**SMALL, numeric_transform=None)
    a = clf.fit(numbers, y).predict_proba(numbers)
    np.testing.assert_array_equal(a, clf.fit(mapped, y).predict_proba(mapped))


def test_grid_search_over_strategies_in_two_processes(loan):
    grid = {
        "clf__sam_asymmetric_rho": [0.0, 0.05],
        "clf__sampler": ["uniform", "balanced", RandomOverSampler()],
    }
    pipe = Pipeline([("clf", TabularMLPClassifier(**SMALL))])
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=2, scoring="roc_auc")
    search.fit(*loan)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and len(set(scores)) == 6
    np.testing.assert_array_equal(
        search.predict(loan[0]), search.best_estimator_.predict(loan[0])
    )


def test_after_smote_in_an_imbalanced_learn_pipeline(loan):
    X, y = loan
    pipe = ImbalancedPipeline(
        [
            ("encode", TabularEncoder(category_encoding="onehot")),
            ("smote", SMOTE(random_state=0)),
            ("clf", TabularMLPClassifier(**SMALL)),
        ]
    ).fit(X, y)
    # The estimator cannot know of re-sampling outside of it: probabilities are high.
    assert pipe.predict_proba(X)[:, 1].mean() > 1.5 * y.mean()
    inside = TabularMLPClassifier(**SMALL, sampler="smote").fit(X, y)
    assert inside.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), rel=0.01)


def test_duplicates_of_an_outer_sampler_do_not_cross_the_split(loan):
    X, y = loan
    pipe = ImbalancedPipeline(
        [
            ("over", RandomOverSampler(random_state=0)),
            ("clf", TabularMLPClassifier(**SMALL)),
        ]
    ).fit(X, y)
    weight = np.where(y == 1, (y == 0).sum() / (y == 1).sum(), 1.0)
    weighted = TabularMLPClassifier(**SMALL).fit(X, y, sample_weight=weight)
    # The same rows were held out: merged copies are weights.
    a = pipe[-1].history_[0]["valid_loss"]
    assert a == pytest.approx(weighted.history_[0]["valid_loss"], rel=0.1)


def test_sample_weight_routing(loan):
    X, y = loan
    weight = np.where(y == 1, 5.0, 1.0)
    with config_context(enable_metadata_routing=True):
        clf = TabularMLPClassifier(**SMALL).set_fit_request(sample_weight=True)
        clf.set_score_request(sample_weight=True)
        search = GridSearchCV(clf, {"lr": [1e-3]}, cv=2)
        search.fit(X, y, sample_weight=weight)
        pipe = Pipeline([("clf", clf)]).fit(X, y, sample_weight=weight)
    direct = TabularMLPClassifier(**SMALL).fit(X, y, weight)
    for routed in (search, pipe):
        np.testing.assert_array_equal(routed.predict_proba(X), direct.predict_proba(X))


def test_validation_rows_pass_the_steps_of_a_pipeline(loan):
    X, y = loan
    numbers = X.select_dtypes("number")
    train, held_out = slice(0, 1200), slice(1200, None)
    with config_context(enable_metadata_routing=True):
        clf = TabularMLPClassifier(**SMALL).set_fit_request(X_val=True, y_val=True)
        pipe = Pipeline(
            [("scale", StandardScaler()), ("clf", clf)], transform_input=["X_val"]
        )
        pipe.fit(numbers[train], y[train], X_val=numbers[held_out], y_val=y[held_out])
    assert "valid_loss" in pipe[-1].history_[0]


def test_calibrated_classifier(loan):
    X, y = loan
    own = TabularMLPClassifier(**{**SMALL, "max_epochs": 15})
    clf = CalibratedClassifierCV(own, cv=3).fit(X, y)
    assert roc_auc_score(y, clf.predict_proba(X)[:, 1]) > 0.6


def test_tuned_threshold(loan):
    X, y = loan
    clf = TunedThresholdClassifierCV(
        TabularMLPClassifier(**SMALL), scoring="balanced_accuracy", cv=3
    ).fit(X, y)
    assert 0 < clf.best_threshold_ < 0.5  # the base rate is 16 %
    assert (
        clf.predict(X).mean()
        > TabularMLPClassifier(**SMALL).fit(X, y).predict(X).mean()
    )


def test_permutation_importance(fitted, loan):
    importance = permutation_importance(
        fitted, *loan, scoring="roc_auc", n_repeats=3, random_state=0
    )
    by_name = pd.Series(importance.importances_mean, loan[0].columns)
    assert by_name.idxmax() in {"int.rate", "fico", "inq.last.6mths"}


def test_cross_validation(loan):
    X, y = loan
    clf = TabularMLPClassifier(**SMALL)
    p = cross_val_predict(clf, X, y, cv=3, method="predict_proba")
    assert roc_auc_score(y, p[:, 1]) > 0.58
    scores = cross_val_score(clf, X, y, cv=3, scoring="average_precision", n_jobs=2)
    assert (scores > y.mean()).all()


def test_embed_and_members(fitted, loan):
    X, y = loan
    assert fitted.embed(X).shape == (len(X), 32)
    pack = TabularMLPClassifier(**SMALL, n_members=2).fit(X, y)
    assert pack.embed(X).shape == (2, len(X), 32)
    logits = pack.embed(X) @ pack.net_.module_.head.weight.detach().numpy()
    assert logits.shape == (2, len(X), 2)


def test_input_report(fitted, loan):
    X = loan[0].copy()
    X["purpose"] = X["purpose"].astype(str)
    X.iloc[:150, X.columns.get_loc("purpose")] = "unheard of"
    X["fico"] = X["fico"].astype(float)
    X.iloc[:300, X.columns.get_loc("fico")] = np.nan
    report = fitted.input_report(X)
    assert report.loc["purpose", "unseen"] == pytest.approx(0.1)
    assert report.loc["fico", "missing"] == pytest.approx(0.2)
    assert np.isfinite(fitted.predict_proba(X)).all()


def test_every_kind_of_frame_gives_the_same_model(loan):
    import polars as pl

    X, y = loan
    frames = {
        "pandas": X,
        "strings": X.assign(purpose=X["purpose"].astype("string")),
        "nullable": X.convert_dtypes(),
        "polars": pl.DataFrame(
            {
                c: X[c].astype(str).tolist() if c == "purpose" else X[c].to_numpy()
                for c in X.columns
            }
        ),
    }
    clf = TabularMLPClassifier(**{**SMALL, "max_epochs": 2})
    p = {name: clf.fit(f, y).predict_proba(f) for name, f in frames.items()}
    for name in frames:
        np.testing.assert_array_equal(p[name], p["pandas"], name)


def test_scikit_learn_callbacks(loan):
    callback = pytest.importorskip("sklearn.callback")
    X, y = loan
    monitor = callback.ScoringMonitor(scoring="roc_auc")
    clf = TabularMLPClassifier(**SMALL)
    clf.set_callbacks(monitor, callback.ProgressBar())
    clf.fit(X, y)
    logs = monitor.get_logs()
    table = logs.data_as_pandas if hasattr(logs, "data_as_pandas") else logs
    assert len(table) >= clf.n_iter_
    assert table["roc_auc"].iloc[-1] == pytest.approx(
        roc_auc_score(y, clf.predict_proba(X)[:, 1]), abs=0.05
    )


def test_multiclass_with_string_labels(loan):
    X, _ = loan
    y = pd.cut(X["fico"], 3, labels=["low", "middle", "high"]).astype(str)
    clf = TabularMLPClassifier(**{**SMALL, "max_epochs": 30}, class_weight="balanced")
    clf.fit(X, y)
    assert list(clf.classes_) == ["high", "low", "middle"]
    assert (clf.predict(X) == y).mean() > 0.8
    again = clf.set_params(class_weight={"low": 2.0}).fit(X, y)
    assert again.predict_proba(X).shape == (len(X), 3)


def test_default_dtype_and_threads_are_left_alone(loan):
    before = torch.get_default_dtype(), torch.get_num_threads()
    TabularMLPClassifier(**SMALL, dtype="float64").fit(*loan)
    assert before == (torch.get_default_dtype(), torch.get_num_threads())
