"""One network trained by two processes on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist
from helpers.in_processes import FITS, all_found

from sklimb import TabularMLPClassifier
from sklimb.distributed import data_parallel

SCRIPT = Path(__file__).parents[1] / "helpers" / "in_processes.py"


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    """What each of two processes has found."""
    folder = tmp_path_factory.mktemp("processes")
    out, store = folder / "found", folder / "store"
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, SCRIPT, out, str(rank), "2", store], env=environment
        )
        for rank in range(2)
    ]
    assert [process.wait(120) for process in running] == [0, 0]
    return [dict(np.load(f"{out}.{rank}.npz")) for rank in range(2)]


@pytest.fixture(scope="module")
def of_one():
    return all_found()


@pytest.mark.parametrize("name", FITS)
def test_two_processes_equal_one(name, of_two, of_one):
    assert of_two[0]["size"] == 2
    np.testing.assert_array_equal(of_two[0][name], of_two[1][name])
    # Sums of float64 in another order, after few steps.
    np.testing.assert_allclose(of_two[0][name], of_one[name], rtol=1e-6, atol=1e-6)


def test_outside_of_it_a_process_fits_alone(of_two, of_one):
    np.testing.assert_array_equal(of_two[1]["alone"], of_one["weights"])


def test_what_shares_cannot_do_is_refused(of_two):
    said = dict(str(line).split(": ", 1) for line in of_two[1]["said"])
    assert list(said) == ["members", "seed", "ssl", "rows"]
    assert "this fit has 2 side by side" in said["members"]
    assert "int as random_state" in said["seed"]
    assert said["ssl"].startswith("joint_ssl cannot be used within data_parallel()")
    assert "same X, y and random_state" in said["rows"]


def test_without_a_group_accelerate_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert not dist.is_initialized()
    with pytest.raises(ImportError, match=r"sklimb\[distributed\]"), data_parallel():
        TabularMLPClassifier()
