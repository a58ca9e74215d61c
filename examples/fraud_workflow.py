"""Fraud in time: train on the past, test on the future, and why no random split.

What it shows, with the competitors of `loan_workflow.py`:

- Transactions with a clock and a drifting fraud pattern (`make_transactions`, because
  the public fraud table has lost its clock): the first 70 % of the rows train, the
  last 30 % test; `TimeSeriesSplit` tunes; the networks stop early by the last of the
  training rows. The figures of a random split stand beside it, and so do those of the
  true probabilities, which nobody can beat.
- The public fraud table, where SKLIMB_DATA has it: identical rows stay on one side of
  every split, and sample weights restore the share of frauds.

Run it with

    python examples/fraud_workflow.py --out demo_output

`--quick` runs through in seconds on few rows; its figures mean nothing.
"""

import _report as report
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from loan_workflow import (
    CLASSIFIERS,
    LOGISTIC,
    OURS,
    OURS_SAM,
    OURS_SMOTE,
    SMOTE_OURS,
    XGBOOST,
    competitors,
    predict,
    start,
    tune,
)
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import (
    StratifiedGroupKFold,
    TimeSeriesSplit,
    train_test_split,
)

from sklimb.datasets import load_table, make_transactions


def main(argv=None):
    """Run both parts."""
    start(run, __doc__, argv)


def run(args):
    tuned = simulated(args)
    try:
        bunch = load_table("fraud")
    except FileNotFoundError:
        print("No fraud table in SKLIMB_DATA: the second part is left out.")
    else:
        public(bunch, args)
    splits(*tuned, args)


def simulated(args):
    """Past against future on simulated transactions.

    Returns
    -------
    bunch, searches, y_future, probabilities
        What `splits` compares with.
    """
    if args.quick:
        bunch = make_transactions(3000, fraud_rate=0.05, random_state=0)
    else:
        bunch = make_transactions(30000, fraud_rate=0.02, random_state=0)
    X, y, n_past = bunch.X, bunch.y, int(0.7 * len(bunch.y))
    past, future = slice(n_past), slice(n_past, None)
    name = "simulated transactions, drifting"
    print(
        f"Data: {name}, {n_past:,} rows of the past, {len(y) - n_past:,} of the "
        f"future, {y.mean():.1%} fraud."
    )
    # The rows are in the order of time, so that every split cuts the clock. Of the
    # internal splits a network takes the last one: the latest rows validate.
    candidates = competitors(
        X[past], validation_split=TimeSeriesSplit(5), quick=args.quick
    )
    cv = TimeSeriesSplit(2 if args.quick else 3)
    searches = tune(candidates, X[past], y[past], cv=cv, quick=args.quick)

    y_future = y[future]
    probabilities = predict(searches, X[future])
    seconds = {name: search.refit_time_ for name, search in searches.items()}
    probabilities[report.TRUTH] = bunch.proba[future]
    draws = report.bootstrap(y_future, probabilities, quick=args.quick)
    table = report.results_table(
        y_future, probabilities, seconds, draws, prior=y[past].mean()
    )
    report.show_and_save(table, f"The future: {name}", args.out / "fraud")
    report.plot_curves(
        y_future,
        probabilities,
        f"The future: {name}",
        args.out / "fraud.png",
        order=CLASSIFIERS,
        rare=0.01,
    )
    report.print_paragraph(
        [
            report.advise(y_future, probabilities, table, draws, name),
            ceiling_sentence(table),
            report.smote_sentence(
                y_future, probabilities, table, SMOTE_OURS, OURS_SMOTE
            ),
        ],
        args.out / "fraud_advice.txt",
    )
    return bunch, searches, y_future, probabilities


def splits(bunch, searches, y_future, probabilities, args):
    """What a random split would have promised: last, because all are fitted again."""
    beside = random_split(bunch, searches, y_future, probabilities, args)
    report.show_and_save(
        beside, "The same classifiers under a random split", args.out / "fraud_splits"
    )
    report.print_paragraph(
        [split_sentence(beside)], args.out / "fraud_splits_advice.txt"
    )


def random_split(bunch, searches, y_future, future, args):
    """Figures of the tuned settings when past and future are shuffled together."""
    X, y = bunch.X, bunch.y
    train, test = train_test_split(
        np.arange(len(y)), test_size=len(y_future), stratify=y, random_state=0
    )
    # Rows without order: the networks validate on random rows, too.
    candidates = competitors(X.iloc[train], quick=args.quick)
    fitted = Parallel()(
        delayed(pipeline.set_params(**searches[name].best_params_).fit)(
            X.iloc[train], y[train]
        )
        for name, (pipeline, _) in candidates.items()
    )
    shuffled = predict(dict(zip(candidates, fitted, strict=True)), X.iloc[test])
    shuffled[report.TRUTH] = bunch.proba[test]
    lines = {
        name: {
            "average precision, future": average_precision_score(
                y_future, future[name]
            ),
            "average precision, random": average_precision_score(y[test], p),
            "ROC AUC, future": roc_auc_score(y_future, future[name]),
            "ROC AUC, random": roc_auc_score(y[test], p),
        }
        for name, p in shuffled.items()
    }
    table = pd.DataFrame(lines).T.rename_axis("classifier")
    return table.sort_values("average precision, future", ascending=False)


def ceiling_sentence(table):
    """How far the best classifier is from the known probabilities."""
    precision = table["average precision"]
    best = precision.drop(report.TRUTH).max()
    return (
        f"The true probabilities would reach {precision[report.TRUTH]:.3f}, and "
        f"the best classifier has {best:.3f}."
    )


def split_sentence(beside):
    """What a random split would have promised."""
    gain = (
        beside["average precision, random"] - beside["average precision, future"]
    ).rename("gain")
    ours, truth = gain.drop(report.TRUTH).median(), gain[report.TRUTH]
    if ours > max(truth, 0):
        verdict = (
            "so the rest comes from training on rows of the future: a random "
            "split promises too much"
        )
    else:
        verdict = "so that this random split does not promise too much"
    return (
        f"Under a random split the average precision changes by {ours:+.3f} (median "
        f"of the classifiers) and that of the true probabilities by {truth:+.3f}, "
        f"{verdict}."
    )


def public(bunch, args):
    """The public fraud table: whole groups, weighted rows."""
    X, y, groups, weight = bunch.X, bunch.y, bunch.groups, bunch.sample_weight
    if args.quick:
        few = np.flatnonzero((y == 1) | (np.arange(len(y)) % 10 == 0))
        X, y, groups, weight = X.iloc[few], y[few], groups[few], weight[few]
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    train, test = next(folds.split(X, y, groups))
    name = "public card payments"
    print(
        f"Data: {name} (a subset, weighted to the full file), {len(train):,} training "
        f"and {len(test):,} test rows, {np.average(y, weights=weight):.2%} fraud."
    )
    # Steps that drop or add rows know nothing of the rows' weights, so that the
    # competitors with such a step stay out. Small grids and two folds: a fit takes
    # seconds. The search scores rows unweighted, which is enough to rank settings.
    candidates = competitors(X.iloc[train], quick=args.quick)
    grids = {
        OURS: {"clf__lr": [1e-3, 3e-3]},
        OURS_SAM: {"clf__sam_asymmetric_rho": [0.05]},
        OURS_SMOTE: {"clf__lr": [1e-3, 3e-3]},
        XGBOOST: candidates[XGBOOST][1],
        LOGISTIC: candidates[LOGISTIC][1],
    }
    searches = tune(
        {name: (candidates[name][0], grid) for name, grid in grids.items()},
        X.iloc[train],
        y[train],
        cv=StratifiedGroupKFold(2, shuffle=True, random_state=0),
        quick=args.quick,
        groups=groups[train],
        clf__sample_weight=weight[train],
    )
    y_test, w_test = y[test], weight[test]
    probabilities = predict(searches, X.iloc[test])
    seconds = {name: search.refit_time_ for name, search in searches.items()}
    draws = report.bootstrap(y_test, probabilities, w_test, quick=args.quick)
    table = report.results_table(
        y_test,
        probabilities,
        seconds,
        draws,
        prior=np.average(y[train], weights=weight[train]),
        sample_weight=w_test,
    )
    report.show_and_save(table, f"Groups held out: {name}", args.out / "fraud_public")
    report.plot_curves(
        y_test,
        probabilities,
        f"Groups held out: {name}",
        args.out / "fraud_public.png",
        order=CLASSIFIERS,
        sample_weight=w_test,
    )
    report.print_paragraph(
        [report.advise(y_test, probabilities, table, draws, name)],
        args.out / "fraud_public_advice.txt",
    )


if __name__ == "__main__":
    main()
