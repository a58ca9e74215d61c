"""The benchmark on long-tailed images: a shared network is as good as an own one."""

import importlib
import json

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklimb import ImageResNetClassifier
from sklimb.two_stage import ClassifierRetrainer

PAPERS = "benchmarks.papers"
FAMILY = ["erm", "erm_uniform", "crt"]


@pytest.fixture
def script(monkeypatch):
    """The script, with 40 noisy training images of three classes and 12 test images."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    script, fits = (
        importlib.import_module(f"{PAPERS}.cifar_lt.{n}") for n in ("run", "measure")
    )
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [30, 7, 3])
    X = rng.integers(0, 128, (52, 3, 32, 32), dtype=np.uint8)
    y_test = np.repeat([0, 1, 2], 4)
    for c in range(3):
        X[np.concatenate([y, y_test]) == c, c] += 40
    parts = (X[:40], y), (X[40:], y_test)
    monkeypatch.setattr(fits, "images", lambda data_home: parts)
    monkeypatch.setattr(fits, "make_rows", lambda *args: parts[0])
    yield script
    torch.set_num_threads(threads)


def test_a_shared_network_gives_what_each_method_gives_alone(script, monkeypatch):
    fits = importlib.import_module(f"{PAPERS}.cifar_lt.measure")
    settings = {**script.SCALES["tiny"], "epochs": 2, "lr": 0.01}
    keys = [("lt100", method, 0, "digest") for method in FAMILY]
    assert len({fits.network_of(key) for key in keys}) == 1
    seen = []
    monkeypatch.setattr(
        fits, "_line", lambda predicted, *_, **more: seen.append(predicted)
    )
    fits.run(keys, settings, None, "cpu")
    (X, y), (X_test, _) = fits.images(None)
    X_test = X_test[np.random.default_rng(0).permutation(len(X_test))]
    plain = clone(fits.classifier("erm", settings, 0, "cpu"))
    plain.set_params(target_prior=None)
    models = [
        plain,
        clone(plain).set_params(target_prior="uniform"),
        ClassifierRetrainer(clone(plain), "crt", target_prior=None, random_state=0),
    ]
    assert isinstance(plain, ImageResNetClassifier)
    for predicted, model in zip(seen, models, strict=True):
        assert np.array_equal(predicted, model.fit(X, y).predict(X_test))
    # Or the check would pass for any three equal answers.
    assert len({tuple(predicted) for predicted in seen}) == 3


class Given:
    """Probabilities that are given as rows."""

    classes_ = np.array([0, 1, 2])

    def predict_proba(self, X):
        return X


def test_thresholds_of_the_largest_class():
    measure = importlib.import_module(f"{PAPERS}.cifar_lt.measure")
    p = [[0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.4, 0.5, 0.1], [0.2, 0.6, 0.2]]
    pairs = measure.matched_accuracies(
        Given(), np.array(p), np.array([1, 1, 0, 2]), majority=1
    )
    # At the margin of the second row of class 1 that of class 2 is taken for it too; at
    # that of the first, ties of the others go to class 0.
    assert pairs == [[1.0, 0.75], [0.5, 0.5], [0.0, 0.25]]


@pytest.mark.filterwarnings("ignore:m2m translated no row")
def test_every_method_runs_beside_the_network_of_its_set_up(script):
    """Not on every image: with all parameters checked before training."""
    fits = importlib.import_module(f"{PAPERS}.cifar_lt.measure")
    methods = importlib.import_module(f"{PAPERS}.cifar_lt.methods")
    (X, y), _ = fits.images(None)
    for method in methods.METHODS:
        settings = {**script.SCALES["tiny"], "batch_size": 8}
        model = fits.classifier(method, settings, 0, "cpu").set_params(max_seconds=1e-9)
        assert model.fit(X, y).n_iter_ == 1
    for method in methods.ON_RECIPE:
        settings["recipe"] = methods.RECIPE
        model = fits.classifier(method, settings, 0, "cpu").set_params(max_seconds=1e-9)
        assert "trivial" in model.augment and model.mix is not None
        assert model.fit(X, y).n_iter_ == 1


def test_a_network_is_trained_once_and_kept_lines_are_not_run_again(
    script, monkeypatch, tmp_path, capsys
):
    fits = importlib.import_module(f"{PAPERS}.cifar_lt.measure")
    trained = []

    def classifier(method, *args, make=fits.classifier):
        trained.append(method)
        return make(method, *args)

    monkeypatch.setattr(fits, "classifier", classifier)
    args = ["--tiny", "--jobs", "1", "--out", str(tmp_path), "--methods"]
    script.main([*args, *FAMILY])
    assert trained == ["erm", "erm"]  # two seeds
    first = json.loads((tmp_path / "cifar_lt.json").read_text())
    assert set(first["summary"]["lt100"]) == set(FAMILY)
    script.main([*args, *FAMILY, "mislas"])
    assert trained == ["erm", "erm", "mislas", "mislas"]
    second = json.loads((tmp_path / "cifar_lt.json").read_text())
    del second["summary"]["lt100"]["mislas"]
    assert first["summary"] == second["summary"]


def test_curves_share_what_they_can_and_choose_rates_by_validation(
    script, monkeypatch, tmp_path, capsys
):
    curves, measure = (
        importlib.import_module(f"{PAPERS}.image_curves.{n}")
        for n in ("run", "measure")
    )
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(4), 30)
    X = rng.integers(0, 255, (120, 3, 32, 32), dtype=np.uint8)
    parts = (X, y), (X[:40], y[:40])
    monkeypatch.setattr(measure, "images", lambda data_home: parts)
    scale = {**curves.SCALES["tiny"], "total": 40, "rates": (0.1, 0.01)}
    monkeypatch.setitem(curves.SCALES, "tiny", scale)
    # Two batch sizes x two rates, three more augmentations, one more network, four more
    # methods.
    assert len(curves.settings_of(scale)) == 12
    for ratio in (1.0, 0.1):
        train, validation, order = measure.make_rows(y, 40, ratio, 2, seed=0)
        assert not set(train) & set(validation) and len(validation) == 8
        assert abs(len(train) - 40) <= 2  # rounding
        counts = [(y[train] == label).sum() for label in order]
        assert counts == sorted(counts, reverse=True)
        # Each count is rounded, so the ratio is within half an image of the rarest.
        assert counts[-1] / counts[0] == pytest.approx(ratio, abs=0.5 / counts[0])
    with pytest.raises(ValueError, match=r"has 30 images.*Lower the total"):
        measure.make_rows(y, 200, 1.0, 2, seed=0)
    args = ["--tiny", "--jobs", "1", "--out", str(tmp_path)]
    # Pre-trained weights: those whose files are here.
    full = curves.SCALES["full"]
    folder = tmp_path / "pretrained"
    folder.mkdir()
    assert curves.with_files(full, tmp_path)[0]["weights"] == ()
    (folder / measure.WEIGHTS["imagenet1k"]).touch()
    here, why = curves.with_files(full, tmp_path)
    assert here["weights"] == ("random", "imagenet1k") and len(why) == 3
    key = next(how for how in curves.settings_of(here) if how[-1] == "imagenet1k")
    given = {}

    def classifier(**params):
        given.update(params)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(measure, "ImageResNetClassifier", classifier)
        with pytest.raises(ZeroDivisionError):
            measure.run((0.1, *key, 0), scale, tmp_path, "cpu")
    assert given["backbone"] == "timm/resnet50"
    assert given["pretrained"] == str(folder / measure.WEIGHTS["imagenet1k"])
    # One curve alone: the report names those that are not there.
    curves.main([*args, "--curves", "backbone"])
    one = json.loads((tmp_path / "image_curves.json").read_text())
    assert list(one["curves"]) == ["backbone"] and len(one["not_there"]) == 3
    assert one["missing_fits"] == (12 - 2) * 2 * 2
    curves.main(args)
    first = json.loads((tmp_path / "image_curves.json").read_text())
    assert not first["not_there"] and not first["missing_fits"]
    assert first["curves"]["backbone"] == one["curves"]["backbone"]
    for suffix in (".md", ".png"):
        assert (tmp_path / f"image_curves{suffix}").stat().st_size > 500
    report = importlib.import_module(f"{PAPERS}.image_curves.report")
    # Shares of 1, 0.1 and 0.01 of 1.11.
    assert report.accuracy_at([1.0, 0.0, 1.0], 0.01) == pytest.approx(1.01 / 1.11)
    assert "trained at 0.1 | best" in (tmp_path / "image_curves.md").read_text()
    assert any("(Figure 11)" in line["claim"] for line in first["claims"])
    kept = (tmp_path / "partial" / "image_curves-tiny.jsonl").read_text()
    rows = [json.loads(line) for line in kept.splitlines()]
    assert len(rows) == 12 * 2 * 2
    for row in rows:  # as many test images of each class
        assert np.mean(row["by_class"]) == pytest.approx(row["accuracy"])
        assert np.mean(row["validation_by_class"]) == pytest.approx(row["validation"])
    own = [
        row
        for row in rows
        if (row["ratio"], row["batch_size"], row["seed"]) == (0.1, 16, 1)
        and row["method"] == "erm"
    ]
    best = max(own, key=lambda row: row["validation"])
    assert first["curves"]["batch_size"]["0.1"]["16"]["lr"][1] == best["lr"]
    monkeypatch.setattr(curves, "run", None)  # nothing is run again
    curves.main(args)
    assert json.loads((tmp_path / "image_curves.json").read_text()) == first
