"""Which methods help ResNets on CIFAR-10 with a long tail?

The methods of Shwartz-Ziv et al. (2023), Bansal et al. (2021) and Yang and Xu (2020)
and their baselines on CIFAR-10 at ratios 100, 50 and 10, and Bansal et al.'s severe and
moderate set-ups: accuracy on balanced test images, recall of classes with many, medium
and few training images. Real images of S002 and S004, where their folders are at hand,
with pneumonia for them where they are not.

    SKLIMB_DATA=... python benchmarks/papers/cifar_lt/run.py --scale full --device cuda
    SKLIMB_DATA=... python benchmarks/papers/cifar_lt/run.py --scale cpu

full: ResNet-32, 200 epochs, 5000 images of the largest class, 5 seeds; one GPU. cpu: a
tail of 300 to 3 images per class, ResNet-8, 10 epochs; too small for a reproduction.
`--setups` names others: recipe100 is S002's Table 1 with every method on its recipe. A
seed decides the images and all else that is random, the same for all methods. Nothing
is tuned: learning rate and strengths are the papers'. A stopped run goes on where it
stopped.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.papers.cifar_lt.measure import network_of, run
from benchmarks.papers.cifar_lt.methods import (
    LARGE,
    METHODS,
    ON_RECIPE,
    ONLY_SEVERE,
    REAL,
    RECIPE,
    SEVERE,
)
from benchmarks.papers.cifar_lt.real_images import READERS, TAILS, absent
from benchmarks.papers.cifar_lt.report import (
    TITLES,
    claims,
    figure_of,
    summarise,
    table_of,
)
from benchmarks.papers.common.fits import fit_missing, found, kept_fits, read_arguments
from benchmarks.papers.common.published import CIFAR_LT_NOTES
from benchmarks.papers.common.report import (
    claims_in_short,
    claims_table,
    record,
    write_results,
)

LONG_TAILS = ("lt100", "lt50", "lt10")
# S002's Table 1: every method on top of its common recipe.
ON_RECIPES = ("recipe100", "recipe50")
# Weeks of a card: they run when `--setups` names them.
BY_NAME = (*ON_RECIPES, *TAILS, "imagenet_lt", "inaturalist")
USUAL = tuple(name for name in READERS if name not in BY_NAME)
SCALES = {
    "full": {
        "setups": (*LONG_TAILS, "severe", "moderate", *USUAL),
        "seeds": 5,
        "image_shape": (64, 64),
        "n_max": 5000,
        "test": 10_000,
        "backbone": "resnet32",
        "epochs": 200,
        "warmup": 5,
        "batch_size": 128,
        "lr": 0.1,
        "dtype": "bfloat16",
        "pretraining_epochs": 200,
        "meta_epochs": 50,
        "meta_steps": 80,
    },
    "quick": {
        "setups": ("lt100", "severe", "pneumonia"),
        "seeds": 2,
        "image_shape": (64, 64),
        "n_max": 300,
        "test": 1000,
        "backbone": "resnet8",
        "epochs": 10,
        "warmup": 1,
        "batch_size": 32,
        "lr": 0.1,
        "dtype": "float32",
        "pretraining_epochs": 10,
        "meta_epochs": 4,
        "meta_steps": 8,
    },
    "tiny": {
        "setups": ("lt100",),
        "seeds": 2,
        "image_shape": (8, 8),
        "n_max": 100,
        "test": 100,
        "backbone": "resnet8",
        "epochs": 1,
        "warmup": 0,
        "batch_size": 32,
        "lr": 0.1,
        "dtype": "float32",
        "pretraining_epochs": 1,
        "meta_epochs": 1,
        "meta_steps": 2,
    },
}
# S004's long tails of other collections, without the recipe.
PLAIN_TAILS = ("svhn_lt100", "cifar100_plain100")
# What is else for some set-ups, in full.
_WIDE = {
    "backbone": "wide_resnet28_10",
    "epochs": 300,
    "batch_size": 64,
    "recipe": RECIPE,
}
_LARGE = {
    "backbone": "resnet50",
    "image_shape": (224, 224),
    "n_max": 10_000,  # all there are
    "test": 100_000,
    "epochs": 90,
    "batch_size": 256,
}
_SMALL = {**_WIDE, "image_shape": (32, 32), "n_max": 9000, "test": 90_000}
OF_SETUP = {
    **dict.fromkeys(ON_RECIPES, _WIDE),
    **{name: _SMALL for name in TAILS if name not in PLAIN_TAILS},
    "tiny_imagenet_lt10": {**_SMALL, "image_shape": (64, 64)},
    "svhn_lt100": {"n_max": 1000, "test": 26_032},
    "imagenet_lt": _LARGE,
    "inaturalist": _LARGE,
}


def settings_of(setup, scale, scale_name):
    """What the fits of a set-up need to run."""
    settings = {k: v for k, v in scale.items() if k not in ("setups", "seeds")}
    own = OF_SETUP.get(setup, {})
    if scale_name == "full":
        return {**settings, **own}
    # Quick and tiny: of the recipe, not its size.
    return {**settings, **({"recipe": own["recipe"]} if "recipe" in own else {})}


def methods_of(setup):
    """The methods of a set-up."""
    if setup in ("imagenet_lt", "inaturalist"):
        return LARGE
    if setup in ON_RECIPES or (setup in TAILS and setup not in PLAIN_TAILS):
        return ON_RECIPE
    if setup in READERS and setup not in TAILS:
        return REAL
    if setup in LONG_TAILS or setup in TAILS:
        none = {*ONLY_SEVERE, *(m for m in METHODS if m.startswith("moco"))}
        return [method for method in METHODS if method not in none]
    return SEVERE


def all_jobs(scale, methods, scale_name):
    """Names and settings of every fit."""
    for seed in range(scale["seeds"]):
        for setup in scale["setups"]:
            settings = settings_of(setup, scale, scale_name)
            for method in methods:
                if method in methods_of(setup):
                    # Other parameters, other figures.
                    _, *how = METHODS[method]
                    yield (setup, method, seed), {**settings, "how": repr(how)}


def main(argv=None):
    argv = list(sys.argv[1:] if argv is None else argv)
    if "--scale" in argv:  # by the names of the papers' protocols
        i = argv.index("--scale")
        argv[i : i + 2] = {"full": [], "cpu": ["--quick"]}[argv[i + 1]]
    every = (*SCALES["full"]["setups"], *BY_NAME)
    args = read_arguments(
        __doc__, argv, ("methods", list(METHODS)), ("setups", list(every))
    )
    scale = SCALES[args.scale]
    setups = [setup for setup in scale["setups"] if setup in args.setups]
    if args.setups != list(every):  # asked for by name
        setups = args.setups
    scale = {**scale, "setups": setups}
    key = ("setup", "method", "seed", "digest")
    kept = kept_fits(args, "cifar_lt", key, "cifar_lt.measure")
    not_run = absent(scale["setups"], args.data_home)
    here = {**scale, "setups": [s for s in scale["setups"] if s not in not_run]}
    jobs = list(all_jobs(here, args.methods, args.scale))
    keys = fit_missing(args, kept, run, jobs, together=network_of)
    rows, missing = found(kept, keys)
    if not rows:
        raise SystemExit("No fit is there yet.")
    summary, by = summarise(rows)
    lines = claims(by, summary)
    parts = []
    for setup, entries in summary.items():
        parts += [f"## {TITLES[setup]}", table_of(setup, entries)]
    parts += [f"- {TITLES[s]}: not run, {why}" for s, why in not_run.items()]
    parts += ["## Claims", claims_in_short(lines), claims_table(lines)]
    parts += ["\n".join(f"- {note}" for note in CIFAR_LT_NOTES)]
    content = record(
        __doc__,
        args,
        scale,
        rows,
        summary=summary,
        claims=lines,
        not_there=sorted(not_run),
        missing_fits=missing,
    )
    write_results(args, "cifar_lt", content, parts, figure_of(summary, by))


if __name__ == "__main__":
    main()
