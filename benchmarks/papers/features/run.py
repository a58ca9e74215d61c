"""Do unlabelled images and self-supervision part the features of rare classes?

Figures 1 and 4 of Yang and Xu, "Rethinking the Value of Labels for Improving
Class-Imbalanced Learning" (2020): t-SNE of the features of training and test images,
plain, with unlabelled images and after self-supervised pre-training. CIFAR-10 with a
long tail. A seed decides the images and all else that is random, the same for all
methods.

    SKLIMB_DATA=... python benchmarks/papers/features/run.py --device cuda --jobs 1
    SKLIMB_DATA=... python benchmarks/papers/features/run.py --quick

full: ResNet-32, 200 epochs, one GPU. quick: ResNet-8, 1,240 images, 10 epochs. A
stopped run goes on where it stopped.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.report import claims_table, record, write_results
from benchmarks.papers.features.measure import METHODS, run
from benchmarks.papers.features.report import NOTES, claims, draw, table
from benchmarks.papers.image_curves.measure import make_rows
from benchmarks.papers.simplifying.batch_size import exponential_counts

SCALES = {
    "full": {
        "seeds": 5,
        "ratio": 0.02,
        "total": 2500,
        "unlabelled": 7500,
        "test": 10_000,
        "shown": 4000,
        "backbone": "resnet32",
        "epochs": 200,
        "batch_size": 128,
    },
    "quick": {
        "seeds": 2,
        "ratio": 0.02,
        "total": 1240,
        "unlabelled": 2480,
        "test": 1000,
        "shown": 1000,
        "backbone": "resnet8",
        "epochs": 10,
        "batch_size": 32,
    },
    "tiny": {
        "seeds": 1,
        "ratio": 0.1,
        "total": 60,
        "unlabelled": 60,
        "test": 40,
        "shown": 60,
        "backbone": "resnet8",
        "epochs": 1,
        "batch_size": 16,
    },
}


def all_jobs(scale):
    """Names and settings of every fit."""
    settings = {name: value for name, value in scale.items() if name != "seeds"}
    for seed in range(scale["seeds"]):
        for method in METHODS:
            yield (method, seed), settings


def main(argv=None):
    args = read_arguments(__doc__, argv)
    scale = SCALES[args.scale]
    measured = ("features.measure", exponential_counts, make_rows)
    kept = kept_fits(args, "features", ("method", "seed", "digest"), *measured)
    keys = fit_missing(args, kept, run, list(all_jobs(scale)))
    rows, missing = found(kept, keys)
    lines = claims(rows)
    parts = [table(rows), claims_table(lines)]
    parts.append("\n".join(f"- {note}" for note in NOTES))
    slim = [{k: v for k, v in row.items() if k != "points"} for row in rows]
    content = record(__doc__, args, scale, slim, claims=lines, missing_fits=missing)
    write_results(args, "features", content, parts, draw(rows))


if __name__ == "__main__":
    main()
