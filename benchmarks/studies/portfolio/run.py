"""Which settings should a portfolio hold, and does it beat networks of one setting?

One fit trains `CANDIDATES`, 4 networks each, on the same rows; the probabilities of all
networks are kept, and all else is computed from them. For each table: on the other
tables, the list of 4 candidates whose greedy combination has the best mean AUC and the
single candidate with the best mean AUC are chosen; on the table itself both are scored,
next to `n_members=4` of that single candidate, which takes the time of the list.

    SKLIMB_DATA=... python benchmarks/studies/portfolio/run.py
    SKLIMB_DATA=... python benchmarks/studies/portfolio/run.py --report-only

2 of 3 stratified folds of each table (all 3 of the small ones), 15 % of the training
rows validate. Large tables: a stratified sample of 6,000 rows; of identical rows, one.
With 7 classes, AUC and average precision are means over classes, one against the rest.
A stopped run goes on where it stopped; the probabilities, in results/partial/portfolio,
are too large to be committed.

Writes results/portfolio.json and results/portfolio.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.common.kept import Kept, code_digest
from benchmarks.common.report import RESULTS
from benchmarks.studies.portfolio.measure import FOLDS_RUN, collect, time_fits
from benchmarks.studies.portfolio.report import report
from benchmarks.studies.portfolio.summary import analyse, load

MEASURED = ("studies.portfolio.measure", "common.splits", "common.scores")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", nargs="+", choices=FOLDS_RUN, default=FOLDS_RUN)
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()

    tables = list(args.tables)
    partial = args.results / "partial"
    if not args.report_only:
        collect(tables, partial / "portfolio", args.data_home)
    splits = load(tables, partial / "portfolio", args.data_home)
    found = analyse(splits)
    code = code_digest(*(f"benchmarks.{part}" for part in MEASURED))
    timed = partial / "portfolio.jsonl", ("table", "seed", "digest")
    kept = Kept(*timed, None if args.report_only else lambda line: code)
    if not args.report_only:
        time_fits(tables, found["all_tables"]["settings"], kept, args.data_home)
    question = __doc__.partition("\n")[0]
    report(question, splits, found, kept, args.results)


if __name__ == "__main__":
    main()
