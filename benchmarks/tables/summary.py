"""Means, paired differences, ranks and goals from the kept fits."""

import numpy as np
from scipy import stats

from benchmarks.common.scores import SCORES
from benchmarks.common.splits import ALL_TABLES, CHOSEN, CONFIRMED
from benchmarks.common.statistics import corrected_mean, interval
from benchmarks.tables.measure import N_FOLDS, OFFICIAL_SEEDS
from benchmarks.tables.models import MODELS

HALVES = {"all": ALL_TABLES, "chosen": CHOSEN, "confirmed": CONFIRMED}


def collect(tables, models, repeats, kept):
    """Kept lines as {table: {model: list of lines}}, of tables that have them all.

    A table takes as many whole repeats as are kept, at most `repeats`.
    """
    codes = {m: MODELS[m].digest() for m in models}
    found = {}
    for name in tables:
        for n in range(repeats, 0, -1):
            splits = [(r, f) for r in range(n) for f in range(N_FOLDS)]
            if name == "adult":
                splits = [(seed, 0) for seed in range(OFFICIAL_SEEDS)]
            keys = {m: [(name, *s, m, codes[m]) for s in splits] for m in models}
            if all(key in kept for line in keys.values() for key in line):
                found[name] = {m: [kept.rows[k] for k in keys[m]] for m in models}
                break
    return found


def test_share(lines):
    """n_test / n_train of a table's folds; 0 where only the seed differs."""
    if len({line["repeat"] for line in lines}) == len(lines):
        return 0.0
    return float(np.mean([line["n_test"] / line["n_train"] for line in lines]))


def compare(lines, ours, other, name):
    """Our paired difference from another model on one table."""
    difference = [
        a[name] - b[name] for a, b in zip(lines[ours], lines[other], strict=True)
    ]
    mean, error = corrected_mean(difference, test_share(lines[ours]))
    low, high = interval(mean, error, len(difference))
    verdict = "tie"
    if low > 0 or high < 0:
        verdict = "win" if mean * SCORES[name] > 0 else "loss"
    return {
        "difference": mean,
        "standard_error": error,
        "interval": [low, high],
        "verdict": verdict,
    }


def one_table(lines):
    """Means of every model and our differences from the others, on one table."""
    share = test_share(next(iter(lines.values())))
    entry = {"models": {}, "differences": {}}
    for m, values in lines.items():
        entry["models"][m] = {
            name: dict(
                zip(
                    ("mean", "standard_error"),
                    corrected_mean([v[name] for v in values], share),
                    strict=True,
                )
            )
            for name in (*SCORES, "fit_seconds", "fit_cpu_seconds", "predict_seconds")
        }
    for ours in ("sklimb", "sklimb_4"):
        if ours in lines:
            entry["differences"][ours] = {
                other: {name: compare(lines, ours, other, name) for name in SCORES}
                for other in lines
                if other != ours
            }
    return entry


def over_tables(by_table, models):
    """Mean ranks, Wilcoxon tests, and wins, ties and losses, of a set of tables."""
    entry = {"tables": list(by_table), "mean_rank": {}, "against": {}}
    for name, sign in SCORES.items():
        means = np.array(
            [[t["models"][m][name]["mean"] for m in models] for t in by_table.values()]
        )
        ranks = stats.rankdata(-sign * means, axis=1).mean(0)
        entry["mean_rank"][name] = dict(zip(models, ranks.tolist(), strict=True))
    for ours in ("sklimb", "sklimb_4"):
        if ours not in models:
            continue
        entry["against"][ours] = {}
        for other in (m for m in models if m != ours):
            entry["against"][ours][other] = {
                name: _against(by_table, ours, other, name) for name in SCORES
            }
    return entry


def _against(by_table, ours, other, name):
    lines = [t["differences"][ours][other][name] for t in by_table.values()]
    difference = [line["difference"] for line in lines]
    return {
        "mean_difference": float(np.mean(difference)),
        "wilcoxon_p": float(stats.wilcoxon(difference).pvalue)
        if any(difference)
        else 1.0,
        **{
            plural: sum(line["verdict"] == verdict for line in lines)
            for verdict, plural in (
                ("win", "wins"),
                ("tie", "ties"),
                ("loss", "losses"),
            )
        },
    }


def goals(by_table, sets, kept):
    """What was aimed at, what came out."""
    found = {}
    rank = sets["all"]["mean_rank"]["average_precision"]
    if {"sklimb", "xgboost"} <= set(rank):
        found["mean rank of average precision ahead of early-stopped XGBoost"] = {
            "sklimb": rank["sklimb"],
            "xgboost": rank["xgboost"],
            "reached": bool(rank["sklimb"] < rank["xgboost"]),
        }
    loan = by_table.get("loan", {}).get("differences", {}).get("sklimb", {})
    if "logistic" in loan:
        line = loan["logistic"]["roc_auc"]
        found["loan: AUC at least 0.005 above logistic regression"] = {
            "difference": line["difference"],
            "interval": line["interval"],
            "reached": bool(line["difference"] >= 0.005),
            "interval_above_0": bool(line["interval"][0] > 0),
        }
    key = ("5,600 x 19", 0, 0, "sklimb", MODELS["sklimb"].digest())
    if key in kept:
        seconds = kept.rows[key]["fit_seconds"]
        found["a default fit on 5,600 x 19 in at most 5 s"] = {
            "seconds": seconds,
            "reached": bool(seconds <= 5),
        }
    return found
