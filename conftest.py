"""Where the real tables are, pictures without a screen, and the defaults of users."""

import os
from pathlib import Path

import pytest

os.environ.setdefault(
    "SKLIMB_DATA", str(Path(__file__).resolve().parents[1] / "shared" / "data")
)
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="module", autouse=True)
def _networks():
    """Docstrings have the networks that users get; see tests/conftest.py."""
    from sklimb import TabularMLPClassifier
    from sklimb.fitting.budget import NETWORKS

    TabularMLPClassifier._networks = NETWORKS
