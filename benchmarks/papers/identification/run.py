"""Do balanced query batches recognise the rarer group of identities better?

Section 5.4 and Table 3 of Bansal et al., "MetaBalance" (2021): identification with 90 %
of the images of one group removed from training; rank-1 accuracy on other identities,
of each group, by naive training, over-sampling of the rare group and MetaBalance whose
query batches are balanced by group, with a CosFace head and cross-entropy or the focal
loss. Where CelebA is not at hand, generated identities stand for it: **not measured on
faces**.

    SKLIMB_DATA=... python benchmarks/papers/identification/run.py --device cuda
    SKLIMB_DATA=... python benchmarks/papers/identification/run.py --quick

full: ResNet-18, 120 epochs, one GPU. quick: ResNet-8, 40 generated identities, 15
epochs. A stopped run goes on where it stopped.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.report import (
    claims_in_short,
    claims_table,
    record,
    write_results,
)
from benchmarks.papers.identification.measure import HEADS, METHODS, faces, run
from benchmarks.papers.identification.report import (
    NOTES,
    PUBLISHED,
    claims,
    draw,
    summarise,
    table_of,
)

# `generated`: identities, images of each, pixels of a side.
SCALES = {
    "full": {
        "seeds": 3,
        "generated": (400, 40, 32),
        "image_shape": (64, 64),
        "test_share": 0.1,
        "kept": 0.1,
        "backbone": "resnet18",
        "epochs": 120,
        "meta_epochs": 120,
        "meta_steps": 4,
        "batch_size": 128,
        "lr": 0.1,
    },
    "quick": {
        "seeds": 3,
        "generated": (40, 30, 12),
        "image_shape": (12, 12),
        "test_share": 0.4,
        "kept": 0.1,
        "backbone": "resnet8",
        "epochs": 15,
        "meta_epochs": 15,
        "meta_steps": 2,
        "batch_size": 32,
        "lr": 0.05,
    },
    "tiny": {
        "seeds": 2,
        "generated": (8, 6, 8),
        "image_shape": (8, 8),
        "test_share": 0.5,
        "kept": 0.5,
        "backbone": "resnet8",
        "epochs": 1,
        "meta_epochs": 1,
        "meta_steps": 2,
        "batch_size": 8,
        "lr": 0.05,
    },
}


def all_jobs(scale, data):
    """Names and settings of every fit."""
    settings = {name: value for name, value in scale.items() if name != "seeds"}
    for seed in range(scale["seeds"]):
        for head in HEADS:
            for method in METHODS:
                yield (data, method, head, seed), settings


def main(argv=None):
    args = read_arguments(__doc__, argv)
    scale = SCALES[args.scale]
    data, why = "generated", "the quick scale is of generated identities"
    if args.scale == "full":
        try:
            faces(args.data_home)
            data, why = "celeba", ""
        except FileNotFoundError as error:
            why = str(error)
    key = ("data", "method", "head", "seed", "digest")
    kept = kept_fits(args, "identification", key, "identification.measure")
    keys = fit_missing(args, kept, run, list(all_jobs(scale, data)))
    rows, missing = found(kept, keys)
    if not rows:
        raise SystemExit("No fit is there yet.")
    summary, by = summarise(rows)
    lines = claims(by)
    parts = [f"CelebA: not run, {why}."] if why else []
    parts += [table_of(summary), claims_in_short(lines), claims_table(lines)]
    parts += ["\n".join(f"- {note}" for note in (NOTES if why else NOTES[1:]))]
    content = record(
        __doc__,
        args,
        scale,
        rows,
        published=PUBLISHED,
        summary={" ".join(name): own for name, own in summary.items()},
        claims=lines,
        not_there=["celeba"] if why else [],
        missing_fits=missing,
    )
    write_results(args, "identification", content, parts, draw(summary))


if __name__ == "__main__":
    main()
