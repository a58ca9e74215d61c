"""Do batch, augmentation and network size matter more the longer the tail is?

Figures 1 to 6 of Shwartz-Ziv et al., "Simplifying Neural Network Training Under Class
Imbalance" (2023), and Figures 6 and 10 of "On Representation Learning Under Class
Imbalance" (2022), on CIFAR-10: accuracy on balanced test images by batch size,
augmentation, size of the network and method, for tails of several ratios with the same
number of training images. A seed decides the images, the order of the classes and all
else that is random, the same for all settings. Each batch size takes the learning rate
with the best accuracy on balanced validation images, all other settings the base's.

    SKLIMB_DATA=... python benchmarks/papers/image_curves/run.py --device cuda --jobs 1
    SKLIMB_DATA=... python benchmarks/papers/image_curves/run.py --quick --curves method

full: ResNet-32 and others, 200 epochs, one GPU. quick: ResNet-8, 1,240 images, 10
epochs. A stopped run goes on where it stopped.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.common.fits import (
    fit_missing,
    found,
    kept_fits,
    key_of,
    read_arguments,
)
from benchmarks.papers.common.report import (
    claims_in_short,
    claims_table,
    record,
    write_results,
)
from benchmarks.papers.image_curves.measure import (
    METHODS,
    TIMM,
    WEIGHTS,
    run,
    weights_file,
)
from benchmarks.papers.image_curves.report import (
    CURVES,
    NOTES,
    VALUES,
    by_test_ratio,
    claims,
    draw,
    points,
    ratio_table,
    summarise,
    tables,
    whole,
)
from benchmarks.papers.simplifying.batch_size import exponential_counts

# The first of each is the base, but the batch size.
SCALES = {
    "full": {
        "ratios": (1.0, 0.1, 0.01, 0.001),
        "seeds": 5,
        "total": 9000,  # at ratio 0.001 the largest class is whole
        "per_class": 100,
        "test": 10_000,
        "batch_sizes": (16, 32, 64, 128, 256, 512),
        "base_batch": 128,
        "rates": (0.01, 0.03, 0.1, 0.3),
        "base_rate": 0.1,
        "augments": (
            "crop, flip",
            "none",
            "cutout",
            "trivial",
            "randaugment",
            "augmix",
            "autoaugment",
            "erasing",
            "mixup",
        ),
        "backbones": (
            "resnet32",
            "resnet8",
            "resnet20",
            "resnet44",
            "resnet56",
            "resnet50",
            "wide_resnet16_4",
            "wide_resnet28_2",
            "resnet18",
        ),
        "methods": tuple(METHODS),
        "weights": tuple(WEIGHTS),
        "epochs": 200,
        "pretraining_epochs": 1000,
        "dtype": "bfloat16",
    },
    "quick": {
        "ratios": (1.0, 0.01),
        "seeds": 2,
        "total": 1240,
        "per_class": 30,
        "test": 1000,
        "batch_sizes": (16, 32, 128),
        "base_batch": 128,
        "rates": (0.03, 0.1),
        "base_rate": 0.1,
        "augments": (
            "crop, flip",
            "none",
            "trivial",
            "randaugment",
            "augmix",
            "autoaugment",
            "erasing",
            "mixup",
        ),
        "backbones": ("resnet8", "resnet20"),
        "methods": ("erm", "over", "sam_a"),
        "weights": (),
        "epochs": 10,
        "pretraining_epochs": 20,
        "dtype": "float32",
    },
    "tiny": {
        "ratios": (1.0, 0.1),
        "seeds": 2,
        "total": 60,
        "per_class": 2,
        "test": 40,
        "batch_sizes": (16, 32),
        "base_batch": 32,
        "rates": (0.1,),
        "base_rate": 0.1,
        "augments": ("crop, flip", "none", "trivial", "autoaugment"),
        "backbones": ("resnet8", "resnet20"),
        "methods": tuple(METHODS),
        "weights": (),
        "epochs": 1,
        "pretraining_epochs": 1,
        "dtype": "float32",
    },
}


def settings_of(scale, curves=tuple(CURVES)):
    """Every (batch, augmentation, backbone, rate, method) that the curves need."""
    batch, rate = scale["base_batch"], scale["base_rate"]
    augment, backbone = scale["augments"][0], scale["backbones"][0]
    found = {
        "method": [(batch, augment, backbone, rate, m) for m in scale["methods"]],
        "augment": [(batch, a, backbone, rate, "erm") for a in scale["augments"]],
        "backbone": [(batch, augment, b, rate, "erm") for b in scale["backbones"]],
        "weights": [(batch, augment, TIMM, rate, m) for m in scale["weights"]],
        "batch_size": [
            (b, augment, backbone, r, "erm")
            for b in scale["batch_sizes"]
            for r in scale["rates"]
        ],
    }
    return list(dict.fromkeys(how for curve in curves for how in found[curve]))


def all_jobs(scale, curves=tuple(CURVES)):
    """Names and settings of every fit."""
    names = ("total", "per_class", "test", "epochs", "pretraining_epochs", "dtype")
    settings = {name: scale[name] for name in names}
    for seed in range(scale["seeds"]):
        for ratio in scale["ratios"]:
            for how in settings_of(scale, curves):
                yield (ratio, *how, seed), settings


def with_files(scale, data_home):
    """The settings without the weights that are not here, and why they are not."""
    here, why = [], []
    for name in scale["weights"]:
        try:
            weights_file(name, data_home)
            here.append(name)
        except FileNotFoundError as error:
            why.append(str(error))
    # Random ones alone say nothing.
    return {**scale, "weights": tuple(here) if len(here) > 1 else ()}, why


def main(argv=None):
    args = read_arguments(__doc__, argv, ("curves", list(CURVES)))
    scale, not_run = with_files(SCALES[args.scale], args.data_home)
    key = ("ratio", "batch_size", "augment", "backbone", "lr", "method", "seed")
    key += ("digest",)
    kept = kept_fits(
        args, "image_curves", key, "image_curves.measure", exponential_counts
    )
    fit_missing(args, kept, run, list(all_jobs(scale, args.curves)))
    keys = [key_of(*job) for job in all_jobs(scale)]
    rows, missing = found(kept, keys)
    curves = whole(points(rows, scale), scale, rows)
    if not curves:
        raise SystemExit("No curve has all its fits yet.")
    absent = [f"{CURVES[n]}" for n in VALUES if scale[VALUES[n]] and n not in curves]
    absent += [f"{CURVES['weights']}: {why}" for why in not_run]
    summary, lines = summarise(curves), claims(curves, scale)
    parts = tables(summary)
    if "method" in curves:
        parts.append(ratio_table(by_test_ratio(curves, scale)))
    parts += [claims_in_short(lines), claims_table(lines)]
    notes = [*NOTES, *(f"Not run, or not whole: {name}." for name in absent)]
    parts += ["\n".join(f"- {note}" for note in notes)]
    content = record(
        __doc__,
        args,
        scale,
        rows,
        published="no numbers are published",
        curves=summary,
        claims=lines,
        not_there=absent,
        missing_fits=missing,
    )
    write_results(args, "image_curves", content, parts, draw(summary))


if __name__ == "__main__":
    main()
