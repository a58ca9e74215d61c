"""How good are the default fits on binary tables, next to boosted trees and the like?

2 x 5 stratified folds of each table (fraud: folds that keep identical rows together;
Adult: its official split, three seeds). On every split all models see the same training
rows, and 15 % of them, the same for all, stop the training of ours and of the boosters
and choose C of the logistic regression. scikit-learn's MLPClassifier takes no
validation rows: it gets all training rows and holds 15 % out by itself. Test rows are
used once.

    SKLIMB_DATA=... python benchmarks/tables/run.py --jobs 2
    SKLIMB_DATA=... python benchmarks/tables/run.py --tables german --models sklimb
    python benchmarks/tables/run.py --report-only

A stopped run goes on where it stopped: common/kept.py says which fits are run again
after a change. A report alone takes what is there, whatever code it comes from.

Writes results/tables.json and results/tables.md: scores, paired differences with the
corrected resampled t interval, mean ranks and Wilcoxon tests over tables, for all
tables and for either half: that on which our defaults were chosen (studies/defaults),
and the other. Fraud is scored at the prior of its subset (2.8 %), not of the
population.
"""

import argparse
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from joblib import delayed

from benchmarks.common.kept import Kept, code_digest, run_all
from benchmarks.common.report import RESULTS
from benchmarks.common.splits import ALL_TABLES
from benchmarks.tables.measure import make_units, run, time_default_fit
from benchmarks.tables.models import MODELS
from benchmarks.tables.report import report

MEASURED = ("tables.measure", "common.splits", "common.scores")


@cache
def code_of_model(name):
    """Digest of the code that fits of a model go through; None of a model that left."""
    if name not in MODELS:
        return None
    parts = [f"benchmarks.{part}" for part in MEASURED]
    return code_digest(*parts, *MODELS[name].code())


def code_of(line):
    return code_of_model(line["model"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", nargs="+", choices=ALL_TABLES, default=ALL_TABLES)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=2, help="of the 5 folds")
    parser.add_argument("--jobs", type=int, default=1, help="fits side by side")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()

    key = ("table", "repeat", "fold", "model", "digest")
    path = args.results / "partial" / "tables.jsonl"
    kept = Kept(path, key, None if args.report_only else code_of)
    if not args.report_only:
        codes = {name: MODELS[name].digest() for name in args.models}
        todo = [
            delayed(run)(unit, name, codes[name], args.data_home)
            for t in args.tables
            for unit in make_units(t, args.repeats, args.data_home)
            for name in args.models
            if (*unit.key, name, codes[name]) not in kept
        ]
        run_all(todo, kept, args.jobs)
        ours = MODELS["sklimb"].digest()
        timed = ("5,600 x 19", 0, 0, "sklimb", ours)
        if "sklimb" in args.models and "loan" in args.tables and timed not in kept:
            kept.add(time_default_fit(args.data_home))
    question = __doc__.partition("\n")[0]
    report(question, args.tables, args.models, args.repeats, kept, args.results)


if __name__ == "__main__":
    main()
