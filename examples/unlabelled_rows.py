"""Few labels, many rows: what unlabelled rows can add, in four ways.

Labels alone; pseudo-labels (`PseudoLabelClassifier`); pre-training on all rows
(`SelfSupervisedPretrainer`); a self-supervised loss beside the supervised one
(`joint_ssl`). They need not help: the table says what they do here.

    python examples/unlabelled_rows.py --out demo_output
"""

import time

import _report as report
import numpy as np
import pandas as pd
from _small import main_of, payments, small
from sklearn.metrics import average_precision_score, log_loss

from sklimb.selfsup import SelfSupervisedPretrainer
from sklimb.semisup import PseudoLabelClassifier


def run(args):
    X, y, X_test, y_test = payments(args, 8000, fraud_rate=0.2)
    few, rest = X.iloc[:300], X.iloc[300:]
    y, n_epochs = np.asarray(y)[:300], 1 if args.quick else 15
    pretrained = SelfSupervisedPretrainer(max_epochs=n_epochs)
    ways = {
        "labels alone": (small(args), {}),
        "pseudo-labels": (PseudoLabelClassifier(small(args)), {"X_unlabeled": rest}),
        "pre-training": (small(args, pretrained=pretrained), {"X_unlabeled": rest}),
        "a loss beside": (small(args, joint_ssl="scarf"), {"X_unlabeled": rest}),
    }
    rows = {}
    for name, (clf, more) in ways.items():
        begin = time.perf_counter()
        p = clf.fit(few, y, **more).predict_proba(X_test)
        rows[name] = {
            "average precision": average_precision_score(y_test, p[:, 1]),
            "log loss": log_loss(y_test, p),
            "fit seconds": time.perf_counter() - begin,
        }
    table = pd.DataFrame(rows).T
    table.index.name = "learned from"
    title = f"{len(few)} labelled and {len(rest)} unlabelled rows"
    report.show_and_save(table, title, args.out / "unlabelled")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
