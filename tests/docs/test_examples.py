"""The demo scripts run through, write what they say and compare sane figures."""

import importlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("xgboost")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PUBLIC = {
    "sklimb",
    "sklimb + SAM-A + smoothing",
    "sklimb (sampler='smote')",
    "XGBoost",
    "logistic regression",
}
ALL = PUBLIC | {"SMOTE step + sklimb", "calibrated SVM (<= 5,000 rows)"}


@pytest.fixture
def example(monkeypatch):
    """Import a script of examples/ as Python does when it is run from there."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


def _has(file):
    folder = os.environ.get("SKLIMB_DATA")
    return folder is not None and (Path(folder) / file).is_file()


def _check_outputs(out, name, classifiers):
    """Table, picture and advice are there; return the table."""
    table = pd.read_csv(out / f"{name}.csv", index_col="classifier")
    assert set(table.index) == classifiers
    markdown = (out / f"{name}.md").read_text()
    assert all(f"| {classifier} " in markdown for classifier in classifiers)
    assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    advice = (out / f"{name}_advice.txt").read_text()
    assert "Take " in advice

    figures = table.drop(columns="fit seconds")
    assert np.isfinite(figures).all(axis=None)
    bounded = figures.drop(columns="log loss")
    assert bounded.ge(0).all(axis=None) and bounded.le(1).all(axis=None)
    assert table["average precision"].is_monotonic_decreasing
    fitted = table.drop(index="true probability", errors="ignore")
    assert (fitted["fit seconds"] > 0).all()
    assert (fitted["log loss"] < 1.5).all()
    assert table.loc["sklimb", "ROC AUC"] > 0.55
    return table


def test_loan_workflow(example, tmp_path, capsys):
    example("loan_workflow").main(["--quick", "--jobs", "1", "--out", str(tmp_path)])
    table = _check_outputs(tmp_path, "loan", ALL)
    # What the example is there to show: only a sampler that the classifier knows of
    # leaves the probabilities right.
    loss = table["log loss"]
    assert loss["sklimb (sampler='smote')"] < loss["SMOTE step + sklimb"]
    data = "LendingClub" if _has("loan_data.parquet") else "simulated"
    assert f"Data: {data}" in capsys.readouterr().out


def test_loan_workflow_without_the_loans(example, monkeypatch):
    monkeypatch.delenv("SKLIMB_DATA", raising=False)
    name, X, y = example("loan_workflow").load_loans(quick=True)
    assert name.startswith("simulated")
    assert len(X) == len(y) == 2000


def test_at_most_keeps_the_class_shares(example):
    at_most = example("loan_workflow").at_most
    X = pd.DataFrame({"a": np.arange(1000)})
    y = np.repeat([0, 1], [900, 100])
    few, labels = at_most(X, y, n_rows=200)
    assert len(few) == 200 and labels.sum() == 20
    assert (y[few["a"]] == labels).all()
    assert at_most(X, y, n_rows=1000)[0] is X


def test_fraud_workflow(example, tmp_path):
    example("fraud_workflow").main(["--quick", "--jobs", "1", "--out", str(tmp_path)])
    table = _check_outputs(tmp_path, "fraud", ALL | {"true probability"})
    assert table["log loss"].idxmin() == "true probability"
    assert "Under a random split" in (tmp_path / "fraud_splits_advice.txt").read_text()
    splits = pd.read_csv(tmp_path / "fraud_splits.csv", index_col="classifier")
    assert set(splits.index) == set(table.index)
    future = splits["average precision, future"]
    pd.testing.assert_series_equal(
        future, table["average precision"].reindex(future.index), check_names=False
    )
    if _has("creditcard_subset.parquet"):
        _check_outputs(tmp_path, "fraud_public", PUBLIC)


@pytest.fixture
def advice(example):
    """Call advise() for classifiers that see the truth more or less clearly."""
    report = example("_report")
    rng = np.random.default_rng(0)
    log_odds = rng.normal(-2, 1.5, size=2000)
    y = (rng.random(2000) < 1 / (1 + np.exp(-log_odds))).astype(int)

    def call(noise, seconds):
        """Name -> standard deviation of what is added to the log-odds."""
        probabilities = {
            name: 1 / (1 + np.exp(-log_odds - sigma * rng.normal(size=2000)))
            for name, sigma in noise.items()
        }
        draws = report.bootstrap(y, probabilities, quick=True)
        table = report.results_table(y, probabilities, seconds, draws, prior=y.mean())
        return report.advise(y, probabilities, table, draws, "a table")

    return call


def test_advice_takes_the_clearly_best(advice):
    said = advice({"sklimb": 0.1, "XGBoost": 3.0}, {"sklimb": 9.0, "XGBoost": 0.1})
    assert "Take sklimb: no other is within two standard errors" in said
    assert "hardly chance" in said


@pytest.mark.parametrize(
    ("seconds", "taken"), [(0.1, "XGBoost"), (9.0, "sklimb"), (5.0, "sklimb")]
)
def test_advice_breaks_ties_by_time_only_if_it_is_much(advice, seconds, taken):
    said = advice({"sklimb": 0.0, "XGBoost": 0.0}, {"sklimb": 9.0, "XGBoost": seconds})
    assert "the two predict the same" in said
    assert f"Take {taken}" in said
