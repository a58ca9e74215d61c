"""What every test file shares: thread counts and where the real tables are."""

import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault(
    "SKLIMB_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data")
)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


@pytest.fixture(scope="session")
def loan():
    """The first 1,500 rows of the real loan table: X (data frame), y (0/1)."""
    from sklimb.datasets import load_table

    table = load_table("loan")
    return table.X.iloc[:1500], table.y[:1500]
