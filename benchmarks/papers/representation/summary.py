"""Should training rows be as imbalanced as test rows, on tables?

"On Representation Learning under Class Imbalance" (S000), Figures 1 to 3 and 5 and
Appendix A.2, on Adult and on two classes of Covertype, with XGBoost, an SVM and our
MLP: training ratio against test ratio at a fixed number of rows, fixed rare rows with
ever more frequent ones, and over-sampling on balanced and imbalanced test rows. A ratio
is rare rows a frequent row. A seed draws training, selection and test rows, disjoint
and the same for all models; what is "best" is chosen on the selection rows.

    SKLIMB_DATA=... python benchmarks/papers/representation.py --jobs 2
    SKLIMB_DATA=... python benchmarks/papers/representation.py --quick

A stopped run goes on where it stopped; after a change of the package itself, delete the
folder partial.
"""

import numpy as np
from _published import REPRESENTATION
from _representation import METHODS, MODELS, accuracy, counts, run
from _shared import (
    cell,
    claims_in_short,
    claims_table,
    fit_missing,
    found,
    kept_fits,
    markdown,
    mean_and_error,
    pyplot,
    read_arguments,
    record,
    verdict,
    write_results,
)

TABLES = ("adult", "covertype")
TITLES = {"xgboost": "XGBoost", "svm": "SVM", "mlp": "our MLP"}
METHOD_TITLES = {
    "plain": "plain",
    "over": "over-sampled",
    "over_prior": "over-sampled, prior divided out",
    "long": "5 x epochs, small steps",
}
WITH_PROBABILITIES = ("xgboost", "mlp")
SCALES = {
    "full": {
        "seeds": 5,
        "epochs": 40,
        "n_eval": 2000,
        "total": 4000,
        "ratios": (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01),
        "rare": (100, 200, 500),
        "frequent": (100, 200, 500, 1000, 2000, 5000, 10000, 20000),
        "over_ratios": (0.1, 0.01),
    },
    "quick": {
        "seeds": 3,
        "epochs": 15,
        "n_eval": 1000,
        "total": 1000,
        "ratios": (1.0, 0.3, 0.1, 0.03, 0.01),
        "rare": (100,),
        "frequent": (50, 100, 200, 500, 1500, 4500),
        "over_ratios": (0.1,),
    },
    "tiny": {
        "seeds": 2,
        "epochs": 1,
        "n_eval": 50,
        "total": 100,
        "ratios": (1.0, 0.1),
        "rare": (10,),
        "frequent": (10, 50),
        "over_ratios": (0.1,),
    },
}
# S000 calls the equal ratio "nearly optimal": at most so much accuracy is lost.
NEAR = 0.005


def all_jobs(scale, tables, models):
    """Names and settings of every fit; one that serves two figures is made once."""
    pairs = [counts(scale["total"], r) for r in scale["ratios"]]
    pairs += [(n, m) for n in scale["rare"] for m in scale["frequent"]]
    for seed in range(scale["seeds"]):
        for name in tables:
            for model in models:
                fits = dict.fromkeys(("plain", *pair) for pair in pairs)
                for ratio in scale["over_ratios"]:
                    pair = counts(scale["total"], ratio)
                    fits |= dict.fromkeys((m, *pair) for m in METHODS[model])
                if model in WITH_PROBABILITIES:
                    fits["prior", *counts(scale["total"], 1.0)] = None
                for method, n_rare, n_frequent in fits:
                    settings = {"n_eval": scale["n_eval"]}
                    if method == "prior":
                        settings["ratios"] = scale["ratios"]
                    if model == "mlp":
                        settings["epochs"] = scale["epochs"]
                    names = (name, model, method, n_rare, n_frequent, seed)
                    yield names, settings


class Fits:
    """The fits of one table and model; by method and numbers of rows, seed by seed."""

    def __init__(self, rows, seeds, model):
        self.by, self.model = {}, model
        for row in rows:
            key = (row["method"], row["n_rare"], row["n_frequent"])
            self.by.setdefault(key, {})[row["seed"]] = row
        self.seeds = [s for s in range(seeds) if all(s in v for v in self.by.values())]

    def accuracies(self, method, pair, ratio, part="test"):
        """Accuracy on rows of the ratio, one a seed."""
        lines = self.by[method, *pair]
        return np.array([accuracy(lines[s][part], ratio) for s in self.seeds])

    def shifted(self, pair, ratio):
        """As `accuracies`, of balanced training with the prior of the ratio."""
        if ("prior", *pair) not in self.by:
            return None
        lines = self.by["prior", *pair]
        return np.array(
            [accuracy(lines[s]["shifted"][str(ratio)], ratio) for s in self.seeds]
        )

    def of_rare(self, method, pair, part="test"):
        """Accuracy on the rare rows, one a seed."""
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
    return {"ratios": ratios, "majority": majority, "over": over}


def claims(summary):
    """What S000 says, on our rows."""
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
            near = dict(line["optimal - equal"])
            if near["interval"] is not None:
                low, high = near["interval"]
                near["holds"] = "yes" if high < NEAR else "not shown"
                near["holds"] = "no" if low > NEAR else near["holds"]
            text = f"the best ratio gains less than {NEAR} over the test's ratio"
            lines.append({"claim": text, "where": at, **near})
        for line in entry["majority"]:
            text = "ever more frequent rows harm balanced accuracy (best - most)"
            at = f"{where}, {line['rare']} rare rows"
            lines.append({"claim": text, "where": at, **line["best - most"]})
        for line in entry["over"]:
            if line["method"] != "over":
                continue
            at = f"{where}, ratio {line['ratio']:g}"
            says = "no, for networks" if model == "mlp" else "yes, for XGBoost"
            says = "-" if model == "svm" else says
            texts = {
                "train, rare": "over-sampling fits the rare training rows (S000: yes)",
                "test, balanced": f"it helps on balanced test rows (S000: {says})",
                "test, imbalanced": "it helps on imbalanced test rows (S000: no)",
            }
            for key, text in texts.items():
                lines.append({"claim": text, "where": at, **line["minus plain"][key]})
    return lines


def ratio_table(summary):
    """Markdown of Figures 1 and 2."""
    header = ["accuracy, mean ± SE", "test ratio", "equal", "balanced"]
    header += [
        "balanced, prior corrected",
        "best",
        "best training ratio",
        "always frequent",
    ]
    rows = [
        [f"{name}, {TITLES[model]}", f"{line['test_ratio']:g}"]
        + [
            cell(*line[k], digits=4)
            for k in ("equal", "balanced", "corrected", "optimal")
        ]
        + [
            f"{line['best_train_ratio']:g}",
            cell(accuracy((0, 1), line["test_ratio"]), digits=4),
        ]
        for (name, model), entry in summary.items()
        for line in entry["ratios"]
    ]
    return markdown(header, rows)


def majority_table(summary, frequent):
    """Markdown of Figure 3."""
    header = ["accuracy on balanced rows", "rare rows"]
    header += [f"{m} frequent" for m in frequent] + ["best"]
    rows = [
        [f"{name}, {TITLES[model]}", line["rare"]]
        + [cell(*v) for v in line["accuracy"].values()]
        + [line["best_frequent"]]
        for (name, model), entry in summary.items()
        for line in entry["majority"]
    ]
    return markdown(header, rows)


def over_table(summary):
    """Markdown of Figure 5 and A.2."""
    kinds = ("train, rare", "test, rare", "test, balanced", "test, imbalanced")
    header = ["accuracy, mean ± SE", "ratio", "method", *kinds]
    rows = [
        [f"{name}, {TITLES[model]}", f"{line['ratio']:g}"]
        + [METHOD_TITLES[line["method"]]]
        + [cell(*line["accuracy"][k]) for k in kinds]
        for (name, model), entry in summary.items()
        for line in entry["over"]
    ]
    return markdown(header, rows)


def draw(summary, scale):
    """A row a table: Figure 1 as a difference, Figures 2, 3 and 5."""
    names = list(dict.fromkeys(name for name, _ in summary))
    figure, axes = pyplot().subplots(
        len(names),
        4,
        figsize=(18, 4.2 * len(names)),
        squeeze=False,
        layout="constrained",
    )
    for line, name in zip(axes, names, strict=True):
        for model, title in TITLES.items():
            entry = summary.get((name, model))
            if entry is None:
                continue
            ratios = [v["test_ratio"] for v in entry["ratios"]]
            gain = [v["equal - balanced"]["mean"] for v in entry["ratios"]]
            line[0].plot(ratios, gain, "o-", label=title)
            best = [v["best_train_ratio"] for v in entry["ratios"]]
            line[1].plot(ratios, best, "o-", label=title, alpha=0.7)
            for part in entry["majority"]:
                values = list(part["accuracy"].values())
                line[2].errorbar(
                    [int(m) for m in part["accuracy"]],
                    [1 - mean for mean, _ in values],
                    yerr=[error or 0.0 for _, error in values],
                    marker="o",
                    label=f"{title}, {part['rare']} rare",
                )
            # Of the first ratio, the over-sampled line after the plain one.
            changes = entry["over"][1]["minus plain"]
            keys = ("train, rare", "test, balanced", "test, imbalanced")
            values = [changes[k]["mean"] for k in keys]
            line[3].plot(keys, values, "o-", label=title)
        line[0].set(title=f"{name}: Figure 1 ({scale})", xlabel="test ratio")
        line[0].set_ylabel("accuracy: equal ratio - balanced training")
        line[1].plot(ratios, ratios, color="grey", linewidth=0.8)
        line[1].set(title="Figure 2", xlabel="test ratio", ylabel="best training ratio")
        line[1].set_yscale("log")
        line[2].set(title="Figure 3", xlabel="frequent rows", ylabel="balanced error")
        line[3].set(title="Figure 5, A.2", ylabel="accuracy: over-sampled - plain")
        for axis in line[:3]:
            axis.set_xscale("log")
        for axis in line:
            axis.grid(alpha=0.3)
            axis.legend(fontsize=8)
        for axis in (line[0], line[3]):
            axis.axhline(0.0, color="grey", linewidth=0.8)
    return figure


def main(argv=None):
    args = read_arguments(__doc__, argv, ("tables", TABLES), ("models", MODELS))
    scale = SCALES[args.scale]
    key = ("table", "model", "method", "n_rare", "n_frequent", "seed", "digest")
    kept = kept_fits(args, "representation", key)
    keys = fit_missing(args, kept, run, list(all_jobs(scale, args.tables, args.models)))
    rows, missing = found(kept, keys)
    if missing:
        raise SystemExit(f"{missing} fits are missing: run without --report-only.")
    summary = {}
    for name in args.tables:
        for model in args.models:
            mine = [r for r in rows if (r["table"], r["model"]) == (name, model)]
            fits = Fits(mine, scale["seeds"], model)
            summary[name, model] = summarise(fits, scale)
    lines = claims(summary)
    content = record(
        __doc__,
        args,
        scale,
        rows,
        published=REPRESENTATION,
        claims=lines,
        ours={
            name: {model: summary[name, model] for model in args.models}
            for name in args.tables
        },
    )
    parts = [
        "**Published.** S000 shows figures and prints no numbers; it says:\n\n"
        + "\n".join(f"- {text}" for text in REPRESENTATION.values()),
        "**Figures 1 and 2.** Accuracy on test rows of a ratio (rare rows a frequent "
        f"one) of models trained on {scale['total']} rows of the same ratio, of "
        "balanced ones, as they are and with the odds multiplied by the test's ratio, "
        "and of the ratio that is best on the selection rows; and of the constant that "
        "always says frequent."
        f"\n\n{ratio_table(summary)}",
        "**Figure 3.** Fixed rare rows, ever more frequent ones."
        f"\n\n{majority_table(summary, scale['frequent'])}",
        f"**Figure 5 and A.2.** Over-sampling, trained on {scale['total']} rows."
        f"\n\n{over_table(summary)}",
        f"**Claims.** Intervals over seeds.\n\n{claims_in_short(lines)}",
        claims_table(lines),
    ]
    write_results(args, "representation", content, parts, draw(summary, args.scale))


if __name__ == "__main__":
    main()
