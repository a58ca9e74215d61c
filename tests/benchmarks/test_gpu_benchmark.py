"""`make gpu`, rehearsed without a GPU and without the packages it may not find."""

import importlib
import json
import os
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import gpu_parts

from sklimb.datasets import load_table

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu" / "run.py"
ACCURACY = ("erm", "ldam_drw", "m2m", "sam_a", "joint_sam", "metabalance")
SPEED = ("first_look", "steps", "searches", "images", "networks", "memory")
# What site imports first: these packages are then as if they were not installed.
BARE = """
from importlib.machinery import PathFinder

GONE = {"pyarrow", "matplotlib", "PIL", "pytest", "timm", "torchvision", "psutil"}
GONE |= {"xgboost", "lightgbm", "catboost", "polars", "hypothesis", "rich", "dask"}
find = PathFinder.find_spec


def find_spec(name, *rest):
    return None if name.partition(".")[0] in GONE else find(name, *rest)


PathFinder.find_spec = find_spec
"""


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """What a rehearsal wrote: JSON and Markdown."""
    bare, out = (tmp_path_factory.mktemp(name) for name in ("bare", "out"))
    (bare / "sitecustomize.py").write_text(BARE)
    env = {k: v for k, v in os.environ.items() if k != "SKLIMB_DATA"}
    command = [sys.executable, SCRIPT, "--rehearse"]
    subprocess.run(
        [*command, "--out", out], env={**env, "PYTHONPATH": str(bare)}, check=True
    )
    content = json.loads((out / "gpu_rehearsal.json").read_text())
    return content, (out / "gpu_rehearsal.md").read_text()


def test_all_parts_of_both_modes_are_rehearsed(rehearsal):
    content, text = rehearsal
    parts = content["parts"]
    assert list(parts) == ["machine", *SPEED, *ACCURACY]
    assert {name: part["detail"] for name, part in parts.items()} == dict.fromkeys(
        parts, ""
    )
    assert {part["state"] for part in parts.values()} == {"done"}
    assert all(part["rows"] for part in parts.values())
    assert all(f"## {p['title']}" in text for n, p in parts.items() if n != "machine")


def test_the_report_names_the_machine(rehearsal):
    content, text = rehearsal
    machine = content["parts"]["machine"]["rows"]["machine"]
    assert machine["card"] == "none" and machine["torch"] == torch.__version__
    assert machine["skorch"] != "missing"
    assert "driver " in text and f"torch {torch.__version__}" in text


def test_tests_marked_gpu_run_without_pytest(rehearsal):
    rows = rehearsal[0]["parts"]["first_look"]["rows"]
    assert rows.pop("fit on the CPU")["training_AUC"] > 0.5
    assert len(rows) > 25
    assert {row["state"] for row in rows.values()} == {"passed"}


def test_rows_that_cannot_be_compiled_say_why(rehearsal):
    parts = rehearsal[0]["parts"]
    rows = [
        row
        for name in ("steps", "images")
        for key, row in parts[name]["rows"].items()
        if "compiled" in key or "graphs" in key
    ]
    assert len(rows) == 6
    assert all("not run" in row["state"] and "ompiler" in row["state"] for row in rows)
    eager = [
        row
        for part in ("steps", "images", "networks", "memory")
        for key, row in parts[part]["rows"].items()
        if "compiled" not in key and "graphs" not in key
    ]
    assert eager and not any("state" in row for row in eager)


def test_goals_are_met_missed_or_not_run(rehearsal):
    content, text = rehearsal
    goals = {goal["what"]: goal for goal in content["goals"]}
    assert len(goals) == 10
    for word in ("floor", "GridSearchCV", "bare pass", "skorch", "augments", "marked"):
        assert any(word in what for what in goals), word
    for goal in goals.values():
        assert (goal["measured"] is None) == (goal["verdict"] == "not run")
        assert goal["verdict"] in ("met", "missed", "not run")
    # Both modes' parts were run at batch 32, and nothing was compiled.
    assert sum(goal["verdict"] == "not run" for goal in goals.values()) == 3
    assert text.count("| not run |") == 3


def test_accuracy_has_published_figures_beside(rehearsal):
    parts = rehearsal[0]["parts"]
    for name in ACCURACY:
        (row,) = parts[name]["rows"].values()
        assert 0 <= row["accuracy"] <= 1
        assert row["epochs"] == 1 and row["test_images"] == 40
    (erm,) = parts["erm"]["rows"].values()
    (severe,) = parts["metabalance"]["rows"].values()
    assert (erm["published"], severe["published"]) == (0.704, 0.299)
    assert erm["images"] > severe["images"]


@pytest.fixture
def modules(monkeypatch):
    """The modules boxes, report and prepare, whose imports are undone."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    names = ("boxes", "report", "prepare")
    yield [importlib.import_module(f"benchmarks.gpu.{name}") for name in names]
    torch.set_num_threads(threads)


def run_toys(modules, folder, named, seconds=60.0, box=20.0):
    """The report's content after a run of functions of gpu_parts.py."""
    boxes, report, _ = modules
    parts = [
        boxes.Part(name, name, box, getattr(gpu_parts, name), args)
        for name, *args in named
    ]
    toys = report.Report(folder, "toys", "Toys", parts, lambda rows: [])
    boxes.run_parts(parts, seconds, toys, get_context("spawn"))
    content = json.loads((folder / "toys.json").read_text())
    return content["parts"], (folder / "toys.md").read_text()


def test_a_part_that_fails_is_told_of_and_the_others_go_on(modules, tmp_path):
    named = [("raises",), ("crashes",), ("fine",)]
    parts, text = run_toys(modules, tmp_path, named)
    states = {name: part["state"] for name, part in parts.items()}
    assert states == {"raises": "failed", "crashes": "failed", "fine": "done"}
    assert "ValueError: what went wrong" in parts["raises"]["detail"]
    assert "in raises" in parts["raises"]["detail"]
    assert parts["crashes"]["detail"] == "The process ended with exit code 3."
    assert all(part["rows"]["first"]["value"] == 1.0 for part in parts.values())
    assert parts["fine"]["rows"]["first"] == {"value": 1.0, "other": 3.0}
    assert "what went wrong" in text and "exit code 3" in text


def test_a_time_box_cuts_a_part_off(modules, tmp_path):
    named = [("hangs", str(tmp_path / "pid")), ("fine",)]
    begin = time.monotonic()
    parts, text = run_toys(modules, tmp_path, named, box=4.0)
    assert time.monotonic() - begin < 15
    assert parts["hangs"]["state"] == "cut off"
    assert parts["hangs"]["rows"] == {"first": {"value": 1.0}}
    assert parts["fine"]["state"] == "done"
    assert "Cut off after 4 s of 4." in text
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_there_is_no_time_for_is_not_run(modules, tmp_path):
    named = [("hangs", str(tmp_path / "pid")), ("fine",)]
    parts, text = run_toys(modules, tmp_path, named, seconds=4.0)
    assert parts["hangs"]["state"] == "cut off"
    assert (parts["fine"]["state"], parts["fine"]["detail"]) == (
        "not run",
        "the time was up",
    )
    assert parts["fine"]["rows"] == {} and "Not run" in text


def test_a_row_is_on_disk_before_the_next_one(modules, tmp_path):
    _, report, _ = modules
    part = modules[0].Part("fine", "Fine", 1.0, gpu_parts.fine)
    toys = report.Report(tmp_path, "toys", "Toys", [part], lambda rows: [])
    for value in (1.0, 2.0):
        toys.row(part, "first", {"value": value})
        own = json.loads((tmp_path / "toys.json").read_text())["parts"]["fine"]
        assert own["rows"] == {"first": {"value": value}}
        # As it stays if nothing more is heard.
        assert own["state"] == "cut off"


def test_the_data_are_small_and_the_real_ones(modules, tmp_path):
    prepare = modules[2]
    path = tmp_path / "data.npz"
    prepare.main(["--out", str(path)])
    assert path.stat().st_size < 50e6
    (X, y), (X_test, y_test) = prepare.read_images(path)
    assert X.shape == (12_406, 3, 32, 32) and X_test.shape == (2000, 3, 32, 32)
    assert X.dtype == X_test.dtype == np.uint8
    counts = np.bincount(y)
    assert (counts.max(), counts.min(), counts.sum()) == (5000, 50, 12_406)
    assert len(np.unique(y_test)) == 10 and np.bincount(y_test).min() > 150
    loans = load_table("loan")
    found, y_loans = prepare.read_loans(path)
    pd.testing.assert_frame_equal(found, loans.X)
    np.testing.assert_array_equal(y_loans, loans.y)
