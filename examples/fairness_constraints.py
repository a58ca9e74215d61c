"""Equal chances for two groups: fairlearn's thresholds on a network's probabilities.

Payments abroad are stopped more often than those at home. `ThresholdOptimizer` moves a
threshold for each group until the share of honest payments that are stopped, and of
frauds that are caught, is about equal; what that costs is in the table.

    python examples/fairness_constraints.py --out demo_output
"""

import _report as report
import numpy as np
import pandas as pd
from _small import main_of, payments, small
from fairlearn.metrics import MetricFrame, equalized_odds_difference
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.metrics import balanced_accuracy_score, recall_score

from sklimb import TabularEncoder


def run(args):
    X, y, X_test, y_test = payments(args, 12000)
    y, y_test = np.asarray(y), np.asarray(y_test)
    group, group_test = (
        np.where(part["abroad"], "abroad", "at home") for part in (X, X_test)
    )
    encoder = TabularEncoder(category_encoding="onehot").fit(X)
    X, X_test = (
        encoder.transform(X),
        encoder.transform(X_test),
    )  # fairlearn wants numbers
    clf = small(args, decision="balanced").fit(X, y)
    fair = ThresholdOptimizer(
        estimator=clf,
        constraints="equalized_odds",
        objective="balanced_accuracy_score",
        prefit=True,
        predict_method="predict_proba",
    ).fit(X, y, sensitive_features=group)
    called = {
        "balanced decision": clf.predict(X_test),
        "equalized odds": fair.predict(
            X_test, sensitive_features=group_test, random_state=0
        ),
    }
    rows = {}
    for name, labels in called.items():
        frame = MetricFrame(
            metrics=recall_score,
            y_true=y_test,
            y_pred=labels,
            sensitive_features=group_test,
        )
        rows[name] = {
            "balanced accuracy": balanced_accuracy_score(y_test, labels),
            "recall abroad": frame.by_group["abroad"],
            "recall at home": frame.by_group["at home"],
            "odds apart": equalized_odds_difference(
                y_test, labels, sensitive_features=group_test
            ),
        }
    table = pd.DataFrame(rows).T
    table.index.name = "decision"
    report.show_and_save(table, "Two groups of payments", args.out / "fairness")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
