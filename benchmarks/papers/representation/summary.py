"""The claims of "On Representation Learning under Class Imbalance" on our rows."""

import numpy as np

from benchmarks.papers.common.report import mean_and_error, verdict
from benchmarks.papers.representation.measure import (
    FURTHER,
    METHODS,
    accuracy,
    counts,
    further,
)
from benchmarks.papers.representation.report import TITLES

# The paper calls the equal ratio "nearly optimal": at most so much accuracy is lost.
NEAR = 0.005


class Fits:
    """The fits of one table and model; by method and numbers of rows, seed by seed."""

    def __init__(self, rows, seeds, model):
        self.by, self.model = {}, model
        for row in rows:
            key = (row["method"], row["n_rare"], row["n_frequent"])
            self.by.setdefault(key, {})[row["seed"]] = row
        self.seeds = [s for s in range(seeds) if all(s in v for v in self.by.values())]

    def accuracies(self, method, pair, ratio, part="test"):
        """Accuracy on rows of the ratio, one per seed."""
        lines = self.by[method, *pair]
        return np.array([accuracy(lines[s][part], ratio) for s in self.seeds])

    def further(self, pair, ratio, name):
        """A further score on rows of the ratio, or the AUC, one per seed."""
        lines = [self.by["plain", *pair][s] for s in self.seeds]
        if name == "auc":
            return np.array([line["auc"] for line in lines])
        return np.array([further(line["test"], ratio)[name] for line in lines])

    def errors(self, pair, part="test"):
        """Errors on rare rows and on frequent ones, one per seed."""
        lines = self.by["plain", *pair]
        return 1 - np.array([lines[s][part] for s in self.seeds]).T

    def chosen(self, total, ratios):
        """Training ratio that is best at each test ratio, (seeds, ratios, ratios).

        1 where the training ratio (last axis) has the highest accuracy on the selection
        rows; shared by those that are level.
        """
        found = [
            [
                self.accuracies("plain", counts(total, r), ratio, "selection")
                for r in ratios
            ]
            for ratio in ratios
        ]
        found = np.moveaxis(np.array(found), -1, 0)
        best = found == found.max(-1, keepdims=True)
        return best / best.sum(-1, keepdims=True)

    def shifted(self, pair, ratio):
        """As `accuracies`, of balanced training with the prior of the ratio."""
        if ("prior", *pair) not in self.by:
            return None
        lines = self.by["prior", *pair]
        return np.array(
            [accuracy(lines[s]["shifted"][str(ratio)], ratio) for s in self.seeds]
        )

    def of_rare(self, method, pair, part="test"):
        """Accuracy on the rare rows, one per seed."""
        lines = self.by[method, *pair]
        return np.array([lines[s][part][0] for s in self.seeds])

    def best(self, pairs, ratio):
        """Test accuracy of the pair that is best on the selection rows, and which.

        The pair is chosen by the mean over seeds.
        """
        means = [
            self.accuracies("plain", pair, ratio, "selection").mean() for pair in pairs
        ]
        pair = pairs[int(np.argmax(means))]
        return self.accuracies("plain", pair, ratio), pair


def summarise(fits, scale):
    """The three figures of one table and model."""
    pairs = {r: counts(scale["total"], r) for r in scale["ratios"]}
    back = {pair: r for r, pair in pairs.items()}
    ratios = []
    for ratio in scale["ratios"]:
        best, pair = fits.best(list(pairs.values()), ratio)
        equal = fits.accuracies("plain", pairs[ratio], ratio)
        balanced = fits.accuracies("plain", pairs[1.0], ratio)
        shifted = fits.shifted(pairs[1.0], ratio)
        there = shifted is not None
        ratios.append(
            {
                "test_ratio": ratio,
                "corrected": mean_and_error(shifted) if there else (None,),
                "equal - corrected": verdict(equal - shifted) if there else None,
                "best_train_ratio": back[pair],
                "equal": mean_and_error(equal),
                "balanced": mean_and_error(balanced),
                "optimal": mean_and_error(best),
                "equal - balanced": verdict(equal - balanced),
                "optimal - equal": verdict(best - equal),
            }
        )
    for line in ratios:
        pair = pairs[line["test_ratio"]]
        test, train = fits.errors(pair), fits.errors(pair, "train")
        line["errors"] = [mean_and_error(v) for v in test]
        line["training errors"] = [mean_and_error(v) for v in train]
        gap = np.subtract(*train)
        line["rare - frequent, training"] = verdict(gap)
        for name in (*FURTHER, "auc"):
            equal, balanced = (
                fits.further(p, line["test_ratio"], name) for p in (pair, pairs[1.0])
            )
            line[name] = {
                "equal": mean_and_error(equal),
                "balanced": mean_and_error(balanced),
                "equal - balanced": verdict(equal - balanced),
            }
    even, odd = (fits.errors(pairs[r]) for r in (max(pairs), min(pairs)))
    by_class = {
        "rare": verdict(odd[0] - even[0]),
        "frequent": verdict(even[1] - odd[1]),
    }
    majority = []
    for n in scale["rare"]:
        line = [(n, m) for m in scale["frequent"]]
        best, pair = fits.best(line, 1.0)
        last = fits.accuracies("plain", line[-1], 1.0)
        majority.append(
            {
                "rare": n,
                "accuracy": {
                    str(m): mean_and_error(fits.accuracies("plain", (n, m), 1.0))
                    for m in scale["frequent"]
                },
                "best_frequent": pair[1],
                "best - most": verdict(best - last),
            }
        )
    over = []
    for ratio in scale["over_ratios"]:
        pair = counts(scale["total"], ratio)
        for method in METHODS[fits.model]:
            values, plain = (
                {
                    "train, rare": fits.of_rare(m, pair, "train"),
                    "test, rare": fits.of_rare(m, pair),
                    "test, balanced": fits.accuracies(m, pair, 1.0),
                    "test, imbalanced": fits.accuracies(m, pair, ratio),
                }
                for m in (method, "plain")
            )
            over.append(
                {
                    "ratio": ratio,
                    "method": method,
                    "accuracy": {k: mean_and_error(v) for k, v in values.items()},
                    "minus plain": {k: verdict(values[k] - plain[k]) for k in values},
                }
            )
    return {
        "ratios": ratios,
        "by_class": by_class,
        "alignment": _alignment(fits, scale),
        "majority": majority,
        "over": over,
    }


def _alignment(fits, scale):
    """How far the best training ratio is from the test's (S002, Figure 15; Figure 2).

    `misalignment` is the mean over test ratios of their distance, by total of rows.
    "balanced" is log10 of the best training ratio over the test's, of the main total
    and of the ratios that have others on both sides.
    """
    ratios = np.array(scale["ratios"])
    distance = np.abs(ratios[:, None] - ratios)
    apart = {
        total: (fits.chosen(total, scale["ratios"]) * distance).sum(-1).mean(-1)
        for total in sorted({scale["total"], *scale["totals"]})
    }
    few, many = min(apart), max(apart)
    inner = slice(1, -1) if len(ratios) > 2 else slice(None)
    logs = np.log10(ratios / ratios[:, None])
    best = fits.chosen(scale["total"], scale["ratios"])
    balanced = (best * logs).sum(-1)[:, inner].mean(-1)
    found = {
        "misalignment": {str(t): mean_and_error(v) for t, v in apart.items()},
        "balanced": verdict(balanced),
    }
    if few < many:
        found["few - many"] = verdict(apart[few] - apart[many])
    return found


def claims(summary):
    """Claims of the paper, on our rows."""
    lines = []
    for (name, model), entry in summary.items():
        where = f"{name}, {TITLES[model]}"
        for line in entry["ratios"]:
            ratio = line["test_ratio"]
            if ratio == 1.0:
                continue
            at = f"{where}, test ratio {ratio:g}"
            lines.append(
                {
                    "claim": "training at the test's ratio beats balanced training",
                    "where": at,
                    **line["equal - balanced"],
                }
            )
            if line["equal - corrected"] is not None:
                text = "it beats balanced training with the prior corrected (not S000)"
                lines.append({"claim": text, "where": at, **line["equal - corrected"]})
            for name in (*FURTHER, "auc"):
                text = f"it beats balanced training by {name} (S000, Figures 12 to 15)"
                own = line[name]["equal - balanced"]
                lines.append({"claim": text, "where": at, **own})
            near = dict(line["optimal - equal"])
            if near["interval"] is not None:
                low, high = near["interval"]
                near["holds"] = "yes" if high < NEAR else "not shown"
                near["holds"] = "no" if low > NEAR else near["holds"]
            text = f"the best ratio gains less than {NEAR} over the test's ratio"
            lines.append({"claim": text, "where": at, **near})
        texts = {
            "rare": "imbalanced training raises the rare class's error (Figure 11)",
            "frequent": "it lowers the frequent class's error (Figure 11)",
        }
        for key, text in texts.items():
            lines.append({"claim": text, "where": where, **entry["by_class"][key]})
        for line in entry["ratios"]:
            at = f"{where}, ratio {line['test_ratio']:g}"
            text = "rare training rows are fitted less well (Figures 4 and 16)"
            own = line["rare - frequent, training"]
            lines.append({"claim": text, "where": at, **own})
        own = entry["alignment"]
        text = "the best training ratio is more balanced than the test's (log10)"
        lines.append({"claim": text, "where": where, **own["balanced"]})
        if "few - many" in own:
            text = "with more rows it is closer to the test's (S002, Figure 15)"
            lines.append({"claim": text, "where": where, **own["few - many"]})
        for line in entry["majority"]:
            text = "ever more frequent rows harm balanced accuracy (best - most)"
            at = f"{where}, {line['rare']} rare rows"
            lines.append({"claim": text, "where": at, **line["best - most"]})
        for line in entry["over"]:
            if line["method"] != "over":
                continue
            at = f"{where}, ratio {line['ratio']:g}"
            says = {"xgboost": "yes, for XGBoost", "svm": "-"}
            says = says.get(model, "no, for networks")
            texts = {
                "train, rare": "over-sampling fits the rare training rows (S000: yes)",
                "test, balanced": f"it helps on balanced test rows (S000: {says})",
                "test, imbalanced": "it helps on imbalanced test rows (S000: no)",
            }
            for key, text in texts.items():
                lines.append({"claim": text, "where": at, **line["minus plain"][key]})
    return lines
