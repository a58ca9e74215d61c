"""Means, claims, tables and pictures of Table 6 of Shwartz-Ziv et al. (2023)."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.papers.common.published import GORISHNIY, SIMPLIFYING
from benchmarks.papers.common.report import cell, mean_and_error, pyplot, verdict
from benchmarks.papers.simplifying import batch_size, measure
from benchmarks.papers.simplifying.measure import MODELS, SCORES

TITLES = {
    "xgboost": "XGBoost",
    "mlp": "MLP-PLR",
    "resnet": "ResNet",
    "ft_transformer": "FT-Transformer",
    "mlp_sam": "MLP-PLR + SAM-A + smoothing",
    "mlp_sam_sgd": "MLP-PLR + SAM-A + smoothing, by SGD",
}


def summarise(rows):
    """{table: {model: single and ensemble scores}}."""
    summary = {}
    for name in dict.fromkeys(row["table"] for row in rows):
        summary[name] = {}
        for model in MODELS:
            lines = sorted(
                (r for r in rows if (r["table"], r["model"]) == (name, model)),
                key=lambda r: r["group"],
            )
            if not lines:
                continue
            single = {s: [v for r in lines for v in r["single"][s]] for s in SCORES}
            ensemble = {s: [r["ensemble"][s] for r in lines] for s in SCORES}
            summary[name][model] = {
                "single": {s: mean_and_error(v) for s, v in single.items()},
                "ensemble": {s: mean_and_error(v) for s, v in ensemble.items()},
                "single_accuracies": single["accuracy"],
                "ensemble_accuracies": ensemble["accuracy"],
                "chosen": [r["chosen"] for r in lines if r["chosen"]],
                "rows": lines[0]["rows"],
                "seconds": [r["seconds"] for r in lines],
            }
    return summary


def claims(summary):
    """Claims of the paper on Table 6, on our rows."""
    lines = []
    for name, models in summary.items():
        for ours in ("mlp_sam", "mlp_sam_sgd"):
            for other in ("mlp", "xgboost"):
                if ours in models and other in models:
                    pair = [models[m]["single_accuracies"] for m in (ours, other)]
                    lines.append(
                        {
                            "claim": f"{TITLES[ours]} beats {TITLES[other]}",
                            "where": f"{name}, single, accuracy",
                            **verdict(np.subtract(*pair)),
                        }
                    )
        if "mlp" in models:
            entry = models["mlp"]
            singles = np.reshape(entry["single_accuracies"], (-1, measure.MEMBERS))
            gain = entry["ensemble_accuracies"] - singles.mean(1)
            lines.append(
                {
                    "claim": "an ensemble of 5 beats its members (MLP-PLR)",
                    "where": f"{name}, accuracy",
                    **verdict(gain),
                }
            )
    return lines


def accuracy_table(summary):
    """Markdown: accuracy, published and ours, single and ensemble."""
    header = ["accuracy, mean ± SE", "S002", "single, published", "single, ours"]
    header += ["ensemble of 5, published", "ensemble of 5, ours"]
    rows = []
    for name, models in summary.items():
        for model, entry in models.items():
            single, ensemble = GORISHNIY[name].get(model, (None, None))
            rows.append(
                [
                    f"{name}: {TITLES[model]}",
                    cell(SIMPLIFYING[name].get(model)),
                    cell(single, digits=4),
                    cell(*entry["single"]["accuracy"], digits=4),
                    cell(ensemble, digits=4),
                    cell(*entry["ensemble"]["accuracy"], digits=4),
                ]
            )
    return markdown(header, rows)


def other_scores(summary):
    """Markdown: what accuracy hides."""
    header = ["mean ± SE", "balanced accuracy", "macro F1", "AUC"]
    header += [f"{h}, ensemble" for h in header[1:]] + ["chosen: rho/eps(/lr)"]
    rows = []
    for name, models in summary.items():
        for model, entry in models.items():
            row = [f"{name}: {TITLES[model]}"]
            for kind in ("single", "ensemble"):
                row += [cell(*entry[kind][s]) for s in SCORES[1:]]
            chosen = {tuple(c.values()) for c in entry["chosen"]}
            texts = ("/".join(f"{v:g}" for v in values) for values in sorted(chosen))
            row.append(", ".join(texts) or "-")
            rows.append(row)
    return markdown(header, rows)


def batch_table(curves):
    """Markdown: improvement over batches of 128 in per cent."""
    sizes = list(next(iter(curves.values())))
    rows = []
    for ratio, line in curves.items():
        base = line[str(batch_size.BASE)]
        rows.append(
            [f"r = {ratio}", cell(base["accuracy"], base["standard_error"])]
            + [
                cell(line[b]["improvement_per_cent"], line[b]["improvement_error"], 1)
                for b in sizes
            ]
        )
    header = ["Otto, balanced test rows", f"accuracy at {batch_size.BASE}", *sizes]
    return markdown(header, rows)


def draw(summary, curves, scale):
    """A panel of accuracies a table, and the batch-size curves."""
    n = len(summary) + bool(curves)
    figure, axes = pyplot().subplots(
        1, n, figsize=(4.6 * n, 4.4), squeeze=False, layout="constrained"
    )
    for axis, (name, models) in zip(axes[0], summary.items(), strict=False):
        for place, (model, entry) in enumerate(reversed(list(models.items()))):
            first = place == 0
            for kind, mark, shift in (("single", "o", 0.1), ("ensemble", "s", -0.1)):
                mean, error = entry[kind]["accuracy"]
                axis.errorbar(
                    mean,
                    place + shift,
                    xerr=error or 0.0,
                    fmt=mark,
                    color="tab:blue" if kind == "single" else "tab:green",
                    label=f"ours, {kind}" if first else None,
                )
            published = SIMPLIFYING[name].get(model)
            if published is not None:
                axis.plot(published, place, "x", color="tab:red")
        axis.plot([], [], "x", color="tab:red", label="S002, Table 6")
        titles = [TITLES[m] for m in reversed(list(models))]
        axis.set_yticks(range(len(titles)), titles, fontsize=8)
        axis.set_title(f"{name} ({scale})")
        axis.set_xlabel("test accuracy")
        axis.grid(axis="x", alpha=0.3)
        axis.legend(fontsize=7)
    if curves:
        axis = axes[0, -1]
        for ratio, line in curves.items():
            axis.errorbar(
                [int(b) for b in line],
                [v["improvement_per_cent"] for v in line.values()],
                yerr=[v["improvement_error"] or 0.0 for v in line.values()],
                marker="o",
                label=f"r = {ratio}",
            )
        axis.set_xscale("log", base=2)
        axis.set_xticks([int(b) for b in line], list(line))
        axis.axhline(0.0, color="grey", linewidth=0.8)
        axis.set_xlabel("batch size")
        axis.set_ylabel(f"accuracy over that at {batch_size.BASE}, %")
        axis.set_title(f"batch size, Otto ({scale})")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    return figure
