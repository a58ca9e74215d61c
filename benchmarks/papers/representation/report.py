"""Tables and pictures of "On Representation Learning under Class Imbalance"."""

from benchmarks.common.report import markdown
from benchmarks.papers.common.report import cell, pyplot
from benchmarks.papers.representation.measure import accuracy

TITLES = {"xgboost": "XGBoost", "svm": "SVM", "mlp": "our MLP"}
METHOD_TITLES = {
    "plain": "plain",
    "over": "over-sampled",
    "over_prior": "over-sampled, prior divided out",
    "long": "5 x epochs, small steps",
}


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
