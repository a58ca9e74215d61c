"""Where the real tables are, and pictures without a screen, for all tests."""

import os
from pathlib import Path

os.environ.setdefault(
    "SKLIMB_DATA", str(Path(__file__).resolve().parents[1] / "shared" / "data")
)
os.environ.setdefault("MPLBACKEND", "Agg")
