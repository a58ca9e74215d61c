"""Do SAM-A and class-wise smoothing lift an MLP above its rivals on imbalanced tables?

Table 6 of Shwartz-Ziv et al., "Simplifying Neural Network Training Under Class
Imbalance" (2023): Adult, Otto and Covertype with XGBoost, MLP, ResNet, FT-Transformer
and MLP + SAM-A + smoothing, each as five single seeds and as their ensemble; and Figure
1, accuracy by batch size and imbalance ratio, on Otto. One split, shared by all models
and seeds; all models stop by the log loss of the same validation rows, which also
choose rho and eps of SAM-A and smoothing (4 pairs), and with SGD the learning rate (2).
Full scale takes Gorishniy et al.'s tuned MLP-PLR (seed 0) instead of tuning, and 10,000
training and validation rows (`--whole`: all, for a GPU); ResNet, FT-Transformer and
XGBoost are not tuned.

    SKLIMB_DATA=... python benchmarks/papers/simplifying/run.py --jobs 2
    SKLIMB_DATA=... python benchmarks/papers/simplifying/run.py --quick
    python benchmarks/papers/simplifying/run.py --whole --device cuda --jobs 1

A stopped run goes on where it stopped: common/kept.py says which fits are run again
after a change.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.published import GORISHNIY, SIMPLIFYING, SIMPLIFYING_NOTES
from benchmarks.papers.common.report import (
    claims_in_short,
    claims_table,
    record,
    write_results,
)
from benchmarks.papers.simplifying import batch_report, batch_size, measure
from benchmarks.papers.simplifying.measure import (
    MODELS,
    SAM_GRID,
    SGD,
    SGD_GRID,
    TUNED_MLP,
)
from benchmarks.papers.simplifying.report import (
    accuracy_table,
    batch_table,
    claims,
    draw,
    other_scores,
    summarise,
)

TABLES = ("adult", "otto", "covertype")
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
        "rates": batch_size.RATES,
        "clip_norm": batch_size.CLIP_NORM,
    }
    for seed in range(scale["seeds"]):
        for ratio in scale["ratios"]:
            for size in scale["batch_sizes"]:
                yield ("batch", ratio, size, seed), settings


def main(argv=None):
    args = read_arguments(
        __doc__, argv, ("tables", TABLES), ("models", MODELS), whole=True
    )
    scale = SCALES[args.scale]
    key = ("table", "model", "group", "digest")
    kept = kept_fits(args, "simplifying", key, "simplifying.measure")
    jobs = list(all_jobs(scale, args.tables, args.models))
    keys = fit_missing(args, kept, measure.run, jobs)
    rows, missing = found(kept, keys)
    key = ("kind", "ratio", "batch_size", "seed", "digest")
    kept_batches = kept_fits(args, "batch_size", key, "simplifying.batch_size")
    keys = fit_missing(args, kept_batches, batch_size.run, list(batch_jobs(scale)))
    batch_rows, batch_missing = found(kept_batches, keys)
    if not rows:
        raise SystemExit("No fit is there: nothing to report.")
    summary = summarise(rows)
    curves, batch_claims = batch_report.summarise(batch_rows)
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
