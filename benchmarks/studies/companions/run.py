"""Do networks beside trees give better probabilities than trees beside trees?

    SKLIMB_DATA=... python benchmarks/studies/companions/run.py
    python benchmarks/studies/companions/run.py --report-only

Each part is fitted once to four fifths of a table and its probabilities of the last
fifth are kept; mixtures are their means. Only tables with at most 40,000 numbers: all
mixtures on the half that chooses, two on the half that confirms (--half confirmed). One
thread a fit; seconds are processor time. A stopped run goes on where it stopped. Writes
results/companions.md; what follows from it is in found.md.

`VotingClassifier(voting="soft")` of two classifiers is the mean of their probabilities,
so it is computed from the kept ones.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.common.kept import Kept, code_digest
from benchmarks.common.report import RESULTS
from benchmarks.common.scores import timed_fit
from benchmarks.out_of_the_box.measure import make_unit
from benchmarks.out_of_the_box.models import MODELS, make_catboost, make_histogram
from benchmarks.out_of_the_box.tables import load, tables_of
from benchmarks.studies.companions.report import report
from benchmarks.tables.models import make_ours
from sklimb import TabularEncoder

KEY = ("table", "split", "part")
LARGEST = 40_000  # numbers in a table
DIGITS = 6


def make_small_histogram(seed):
    """Fewer, slower and smaller trees than by default."""
    return HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.05,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.5,
        random_state=seed,
    )


def make_networks(seed):
    """Ours out of the box: as many networks as the budget pays for."""
    return make_ours(seed, n_members="auto", validation_folds="auto")


def make_one(seed):
    return make_ours(seed, n_members=1, validation_folds=None)


def encoded(classifier):
    """Behind one-hot categories and missing indicators; numbers stay as they are."""
    head = TabularEncoder(category_encoding="onehot", numeric_transform=None)
    return make_pipeline(head, classifier)


def make_extra_trees(seed):
    return encoded(
        ExtraTreesClassifier(300, min_samples_leaf=3, n_jobs=1, random_state=seed)
    )


class OverForest:
    """Networks that get a forest's log odds, out of bag in training, as a column."""

    def __init__(self, seed):
        self.forest = RandomForestClassifier(
            300, min_samples_leaf=5, oob_score=True, n_jobs=1, random_state=seed
        )
        self.head = TabularEncoder(category_encoding="onehot", numeric_transform=None)
        self.networks = make_networks(seed)

    def fit(self, X, y):
        rows = self.head.fit_transform(X)
        self.forest.fit(rows, y)
        # No tree left a row out: as if none knew it.
        p = np.nan_to_num(self.forest.oob_decision_function_[:, 1], nan=y.mean())
        self.networks.fit(self._with(X, p), y)
        return self

    def predict_proba(self, X):
        p = self.forest.predict_proba(self.head.transform(X))[:, 1]
        return self.networks.predict_proba(self._with(X, p))

    @staticmethod
    def _with(X, p):
        p = np.clip(p, 1e-3, 1 - 1e-3)
        return X.assign(forest=np.log(p / (1 - p)))


def plain(make):
    """A fit of what a function makes of a seed."""
    return lambda X, y, seed: make(seed).fit(X, y)


def fit_catboost(X, y, seed):
    entry = MODELS["catboost"]
    return entry.fit(entry.make(seed), X, y, None, seed)


# Part: its fit, what is done to X before, and the code that names its lines.
PARTS = {
    "networks": (plain(make_networks), None, make_networks),
    "histogram": (plain(make_histogram), None, make_histogram),
    "small_histogram": (plain(make_small_histogram), None, make_small_histogram),
    "extra_trees": (plain(make_extra_trees), None, make_extra_trees),
    "catboost": (fit_catboost, MODELS["catboost"].read, make_catboost),
    "over_forest": (plain(OverForest), None, OverForest),
    "one": (plain(make_one), None, make_one),
}


def code_of(line):
    """Digest of the code behind a line."""
    return code_digest(PARTS[line["part"]][2])


def run(unit, part, data_home):
    """Fit one part to one split; the line that is kept."""
    fit, read, _ = PARTS[part]
    data = load(unit.table, data_home)
    X, y = data.X if read is None else read(data.X), data.y
    model, _, seconds = timed_fit(
        lambda: fit(X.iloc[unit.train], y[unit.train], unit.split)
    )
    p, _, predict = timed_fit(lambda: model.predict_proba(X.iloc[unit.test])[:, 1])
    return {
        "table": unit.table,
        "split": unit.split,
        "part": part,
        "fit_cpu_seconds": round(seconds, 3),
        "predict_cpu_seconds": round(predict, 3),
        "n_train": len(unit.train),
        "n_positive": int(y[unit.train].sum()),
        "y": y[unit.test].tolist() if part == "histogram" else None,
        "p": p.astype(float).round(DIGITS).tolist(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--half", choices=("chosen", "confirmed"), default="chosen")
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    path = args.results / "partial" / "companions.jsonl"
    kept = Kept(path, KEY, None if args.report_only else code_of)
    if not args.report_only:
        sizes = {t: load(t, args.data_home).X.size for t in tables_of(args.half)}
        small = sorted((t for t in sizes if sizes[t] <= LARGEST), key=sizes.get)
        for split in range(args.splits):
            for table in small:
                unit = make_unit(table, split, args.data_home)
                for part in args.parts:
                    if (table, split, part) in kept:
                        continue
                    kept.add(run(unit, part, args.data_home))
                    line = kept.rows[table, split, part]
                    print(table, split, part, line["fit_cpu_seconds"], flush=True)
    report(__doc__.partition("\n")[0], kept, args.results)


if __name__ == "__main__":
    main()
