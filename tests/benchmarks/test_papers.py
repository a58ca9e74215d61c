"""The papers' scripts, at a scale of seconds: three files each, and nothing twice."""

import importlib
import json
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from imblearn.metrics import geometric_mean_score
from scipy.stats import linregress, pearsonr
from sklearn.metrics import f1_score, precision_score

README = Path(__file__).resolve().parents[2] / "benchmarks" / "papers" / "README.md"
# What keeps each script under a few seconds.
FEW = {
    "metabalance": ["--tables", "loan"],
    "simplifying": ["--tables", "adult", "--models", "xgboost", "mlp", "mlp_sam"],
    "representation": ["--tables", "adult", "cifar10", "--models", "mlp", "resnet"],
    "tuning": ["--models", "xgboost", "mlp_sam", "ft_transformer", "resnet"],
    "posterior": ["--tasks", "adult", "phoneme"],
}
# Rows of ours that S003 does not have.
OWN = {"naive_long", "l2rw", "xgboost", "logistic"}


@pytest.fixture
def module(monkeypatch):
    """Imports a file of benchmarks/papers; undoes what the import sets."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    yield lambda name: importlib.import_module(f"benchmarks.papers.{name}")
    torch.set_num_threads(threads)


def tiny(module, name, out, *more):
    script = module(f"{name}.run")
    script.main(["--tiny", "--jobs", "1", "--out", str(out), *FEW[name], *more])
    return json.loads((out / f"{name}.json").read_text())


@pytest.mark.parametrize("name", FEW)
def test_writes_three_files_and_resumes(module, name, tmp_path, monkeypatch, capsys):
    first = tiny(module, name, tmp_path)
    for suffix in (".json", ".md", ".png"):
        assert (tmp_path / f"{name}{suffix}").stat().st_size > 500
    text = (tmp_path / f"{name}.md").read_text()
    assert text.startswith("**Tiny scale**")
    assert "| claim |" in text and "| nan" not in text
    assert first["claims"] and first["scale"] == "tiny"
    assert first["published"] and first["question"].endswith("?")

    def fail(*args):
        raise AssertionError("a fit that is kept was run again")

    script = module(f"{name}.run")
    kept = sorted((tmp_path / "partial").glob("*.jsonl"))
    before = [path.read_text() for path in kept]
    owners = [script]
    if name == "simplifying":
        owners = [script.measure, script.batch_size]
    runs = ("run_trial", "run_tuned") if name == "tuning" else ("run",)
    for owner, run in product(owners, runs):
        monkeypatch.setattr(owner, run, fail)
    assert tiny(module, name, tmp_path) == first
    # One line is lost: one fit is run, and only one.
    monkeypatch.undo()
    kept[0].write_text("".join(before[0].splitlines(keepends=True)[:-1]))
    tiny(module, name, tmp_path)
    assert [len(p.read_text().splitlines()) for p in kept] == [
        len(text.splitlines()) for text in before
    ]


def test_published_figures(module):
    published, report = module("common.published"), module("metabalance.report")
    for name in ("loan", "fraud"):
        figures = published.METABALANCE[name]
        assert set(figures) == set(report.TITLES) - OWN
        assert set(published.METABALANCE_ERRORS[name]) < set(figures)
        assert all(0.5 < value < 1 for value in figures.values())
    # S002's baselines are Gorishniy's ensembles, rounded.
    for name, models in published.GORISHNIY.items():
        for model, (single, ensemble) in models.items():
            assert single < ensemble
            printed = published.SIMPLIFYING[name][model]
            assert printed == pytest.approx(ensemble, abs=0.0006), (name, model)
    assert "not comparable" in README.read_text()


def test_fraud_is_never_shown_as_comparable(module, tmp_path, capsys):
    args = ["--tiny", "--jobs", "1", "--out", str(tmp_path), "--tables", "fraud"]
    module("metabalance.run").main([*args, "--networks", "paper"])
    assert "a subset of the paper's rows" in (tmp_path / "metabalance.md").read_text()
    content = json.loads((tmp_path / "metabalance.json").read_text())
    assert any("not comparable" in note for note in content["notes"])


def test_learning_rates_are_chosen_on_validation_rows(module):
    choose = module("metabalance.report").choose
    row = {"method": "m", "choices": [1, 2, 3], "validation": [0.6, 0.8, None]}
    assert choose([{**row, "test": [0.9, 0.5, 0.99]}])["test"] == 0.5


def test_paper_networks_have_the_papers_layers(module):
    fits = module("metabalance.measure")
    X = np.random.default_rng(0).normal(size=(60, 29)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    model = fits.paper_network("fraud", 0, 1, {}, "cpu").fit(X, y)
    shapes = [tuple(p.shape[1:]) for p in model.net_.module_.parameters()]
    widths = [29, 16, 24, 20, 24, 2]
    wanted = [s for a, b in pairwise(widths) for s in ((b, a), (b,))]
    assert shapes == wanted
    # Four learning rates, and no dropout in prediction.
    p = model.predict_proba_members(X)
    assert len(p) == 4
    assert np.array_equal(p, model.predict_proba_members(X))


def test_a_learning_rate_that_diverges_is_left_out(module, monkeypatch):
    fits = module("metabalance.measure")
    monkeypatch.setattr(fits, "RATES", (0.05, 1e30))
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(60, 12)).astype(np.float32) for _ in range(3)]
    parts = [(x, (x[:, 0] > 0).astype(int)) for x in X]
    settings = {"parameters": {}, "epochs": 1, "meta_epochs": 1}
    scores = fits._fit_paper("loan", 0, settings, parts, "cpu")
    assert scores["test"][1] is None and 0 <= scores["test"][0] <= 1


def test_ratios(module):
    fits, batches = (
        module(name) for name in ("representation.measure", "simplifying.batch_size")
    )
    assert fits.accuracy((0.5, 0.9), 1.0) == pytest.approx(0.7)
    # One rare row a hundred: (100 * 0.9 + 1 * 0.5) / 101.
    assert fits.accuracy((0.5, 0.9), 0.01) == pytest.approx(90.5 / 101)
    assert fits.counts(1100, 0.1) == (100, 1000)
    # At one rare row in four odds of 2 become 1/2, odds of 9 become 9/4.
    p = [np.array([0.9, 2 / 3]), np.array([0.1, 0.9])]
    assert fits.after_prior_shift(p, 0.25) == [0.5, 0.5]
    counts = batches.exponential_counts(9, 9000, 0.01)
    assert counts.sum() == pytest.approx(9000, abs=9)
    assert counts[-1] / counts[0] == pytest.approx(0.01, rel=0.05)  # rounding
    y = np.repeat(np.arange(3), [900, 500, 400])
    train, validation, test = batches.make_rows(y, 500, 0.1, 100, 0)
    assert not set(train) & set(test) and not set(validation) & set(test)
    assert np.bincount(y[test]).tolist() == [100, 100, 100]
    assert len(set(train) & set(validation)) == 0
    with pytest.raises(ValueError, match="Lower the total"):
        batches.make_rows(y, 5000, 1.0, 100, 0)


def test_further_scores_are_of_rows_of_a_ratio(module):
    fits = module("representation.measure")
    # One rare row in five: of 20 rare rows 10 are found, of 80 frequent ones 8 alarm.
    y = np.repeat([1, 0], [20, 80])
    predicted = np.concatenate([np.repeat([1, 0], 10), np.repeat([1, 0], [8, 72])])
    found = fits.further((0.5, 0.9), 0.25)
    assert found["precision"] == pytest.approx(precision_score(y, predicted))
    assert found["f1"] == pytest.approx(f1_score(y, predicted))
    assert found["g_mean"] == pytest.approx(geometric_mean_score(y, predicted))
    assert fits.further((0.0, 1.0), 0.25)["precision"] == 0.0


def test_misalignment_is_the_distance_to_the_best_training_ratio(module):
    summary = module("representation.summary")
    counts = module("representation.measure").counts
    ratios = (1.0, 0.5, 0.1)

    def line(total, ratio, pair):
        n_rare, n_frequent = counts(total, ratio)
        own = {"method": "plain", "n_rare": n_rare, "n_frequent": n_frequent, "seed": 0}
        return {**own, "selection": pair}

    # With 1,000 rows balanced training is best everywhere. With 100 all are level.
    rows = [line(1000, r, (r, r)) for r in ratios]
    rows += [line(100, r, (0.6, 0.6)) for r in ratios]
    fits = summary.Fits(rows, 1, "mlp")
    scale = {"ratios": ratios, "total": 1000, "totals": (100,)}
    found = summary._alignment(fits, scale)
    assert found["misalignment"]["1000"][0] == pytest.approx((0 + 0.5 + 0.9) / 3)
    level = [np.mean([abs(a - b) for b in ratios]) for a in ratios]
    assert found["misalignment"]["100"][0] == pytest.approx(np.mean(level))
    # Of the ratio in between: balanced rows are twice as balanced.
    assert found["balanced"]["mean"] == pytest.approx(np.log10(2))


def test_tuning_goes_on_as_if_it_had_not_stopped(module):
    tuning = module("tuning.measure")
    settings = {
        "limits": {"d_block": 32, "n_blocks": 2, "embedding": 4},
        "startup": 2,
        "history": [],
    }
    for model in tuning.MODELS:
        own = {**settings, "history": []}
        for number in range(4):
            found = tuning.suggest(model, own, number)
            # The same again, and from lines that were read.
            read = json.loads(json.dumps(own))
            assert tuning.suggest(model, read, number) == found
            own["history"].append((found, 0.5 + 0.1 * number))
        chosen = tuning.parameters(found)
        assert not any(name.startswith(tuning.MAYBE) for name in chosen)
        if model in tuning.OURS:
            assert chosen["d_block"] <= 32
            tuning.OURS[model](**chosen)
    off = {tuning.MAYBE + "dropout": False, "dropout": 0.4, "lr": 0.1}
    assert tuning.parameters(off) == {"dropout": 0.0, "lr": 0.1}


def test_correlation(module):
    correlation = module("common.report").correlation
    rng = np.random.default_rng(0)
    a = rng.normal(size=30)
    b = 2 * a + rng.normal(size=30)
    found, wanted = correlation(a, b), pearsonr(a, b)
    assert found["mean"] == pytest.approx(wanted.statistic)
    # scipy takes the quantile of the normal distribution, here it is 1.96.
    low, high = wanted.confidence_interval(0.95)
    assert found["interval"] == pytest.approx([low, high], abs=1e-4)
    assert found["holds"] == "yes"
    assert found["slope"] == pytest.approx(linregress(a, b).slope)
    assert low > 0 and correlation(a, -b)["holds"] == "no, the opposite"
    assert correlation(a, a)["interval"][0] > 0.99
    assert correlation(a, rng.normal(size=30))["holds"] == "not shown"
    for few in ((a[:3], b[:3]), (np.ones(9), b[:9])):
        assert correlation(*few)["interval"] is None
