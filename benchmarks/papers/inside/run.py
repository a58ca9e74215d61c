"""What is inside: curves, curvature, collapse, margins and regions under imbalance?

Figures 4, 7 and 9 of Shwartz-Ziv et al., "On Representation Learning Under Class
Imbalance" (2022), and Table 4 and Figures 17 to 19 of "Simplifying Neural Network
Training Under Class Imbalance" (2023): CIFAR-10 with a long tail and a toy problem of
two moons. A seed decides the images, the order of the classes and all else that is
random, the same for all methods.

    SKLIMB_DATA=... python benchmarks/papers/inside/run.py --device cuda --jobs 1
    SKLIMB_DATA=... python benchmarks/papers/inside/run.py --quick

full: ResNet-32, 9,000 images, 200 epochs, one GPU. quick: ResNet-8, 1,240 images, 10
epochs, curvature on 128 of them. A stopped run goes on where it stopped.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.report import claims_table, record, write_results
from benchmarks.papers.image_curves.measure import make_rows
from benchmarks.papers.inside.measure import METHODS, TOY, run
from benchmarks.papers.inside.report import (
    NOTES,
    PUBLISHED,
    claims,
    draw,
    summarise,
    tables,
)
from benchmarks.papers.simplifying.batch_size import exponential_counts

SCALES = {
    "full": {
        "ratios": (1.0, 0.1, 0.01),
        "seeds": 5,
        "total": 9000,
        "test": 10_000,
        "backbone": "resnet32",
        "epochs": 200,
        "batch_size": 128,
        "curvature": 9000,
        "k": 10,
        "points": 21,
        "planes": 100,
        "toy_rows": 400,
        "toy_epochs": 200,
        "toy_seeds": 20,
        "toy_ratio": 0.05,
    },
    "quick": {
        "ratios": (1.0, 0.01),
        "seeds": 2,
        "total": 1240,
        "test": 1000,
        "backbone": "resnet8",
        "epochs": 10,
        "batch_size": 32,
        "curvature": 128,
        "k": 10,
        "points": 11,
        "planes": 20,
        "toy_rows": 400,
        "toy_epochs": 100,
        "toy_seeds": 5,
        "toy_ratio": 0.05,
    },
    "tiny": {
        "ratios": (1.0, 0.1),
        "seeds": 2,
        "total": 60,
        "test": 40,
        "backbone": "resnet8",
        "epochs": 1,
        "batch_size": 16,
        "curvature": 16,
        "k": 1,
        "points": 3,
        "planes": 2,
        "toy_rows": 40,
        "toy_epochs": 20,
        "toy_seeds": 2,
        "toy_ratio": 0.2,
    },
}
_OF_IMAGES = (
    "total",
    "test",
    "backbone",
    "epochs",
    "batch_size",
    "curvature",
    "k",
    "points",
    "planes",
)
_OF_TOY = ("toy_rows", "toy_epochs", "planes")


def all_jobs(scale):
    """Names and settings of every fit: the toy's, then images by seed."""
    own = {name: scale[name] for name in _OF_TOY}
    for seed in range(scale["toy_seeds"]):
        for method in TOY:
            yield ("toy", method, scale["toy_ratio"], seed), own
    own = {name: scale[name] for name in _OF_IMAGES}
    last = scale["ratios"][-1]
    for seed in range(scale["seeds"]):
        for ratio in scale["ratios"]:
            for method in METHODS if ratio == last else ["erm"]:
                yield ("images", method, ratio, seed), own


def main(argv=None):
    args = read_arguments(__doc__, argv)
    scale = SCALES[args.scale]
    key = ("part", "method", "ratio", "seed", "digest")
    measured = ("inside.measure", exponential_counts, make_rows)
    kept = kept_fits(args, "inside", key, *measured)
    keys = fit_missing(args, kept, run, list(all_jobs(scale)))
    rows, missing = found(kept, keys)
    summary, lines = summarise(rows), claims(rows, scale)
    parts = [*tables(summary), claims_table(lines)]
    parts += ["\n".join(f"- {note}" for note in NOTES)]
    content = record(
        __doc__,
        args,
        scale,
        rows,
        published=PUBLISHED,
        summary=summary,
        claims=lines,
        missing_fits=missing,
    )
    write_results(args, "inside", content, parts, draw(rows, scale))


if __name__ == "__main__":
    main()
