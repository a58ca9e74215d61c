"""Features of images in two dimensions: a fit of each method, and claims by hand."""

import importlib

import numpy as np
import pytest
import torch


@pytest.fixture
def module(monkeypatch):
    """Imports a file of benchmarks/papers/features; undoes what the import sets."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    yield lambda name: importlib.import_module(f"benchmarks.papers.features.{name}")
    torch.set_num_threads(threads)


def rows_by_hand():
    scores = {"erm": (0.2, 0.9), "unlabelled": (0.3, 0.7), "ssp": (0.1, 0.95)}
    return [
        {
            "method": method,
            "seed": seed,
            "accuracy": 0.5,
            "few_recall": 0.1,
            "few_leakage": leakage,
            "few_ncm": ncm + 0.01 * seed,
            "points": [[0, 1], [1, 0], [2, 2], [3, 1]],
            "labels": [0, 0, 1, 1],
            "seconds": 1.0,
        }
        for seed in range(2)
        for method, (ncm, leakage) in scores.items()
    ]


def test_claims_and_picture_by_hand(module):
    report = module("report")
    rows = rows_by_hand()
    found = {(c["where"], c["claim"].split(": ")[1]): c for c in report.claims(rows)}
    better = found["Figure 1", "separates rare classes better"]
    assert better["mean"] == pytest.approx(0.1) and better["holds"] == "yes"
    leaks = found["Figure 4", "leaks less of rare classes"]
    assert leaks["mean"] == pytest.approx(-0.05)
    assert report.claims(rows[:1]) == []
    assert "| ERM | 0.500" in report.table(rows)
    figure = report.draw(rows)
    assert len(figure.axes) == 3
    points = figure.axes[0].collections[0].get_offsets()
    assert len(points) == 2
    importlib.import_module("matplotlib.pyplot").close(figure)


@pytest.mark.parametrize("method", ["unlabelled", "ssp"])
def test_a_fit(module, monkeypatch, method):
    measure, scale = module("measure"), module("run").SCALES["tiny"]
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (400, 8, 8), dtype=np.uint8), np.arange(400) % 3
    monkeypatch.setattr(measure, "images", lambda home: ((X, y), (X[:90], y[:90])))
    row = measure.run((method, 0), scale, None, "cpu")
    assert len(row["points"]) == len(row["labels"]) == scale["shown"]
    assert 0 <= row["few_ncm"] <= 1 and row["few_recall"] <= 1 - row["few_leakage"]


def test_separation_by_hand(module):
    class Network:
        classes_ = np.array(["a", "b", "c"])

        @staticmethod
        def embed(X):
            return np.asarray(X, dtype=float)

        @staticmethod
        def predict(X):
            return np.array(["a", "b", "a", "c"])

    train = np.array([[0.0, 0], [4, 0], [0, 4]]), np.array(["a", "b", "c"])
    test = (
        np.array([[0.0, 1], [4, 1], [3, 0], [1, 0]]),
        np.array(["a", "b", "b", "c"]),
    )
    found = module("measure").separation(Network, train, test, ["b", "c"])
    want = {"accuracy": 3 / 4, "few_recall": 2 / 3, "few_leakage": 1 / 3}
    assert found == pytest.approx({**want, "few_ncm": 2 / 3})
