"""Figures of MetaBalance and real images in the benchmark on long-tailed images."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from test_cifar_benchmark import PAPERS, script  # noqa: F401

METHODS = ["erm", "resampling", "focal", "os_mixup", "metabalance"]


def module(name):
    return importlib.import_module(f"{PAPERS}.cifar_lt.{name}")


def test_accuracies_by_class_and_epoch(script, monkeypatch, tmp_path, capsys):  # noqa: F811
    real = module("real_images")
    parts = module("measure").images(None)
    monkeypatch.setitem(real.READERS, "pneumonia", lambda home: parts)
    setups = ("lt100", "severe", "pneumonia", "aptos", "imagenet_lt")
    tiny = {**script.SCALES["tiny"], "setups": setups, "epochs": 2, "seeds": 2}
    monkeypatch.setitem(script.SCALES, "tiny", tiny)
    args = ["--tiny", "--jobs", "1", "--out", str(tmp_path), "--data-home"]
    script.main([*args, str(tmp_path), "--methods", *METHODS])
    content = json.loads((tmp_path / "cifar_lt.json").read_text())
    assert content["not_there"] == ["aptos", "imagenet_lt"]
    text = (tmp_path / "cifar_lt.md").read_text()
    assert "APTOS 2019: not run, aptos2019 is not in" in text
    assert set(content["summary"]["pneumonia"]) == {"erm", "resampling", "focal"}
    claims = {line["claim"] for line in content["claims"]}
    for part in ("Figure 1", "over-fits the rare", "over-fits them less", "tells that"):
        assert any(part in claim for claim in claims), part
    lines = (tmp_path / "partial" / "cifar_lt-tiny.jsonl").read_text().splitlines()
    for row in map(json.loads, lines):
        severe = row["setup"] == "severe"
        assert ("by_class" in row) == severe
        curved = severe and row["method"] in module("measure").WITH_CURVES
        assert ("test_others" in row) == curved
        if curved:  # the last epoch's are those of the raw network after training
            n = 1 if row["method"] == "metabalance" else 2
            assert len(row["test_largest"]) == len(row["train_others"]) == n
            assert row["by_class"][0] == pytest.approx(row["test_largest"][-1])
            others = np.mean(row["by_class"][1:])
            assert others == pytest.approx(row["test_others"][-1])


def test_curves_do_not_change_the_fit(script):  # noqa: F811
    measure = module("measure")
    (X, y), test = measure.images(None)
    settings = {**script.SCALES["tiny"], "epochs": 2}
    plain = measure.classifier("os_mixup", settings, 0, "cpu")
    curved = clone(plain).set_params(callbacks=[measure.EpochCurves(*test, 0)])
    assert np.array_equal(
        plain.fit(X, y).predict_proba(X), curved.fit(X, y).predict_proba(X)
    )


def test_layouts_of_channels():
    flat = module("measure").flat
    first = np.arange(2 * 3 * 5 * 5).reshape(2, 3, 5, 5)
    assert np.array_equal(flat(first), flat(first.transpose(0, 2, 3, 1)))
    assert flat(first[:, 0]).shape == (2, 25)


@pytest.fixture
def home(tmp_path):
    """Folders in the published layouts."""
    rng = np.random.default_rng(0)

    def image(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (9, 7, 3), dtype=np.uint8)).save(path)

    names = [f"n{i}" for i in range(20)]
    for name in names:
        image(tmp_path / "aptos2019" / "train_images" / f"{name}.png")
        image(tmp_path / "siim-isic-melanoma" / "jpeg" / "train" / f"{name}.jpg")
        image(
            tmp_path
            / "EuroSAT_RGB"
            / ("Forest", "River")[len(name) % 2]
            / f"{name}.jpg"
        )
        image(tmp_path / "ImageNet_LT" / "images" / "train" / f"{name}.JPEG")
        image(tmp_path / "iNaturalist18" / "train_val2018" / "a" / f"{name}.jpg")
        image(tmp_path / "tiny-imagenet-200" / "val" / "images" / f"{name}.JPEG")
        for label in "ab":
            image(tmp_path / "CINIC-10" / "train" / label / f"{name}.png")
            image(tmp_path / "CINIC-10" / "test" / label / f"{name}.png")
            folder = tmp_path / "tiny-imagenet-200" / "train" / label / "images"
            image(folder / f"{name}.JPEG")
    rows = [f"{name}.JPEG\t{'ab'[i % 2]}\t0\t0" for i, name in enumerate(names)]
    folder = tmp_path / "tiny-imagenet-200" / "val"
    (folder / "val_annotations.txt").write_text("\n".join(rows))
    for folder, head in (
        ("aptos2019", "id_code,diagnosis"),
        ("siim-isic-melanoma", "image_name,target"),
    ):
        rows = [f"{name},{i % 2}" for i, name in enumerate(names)]
        (tmp_path / folder / "train.csv").write_text("\n".join([head, *rows]))
    for folder, part, pattern in (
        ("ImageNet_LT", ("train", "test"), "train/{}.JPEG {}"),
        ("iNaturalist18", ("train", "val"), "train_val2018/a/{}.jpg {}"),
    ):
        for p in part:
            rows = [pattern.format(name, i % 2) for i, name in enumerate(names)]
            (tmp_path / folder / f"{folder}_{p}.txt").write_text("\n".join(rows))
    return tmp_path


PARTS = {
    "eurosat": (16, 4),
    "aptos": (16, 4),
    "siim_isic": (16, 4),
    "imagenet_lt": (20, 20),
    "inaturalist": (20, 20),
    "cinic10_lt50": (40, 40),
    "tiny_imagenet_lt10": (40, 20),
}


@pytest.mark.parametrize("setup", PARTS)
def test_published_layouts(setup, home):
    real = module("real_images")
    (X, y), (X_test, y_test) = real.real_images.__wrapped__(setup, home)
    assert (len(X), len(X_test)) == PARTS[setup]
    assert len(set(y)) == len(set(y_test)) == 2 and isinstance(X[0], str)
    if len(X_test) == 4:
        assert not set(X) & set(X_test)
    with pytest.raises(FileNotFoundError, match="is not in"):
        real.real_images.__wrapped__(setup, home / "absent")
    rows, labels = real.take(X, y, 4, 0)
    assert np.unique(labels, return_counts=True)[1].max() == 4 and len(rows) <= 8


def test_a_tail_is_made_of_a_balanced_collection(home):
    measure = module("measure")
    X, y = measure.make_rows("tiny_imagenet_lt10", 20, 0, home)
    assert np.unique(y, return_counts=True)[1].tolist() in ([20, 2], [2, 20])
    assert isinstance(X[0], str)
    # Collections that would have to be downloaded are not here.
    for setup in ("cifar100_lt100", "svhn_lt100"):
        with pytest.raises(FileNotFoundError, match="is not in"):
            measure.make_rows(setup, 20, 0, home)


def test_full_settings_follow_the_papers():
    run = module("run")
    full = {s: run.settings_of(s, run.SCALES["full"], "full") for s in run.OF_SETUP}
    assert full["recipe100"]["backbone"] == "wide_resnet28_10"
    assert full["recipe100"]["recipe"]["augment"][-1] == "trivial"
    assert full["imagenet_lt"]["image_shape"] == (224, 224)
    every = {
        **run.SCALES["full"],
        "setups": (*run.SCALES["full"]["setups"], *run.BY_NAME),
    }
    jobs = list(run.all_jobs(every, list(run.METHODS), "full"))
    own = {(setup, method) for (setup, method, _), _ in jobs}
    assert ("inaturalist", "moco_crt") in own and ("lt100", "moco") not in own
    assert ("lt100", "under") not in own and ("severe", "under") in own
    assert {m for s, m in own if s == "recipe50"} == set(module("methods").ON_RECIPE)
    quick = run.settings_of("recipe100", run.SCALES["quick"], "quick")
    assert quick["recipe"] and quick["backbone"] == "resnet8"


def test_paths_are_trained_on(script, home, monkeypatch):  # noqa: F811
    measure, real = module("measure"), module("real_images")
    data = real.real_images.__wrapped__("aptos", home)
    monkeypatch.setattr(measure, "make_rows", lambda *args: data[0])
    monkeypatch.setattr(measure, "make_test_rows", lambda *args: data[1])
    settings = {**script.SCALES["tiny"], "batch_size": 8}
    (line,) = measure.run([("aptos", "erm", 0, "digest")], settings, None, "cpu")
    assert 0 <= line["accuracy"] <= 1
