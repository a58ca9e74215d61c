"""What do five times as many unlabelled images add to a long tail?

Table 1 and Figures 2 and 3 of Yang and Xu, "Rethinking the Value of Labels for
Improving Class-Imbalanced Learning" (2020), on CIFAR-10, and in full on SVHN where its
files are at hand: one round of self-training on a long tail and five times as many
unlabelled images, whose imbalance ratio is 1, half, equal or twice that of the labelled
ones, by ERM and LDAM-DRW; and with a part of irrelevant images, of two classes that are
not labelled. A seed decides the images, the order of the classes and all else that is
random, the same for all settings.

    SKLIMB_DATA=... python benchmarks/papers/unlabeled/run.py --device cuda --jobs 1
    SKLIMB_DATA=... python benchmarks/papers/unlabeled/run.py --quick

full: ResNet-32, 200 epochs, 700 images of the largest class (more would leave too few
without label), one GPU. quick: ResNet-8, 200 of them, ten epochs. A stopped run goes on
where it stopped.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.cifar_lt.measure import classifier, largest_outputs
from benchmarks.papers.cifar_lt.real_images import absent
from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.report import (
    claims_in_short,
    claims_table,
    record,
    write_results,
)
from benchmarks.papers.simplifying.batch_size import exponential_counts
from benchmarks.papers.unlabeled.measure import run
from benchmarks.papers.unlabeled.report import (
    NOTES,
    PUBLISHED,
    by_name,
    claims,
    draw,
    summarise,
    tables,
)

_NETWORK = {"warmup": 1, "lr": 0.1, "dtype": "float32", "batch_size": 32}
# `table`, `svhn`, `relevance`: (method, ratio, ratios of the unlabelled over that,
# shares of relevant ones). 0 is without unlabelled images.
SCALES = {
    "full": {
        "seeds": 5,
        "table": [
            (method, ratio, (0, 1 / ratio, 0.5, 1, 2), (1.0,))
            for method in ("erm", "ldam_drw")
            for ratio in (100, 50, 10)
        ],
        "svhn": [
            (method, ratio, (0, 1 / ratio, 0.5, 1, 2), (1.0,))
            for method in ("erm", "ldam_drw")
            for ratio in (100, 50, 10)
        ],
        "relevance": [
            ("erm", 50, (1,), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
            ("erm", 50, (1 / 50, 0.5, 2), (0.6,)),
            ("erm", 50, (0,), (1.0,)),
        ],
        "n_max": 700,
        "test": 10_000,
        "backbone": "resnet32",
        "epochs": 200,
        **_NETWORK,
        "batch_size": 128,
        "warmup": 5,
        "dtype": "bfloat16",
    },
    "quick": {
        "seeds": 2,
        "table": [
            ("erm", 100, (0, 1 / 100, 0.5, 1, 2), (1.0,)),
            ("ldam_drw", 100, (0, 1), (1.0,)),
        ],
        "relevance": [
            ("erm", 50, (1,), (0.2, 0.6)),
            ("erm", 50, (0,), (1.0,)),
        ],
        "n_max": 200,
        "test": 1000,
        "backbone": "resnet8",
        "epochs": 10,
        **_NETWORK,
    },
    "tiny": {
        "seeds": 2,
        "table": [("erm", 10, (0, 0.1, 1, 2), (1.0,)), ("ldam_drw", 10, (1,), (1.0,))],
        "relevance": [("erm", 10, (1,), (0.2, 0.6)), ("erm", 10, (0,), (1.0,))],
        "n_max": 8,
        "test": 60,
        "backbone": "resnet8",
        "epochs": 1,
        **_NETWORK,
        "warmup": 0,
        "batch_size": 8,
    },
}
# Its smallest class has 4,659 images, CIFAR-10's 5,000.
N_MAX_SVHN = 650
_SETTINGS = ("n_max", "test", "backbone", "epochs", "batch_size", "warmup", "lr")


def all_jobs(scale):
    """Names and settings of every fit."""
    settings = {name: scale[name] for name in (*_SETTINGS, "dtype")}
    for seed in range(scale["seeds"]):
        for part in ("table", "svhn", "relevance"):
            for method, ratio, factors, shares in scale.get(part, ()):
                for factor in factors:
                    for share in shares:
                        unlabeled = round(factor * ratio, 3)
                        own = {"n_max": N_MAX_SVHN} if part == "svhn" else {}
                        yield (
                            (part, method, ratio, unlabeled, share, seed),
                            {**settings, **own},
                        )


def main(argv=None):
    args = read_arguments(__doc__, argv)
    scale = SCALES[args.scale]
    names = ("part", "method", "ratio", "unlabeled_ratio", "relevance", "seed")
    measured = ("unlabeled.measure", exponential_counts, classifier, largest_outputs)
    kept = kept_fits(args, "unlabeled", (*names, "digest"), *measured)
    not_run = absent(["svhn_lt100"], args.data_home) if "svhn" in scale else {}
    here = {**scale, "svhn": []} if not_run else scale
    keys = fit_missing(args, kept, run, list(all_jobs(here)))
    rows, missing = found(kept, keys)
    if not rows:
        raise SystemExit("No fit is there yet.")
    by = by_name(rows)
    summary, lines = summarise(by), claims(by)
    parts = [f"SVHN: not run, {why}." for why in not_run.values()]
    parts += [*tables(summary), claims_in_short(lines), claims_table(lines)]
    parts += ["\n".join(f"- {note}" for note in NOTES)]
    content = record(
        __doc__,
        args,
        scale,
        rows,
        published={
            part: {m: {str(r): v for r, v in own.items()} for m, own in table.items()}
            for part, table in PUBLISHED.items()
        },
        not_there=["svhn"] if not_run else [],
        summary=summary,
        claims=lines,
        missing_fits=missing,
    )
    write_results(args, "unlabeled", content, parts, draw(summary))


if __name__ == "__main__":
    main()
