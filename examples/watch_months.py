"""Watching a classifier month by month, before any label has come.

Labels of payments come weeks later. Until then there are the inputs (`input_report`:
unseen categories, values out of range) and an estimate of precision and recall from
calibrated probabilities alone: if p is right, the frauds among the alerts are the sum
of their p. Where the world drifts the estimate goes wrong; the table shows how far.

    python examples/watch_months.py --out demo_output
"""

import _report as report
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _small import main_of, small
from sklearn.metrics import precision_score, recall_score

from sklimb.datasets import make_transactions

MONTHS = 6


def estimated(p, called):
    """(precision, recall) by the probabilities alone."""
    return p[called].mean() if called.any() else 0.0, p[called].sum() / p.sum()


def run(args):
    n_samples = 3000 if args.quick else 30000
    data = make_transactions(n_samples, fraud_rate=0.05, drift=1.0, random_state=0)
    order = np.argsort(np.asarray(data.time), kind="stable")
    X, y = data.X.iloc[order], np.asarray(data.y)[order]
    first = len(y) // 2
    clf = small(args, temperature_scaling=True, decision="f1")
    clf.fit(X.iloc[:first], y[:first])
    rows = {}
    for month, part in enumerate(np.array_split(np.arange(first, len(y)), MONTHS), 1):
        own, truth = X.iloc[part], y[part]
        p, called = clf.predict_proba(own)[:, 1], clf.predict(own) == 1
        found, inputs = estimated(p, called), clf.input_report(own)
        rows[f"month {month}"] = {
            "alerts": called.mean(),
            "estimated precision": found[0],
            "precision": precision_score(truth, called, zero_division=0),
            "estimated recall": found[1],
            "recall": recall_score(truth, called),
            "most unseen": inputs["unseen"].max(),
            "most out of range": inputs["out_of_range"].max(),
        }
    table = pd.DataFrame(rows).T
    table.index.name = "month"
    report.show_and_save(table, "Without labels and with them", args.out / "months")
    columns = ["estimated precision", "precision", "estimated recall", "recall"]
    axes = table[columns].plot(
        style=["C0--", "C0-", "C1--", "C1-"], ylim=(0, 1), figsize=(7, 4)
    )
    axes.set(title="Dashed: estimated before any label is there")
    plt.savefig(args.out / "months.png", bbox_inches="tight")
    plt.close()


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
