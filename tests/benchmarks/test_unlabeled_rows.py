"""The benchmark of unlabelled images: which rows are taken, and a dry run."""

import importlib
import json

import numpy as np
import pytest
import torch

Y = np.repeat(np.arange(10), 400)


@pytest.fixture
def script(monkeypatch):
    """Imports a file of benchmarks/papers/unlabeled; undoes what the import sets."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    yield lambda name: importlib.import_module(f"benchmarks.papers.unlabeled.{name}")
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("ratio", "unlabeled", "relevance", "n_known"),
    [(10, 1, 1.0, 10), (10, 20, 1.0, 10), (10, 5, 0.6, 8), (10, 10, 0.0, 8)],
)
def test_rows(script, ratio, unlabeled, relevance, n_known):
    take = script("measure").make_rows
    labelled, unlabelled, known = take(Y, 40, ratio, unlabeled, relevance, 3, n_known)
    assert not set(labelled) & set(unlabelled)
    assert len(set(unlabelled)) == len(unlabelled) and len(known) == n_known
    counts = [(Y[labelled] == c).sum() for c in known]
    assert counts[0] == 40 and counts[-1] == 40 // ratio
    assert counts == sorted(counts, reverse=True) and sum(counts) == len(labelled)
    # Rounding: half an image per class.
    assert len(unlabelled) == pytest.approx(5 * len(labelled), abs=n_known)
    own = np.array([(Y[unlabelled] == c).sum() for c in known])
    assert own.sum() == pytest.approx(relevance * 5 * len(labelled), abs=n_known)
    if relevance:
        assert own[0] / own[-1] == pytest.approx(unlabeled, rel=0.5 / own[-1] + 0.02)
    alone = take(Y, 40, ratio, 0, 1.0, 3, n_known)
    assert np.array_equal(alone[0], labelled) and len(alone[1]) == 0
    with pytest.raises(ValueError, match=r"400 images.*Lower n_max"):
        take(Y, 200, ratio, unlabeled, 1.0, 3)


def test_all_settings_have_enough_images(script):
    """In CIFAR-10, 5,000 images of each class, and in SVHN 4,659 of the fewest."""
    run, take = script("run"), script("measure").make_rows
    rows = {n: np.repeat(np.arange(10), n) for n in (5000, 4659)}
    for name in ("full", "quick"):
        scale = run.SCALES[name]
        for (part, _, ratio, unlabeled, relevance, seed), own in run.all_jobs(scale):
            n_known = 8 if part == "relevance" else 10
            if seed == 0:
                y = rows[4659 if part == "svhn" else 5000]
                take(y, own["n_max"], ratio, unlabeled, relevance, seed, n_known)
    # Table 1 is whole: four ratios and none, of two methods at three ratios.
    full = [names[:5] for names, _ in run.all_jobs(run.SCALES["full"])]
    for part in ("table", "svhn"):
        assert len({n for n in full if n[0] == part}) == 2 * 3 * 5
    tables = importlib.import_module("benchmarks.papers.unlabeled.report").PUBLISHED
    rows = [
        v for table in tables.values() for own in table.values() for v in own.values()
    ]
    assert len(rows) == 2 * 2 * 3
    # Accuracies that fall with the imbalance of the unlabelled, in the paper mostly.
    assert all(len(v) == 5 and 0.7 < v[0] < v[1] < 0.93 for v in rows)


def test_dry_run_writes_three_files_and_resumes(script, monkeypatch, tmp_path, capsys):
    run, measure = script("run"), script("measure")
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (len(Y), 3, 8, 8), dtype=np.uint8)
    parts = (X, Y), (X[::40], Y[::40])
    monkeypatch.setattr(measure, "images", lambda data_home: parts)
    monkeypatch.setitem(run.SCALES["tiny"], "seeds", 2)
    args = ["--tiny", "--jobs", "1", "--out", str(tmp_path)]
    run.main(args)
    first = json.loads((tmp_path / "unlabeled.json").read_text())
    texts = {line["claim"] for line in first["claims"]}
    assert len(texts) == 4  # all but that of 60 % relevance and twice the ratio
    for suffix in (".md", ".png"):
        assert (tmp_path / f"unlabeled{suffix}").stat().st_size > 500
    monkeypatch.setattr(run, "run", None)  # nothing is run again
    run.main(args)
    assert json.loads((tmp_path / "unlabeled.json").read_text()) == first
