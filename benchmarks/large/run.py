"""Large tables: seconds, memory and what probabilities miss, beside boosted trees.

Simulated transactions of 30 columns whose chances of fraud are known (simulated.py):
150,000 and 1,000,000 rows, and 5,000,000 with `--rows`. Each fit has a process of its
own with two threads. Rows "in blocks" are never all in memory. Regret is the log loss
that is expected above that of the true chances, on 200,000 other rows; peak memory is
what `fit` takes beside the frame.

    python benchmarks/large/run.py
    python benchmarks/large/run.py --quick
    python benchmarks/large/run.py --rows 5000000
    python benchmarks/large/run.py --rows 20000000 --models "TabularMLP in blocks"
    python benchmarks/large/run.py --report-only

A stopped run goes on where it stopped (common/kept.py).
"""

import argparse
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.fresh import fresh
from benchmarks.common.kept import Kept, code_digest, digest
from benchmarks.common.report import RESULTS
from benchmarks.large.measure import TEST_ROWS, run
from benchmarks.large.models import LARGEST, MODELS, is_ours, settings
from benchmarks.large.report import report

ROWS = (150_000, 1_000_000)
QUICK_ROWS = (5_000,)
KEY = ("model", "n_rows", "test_rows", "digest")
_MEASURED = ("benchmarks.large.measure", "benchmarks.large.simulated")


@cache
def code_of_model(name):
    """Digest of the code that fits of a model go through; None of one that left."""
    if name not in MODELS:
        return None
    return code_digest(*_MEASURED, *(["sklimb"] if is_ours(name) else []))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--quick", action="store_true", help="few rows")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    test_rows = TEST_ROWS
    if args.quick:
        args.rows, test_rows = list(QUICK_ROWS), 2_000
    code_of = None if args.report_only else lambda line: code_of_model(line["model"])
    kept = Kept(args.results / "partial" / "large.jsonl", KEY, code_of)
    for n_rows in [] if args.report_only else sorted(args.rows):
        for name in args.models:
            key = (name, n_rows, test_rows, digest(settings(name)))
            if n_rows > LARGEST.get(name, n_rows) or key in kept:
                continue
            line = fresh(run, name, n_rows, test_rows)
            kept.add({**dict(zip(KEY, key, strict=True)), **line})
            print(
                f"{n_rows:,} {name}: {line['fit_seconds']:.0f} s, "
                f"AP {line['average_precision']:.4f}, regret {line['regret']:.6f}, "
                f"{line['peak_megabytes']:.0f} MB",
                flush=True,
            )
    report(__doc__.partition("\n")[0], kept, args.results)


if __name__ == "__main__":
    main()
