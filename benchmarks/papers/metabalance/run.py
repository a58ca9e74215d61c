"""Does MetaBalance beat re-sampling and re-weighting on loans and card payments?

Tables 2 and 6 of "MetaBalance" (Bansal et al., 2021) with the paper's networks and
steps, and the same methods in our default network, with boosted trees and a logistic
regression. A seed is a random 80/20 split, the same for all methods; 15 % of the 80 are
validation rows. On the paper's networks the learning rate (0.01, 0.02, 0.05, 0.1) of
every method, and the pair of samplers of MS-MetaBalance, are those with the best
validation AUC; all epochs are trained. Networks are evaluated without dropout.

    SKLIMB_DATA=... python benchmarks/papers/metabalance/run.py --jobs 2
    SKLIMB_DATA=... python benchmarks/papers/metabalance/run.py --quick

The fraud rows are a subset of the paper's (17,831 of 284,807, 2.8 % frauds instead of
0.17 %): their figures are not comparable with the published ones. A stopped run goes on
where it stopped: common/kept.py says which fits are run again after a change.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.published import (
    METABALANCE,
    METABALANCE_ERRORS,
    METABALANCE_NOTES,
)
from benchmarks.papers.common.report import (
    claims_in_short,
    claims_table,
    record,
    write_results,
)
from benchmarks.papers.metabalance.measure import run
from benchmarks.papers.metabalance.methods import (
    WEIGHTINGS,
    has_row_weighting,
    strategies,
)
from benchmarks.papers.metabalance.report import (
    BASELINES,
    FRAUD,
    claims,
    draw,
    one_table,
    summarise,
)

SUPPORTS = ("over", "smote", "borderline_smote", "svm_smote", "adasyn")
SCALES = {
    "full": {
        "seeds": 10,
        "rows": 0,
        "epochs": 100,
        "meta_epochs": 100,
        "modern_epochs": 200,
        "n_clean": 10,
        "supports": SUPPORTS,
    },
    "quick": {
        "seeds": 3,
        "rows": 4000,
        "epochs": 10,
        "meta_epochs": 100,
        "modern_epochs": 30,
        "n_clean": 10,
        "supports": ("smote", "svm_smote"),
    },
    "tiny": {
        "seeds": 2,
        "rows": 400,
        "epochs": 1,
        "meta_epochs": 1,
        "modern_epochs": 1,
        "n_clean": 2,
        "supports": ("smote",),
    },
}
TABLES = ("loan", "fraud")


def all_jobs(scale, tables, networks):
    """Names and settings of every fit."""
    limits = {k: scale[k] for k in ("rows", "epochs", "meta_epochs", "modern_epochs")}
    for network in networks:
        for name in tables:
            methods = strategies(
                name, scale["supports"], scale["n_clean"], network == "modern"
            )
            methods |= {m: {} for m in BASELINES[network]}
            for seed in range(scale["seeds"]):
                for method, parameters in methods.items():
                    settings = {**limits, "parameters": parameters}
                    yield (network, name, method, seed), settings
                if network == "paper" and scale["epochs"] < scale["meta_epochs"]:
                    settings = {**limits, "epochs": limits["meta_epochs"]}
                    settings["parameters"] = {}
                    yield (network, name, "naive_long", seed), settings


def main(argv=None):
    networks = ("paper", "modern")
    args = read_arguments(__doc__, argv, ("tables", TABLES), ("networks", networks))
    scale = SCALES[args.scale]
    key = ("network", "table", "method", "seed", "digest")
    kept = kept_fits(args, "metabalance", key, "metabalance.measure")
    jobs = list(all_jobs(scale, args.tables, args.networks))
    keys = fit_missing(args, kept, run, jobs)
    rows, missing = found(kept, keys)
    if not rows:
        raise SystemExit("No fit is there: nothing to report.")
    summaries = {
        (network, name): summarise(
            [r for r in rows if (r["network"], r["table"]) == (network, name)]
        )
        for network in args.networks
        for name in args.tables
    }
    share = float(np.mean([row["test_share"] for row in rows]))
    lines = claims(summaries, share)
    absent = [] if has_row_weighting() else list(WEIGHTINGS)
    notes = [FRAUD, *METABALANCE_NOTES]
    if absent:
        notes.append(
            "Meta-Weight-Net and L2RW are not there: this version of the package has "
            "no `row_weighting`."
        )
    content = record(
        __doc__,
        args,
        scale,
        rows,
        missing_fits=missing,
        not_there=absent,
        notes=notes,
        published={"auc": METABALANCE, "standard_error": METABALANCE_ERRORS},
        claims=lines,
        ours={
            network: {name: summaries[network, name] for name in args.tables}
            for network in args.networks
        },
    )
    heads = {
        "paper": "**The paper's networks and steps.** Published: S003, Tables 2, 6 "
        "and 7. Chosen: the learning rate, or pair and rate, chosen most often.",
        "modern": "**Our default network**, with each strategy as a parameter and "
        "early stopping on the validation rows. Nobody has published these.",
    }
    parts = [
        f"{heads[network]}\n\n{one_table(network, summaries, args.tables)}"
        for network in args.networks
    ]
    parts.append(
        "**Claims.** Differences of test AUC, with the corrected resampled t "
        f"interval.\n\n{claims_in_short(lines)}\n\n{claims_table(lines)}"
    )
    parts.append("\n".join(f"- {note}" for note in notes))
    figure = draw(summaries, args.tables, args.scale)
    write_results(args, "metabalance", content, parts, figure)


if __name__ == "__main__":
    main()
