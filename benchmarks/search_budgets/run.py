"""At equal time, is a packed search of networks better than tuned boosted trees?

PackedSearchCV with halving (the small space of `search_space`, then draws of the full
one) against XGBoost and CatBoost that Optuna's TPE tunes, for 1, 5 and 20 minutes of
processor time on one thread, on eight tables; the same three folds, four fifths train
and one tests.

    SKLIMB_DATA=... python benchmarks/search_budgets/run.py --budgets 60
    python benchmarks/search_budgets/run.py --report-only

A stopped run goes on where it stopped (common/kept.py). Small tables come first.
"""

import argparse
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.kept import Kept, code_digest
from benchmarks.common.report import RESULTS
from benchmarks.search_budgets.measure import (
    COMPETITORS,
    MODULES,
    TABLES,
    digest_of,
    run,
)
from benchmarks.search_budgets.report import report

KEY = ("table", "split", "competitor", "budget", "digest")
BUDGETS = (60, 300, 1200)


@cache
def code_of_competitor(name):
    """Digest of the code of a competitor; the version stands for the package."""
    return code_digest("benchmarks.search_budgets.clock", f"benchmarks.{MODULES[name]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--budgets", "--budget", type=int, nargs="+", default=list(BUDGETS)
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument(
        "--competitors", nargs="+", choices=COMPETITORS, default=list(COMPETITORS)
    )
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    path = args.results / "partial" / "search_budgets.jsonl"
    code_of = lambda line: code_of_competitor(line["competitor"])  # noqa: E731
    kept = Kept(path, KEY, None if args.report_only else code_of)
    if not args.report_only:
        for budget in args.budgets:
            for split in range(args.splits):
                for table in args.tables:
                    search(table, split, budget, args, kept)
    shown = sorted({*BUDGETS, *args.budgets})
    report(__doc__.partition("\n")[0], kept, args.results, shown)


def search(table, split, budget, args, kept):
    """All competitors on one split; what has no search has no budget."""
    for name in args.competitors:
        own = 0 if name == "default" else budget
        key = (table, split, name, own, digest_of(name))
        if key in kept:
            continue
        kept.add(run(table, split, name, own, args.data_home))
        line = kept.rows[key]
        print(
            f"{table} {split} {name} {own}: log loss {line['log_loss']:.4f}, AP "
            f"{line['average_precision']:.4f}, {line['cpu_seconds']:.1f} s, "
            f"{line.get('candidates')} candidates",
            flush=True,
        )


if __name__ == "__main__":
    main()
