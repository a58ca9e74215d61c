"""Which labels are wrong? cleanlab on probabilities out of fold.

Every twentieth label is turned around. cleanlab ranks the rows whose label the network,
trained without them, believes least.

    python examples/label_errors.py --out demo_output
"""

import _report as report
import numpy as np
import pandas as pd
from _small import main_of, payments, small
from cleanlab.filter import find_label_issues
from sklearn.model_selection import cross_val_predict


def run(args):
    X, y, *_ = payments(args, 10000, fraud_rate=0.3)
    rng = np.random.default_rng(0)
    wrong = rng.random(len(y)) < 0.05
    labels = np.where(wrong, 1 - np.asarray(y), y)
    p = cross_val_predict(small(args), X, labels, cv=3, method="predict_proba")
    order = find_label_issues(
        labels, p, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    rows = {}
    n_wrong = int(wrong.sum())
    for name, taken in (
        ("first 50", order[:50]),
        (f"first {n_wrong}", order[:n_wrong]),
        ("all found", order),
        ("any row", np.arange(len(y))),
    ):
        rows[name] = {
            "rows": len(taken),
            "of them wrong": wrong[taken].mean() if len(taken) else 0.0,
            "share of the wrong": wrong[taken].sum() / n_wrong,
        }
    table = pd.DataFrame(rows).T
    table.index.name = "looked at"
    report.show_and_save(table, "Wrong labels found", args.out / "label_errors")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
