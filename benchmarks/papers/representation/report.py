"""Tables and pictures of "On Representation Learning under Class Imbalance"."""

from benchmarks.common.report import markdown
from benchmarks.papers.common.report import cell, pyplot
from benchmarks.papers.representation.measure import FURTHER, accuracy

TITLES = {"xgboost": "XGBoost", "svm": "SVM", "mlp": "our MLP", "resnet": "ResNet"}
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


def further_table(summary):
    """Markdown of Figures 11 to 16: errors by class, further scores."""
    header = ["trained at the test's ratio / on balanced rows", "test ratio"]
    header += ["error: rare", "frequent", "training error: rare", "frequent"]
    header += [*FURTHER, "auc"]
    rows = [
        [f"{name}, {TITLES[model]}", f"{line['test_ratio']:g}"]
        + [cell(*v) for k in ("errors", "training errors") for v in line[k]]
        + [
            " / ".join(cell(line[k][by][0]) for by in ("equal", "balanced"))
            for k in (*FURTHER, "auc")
        ]
        for (name, model), entry in summary.items()
        for line in entry["ratios"]
    ]
    return markdown(header, rows)


def alignment_table(summary):
    """Markdown of S002's Figure 15."""
    rows = [
        [f"{name}, {TITLES[model]}", total, cell(*value, digits=4)]
        for (name, model), entry in summary.items()
        for total, value in entry["alignment"]["misalignment"].items()
    ]
    return markdown(["", "training rows", "distance of the best training ratio"], rows)


def majority_table(summary):
    """Markdown of Figure 3: images have other numbers of rows than tables."""
    parts = {}
    for (name, model), entry in summary.items():
        for line in entry["majority"]:
            row = [f"{name}, {TITLES[model]}", line["rare"]]
            row += [cell(*v) for v in line["accuracy"].values()]
            row += [line["best_frequent"]]
            parts.setdefault(tuple(line["accuracy"]), []).append(row)
    head = ["accuracy on balanced rows", "rare rows"]
    return "\n\n".join(
        markdown([*head, *(f"{m} frequent" for m in frequent), "best"], rows)
        for frequent, rows in parts.items()
    )


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
    """A row a table: Figure 1 as a difference, 2, 3, 5 and 11, and S002's 15."""
    names = list(dict.fromkeys(name for name, _ in summary))
    figure, axes = pyplot().subplots(
        len(names),
        6,
        figsize=(27, 4.2 * len(names)),
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
            for k, style in ((0, "o-"), (1, "s--")):
                errors = [v["errors"][k] for v in entry["ratios"]]
                line[4].errorbar(
                    ratios,
                    [mean for mean, _ in errors],
                    yerr=[error or 0.0 for _, error in errors],
                    fmt=style,
                    label=f"{title}, {('rare', 'frequent')[k]}",
                )
            apart = entry["alignment"]["misalignment"]
            line[5].errorbar(
                [int(total) for total in apart],
                [mean for mean, _ in apart.values()],
                yerr=[error or 0.0 for _, error in apart.values()],
                marker="o",
                label=title,
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
        line[4].set(title="Figure 11", xlabel="training ratio", ylabel="test error")
        line[5].set(title="S002, Figure 15", xlabel="training rows")
        line[5].set_ylabel("mean |best training - test ratio|")
        for axis in (*line[:3], *line[4:]):
            axis.set_xscale("log")
        for axis in line:
            axis.grid(alpha=0.3)
            axis.legend(fontsize=8)
        for axis in (line[0], line[3]):
            axis.axhline(0.0, color="grey", linewidth=0.8)
    return figure
