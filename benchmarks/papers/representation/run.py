"""Should training rows be as imbalanced as test rows, on tables?

"On Representation Learning under Class Imbalance", Figures 1 to 3 and 5 and Appendix
A.2, on Adult and on two classes of Covertype, with XGBoost, an SVM and our MLP:
training ratio against test ratio at a fixed number of rows, fixed rare rows with ever
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
from benchmarks.papers.representation.measure import METHODS, MODELS, counts, run
from benchmarks.papers.representation.report import (
    draw,
    majority_table,
    over_table,
    ratio_table,
)
from benchmarks.papers.representation.summary import Fits, claims, summarise

TABLES = ("adult", "covertype")
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


def main(argv=None):
    args = read_arguments(__doc__, argv, ("tables", TABLES), ("models", MODELS))
    scale = SCALES[args.scale]
    key = ("table", "model", "method", "n_rare", "n_frequent", "seed", "digest")
    kept = kept_fits(args, "representation", key, "representation.measure")
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
