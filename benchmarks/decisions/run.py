"""Is a decision tuned inside fit as good as TunedThresholdClassifierCV, and how cheap?

Six tables, three stratified folds each, a small network. For each objective the value
on the test rows, by `decision=` (rows that early stopping holds out), by `decision=`
with five folds (rows out of fold), by scikit-learn's TunedThresholdClassifierCV (five
folds of its own and a refit), and by the plain argmax. All get the same training rows
and the same seed. Ten false alarms cost as much as a missed rare row.

    SKLIMB_DATA=... python benchmarks/decisions/run.py [--tables loan thyroid]

Writes results/decisions.md: means over tables, paired differences from
TunedThresholdClassifierCV with 95 % intervals over tables and folds, and seconds.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import get_scorer as sklearn_scorer
from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV
from tqdm import tqdm

from benchmarks.common.report import RESULTS
from benchmarks.common.statistics import corrected_mean, interval
from sklimb import TabularMLPClassifier
from sklimb.datasets import load_table
from sklimb.metrics import get_scorer

TABLES = ("abalone_7", "german", "loan", "thyroid", "wine", "yeast_me2")
N_FOLDS = 3
CLF = TabularMLPClassifier(d_block=64, max_epochs=50, n_iter_no_change=8)
OBJECTIVES = {
    "F1": sklearn_scorer("f1"),
    "balanced accuracy": sklearn_scorer("balanced_accuracy"),
    "minus cost": get_scorer("expected_cost", cost_matrix=[[0, 1], [10, 0]]),
}
REFERENCE = "TunedThresholdClassifierCV"


def models(scorer, seed):
    """{name: unfitted model} of one objective."""
    clf = clone(CLF).set_params(random_state=seed)
    return {
        "argmax": clf,
        "decision": clone(clf).set_params(decision=scorer),
        "decision, 5 folds": clone(clf).set_params(decision=scorer, validation_folds=5),
        REFERENCE: TunedThresholdClassifierCV(
            clone(clf), scoring=scorer, cv=5, random_state=seed
        ),
    }


def measure(name):
    """Rows of one table: objective, model, value on test rows, seconds."""
    table = load_table(name)
    X, y = table.X, np.asarray(table.y)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    for seed, (train, test) in enumerate(folds.split(X, y)):
        for objective, scorer in OBJECTIVES.items():
            for model, clf in models(scorer, seed).items():
                begin = time.perf_counter()
                clf.fit(X.iloc[train], y[train])
                seconds = time.perf_counter() - begin
                value = scorer(clf, X.iloc[test], y[test])
                yield name, seed, objective, model, value, seconds


def report(found):
    """Markdown: values, differences from the reference, seconds."""
    lines = ["| objective | model | value | less the reference | seconds, ratio |"]
    lines.append("| :-- | :-- | --: | --: | --: |")
    for objective, part in found.groupby("objective", sort=False):
        value = part.pivot_table("value", ["table", "fold"], "model")
        seconds = part.pivot_table("seconds", ["table", "fold"], "model")
        for model in part["model"].unique():
            gain = value[model] - value[REFERENCE]
            mean, error = corrected_mean(gain, 1 / (N_FOLDS - 1))
            low, high = interval(mean, error, len(gain))
            ratio = (seconds[model] / seconds[REFERENCE]).median()
            lines.append(
                f"| {objective} | {model} | {value[model].mean():.4f} | "
                f"{mean:+.4f} [{low:+.4f}, {high:+.4f}] | {ratio:.2f} |"
            )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", default=TABLES)
    tables = parser.parse_args().tables
    rows = [row for name in tqdm(tables) for row in measure(name)]
    names = ["table", "fold", "objective", "model", "value", "seconds"]
    text = report(pd.DataFrame(rows, columns=names))
    head = f"# Decisions: {', '.join(tables)}; {N_FOLDS} folds\n\n"
    (RESULTS / "decisions.md").write_text(head + text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
