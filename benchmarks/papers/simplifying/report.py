"""Do SAM-A and class-wise smoothing lift an MLP above its rivals on imbalanced tables?

Table 6 of "Simplifying Neural Network Training Under Class Imbalance" (S002): Adult,
Otto and Covertype with XGBoost, MLP, ResNet, FT-Transformer and MLP + SAM-A +
smoothing, each as five single seeds and as their ensemble; and Figure 1, accuracy by
batch size and imbalance ratio, on Otto. One split, shared by all models and seeds; all
models stop by the log loss of the same validation rows, which also choose rho and eps
of SAM-A and smoothing (4 pairs), and with SGD the learning rate (2).
Full scale takes Gorishniy et al.'s tuned MLP-PLR (seed 0) instead of tuning, and 10,000
training and validation rows (`--whole`: all, for a GPU); ResNet, FT-Transformer and
XGBoost are not tuned.

    SKLIMB_DATA=... python benchmarks/papers/simplifying.py --jobs 2
    SKLIMB_DATA=... python benchmarks/papers/simplifying.py --quick
    python benchmarks/papers/simplifying.py --whole --device cuda --jobs 1

A stopped run goes on where it stopped; after a change of the package itself, delete the
folder partial.
"""

import _batch_size
import _simplifying
import numpy as np
from _published import GORISHNIY, SIMPLIFYING, SIMPLIFYING_NOTES
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
from _simplifying import MODELS, SAM_GRID, SCORES, SGD, SGD_GRID, TUNED_MLP

TABLES = ("adult", "otto", "covertype")
TITLES = {
    "xgboost": "XGBoost",
    "mlp": "MLP-PLR",
    "resnet": "ResNet",
    "ft_transformer": "FT-Transformer",
    "mlp_sam": "MLP-PLR + SAM-A + smoothing",
    "mlp_sam_sgd": "MLP-PLR + SAM-A + smoothing, by SGD",
}
GRIDS = {"mlp_sam": SAM_GRID, "mlp_sam_sgd": SGD_GRID}
SCALES = {
    # Rows that train and validate; 0 is all of them.
    "full": {
        "groups": 1,
        "rows": 10000,
        "rounds": 2000,
        "max_epochs": 200,
        "tuned": True,
        "ft_epochs": 30,
        "small": {},
        "seeds": 5,
        "batch_epochs": 50,
        "total": 9000,
        "per_class": 200,
        "ratios": (1.0, 0.1, 0.01),
        "batch_sizes": (16, 32, 64, 128, 256, 512),
    },
    "quick": {
        "groups": 1,
        "rows": 1500,
        "rounds": 400,
        "max_epochs": 30,
        "tuned": False,
        "ft_epochs": 15,
        "small": {"d_block": 64, "batch_size": 64},
        "seeds": 3,
        "batch_epochs": 15,
        "total": 1800,
        "per_class": 200,
        "ratios": (1.0, 0.01),
        "batch_sizes": (16, 64, 128, 512),
    },
    "tiny": {
        "groups": 1,
        "rows": 400,
        "rounds": 3,
        "max_epochs": 1,
        "tuned": False,
        "ft_epochs": 1,
        "small": {"d_block": 8, "batch_size": 64},
        "seeds": 2,
        "batch_epochs": 1,
        "total": 180,
        "per_class": 20,
        "ratios": (1.0, 0.1),
        "batch_sizes": (64, 128),
    },
}

SCALES["whole"] = {**SCALES["full"], "groups": 3, "rows": 0, "ft_epochs": 200}


def parameters(name, model, scale):
    """What a model of ours is built with."""
    if model == "xgboost":
        return {}
    found = {"max_epochs": scale["max_epochs"], **scale["small"]}
    if model == "ft_transformer":
        found["max_epochs"] = scale["ft_epochs"]
        if scale["small"]:
            found |= {"d_block": scale["small"]["d_block"] // 2, "n_blocks": 1}
            found |= {"attention_n_heads": 4, "lr": 1e-3}
    if model.startswith("mlp") and scale["tuned"]:
        found |= TUNED_MLP[name]
    if model == "mlp_sam_sgd":
        found |= SGD
    return found


def all_jobs(scale, tables, models):
    """Names and settings of the fits of Table 6."""
    for name in tables:
        for model in models:
            settings = {
                "rows": scale["rows"],
                "rounds": scale["rounds"],
                "parameters": parameters(name, model, scale),
                "grid": GRIDS.get(model, []),
            }
            for group in range(scale["groups"]):
                yield (name, model, group), settings


def batch_jobs(scale):
    """Names and settings of the fits of Figure 1."""
    settings = {
        "epochs": scale["batch_epochs"],
        "total": scale["total"],
        "per_class": scale["per_class"],
        "rates": _batch_size.RATES,
        "clip_norm": _batch_size.CLIP_NORM,
    }
    for seed in range(scale["seeds"]):
        for ratio in scale["ratios"]:
            for size in scale["batch_sizes"]:
                yield ("batch", ratio, size, seed), settings


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
    """What S002 says of Table 6, on our rows."""
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
            singles = np.reshape(entry["single_accuracies"], (-1, _simplifying.MEMBERS))
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
        base = line[str(_batch_size.BASE)]
        rows.append(
            [f"r = {ratio}", cell(base["accuracy"], base["standard_error"])]
            + [
                cell(line[b]["improvement_per_cent"], line[b]["improvement_error"], 1)
                for b in sizes
            ]
        )
    header = ["Otto, balanced test rows", f"accuracy at {_batch_size.BASE}", *sizes]
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
        axis.set_ylabel(f"accuracy over that at {_batch_size.BASE}, %")
        axis.set_title(f"batch size, Otto ({scale})")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    return figure


def main(argv=None):
    args = read_arguments(
        __doc__, argv, ("tables", TABLES), ("models", MODELS), whole=True
    )
    scale = SCALES[args.scale]
    kept = kept_fits(args, "simplifying", ("table", "model", "group", "digest"))
    jobs = list(all_jobs(scale, args.tables, args.models))
    keys = fit_missing(args, kept, _simplifying.run, jobs)
    rows, missing = found(kept, keys)
    key = ("kind", "ratio", "batch_size", "seed", "digest")
    kept_batches = kept_fits(args, "batch_size", key)
    keys = fit_missing(args, kept_batches, _batch_size.run, list(batch_jobs(scale)))
    batch_rows, batch_missing = found(kept_batches, keys)
    if not rows:
        raise SystemExit("No fit is there: nothing to report.")
    summary = summarise(rows)
    curves, batch_claims = _batch_size.summarise(batch_rows)
    lines = claims(summary) + batch_claims
    content = record(
        __doc__,
        args,
        scale,
        rows + batch_rows,
        missing_fits=missing + batch_missing,
        notes=list(SIMPLIFYING_NOTES),
        published={"S002": SIMPLIFYING, "gorishniy": GORISHNIY},
        claims=lines,
        ours=summary,
        batch_size=curves,
    )
    used = ", ".join(
        f"{name} {'/'.join(map(str, next(iter(models.values()))['rows']))}"
        for name, models in summary.items()
    )
    parts = [
        "**Table 6.** S002: what S002 prints. Published: Gorishniy et al. (2022). "
        "Standard errors are over seeds of one split, without the test rows'. Rows "
        f"that train/validate/test here: {used}.\n\n{accuracy_table(summary)}",
        f"**What accuracy hides.**\n\n{other_scores(summary)}",
    ]
    if curves:
        parts.append(
            "**Figure 1.** Accuracy relative to that with batches of 128, in per cent, "
            "± SE over seeds; MLP, SGD, cosine, the learning rate chosen on balanced "
            "validation rows for each batch size; the number of training rows is the "
            "same for all ratios r = smallest / largest class. S002 shows CIFAR-100 "
            f"and prints no numbers.\n\n{batch_table(curves)}"
        )
    parts.append(f"**Claims.**\n\n{claims_in_short(lines)}\n\n{claims_table(lines)}")
    parts.append("\n".join(f"- {note}" for note in SIMPLIFYING_NOTES))
    figure = draw(summary, curves, args.scale)
    write_results(args, "simplifying", content, parts, figure)


if __name__ == "__main__":
    main()
