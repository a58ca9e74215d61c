"""Thresholds tuned to a floor, a budget and a cost: against all there are; the demo."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
)

from sklimb.metrics import get_scorer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def counts(y, called):
    """True positives, positives, alerts, rows."""
    return (y[called] == 1).sum(), (y == 1).sum(), called.sum(), len(y)


class FirstColumn(ClassifierMixin, BaseEstimator):
    """Its probability of the positive class is the first column, fit or no fit."""

    def __init__(self, positive_first=False):
        self.positive_first = positive_first

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = np.asarray(X)[:, 0]
        return np.c_[p, 1 - p] if self.positive_first else np.c_[1 - p, p]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


AMOUNT = np.random.default_rng(1).exponential(3.0, size=300)
GOALS = [
    ("precision_with_recall_floor", {"min_recall": 0.8}),
    ("recall_within_alert_budget", {"max_alerts": 30}),
    ("recall_within_alert_budget", {"max_alerts": 0.3}),
    ("expected_cost", {"cost_matrix": [[0, 1], [4, 1]]}),
    ("expected_cost", {"cost_matrix": [[0, 1], [4, 1]], "amount": AMOUNT}),
]


@pytest.mark.parametrize("labels", [[0, 1], ["no", "a fraud"]])
@pytest.mark.parametrize(("name", "parameters"), GOALS)
def test_tuned_threshold_is_the_best_of_all(name, parameters, labels):
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.2).astype(int)
    p = np.round(np.clip(rng.normal(0.3 + 0.25 * y, 0.15), 0, 1), 3)
    # Every threshold there is, counted by hand.
    best = -np.inf
    for threshold in np.unique(p):
        caught, positives, alerts, total = counts(y, p >= threshold)
        if name == "expected_cost":
            amount = parameters.get("amount", np.ones(300))
            missed = amount[(y == 1) & (p < threshold)].sum()
            value = -(alerts + 4 * missed) / total
        elif name == "precision_with_recall_floor":
            value = caught / alerts if caught / positives >= 0.8 else -np.inf
        else:
            budget = parameters["max_alerts"]
            budget = budget if isinstance(budget, int) else budget * total
            value = caught / positives if alerts <= budget else -np.inf
        best = max(best, value)

    labels = np.array(labels)
    X, names = p[:, None], labels[y]
    clf = FirstColumn(positive_first=labels[1] < labels[0]).fit(X, names)
    scoring = get_scorer(name, pos_label=labels[1].item(), **parameters)
    tuned = TunedThresholdClassifierCV(
        clf, scoring=scoring, cv="prefit", refit=False, thresholds=np.unique(p)
    ).fit(X, names)
    assert tuned.best_score_ == pytest.approx(best, abs=1e-12)
    called = tuned.predict(X) == labels[1]
    caught, positives, alerts, _ = counts(y, called)
    if name == "precision_with_recall_floor":
        assert caught / positives >= 0.8
        assert caught / alerts == pytest.approx(best)
    elif name == "recall_within_alert_budget":
        assert alerts <= (30 if parameters["max_alerts"] == 30 else 90)
        assert caught / positives == pytest.approx(best)
    else:
        amount = parameters.get("amount", np.ones(300))
        cost = called.sum() + 4 * amount[(y == 1) & ~called].sum()
        assert cost / 300 == pytest.approx(-best)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("precision_with_recall_floor", {"min_recall": 0.8}),
        ("recall_within_alert_budget", {"max_alerts": 0.2}),
    ],
)
def test_tuned_threshold_keeps_to_it_in_every_fold(name, parameters):
    X, y = make_classification(
        600, weights=[0.8], flip_y=0.1, class_sep=0.7, random_state=0
    )
    clf, cv = LogisticRegression(), StratifiedKFold(5)
    tuned = TunedThresholdClassifierCV(
        clf,
        scoring=get_scorer(name, **parameters),
        cv=cv,
        thresholds=np.linspace(0, 1, 201),
    ).fit(X, y)
    assert tuned.best_score_ > 0
    p = cross_val_predict(clf, X, y, cv=cv, method="predict_proba")[:, 1]

    def kept(threshold):
        for _, test in cv.split(X, y):
            caught, positives, alerts, total = counts(y[test], p[test] >= threshold)
            if name == "precision_with_recall_floor":
                if caught / positives < 0.8:
                    return False
            elif alerts / total > 0.2:
                return False
        return True

    assert kept(tuned.best_threshold_)
    assert not all(kept(threshold) for threshold in np.linspace(0, 1, 201))


def test_no_fold_makes_up_for_one_that_breaks_the_floor():
    # At 0.5 nine folds are perfect, and the tenth misses half of its positives.
    p = np.r_[0.9, 0.9, np.full(18, 0.1), 0.9, 0.1, np.full(18, 0.1)]
    y = np.r_[1, 1, np.zeros(18), 1, 1, np.zeros(18)].astype(int)
    first, second = np.arange(20), np.arange(20, 40)
    tuned = TunedThresholdClassifierCV(
        FirstColumn(),
        scoring=get_scorer("precision_with_recall_floor", min_recall=0.8),
        cv=[(second, first)] * 9 + [(first, second)],
        thresholds=[0.05, 0.5],
    ).fit(p[:, None], y)
    assert tuned.best_threshold_ == 0.05
    assert tuned.best_score_ == pytest.approx(0.1)


def test_a_floor_or_budget_out_of_reach_is_missed_by_the_least():
    p = np.r_[np.full(10, 0.9), np.full(20, 0.5), np.full(70, 0.1)]
    y = (np.arange(100) % 5 == 0).astype(int)
    clf = FirstColumn().fit(p[:, None], y)

    def tune(thresholds, name, **parameters):
        return TunedThresholdClassifierCV(
            clf,
            scoring=get_scorer(name, **parameters),
            cv="prefit",
            refit=False,
            thresholds=thresholds,
        ).fit(p[:, None], y)

    budget = tune([0.1, 0.5, 0.9], "recall_within_alert_budget", max_alerts=4)
    assert budget.best_threshold_ == 0.9 and budget.best_score_ == -100.06
    floor = tune([0.4, 0.6], "precision_with_recall_floor", min_recall=0.9)
    assert floor.best_threshold_ == 0.4 and floor.best_score_ < 0


def test_amounts_are_cut_to_the_folds():
    X, y = make_classification(300, weights=[0.8], random_state=0)
    amount = AMOUNT + 50 * (X[:, 0] > 0)
    thresholds, cv, clf = (
        np.linspace(0, 1, 51),
        StratifiedKFold(4),
        LogisticRegression(),
    )
    p = cross_val_predict(clf, X, y, cv=cv, method="predict_proba")[:, 1]
    means = []
    for threshold in thresholds:
        folds = []
        for _, test in cv.split(X, y):
            called = p[test] >= threshold
            missed = (y[test] == 1) & ~called
            cost = 5.0 * called.sum() + amount[test][missed].sum()
            folds.append(-cost / len(test))
        means.append(np.mean(folds))
    with sklearn.config_context(enable_metadata_routing=True):
        scoring = get_scorer("expected_cost", cost_matrix=[[0, 5], [1, 5]])
        tuned = TunedThresholdClassifierCV(
            clf,
            scoring=scoring.set_score_request(amount=True),
            cv=cv,
            thresholds=thresholds,
            store_cv_results=True,
        ).fit(X, y, amount=amount)
    np.testing.assert_allclose(tuned.cv_results_["scores"], means, atol=1e-12)
    assert tuned.best_score_ == pytest.approx(max(means), abs=1e-12)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder and the module of the example, run once."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("xgboost")
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        module = importlib.import_module("threshold_workflow")
        module.main(["--quick", "--jobs", "1", "--out", str(out)])
    return out, module


@pytest.mark.parametrize("world", ["still", "drifting"])
def test_threshold_workflow(demo, world):
    out, module = demo
    table = pd.read_csv(out / f"threshold_{world}.csv", index_col="goal")
    assert len(table) == 1 + 2 * len(module.GOALS)
    markdown = (out / f"threshold_{world}.md").read_text()
    assert all(f"| {goal} " in markdown for goal in table.index)
    prefit = table.loc[[f"{goal}, tuning rows" for goal in module.GOALS]]
    floor, budget, cost = (row for _, row in prefit.iterrows())
    assert floor["recall, tuned"] >= module.FLOOR
    assert budget["alerts, tuned"] <= module.BUDGET
    others = table["cost, tuned"].drop(index=cost.name).dropna()
    assert len(others) == 3 and (others > cost["cost, tuned"]).all()
    # The floor asks for more alerts than the budget has.
    assert floor["threshold"] < budget["threshold"]
    future = table[["recall", "precision", "alerts", "cost"]]
    assert np.isfinite(future).all(axis=None) and (future >= 0).all(axis=None)
    said = (out / f"threshold_{world}.txt").read_text()
    assert said.count("%") > 3 and "against" in said


def test_what_the_demo_says_of_a_goal(demo):
    _, module = demo
    assert module.verdict(0.79, 0.8) == "missed"
    assert module.verdict(0.80, 0.8) == "kept"
    assert module.verdict(-0.021, -0.02) == "missed"
