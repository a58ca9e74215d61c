"""What does each second stage make of a network trained on loans?

Five stratified folds of one table, a small network (the first stage), and every method
of ClassifierRetrainer on the same frozen network. AUC and log loss under the training
prior; balanced accuracy of the balanced decision (target_prior="uniform"). MiSLAS also
on a first stage with mixup, as its authors do; a ResNet with its BatchNorm statistics
as they are and shifted.

    SKLIMB_DATA=... python benchmarks/second_stages/run.py [--table loan]

Prints a Markdown table: means over folds, and standard errors of the paired differences
from the first stage.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from sklimb import TabularMLPClassifier, TabularResNetClassifier
from sklimb.datasets import load_table
from sklimb.two_stage import ClassifierRetrainer

SMALL = {"d_block": 64, "max_epochs": 50, "n_iter_no_change": 8, "random_state": 0}
METHODS = ("crt", "tau", "lws", "ncm", "mislas", "oltr")
SCORES = ("AUC", "balanced accuracy", "log loss")
# First stage, and the second stages on it.
STAGES = {
    "MLP": (TabularMLPClassifier(**SMALL), [{"method": m} for m in METHODS]),
    "MLP, mixup": (
        TabularMLPClassifier(**SMALL, mix="mixup"),
        [{"method": "mislas"}],
    ),
    "ResNet": (
        TabularResNetClassifier(**SMALL),
        [
            {"method": method, "shift_statistics": shift}
            for method in ("crt", "mislas")
            for shift in (False, True)
        ],
    ),
}


def scores(p, y, prior):
    """AUC, balanced accuracy of the balanced decision, log loss."""
    balanced = (p / prior).argmax(1)
    return (
        roc_auc_score(y, p[:, 1]),
        balanced_accuracy_score(y, balanced),
        log_loss(y, p),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", default="loan")
    table = load_table(parser.parse_args().table)
    X, y = table.X, np.asarray(table.y)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    found = {}
    for train, test in folds.split(X, y):
        prior = np.bincount(y[train]) / len(train)
        for name, (stage, seconds) in STAGES.items():
            stage.fit(X.iloc[train], y[train])
            got = scores(stage.predict_proba(X.iloc[test]), y[test], prior)
            found.setdefault((name, "first stage"), []).append(got)
            for params in seconds:
                clf = ClassifierRetrainer(FrozenEstimator(stage), **params)
                clf.fit(X.iloc[train], y[train])
                got = scores(clf.predict_proba(X.iloc[test]), y[test], prior)
                key = params["method"]
                key += ", shifted" if params.get("shift_statistics") else ""
                found.setdefault((name, key), []).append(got)
    print("| first stage | second stage | " + " | ".join(SCORES) + " |")
    print("|" + "---|" * 5)
    for (name, key), values in found.items():
        values = np.array(values)
        gap = values - np.array(found[name, "first stage"])
        error = gap.std(0, ddof=1) / np.sqrt(len(gap))
        cells = [f"{v:.4f}" for v in values.mean(0)]
        if key != "first stage":
            cells = [f"{c} ({e:.4f})" for c, e in zip(cells, error, strict=True)]
        print(f"| {name} | {key} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
