"""Which classifier gives the best probabilities out of the box, and at what price?

Four fifths of each table train, one fifth tests, stratified, two splits. Every model
gets all training rows with its defaults and validates as it likes: CatBoost trains on
all rows, XGBoost (learning rate 0.05) and LightGBM are stopped by a random 15 %; ours
train in five folds, and as one they are stopped by a random 15 %. The tables of
`tables.py` come in families, which count once; one half of the families is there to
choose defaults on, the other to confirm. One thread a fit. Two tables in time order are
apart: there the last fifth tests.

    SKLIMB_DATA=... python benchmarks/out_of_the_box/run.py
    SKLIMB_DATA=... python benchmarks/out_of_the_box/run.py --quick
    python benchmarks/out_of_the_box/run.py --report-only

A stopped run goes on where it stopped (common/kept.py). Small tables come first.
"""

import argparse
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.kept import Kept, code_digest
from benchmarks.common.report import RESULTS
from benchmarks.out_of_the_box.measure import make_unit, run
from benchmarks.out_of_the_box.models import MODELS
from benchmarks.out_of_the_box.report import report
from benchmarks.out_of_the_box.tables import load, tables_of

MEASURED = ("out_of_the_box.measure", "common.splits", "common.scores")
KEY = ("table", "split", "model", "digest")
# What --quick leaves out: tables with more numbers than this, and the second split.
QUICK_CELLS = 40_000


@cache
def code_of_model(name):
    """Digest of the code that fits of a model go through; None of a model that left."""
    if name not in MODELS:
        return None
    parts = [f"benchmarks.{part}" for part in MEASURED]
    return code_digest(*parts, *MODELS[name].code())


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--halves",
        nargs="+",
        choices=("chosen", "confirmed", "temporal"),
        default=("chosen", "confirmed", "temporal"),
    )
    parser.add_argument("--tables", nargs="+", help="only these of the halves")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--largest", type=float, default=float("inf"), help="cells")
    parser.add_argument("--quick", action="store_true", help="small tables, one split")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.quick:
        args.splits, args.largest = 1, min(args.largest, QUICK_CELLS)

    path = args.results / "partial" / "out_of_the_box.jsonl"
    code_of = None if args.report_only else lambda line: code_of_model(line["model"])
    kept = Kept(path, KEY, code_of)
    if not args.report_only:
        for half in args.halves:
            fit_half(half, args, kept)
    report(__doc__.partition("\n")[0], kept, args.results)


def fit_half(half, args, kept):
    """All fits of the tables of a half, small tables first."""
    digests = {name: MODELS[name].digest() for name in args.models}
    named = [t for t in tables_of(half) if t in (args.tables or tables_of(half))]
    sizes = {t: load(t, args.data_home).X.size for t in named}
    for table in sorted(sizes, key=sizes.get):
        if sizes[table] > args.largest:
            continue
        for split in range(args.splits):
            unit = make_unit(table, split, args.data_home)
            for name in args.models:
                key = (table, split, name, digests[name])
                if MODELS[name].takes(unit.in_time) and key not in kept:
                    kept.add(run(unit, name, digests[name], args.data_home))
                    line = kept.rows[key]
                    print(
                        f"{table} {split} {name}: "
                        f"AP {line['average_precision']:.3f}, "
                        f"{line['fit_cpu_seconds']:.1f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
