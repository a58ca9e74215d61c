"""What every test file shares: thread counts and real rows."""

import os
from importlib.util import find_spec

import pytest
import torch
from helpers.one_network import one_network

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))

# Networks of timm are tested where the extra "vision" is installed.
collect_ignore = [] if find_spec("timm") else ["nn/test_timm.py"]
# MLflow and ray are in the environment of `make interop`.
if not (find_spec("mlflow") and find_spec("ray")):
    collect_ignore.append("interop/outside.py")


one_network()  # of what a file fits when it is imported


@pytest.fixture(scope="module", autouse=True)
def _networks():
    """Fits with the defaults train one network, also where a benchmark is imported."""
    one_network()


@pytest.fixture(scope="session")
def loan():
    """The first 1,500 rows of the real loan table: X (data frame), y (0/1)."""
    from sklimb.datasets import load_table

    table = load_table("loan")
    return table.X.iloc[:1500], table.y[:1500]
