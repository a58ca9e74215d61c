"""Should training rows be as imbalanced as test rows?

"On Representation Learning under Class Imbalance", Figures 1 to 3, 5 and 11 to 16 and
Appendix A.2, and Figures 11 to 16 and 20 to 22 of Shwartz-Ziv et al. (2023): on Adult
and two classes of Covertype with XGBoost, an SVM and our MLP, and on two classes of
CIFAR-10 with a ResNet (and of CINIC-10, where its folder is at hand). Training ratio
against test ratio at a fixed number of rows and at several, fixed rare rows with ever
more frequent ones, and over-sampling on balanced and imbalanced test rows. A ratio is
rare rows per frequent row. A seed draws training, selection and test rows, disjoint and
the same for all models; "best" models are chosen on the selection rows.

    SKLIMB_DATA=... python benchmarks/papers/representation/run.py --jobs 2
    SKLIMB_DATA=... python benchmarks/papers/representation/run.py --quick

A stopped run goes on where it stopped: common/kept.py says which fits are run again
after a change.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.published import REPRESENTATION
from benchmarks.papers.common.report import (
    claims_in_short,
    claims_table,
    record,
    write_results,
)
from benchmarks.papers.representation.measure import (
    IMAGES,
    METHODS,
    MODELS,
    counts,
    rows_of,
    run,
)
from benchmarks.papers.representation.report import (
    TITLES,
    alignment_table,
    draw,
    further_table,
    majority_table,
    over_table,
    ratio_table,
)
from benchmarks.papers.representation.summary import Fits, claims, summarise

TABLES = ("adult", "covertype", *IMAGES)
WITH_PROBABILITIES = ("xgboost", "mlp")
SCALES = {
    "full": {
        "seeds": 5,
        "epochs": 40,
        "n_eval": 2000,
        "total": 4000,
        "totals": (400, 1200, 12000),
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
        "totals": (100, 300, 3000),
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
        "totals": (40,),
        "ratios": (1.0, 0.1),
        "rare": (10,),
        "frequent": (10, 50),
        "over_ratios": (0.1,),
    },
}
# What is else for images, of which a class has 6,000.
OF_IMAGES = {
    "full": {
        "epochs": 200,
        "n_eval": 500,
        "totals": (400, 1200),
        "rare": (200, 500),
        "frequent": (100, 200, 500, 1000, 2000, 5000),
        "image": {"backbone": "resnet34", "batch_size": 128, "dtype": "bfloat16"},
    },
    "quick": {
        "seeds": 2,
        "epochs": 10,
        "totals": (300,),
        "frequent": (100, 300, 1000, 3000),
        "image": {"backbone": "resnet8", "batch_size": 64, "dtype": "float32"},
    },
    "tiny": {
        "image": {"backbone": "resnet8", "batch_size": 32, "dtype": "float32"},
    },
}


def scale_of(name, scale):
    """The settings of a table or of images."""
    return {**SCALES[scale], **(OF_IMAGES[scale] if name in IMAGES else {})}


def fitting(models, name):
    """The models for images, or for tables."""
    return [model for model in models if (model == "resnet") == (name in IMAGES)]


def all_jobs(scale_name, tables, models):
    """Names and settings of every fit; one that serves two figures is made once."""
    for name in tables:
        scale = scale_of(name, scale_name)
        pairs = [
            counts(total, r)
            for total in (scale["total"], *scale["totals"])
            for r in scale["ratios"]
        ]
        pairs += [(n, m) for n in scale["rare"] for m in scale["frequent"]]
        for seed in range(scale["seeds"]):
            for model in fitting(models, name):
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
                    if model in ("mlp", "resnet"):
                        settings["epochs"] = scale["epochs"]
                    if model == "resnet":
                        settings["image"] = scale["image"]
                    names = (name, model, method, n_rare, n_frequent, seed)
                    yield names, settings


def absent(tables, data_home):
    """{images: why} of those that are not here."""
    why = {}
    for name in tables:
        try:
            rows_of(name, data_home)
        except FileNotFoundError as error:
            why[name] = str(error)
    return why


def main(argv=None):
    args = read_arguments(__doc__, argv, ("tables", TABLES), ("models", MODELS))
    scale = SCALES[args.scale]
    key = ("table", "model", "method", "n_rare", "n_frequent", "seed", "digest")
    kept = kept_fits(args, "representation", key, "representation.measure")
    not_run = absent(args.tables, args.data_home)
    here = [name for name in args.tables if name not in not_run]
    keys = fit_missing(args, kept, run, list(all_jobs(args.scale, here, args.models)))
    rows, missing = found(kept, keys)
    summary = {}
    for name in here:
        own = scale_of(name, args.scale)
        for model in fitting(args.models, name):
            mine = [r for r in rows if (r["table"], r["model"]) == (name, model)]
            if len(mine) < len(list(all_jobs(args.scale, [name], [model]))):
                not_run[f"{name}, {TITLES[model]}"] = "fits are missing"
                continue
            summary[name, model] = summarise(Fits(mine, own["seeds"], model), own)
    if not summary:
        raise SystemExit("Fits are missing: run without --report-only.")
    lines = claims(summary)
    content = record(
        __doc__,
        args,
        scale,
        rows,
        published=REPRESENTATION,
        claims=lines,
        ours={", ".join(name): own for name, own in summary.items()},
        not_there=sorted(not_run),
        missing_fits=missing,
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
        f"\n\n{majority_table(summary)}",
        f"**Figure 5 and A.2.** Over-sampling, trained on {scale['total']} rows."
        f"\n\n{over_table(summary)}",
        "**Figures 11 to 16; S002's 20 to 22.** By class, on balanced test rows, and "
        "further scores of the rare class at the test's ratio. Which scores S000 and "
        "S002 show is not legible in the texts that we have."
        f"\n\n{further_table(summary)}",
        "**S002, Figure 15.** Distance of the best training ratio from the test's, "
        f"mean over test ratios.\n\n{alignment_table(summary)}",
        *(f"{what}: not run, {why}." for what, why in not_run.items()),
        f"**Claims.** Intervals over seeds.\n\n{claims_in_short(lines)}",
        claims_table(lines),
    ]
    write_results(args, "representation", content, parts, draw(summary, args.scale))


if __name__ == "__main__":
    main()
