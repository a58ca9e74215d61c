"""Where the real tables are, for tests and doctests alike."""

import os
from pathlib import Path

os.environ.setdefault(
    "SKLIMB_DATA", str(Path(__file__).resolve().parents[1] / "shared" / "data")
)
