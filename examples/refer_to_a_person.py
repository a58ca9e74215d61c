"""Which payments should a person look at? Those on which the members disagree most.

Five networks vote. `sklimb.analysis.refer` sends the least certain rows to a person,
and tells the error that remains: by the classifier's own probabilities, and by the
labels.

    python examples/refer_to_a_person.py --out demo_output
"""

import _report as report
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _small import main_of, payments, small

from sklimb.analysis import refer


def run(args):
    X, y, X_test, y_test = payments(args, 10000, fraud_rate=0.3)
    y_test = np.asarray(y_test)
    clf = small(args, n_members=5).fit(X, y)
    rows, figure = {}, plt.figure(figsize=(6, 4))
    axes = figure.add_subplot(xlabel="share referred", ylabel="error that remains")
    for by in ("error", "mutual_information"):
        found = refer(clf, X_test, 0.1, y_test, by=by)
        rows[by] = {
            "error of all": found.error_before,
            "error left": found.error,
            "expected error left": found.expected_error,
            "error of those referred": np.mean(
                clf.predict(X_test.iloc[found.rows]) != y_test[found.rows]
            ),
        }
        axes.plot(found.share_referred, found.error_curve, label=by)
    axes.plot([0, 1], [found.error_before, 0], "k:", label="any rows")
    axes.legend()
    figure.savefig(args.out / "refer.png", bbox_inches="tight")
    plt.close(figure)
    table = pd.DataFrame(rows).T
    table.index.name = "sent by"
    report.show_and_save(table, "A tenth of the rows referred", args.out / "refer")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
