"""Which default settings should TabularMLPClassifier have?

Runs named settings on the tables of the half on which defaults are chosen, and no
others: 3 stratified folds of each table; of Adult, of a stratified sample of 8,000 rows
of its official training part. The internal validation rows of a fold (15 %) are the
same for all settings. First round: one change at a time from `BASE`. Second round:
combinations of changes that helped, on 2 x 3 folds. The other half of the tables is not
used; `benchmarks/tables` reports both.

    SKLIMB_DATA=... python benchmarks/studies/defaults/run.py --jobs 1
    SKLIMB_DATA=... python benchmarks/studies/defaults/run.py --settings more.json

A stopped run goes on where it stopped. `--settings` reads {name: {parameter: value}}:
changes from `BASE` that make a round of their own, next to the base.

Writes results/defaults.json and results/defaults.md: mean rank of average precision
over tables, and paired differences from `BASE`. All of them contain the random error of
the base: it was high by chance on a table where nearly all settings lose.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from joblib import delayed

from benchmarks.common.kept import Kept, code_digest, digest, run_all
from benchmarks.common.report import RESULTS
from benchmarks.common.splits import CHOSEN
from benchmarks.studies.defaults.measure import make_units, run
from benchmarks.studies.defaults.report import report
from benchmarks.studies.defaults.settings import BASE, ROUNDS

MEASURED = ("studies.defaults.measure", "common.splits", "common.scores")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", nargs="+", choices=CHOSEN, default=CHOSEN)
    parser.add_argument("--settings", type=Path, help="JSON file of further settings")
    parser.add_argument("--repeats", type=int, default=1, help="for --settings")
    parser.add_argument("--rounds", nargs="+", choices=ROUNDS, default=list(ROUNDS))
    parser.add_argument("--jobs", type=int, default=1, help="fits side by side")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()

    rounds = {name: ROUNDS[name] for name in args.rounds}
    if args.settings:
        settings = {"base": {}} | json.loads(args.settings.read_text())
        rounds[args.settings.stem] = (settings, args.repeats)
    key = ("table", "repeat", "fold", "digest")
    code = code_digest(*(f"benchmarks.{part}" for part in MEASURED))
    path = args.results / "partial" / "defaults.jsonl"
    kept = Kept(path, key, None if args.report_only else lambda line: code)
    if not args.report_only:
        todo = {
            (*unit.key, digest(BASE | changes)): delayed(run)(
                unit, setting, BASE | changes, args.data_home
            )
            for settings, repeats in rounds.values()
            for setting, changes in settings.items()
            for name in args.tables
            for unit in make_units(name, repeats, args.data_home)
        }
        run_all([call for k, call in todo.items() if k not in kept], kept, args.jobs)
    question = __doc__.partition("\n")[0]
    report(question, rounds, args.tables, kept, args.results)


if __name__ == "__main__":
    main()
