"""Does Bayesian inference help most under class imbalance?

"On Representation Learning under Class Imbalance", section 6 and Figure 8, on tables
and on pairs of classes of CIFAR-10:
one network, an ensemble of five, a Laplace approximation (last layer, diagonal) and
SGHMC, at the same number of training rows and ratios from balanced to 0.01. A ratio is
rare rows per frequent row. Test rows are balanced, as in the paper, with the odds
divided by the training ratio; or weighed to the training ratio. A seed draws training
and test rows, disjoint and the same for all methods; nothing is chosen on test rows.

    SKLIMB_DATA=... python benchmarks/papers/posterior/run.py --jobs 2
    SKLIMB_DATA=... python benchmarks/papers/posterior/run.py --quick

A stopped run goes on where it stopped: common/kept.py says which fits are run again
after a change.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.published import POSTERIOR
from benchmarks.papers.common.report import (
    claims_in_short,
    claims_table,
    record,
    write_results,
)
from benchmarks.papers.posterior import pictures
from benchmarks.papers.posterior.measure import METHODS, TASKS, run
from benchmarks.papers.posterior.report import (
    COLUMNS,
    by_task,
    claims,
    draw,
    score_table,
)

CHAINS = {"n_samples": 12, "cycles": 4, "n_epochs": 20}
SCALES = {
    "full": {
        "seeds": 10,
        "ratios": (1.0, 0.3, 0.1, 0.03, 0.01),
        "total": 1000,
        "n_test": 500,
        "max_epochs": 100,
        **CHAINS,
    },
    "quick": {
        "seeds": 1,
        "ratios": (1.0, 0.1, 0.01),
        "total": 1000,
        "n_test": 500,
        "max_epochs": 30,
        **CHAINS,
    },
    "tiny": {
        "seeds": 2,
        "ratios": (1.0, 0.1),
        "total": 100,
        "n_test": 50,
        "max_epochs": 1,
        "n_samples": 1,
        "cycles": 1,
        "n_epochs": 1,
    },
}
# Of images.
PICTURES = {
    "full": {
        "seeds": 5,
        "ratios": (1.0, 0.1, 0.01),
        "total": 4000,
        "n_test": 1000,
        "max_epochs": 100,
        **CHAINS,
    },
    "quick": {
        "seeds": 1,
        "ratios": (1.0, 0.1),
        "total": 600,
        "n_test": 300,
        "max_epochs": 8,
        **CHAINS,
        "n_epochs": 6,
    },
    "tiny": {**SCALES["tiny"], "seeds": 1, "total": 80, "n_test": 20},
}
FIT = ("total", "n_test", "max_epochs", *CHAINS)
KINDS = {
    "tables": ("posterior", SCALES, run, ("posterior.measure",)),
    "images": (
        "posterior_images",
        PICTURES,
        pictures.run,
        ("posterior.measure", "posterior.pictures"),
    ),
}


def all_jobs(scale, tasks):
    """Names and settings of every draw of rows."""
    settings = {name: scale[name] for name in FIT}
    for seed in range(scale["seeds"]):
        for task in tasks:
            for ratio in scale["ratios"]:
                yield (task, ratio, seed), settings


def main(argv=None):
    args = read_arguments(
        __doc__,
        argv,
        ("tasks", tuple(TASKS)),
        ("kinds", tuple(KINDS)),
    )
    for kind in args.kinds:
        tasks = args.tasks if kind == "tables" else list(pictures.PAIRS)
        compare(args, kind, tasks)


def compare(args, kind, tasks):
    """Fit what is missing on tables or on images, and write the results."""
    name, scales, measure, measured = KINDS[kind]
    scale = scales[args.scale]
    key = ("task", "ratio", "seed", "digest")
    kept = kept_fits(args, name, key, *measured)
    keys = fit_missing(args, kept, measure, list(all_jobs(scale, tasks)))
    rows, missing = found(kept, keys)
    if missing:
        raise SystemExit(f"{missing} fits are missing: run without --report-only.")
    ratios = scale["ratios"]
    lines = claims(rows, ratios)
    content = record(
        __doc__,
        args,
        scale,
        rows,
        published=POSTERIOR,
        claims=lines,
        ours={
            f"{ratio:g}": {
                method: {
                    column: by_task(rows, ratio, method, column).tolist()
                    for column in COLUMNS
                }
                for method in METHODS
            }
            for ratio in ratios
        },
    )
    parts = [
        "**Published.** S000 shows a figure and prints no numbers; it says:\n\n"
        + "\n".join(f"- {text}" for text in POSTERIOR.values()),
        f"**Figure 8, on {kind}.** Means over {len(tasks)} tasks; test rows of "
        f"the training's ratio, and balanced ones.\n\n{score_table(rows, ratios)}",
        "**Claims.** Shares that are taken off the loss of one network; intervals over "
        f"tasks.\n\n{claims_in_short(lines)}",
        claims_table(lines),
    ]
    write_results(args, name, content, parts, draw(rows, ratios))


if __name__ == "__main__":
    main()
