"""XGBoost, an SVM and sklimb in one GridSearchCV: the last step is what is searched.

One Pipeline, one search, one table: the classifier is a parameter of its last step, and
each candidate brings a grid of its own.

    python examples/grid_xgboost_svm_sklimb.py --out demo_output
"""

import _report as report
import pandas as pd
from _small import main_of, payments, small
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from xgboost import XGBClassifier

from sklimb import TabularEncoder


def run(args):
    X, y, X_test, y_test = payments(args, 4000)
    steps = [("encode", TabularEncoder(category_encoding="onehot")), ("clf", None)]
    # Codes of categories are columns of numbers here, which all three take.
    boosted = XGBClassifier(n_estimators=100, n_jobs=1, random_state=0)
    net = small(args, numeric_transform=None, decision="balanced")
    grid = [
        {"clf": [boosted], "clf__max_depth": [2, 4]},
        {"clf": [SVC(class_weight="balanced")], "clf__C": [0.1, 1.0]},
        {"clf": [net], "clf__loss": ["ce", "focal"]},
    ]
    search = GridSearchCV(Pipeline(steps), grid, scoring="average_precision", cv=3)
    search.fit(X, y)
    found = pd.DataFrame(search.cv_results_)
    found["classifier"] = [type(clf).__name__ for clf in found["param_clf"]]
    best = found.sort_values("rank_test_score").groupby("classifier").head(1)
    rows = {}
    for _, row in best.iterrows():
        model = Pipeline(steps).set_params(**row["params"]).fit(X, y)
        values = (
            model.decision_function(X_test)
            if (hasattr(model, "decision_function"))
            else model.predict_proba(X_test)[:, 1]
        )
        rows[row["classifier"]] = {
            "in the search": row["mean_test_score"],
            "on test rows": average_precision_score(y_test, values),
            "fit seconds": row["mean_fit_time"],
        }
    table = pd.DataFrame(rows).T
    table.index.name = "classifier"
    report.show_and_save(table, "Average precision", args.out / "grid")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
