"""Ranks and paired differences from the kept fits; families of tables count once."""

import numpy as np
from scipy import stats

from benchmarks.common.scores import SCORES
from benchmarks.common.statistics import corrected_mean, interval
from benchmarks.out_of_the_box.tables import FAMILY_OF

NAMES = ("average_precision", "roc_auc", "log_loss", "brier")


def collect(kept, models, digests):
    """{table: {model: lines by split}}.

    A table has the splits of which there are fits of all `models`, at least one.
    """
    found = {}
    for (table, split, model, digest), line in kept.rows.items():
        if digests.get(model) == digest:
            found.setdefault(table, {}).setdefault(split, {})[model] = line
    tables = {}
    for table, splits in found.items():
        whole = {s: lines for s, lines in splits.items() if set(models) <= set(lines)}
        if whole:
            tables[table] = {
                m: [whole[s][m] for s in sorted(whole)]
                for m in set.intersection(*(set(lines) for lines in whole.values()))
            }
    return tables


def mean_of(lines, name):
    """Mean of a figure over the splits of a table."""
    return float(np.mean([line[name] for line in lines]))


def by_family(values):
    """Means over the tables of each family, of {table: value or array}."""
    families = {}
    for table, value in values.items():
        families.setdefault(FAMILY_OF.get(table, table), []).append(value)
    return {name: np.mean(found, axis=0) for name, found in families.items()}


def ranks(tables, models, name):
    """Mean rank of each model, 1 the best."""
    own = {
        t: stats.rankdata([-SCORES[name] * mean_of(lines[m], name) for m in models])
        for t, lines in tables.items()
    }
    mean = np.mean(list(by_family(own).values()), axis=0)
    return dict(zip(models, mean.tolist(), strict=True))


def difference(tables, one, other, name):
    """How much better one model is than another: mean, interval, signs.

    Over families, as independent of each other; a log loss is turned round, so that
    more is better of every score.
    """
    own = {
        t: SCORES[name] * (mean_of(lines[one], name) - mean_of(lines[other], name))
        for t, lines in tables.items()
        if one in lines and other in lines
    }
    values = np.array(list(by_family(own).values()))
    entry = {
        "families": len(values),
        "better": int((values > 0).sum()),
        "worse": int((values < 0).sum()),
    }
    if len(values) < 2:
        return {**entry, "mean": float(values.mean()) if len(values) else None}
    mean, error = corrected_mean(values, 0.0)
    return {
        **entry,
        "mean": mean,
        "standard_error": error,
        "interval": interval(mean, error, len(values)),
    }


def seconds(tables, models):
    """Processor seconds of a fit: mean and median over families, and per CatBoost's."""
    entry = {}
    for m in models:
        own = by_family(
            {t: mean_of(v[m], "fit_cpu_seconds") for t, v in tables.items()}
        )
        values = list(own.values())
        entry[m] = {"mean": float(np.mean(values)), "median": float(np.median(values))}
        if "catboost" in models:
            ratio = {
                t: mean_of(v[m], "fit_cpu_seconds")
                / mean_of(v["catboost"], "fit_cpu_seconds")
                for t, v in tables.items()
            }
            ratio = list(by_family(ratio).values())
            entry[m]["median_of_catboosts"] = float(np.median(ratio))
    return entry


def summary(tables, models, pairs):
    """All of the above for some tables."""
    return {
        "tables": sorted(tables),
        "families": len(by_family(dict.fromkeys(tables, 0.0))),
        "splits": sum(len(next(iter(lines.values()))) for lines in tables.values()),
        "mean_rank": {name: ranks(tables, models, name) for name in NAMES},
        "seconds": seconds(tables, models),
        "differences": {
            f"{one} - {other}": {
                name: difference(tables, one, other, name) for name in NAMES
            }
            for one, other in pairs
        },
    }


def slices(tables):
    """{name: some of the tables}: by share and number of positives, and by rows."""

    def line(lines):
        return next(iter(lines.values()))[0]

    positives = {t: line(v)["n_positive"] for t, v in tables.items()}
    share = {t: positives[t] / line(v)["n_train"] for t, v in tables.items()}
    merged = {t: line(v)["n_merged"] for t, v in tables.items()}
    rules = {
        "at most 25 % positive": lambda t: share[t] <= 0.25,
        "fewer than 30 positive rows": lambda t: positives[t] < 30,
        "30 to 300 positive rows": lambda t: 30 <= positives[t] <= 300,
        "more than 300 positive rows": lambda t: positives[t] > 300,
        "fewer than 1,000 merged rows": lambda t: merged[t] < 1000,
        "1,000 merged rows and more": lambda t: merged[t] >= 1000,
    }
    return {
        name: {t: lines for t, lines in tables.items() if rule(t)}
        for name, rule in rules.items()
    }
