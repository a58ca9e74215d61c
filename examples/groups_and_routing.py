"""Cards of one person on one side: groups, and how they reach the network.

Payments of one card are alike. Split without regard to cards, validation looks better
than it is. With metadata routing one `groups` array reaches the search's splitter and
the network's own internal split.

    python examples/groups_and_routing.py --out demo_output
"""

import _report as report
import numpy as np
import pandas as pd
import sklearn
from _small import main_of, small
from sklearn.metrics import average_precision_score
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)

from sklimb.datasets import make_transactions


def run(args):
    n_samples = 1500 if args.quick else 8000
    data = make_transactions(
        n_samples, fraud_rate=0.1, n_cards=60, drift=0.0, random_state=0
    )
    X, y, groups = data.X, np.asarray(data.y), np.asarray(data.groups)
    split = GroupShuffleSplit(1, test_size=0.3, random_state=0)
    train, later = next(split.split(X, y, groups))
    given = {"X": X.iloc[train], "y": y[train], "scoring": "average_precision"}
    with sklearn.config_context(enable_metadata_routing=True):
        clf = small(args).set_fit_request(groups=True)
        by_card = cross_val_score(
            clf, **given, cv=GroupKFold(3), params={"groups": groups[train]}
        )
        by_row = cross_val_score(
            small(args), **given, cv=StratifiedKFold(3, shuffle=True, random_state=0)
        )
        clf.fit(X.iloc[train], y[train], groups=groups[train])
    new_cards = average_precision_score(
        y[later], clf.predict_proba(X.iloc[later])[:, 1]
    )
    table = pd.DataFrame(
        {
            "average precision": [by_row.mean(), by_card.mean(), new_cards],
            "± SE": [by_row.std() / 3**0.5, by_card.std() / 3**0.5, np.nan],
        },
        index=["folds of rows", "folds of cards", "new cards"],
    )
    table.index.name = "estimated on"
    report.show_and_save(table, "Cards on one side", args.out / "groups")


main = main_of(run, __doc__)

if __name__ == "__main__":
    main()
