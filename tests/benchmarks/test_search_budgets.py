"""How the benchmark of searches plans within a budget, and what its reports count."""

from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parts(monkeypatch):
    """The modules; importing them sets one thread."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.search_budgets import boosters, networks, report
    from benchmarks.studies.companions import report as companions

    # Importing tables/models.py has given the budget of users back.
    monkeypatch.setattr(TabularMLPClassifier, "_networks", ())
    yield SimpleNamespace(
        boosters=boosters, networks=networks, report=report, companions=companions
    )
    torch.set_num_threads(threads)


class Clock:
    """One on which each call takes a second."""

    def __init__(self, left):
        self.left = left

    def timed(self, function):
        self.left -= 1
        return function(), 1.0


class Search:
    """Finds the candidate with the least dropout the best."""

    asked: ClassVar[list] = []

    def __init__(self, clf, grid, **how):
        self.candidates = [{k: v[0] for k, v in params.items()} for params in grid]

    def fit(self, X, y):
        Search.asked.append(self.candidates)
        dropout = [params["dropout"] for params in self.candidates]
        self.best_score_ = -min(dropout)
        self.best_params_ = self.candidates[int(np.argmin(dropout))]
        return self


@pytest.fixture
def planned(parts, monkeypatch):
    """From a budget to what `fit_networks` tried and returned."""
    made, data = parts.networks.make_ours, make_transactions(300, random_state=0)
    monkeypatch.setattr(parts.networks, "PackedSearchCV", Search)
    monkeypatch.setattr(
        parts.networks, "make_ours", lambda seed, **p: made(seed, max_epochs=1, **p)
    )
    monkeypatch.setattr(Search, "asked", [])

    def plan(left):
        cv = [(np.arange(200), np.arange(200, 300))] * 3
        fit = parts.networks.fit_networks
        return fit(data.X, data.y, cv, 0, Clock(left))

    return plan


def test_a_packed_search_keeps_time_for_its_last_fit(planned):
    # 1 s of a fit out of the box, 2 for the last one, then 2.4 a candidate, with
    # caution: 19 * 0.8 / 2.4 of them.
    model, found = planned(22.0)
    assert found["rounds"][0] == [6, 1.0]
    assert len(found["rounds"]) == 22 - 1 - 2
    first = Search.asked[0][0]
    assert first == {"frequency_scale": "auto", "dropout": 0.1, "smoothing_eps": 0.0}
    small = [tuple(p.values()) for p in (*Search.asked[0], *Search.asked[1])]
    assert len(set(small)) == len(small) == 24
    assert set(Search.asked[2][0]) > set(first)  # then the full space
    tried = [params["dropout"] for part in Search.asked for params in part]
    assert model.searched.dropout == min(tried)
    assert model.searched.n_members == model.default.n_members == "auto"
    assert model.default.dropout == "auto"
    X = make_transactions(50, random_state=1).X
    parts = [part.predict_proba(X) for part in (model.default, model.searched)]
    assert np.abs(parts[0] - parts[1]).max() > 0
    np.testing.assert_allclose(model.predict_proba(X), np.mean(parts, axis=0))


def test_without_time_for_the_last_fit_there_is_no_search(planned):
    model, found = planned(2.0)
    assert (found["candidates"], Search.asked) == (0, [])
    assert model.n_members == "auto" and hasattr(model, "classes_")


class Trees:
    """A booster whose best number of trees differs by fold."""

    def __init__(self, n_trees, params):
        self.n_trees, self.params = n_trees, params

    def predict_proba(self, X):
        p = np.full(len(X), 0.2 if self.params["x"] > 0.5 else 0.5)
        return np.column_stack([1 - p, p])


@pytest.mark.parametrize(("left", "n_trials"), [(100.0, 32), (1.0, 0)])
def test_boosters_are_refitted_with_the_mean_of_their_trees(
    parts, monkeypatch, left, n_trials
):
    import pandas as pd

    sizes = iter(np.tile([10, 20, 60], 1000))
    monkeypatch.setattr(parts.boosters, "n_trees_of", lambda model: next(sizes))
    refits = []

    def fit(model, X, y, held_out):
        if held_out is None:
            refits.append(model)
        return model

    run = parts.boosters.tuned(
        lambda trial: {"x": trial.suggest_float("x", 0, 1)},
        lambda seed, n_trees, stop, params: Trees(n_trees, params),
        fit,
        {"x": 0.0},
    )
    X, y = pd.DataFrame({"a": np.arange(30)}), np.arange(30) % 5 == 0
    cv = [(np.arange(20), np.arange(20, 30))] * 3
    model, found = run(X, y.astype(int), cv, 0, Clock(left))
    assert refits == [model]
    # A fit takes a second, and none begins with less than 2.5 of them left.
    assert found["candidates"] == n_trials
    if n_trials:
        assert (model.n_trees, model.params["x"] > 0.5) == (30, True)
    else:
        assert found["chosen"]["x"] == 0.0


def test_a_budget_counts_splits_of_which_all_searches_are_there(parts, tmp_path):
    def line(table, name, budget, value):
        return (table, 0, name, budget, "d"), {
            "log_loss": value,
            "average_precision": value,
            "roc_auc": value,
            "cpu_seconds": 1.0,
            "candidates": 3,
        }

    lines = []
    for table, networks in (("heart", 0.5), ("german", 0.25)):
        lines += [line(table, name, 60, 1.0) for name in ("xgboost", "catboost")]
        lines += [line(table, "networks", 60, networks)]
    lines += [line("wine", "networks", 60, 9.0), line("heart", "default", 0, 0.5)]
    kept = SimpleNamespace(rows=dict(lines))
    parts.report.report("q", kept, tmp_path, [60, 300])
    text = (tmp_path / "search_budgets.md").read_text()
    sixty, more = text.split("## 300")
    assert "Not run: yeast1, car-good, phoneme, thyroid, wine, loan." in sixty
    assert "heart, german" in more
    # 1/2 and 3/4 better in log loss, so as much worse in a score.
    assert "networks - xgboost | +0.6250 +- 0.1250 (2:0) | -0.6250" in sixty
    assert "networks - default" not in sixty  # which german lacks


def test_mixtures_are_means_of_kept_probabilities(parts):
    y = [0, 1, 0, 1]
    p = {
        "networks": [0.1, 0.9, 0.2, 0.6],
        "histogram": [0.3, 0.1, 0.4, 0.8],
        "catboost": [0.5, 0.5, 0.0, 0.2],
    }
    lines = {name: {"p": v, "y": y, "fit_cpu_seconds": 2.0} for name, v in p.items()}
    found = parts.companions.mixtures_of(lines)
    assert set(found) >= {"voting", "with_histogram", "with_catboost"}
    assert "with_both" not in found  # two of its parts are not there
    brier = np.mean((np.mean([p["histogram"], p["catboost"]], axis=0) - y) ** 2)
    assert found["voting"]["brier"] == pytest.approx(brier)
    assert found["voting"]["fit_cpu_seconds"] == 4.0
