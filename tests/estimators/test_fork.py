"""Servers that fork: the ways to predict in a worker that docs/deploy.rst names."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sklimb import TabularMLPClassifier

SCRIPT = Path(__file__).parents[1] / "helpers" / "forked.py"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A saved classifier, wide enough that OpenMP uses all of its threads."""
    path = tmp_path_factory.mktemp("model") / "clf.safetensors"
    X = np.random.default_rng(0).normal(size=(300, 20))
    clf = TabularMLPClassifier(max_epochs=1, d_block=256, random_state=0)
    clf.fit(X, (X[:, 0] > 1).astype(int)).save(path)
    return path


def serve(path, parent, worker, method):
    """The process of a server, whose workers have two threads to compute with."""
    command = [sys.executable, str(SCRIPT), str(path), parent, worker, method]
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    # A group of its own, so that the workers end with it.
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def end(process):
    with suppress(ProcessLookupError):  # it has ended
        os.killpg(process.pid, 9)
    process.communicate()


@pytest.mark.parametrize(
    ("parent", "worker", "method"),
    [
        ("imports", "loads", "fork"),
        ("predicts", "one thread", "fork"),
        ("one thread", "predicts", "fork"),
        ("predicts", "loads", "spawn"),
    ],
)
def test_workers_answer(path, parent, worker, method):
    process = serve(path, parent, worker, method)
    try:
        out, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        end(process)
        pytest.fail("the workers hang")
    assert out.split() == ["ready", "done"] and process.returncode == 0
