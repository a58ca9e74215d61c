"""Which payments to stop? A threshold by a recall floor, an alert budget and a cost.

What it shows, with one small network on simulated transactions:

- A classifier says how likely a fraud is; what to stop is another question, and 0.5 is
  the answer to hardly any. Three that are asked: catch at least 80 % of the frauds with
  as few false alarms as possible; catch what can be caught by looking at 2 % of the
  payments; lose the least money, where an alert costs 5 and a missed fraud its amount.
- Each is a scorer of `sklimb.metrics`, and scikit-learn's `TunedThresholdClassifierCV`
  takes the best threshold: on rows that the network has not seen (cv="prefit"), or by
  cross-validation (cv=5). The amounts reach the scorer by metadata routing.
- What the thresholds do on later rows, beside the threshold 0.5: in a world that stays
  as it is, and in one whose frauds change.

Run it with

    python examples/threshold_workflow.py --out demo_output

`--quick` runs through in seconds on few rows; its figures mean nothing.
"""

import _report as report
import numpy as np
import pandas as pd
import sklearn
from loan_workflow import start
from sklearn.base import clone
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import TunedThresholdClassifierCV

from sklimb import TabularMLPClassifier
from sklimb.datasets import make_transactions
from sklimb.metrics import expected_cost, get_scorer

FLOOR, BUDGET = 0.8, 0.02
# An alert costs a phone call, a missed fraud its amount.
COSTS = [[0.0, 5.0], [1.0, 5.0]]
RECALL, ALERTS, COST = f"recall >= {FLOOR:.0%}", f"alerts <= {BUDGET:.0%}", "least cost"
GOALS = {
    RECALL: ("precision_with_recall_floor", {"min_recall": FLOOR}),
    ALERTS: ("recall_within_alert_budget", {"max_alerts": BUDGET}),
    COST: ("expected_cost", {"cost_matrix": COSTS}),
}
HALF, HELD_OUT, FOLDS = "threshold 0.5", "tuning rows", "folds"
# Probabilities of rare frauds are small, and the thresholds are close where they are.
THRESHOLDS = np.geomspace(1e-4, 1, 400)


def main(argv=None):
    """Tune thresholds in a still world and in one that drifts."""
    start(run, __doc__, argv)


def run(args):
    for world, drift in (("still", 0.0), ("drifting", 1.0)):
        n_samples, rate = (3000, 0.05) if args.quick else (30000, 0.02)
        bunch = make_transactions(
            n_samples, fraud_rate=rate, drift=drift, random_state=0
        )
        table = tune_all(bunch, args.quick)
        title = f"The future: simulated transactions, {world}"
        report.show_and_save(table, title, args.out / f"threshold_{world}")
        report.print_paragraph(
            sentences(table, world), args.out / f"threshold_{world}.txt"
        )


def tune_all(bunch, quick):
    """One line a goal and way of tuning: figures where it was tuned, and later."""
    n_samples = len(bunch.y)
    # In the order of time. Cross-validation takes the rows of both parts of the past.
    first, last = n_samples // 2, int(0.7 * n_samples)
    train, held_out = slice(first), slice(first, last)
    past, future = slice(last), slice(last, None)
    print(
        f"Data: {first:,} transactions to train, {last - first:,} to tune, "
        f"{n_samples - last:,} of the future, {bunch.y.mean():.1%} fraud."
    )
    clf = TabularMLPClassifier(
        n_members=1,
        validation_folds=None,
        d_block=32,
        batch_size=64 if quick else 512,
        max_epochs=10 if quick else 40,
        random_state=0,
    )
    fitted = clone(clf).fit(bunch.X[train], bunch.y[train])

    def line(threshold, p, tuned=True):
        there = figures(bunch, p, threshold, held_out) if tuned else {}
        return {
            "threshold": threshold,
            **{f"{name}, tuned": value for name, value in there.items()},
            **figures(bunch, p, threshold, future),
        }

    p = fitted.predict_proba(bunch.X)[:, 1]
    lines = {HALF: line(0.5, p)}
    for goal in GOALS:
        tuned = tune_threshold(fitted, goal, bunch, held_out, cv="prefit", refit=False)
        lines[f"{goal}, {HELD_OUT}"] = line(tuned.best_threshold_, p)
        # Folds without shuffling are blocks of time. The network is fitted again to
        # all of the past, so that none of its rows can say how good the threshold is.
        tuned = tune_threshold(clf, goal, bunch, past, cv=2 if quick else 5)
        again = tuned.predict_proba(bunch.X)[:, 1]
        lines[f"{goal}, {FOLDS}"] = line(tuned.best_threshold_, again, tuned=False)
    return pd.DataFrame(lines).T.rename_axis("goal")


def tune_threshold(clf, goal, bunch, rows, **how):
    """Fit scikit-learn's tuner to some rows."""
    name, parameters = GOALS[goal]
    scoring, metadata = get_scorer(name, **parameters), {}
    with sklearn.config_context(enable_metadata_routing=True):
        if name == "expected_cost":
            scoring.set_score_request(amount=True)
            metadata["amount"] = bunch.X["amount"][rows]
        tuner = TunedThresholdClassifierCV(
            clf, scoring=scoring, thresholds=THRESHOLDS, **how
        )
        return tuner.fit(bunch.X[rows], bunch.y[rows], **metadata)


def figures(bunch, p, threshold, rows):
    """What a threshold does on some rows."""
    y, called = bunch.y[rows], (p[rows] >= threshold).astype(int)
    return {
        "recall": recall_score(y, called),
        "precision": precision_score(y, called, zero_division=0),
        "alerts": called.mean(),
        "cost": expected_cost(
            y, called, cost_matrix=COSTS, amount=bunch.X["amount"][rows]
        ),
    }


def sentences(table, world):
    """What became of the three goals in the future."""
    said = [f"In the world that is {world}:"]
    for goal, name, sign, limit, what in (
        (RECALL, "recall", 1, FLOOR, "of the later frauds are caught"),
        (ALERTS, "alerts", -1, BUDGET, "of the later payments are alerts"),
    ):
        held_out, folds = table.loc[[f"{goal}, {HELD_OUT}", f"{goal}, {FOLDS}"], name]
        said.append(
            f"{goal}: with the threshold of the tuning rows {held_out:.1%} {what} "
            f"({verdict(sign * held_out, sign * limit)}), with that of the folds, each "
            f"of which keeps to the goal, {folds:.1%} "
            f"({verdict(sign * folds, sign * limit)})."
        )
    half, held_out, folds = table.loc[
        [HALF, f"{COST}, {HELD_OUT}", f"{COST}, {FOLDS}"], "cost"
    ]
    said.append(
        f"{COST}: {held_out:.2f} and {folds:.2f} a payment, against {half:.2f} with "
        "the threshold 0.5."
    )
    return said


def verdict(value, limit):
    """Whether a value reaches its limit."""
    return "kept" if value >= limit else "missed"


if __name__ == "__main__":
    main()
