"""Lists of settings chosen on other tables, scored on the table itself."""

import numpy as np
from scipy import stats

from benchmarks.common.kept import digest
from benchmarks.common.statistics import corrected_mean, interval
from benchmarks.studies.portfolio.measure import (
    CANDIDATES,
    TIMED,
    fits_to_time,
    make_units,
    path_of,
)
from benchmarks.studies.portfolio.split import LISTS, METRICS, SIGN, Split
from sklimb.fitting.portfolio import DEFAULT, MIN_MINORITY_ROWS

THRESHOLDS = (0, 10, 20, 40, 80)
REGRETS = (
    ("list", "oracle"),
    ("members", "oracle"),
    ("single", "oracle"),
    ("list", "oracle_members"),
    ("members", "oracle_members"),
)


def mean_over(splits, value):
    """Array of a value of each table, the mean over its splits."""
    return np.array([np.mean([value(s) for s in part], 0) for part in splits.values()])


def summary(gain):
    """Mean over tables of each metric's gain, its interval and how many tables gain."""
    content = {}
    for k, name in enumerate(METRICS):
        mean, error = corrected_mean(gain[:, k], 0)
        content[name] = {
            "mean": mean,
            "standard_error": error,
            "interval_95": interval(mean, error, len(gain)),
            "median": float(np.median(gain[:, k])),
            "p_t_test": float(stats.ttest_1samp(gain[:, k], 0).pvalue),
            "p_wilcoxon": float(stats.wilcoxon(gain[:, k]).pvalue),
            "tables_better": int((gain[:, k] > 0).sum()),
            "tables_worse": int((gain[:, k] < 0).sum()),
        }
    return content


def analyse(splits):
    """Everything but the seconds."""
    names = list(splits)
    single = mean_over(splits, lambda s: s.single.mean(1))
    members = mean_over(splits, lambda s: s.members)
    equal = mean_over(splits, lambda s: s.equal.mean(1))
    rule = {
        least: mean_over(splits, lambda s, least=least: s.with_rule(least))
        for least in (*THRESHOLDS, MIN_MINORITY_ROWS)
    }
    lists = rule[MIN_MINORITY_ROWS]
    rank = stats.rankdata(-single[:, :, 0], axis=1)
    rounds, entries = {}, []
    for t, name in enumerate(names):
        others = np.arange(len(names)) != t
        best_list = int(lists[others, :, 0].mean(0).argmax())
        best = int(single[others, :, 0].mean(0).argmax())
        oracle = [int((SIGN * single[t])[:, k].argmax()) for k in range(len(METRICS))]
        entry = {
            "list": lists[t, best_list],
            "list_equal_weights": equal[t, best_list],
            "list_members_alone": single[t, list(LISTS[best_list])].mean(0),
            "single": single[t, best],
            "members": members[t, best],
            "oracle": single[t, oracle, range(len(METRICS))],
            "oracle_members": (SIGN * members[t]).max(0) * SIGN,
        }
        entries.append(
            entry | {f"least_{n}": rule[n][t, best_list] for n in THRESHOLDS}
        )
        part = splits[name]
        rounds[name] = {
            "folds": len(part),
            "rows_train": part[0].n_train,
            "rows_test": part[0].n_test,
            "minority_validation_rows": [s.minority for s in part],
            "chosen_list": list(LISTS[best_list]),
            "chosen_single": best,
            "chosen_single_by_rank": int(rank[others].mean(0).argmin()),
            "oracle": dict(zip(METRICS, oracle, strict=True)),
            "scores": {k: dict(zip(METRICS, v, strict=True)) for k, v in entry.items()},
            "singles_auc": single[t, :, 0].tolist(),
        }
    v = {key: np.array([e[key] for e in entries]) for key in entries[0]}
    overall = lists[:, :, 0].mean(0)
    order = [int(i) for i in np.argsort(-overall)]
    chosen = LISTS[order[0]]
    best = int(single[:, :, 0].mean(0).argmax())
    present = tuple(CANDIDATES.index(s) for s in DEFAULT if s in CANDIDATES)
    current = LISTS.index(present) if present in LISTS else None
    return {
        "tables": rounds,
        "gains": {
            "list - single": summary(SIGN * (v["list"] - v["single"])),
            "list - n_members=4 of single": summary(SIGN * (v["list"] - v["members"])),
            "list, equal weights - n_members=4 of single": summary(
                SIGN * (v["list_equal_weights"] - v["members"])
            ),
            "list, greedy by the rule - equal weights": summary(
                SIGN * (v["list"] - v["list_equal_weights"])
            ),
            "n_members=4 - single": summary(SIGN * (v["members"] - v["single"])),
            "n_members=4 of single - n_members=4 of the defaults": summary(
                SIGN * (v["members"] - members[:, 0])
            ),
        },
        "regret": {
            f"{what} - {against}": {
                name: {
                    "median": float(np.median(loss[:, k])),
                    "mean": float(loss[:, k].mean()),
                    "largest": float(loss[:, k].max()),
                }
                for k, name in enumerate(METRICS)
            }
            for what, against in REGRETS
            for loss in [SIGN * (v[against] - v[what])]
        },
        "all_tables": {
            "list": list(chosen),
            "settings": [CANDIDATES[i] for i in chosen],
            "single": best,
            "best_list_by": {
                name: list(LISTS[int((SIGN[k] * lists.mean(0)[:, k]).argmax())])
                for k, name in enumerate(METRICS)
            },
            "ranking": [_list_entry(lists, i) for i in order[:8]],
            "worst": _list_entry(lists, order[-1]),
            "current_default": None
            if current is None
            else _list_entry(lists, current) | {"place": 1 + order.index(current)},
            "singles": [
                dict(zip(METRICS, single.mean(0)[c], strict=True))
                | {"mean_rank_auc": float(rank[:, c].mean())}
                | {"members": dict(zip(METRICS, members.mean(0)[c], strict=True))}
                for c in range(len(CANDIDATES))
            ],
            # Chosen and scored on the same tables.
            "list - n_members=4 of single": summary(
                SIGN * (lists[:, order[0]] - members[:, best])
            ),
            "current default - n_members=4 of single": None
            if current is None
            else summary(SIGN * (lists[:, current] - members[:, best])),
        },
        "weights": {
            name: by_weights(splits, LISTS[i], rule, equal)
            for name, i in {"best list": order[0], "sklimb's list": current}.items()
            if i is not None
        },
        "fewer_validation_rows": fewer_rows(splits, chosen),
    }


def _list_entry(lists, i):
    mean = dict(zip(METRICS, lists.mean(0)[i].tolist(), strict=True))
    return {"list": list(LISTS[i]), **mean}


def by_weights(splits, chosen, rule, equal):
    """Gain over equal weights of greedy ones, and of those half-way between."""
    i = LISTS.index(chosen)
    content = {"list": list(chosen)}
    for least in THRESHOLDS:
        content[f"greedy, {least}"] = summary(SIGN * (rule[least] - equal)[:, i])
    for least in (0, MIN_MINORITY_ROWS):
        half = mean_over(splits, lambda s, n=least: s.half_way(chosen, n))
        content[f"half-way, {least}"] = summary(SIGN * (half - equal[:, i]))
    return content


def fewer_rows(splits, chosen):
    """Greedy minus equal weights by the number of rare validation rows drawn."""
    content = {}
    for n_rare in [5, *THRESHOLDS[1:]]:
        rng = np.random.default_rng(0)
        gain = {
            name: np.mean([s.from_fewer_rows(chosen, n_rare, rng) for s in part], 0)
            for name, part in splits.items()
            if part[0].n_classes == 2 and min(s.minority for s in part) >= n_rare
        }
        if len(gain) > 1:
            gains = summary(np.array(list(gain.values())))
            content[str(n_rare)] = {"tables": list(gain), **gains}
    return content


def seconds(tables, settings, kept):
    """Processor seconds of the fits and the ratios that the goals speak of."""
    names = fits_to_time(settings)
    found, ratios = {}, []
    for name, seeds in [*((t, 1) for t in tables), ("synthetic", TIMED["seeds"])]:
        keys = {
            fit: [(name, seed, digest([fit, params])) for seed in range(seeds)]
            for fit, params in names.items()
        }
        if not all(key in kept for part in keys.values() for key in part):
            continue
        mean = {
            fit: float(np.mean([kept.rows[k]["fit_cpu_seconds"] for k in part]))
            for fit, part in keys.items()
        }
        alone = sum(v for fit, v in mean.items() if fit.startswith("single"))
        found[name] = mean | {
            "portfolio / its settings one by one": mean["portfolio"] / alone,
            "portfolio / (members x default)": mean["portfolio"]
            / (len(settings) * mean["default"]),
            "portfolio / n_members": mean["portfolio"] / mean["n_members"],
        }
        ratios.append({k: v for k, v in found[name].items() if "/" in k})
    if not found:
        return None
    median = {k: float(np.median([r[k] for r in ratios])) for k in ratios[0]}
    return {"by_table": found, "median_ratios": median}


def load(tables, folder, data_home):
    """The splits of all tables that are complete, {table: list of Split}."""
    splits = {}
    for name in tables:
        paths = [path_of(folder, unit) for unit in make_units(name, data_home)]
        if all(path.exists() for path in paths):
            splits[name] = [Split(path) for path in paths]
    return splits
