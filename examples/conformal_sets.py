"""Sets of labels that hold the right one as often as is asked: MAPIE, class by class.

Conformal sets of all rows together keep their promise on average, and may break it for
the rare class. Calibrated class by class ("Mondrian"), they keep it for each.

    python examples/conformal_sets.py --out demo_output
"""

import _report as report
import numpy as np
import pandas as pd
from _small import main_of, payments, small
from mapie.classification import SplitConformalClassifier
from sklearn.model_selection import train_test_split

from sklimb import TabularEncoder

ASKED = 0.9


def sets_of_all(clf, X, y, X_test):
    """MAPIE's sets, bool of shape (rows, classes)."""
    mapie = SplitConformalClassifier(clf, confidence_level=ASKED)
    return mapie.conformalize(X, y).predict_set(X_test)[1][:, :, 0]


def sets_by_class(clf, X, y, X_test):
    """A label is in the set if its probability is among those of its own class."""
    p, p_test = clf.predict_proba(X), clf.predict_proba(X_test)
    out = np.empty(p_test.shape, dtype=bool)
    for k, label in enumerate(clf.classes_):
        own = np.sort(p[np.asarray(y) == label, k])
        rank = int(np.floor((1 - ASKED) * (len(own) + 1)))
        out[:, k] = p_test[:, k] >= (own[rank - 1] if rank else -np.inf)
    return out


def run(args):
    X, y, X_test, y_test = payments(args, 12000)
    encoder = TabularEncoder(category_encoding="onehot").fit(X)
    X, X_test = encoder.transform(X), encoder.transform(X_test)  # MAPIE tries zeros
    X_fit, X_calibrate, y_fit, y_calibrate = train_test_split(
        X, y, test_size=0.4, stratify=y, random_state=0
    )
    clf, y_test = small(args).fit(X_fit, y_fit), np.asarray(y_test)
    rows = {}
    for name, make in (("all rows", sets_of_all), ("by class", sets_by_class)):
        sets = make(clf, X_calibrate, y_calibrate, X_test)
        held = sets[np.arange(len(sets)), y_test]
        rows[name] = {
            "coverage": held.mean(),
            "coverage of frauds": held[y_test == 1].mean(),
            "coverage of others": held[y_test == 0].mean(),
            "labels per set": sets.sum(1).mean(),
        }
    table = pd.DataFrame(rows).T
    table.index.name = "calibrated on"
    report.show_and_save(table, f"Sets for {ASKED:.0%}", args.out / "conformal")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
