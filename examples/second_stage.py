"""A new last layer on the features of a trained network: cRT and its relatives.

The first stage is trained once and frozen; each second stage takes a part of a second.
With `target_prior="uniform"` probabilities assume equal classes, so `predict` is the
balanced decision; the first row is the first stage, decided the same way.

    python examples/second_stage.py --out demo_output
"""

import time

import _report as report
import numpy as np
import pandas as pd
from _small import main_of, small
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.model_selection import train_test_split

from sklimb.two_stage import ClassifierRetrainer

METHODS = ["crt", "tau", "lws", "ncm", "mislas"]


def run(args):
    X, y = make_classification(
        2000 if args.quick else 12000,
        20,
        n_informative=10,
        n_classes=5,
        weights=[0.6, 0.25, 0.1, 0.04, 0.01],
        class_sep=1.5,
        random_state=0,
    )
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.4, stratify=y, random_state=0
    )
    begin = time.perf_counter()
    first = small(args, decision="balanced").fit(X, y)
    models = {"first stage": (first, time.perf_counter() - begin)}
    for method in METHODS:
        second = ClassifierRetrainer(
            FrozenEstimator(first.set_params(decision="probability")),
            method,
            target_prior="uniform",
        )
        begin = time.perf_counter()
        models[method] = second.fit(X, y), time.perf_counter() - begin
    rows = {}
    for name, (model, seconds) in models.items():
        called = model.predict(X_test)
        recalls = recall_score(y_test, called, average=None)
        rows[name] = {
            "balanced accuracy": balanced_accuracy_score(y_test, called),
            "recall of the rarest": recalls[-1],
            "accuracy": np.mean(called == y_test),
            "fit seconds": seconds,
        }
    table = pd.DataFrame(rows).T
    table.index.name = "method"
    report.show_and_save(table, "Second stages", args.out / "second_stage")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
