"""Which methods help ResNets on CIFAR-10 with a long tail?

The methods of S002, S003 and S004 and their baselines on CIFAR-10 at ratios 100, 50 and
10, and S003's severe and moderate set-ups: accuracy on balanced test images, recall of
classes with many, medium and few training images.

    SKLIMB_DATA=... python benchmarks/papers/cifar_lt.py --scale full --device cuda
    SKLIMB_DATA=... python benchmarks/papers/cifar_lt.py --scale cpu

full: ResNet-32, 200 epochs, 5000 images of the largest class, 5 seeds; one GPU. cpu: a
tail of 500 to 5 images a class, ResNet-8, 20 epochs; 15 minutes on two cores, a look
and no reproduction. A seed is a draw of images and of everything else, the same for all
methods. Nothing is tuned: learning rate and strengths are the papers'. A stopped run
goes on where it stopped.
"""

import sys

import numpy as np
from _cifar_lt import GROUPS, METHODS, SEVERE, network_of, run
from _published import CIFAR_LT, CIFAR_LT_NOTES, CIFAR_LT_S002
from _shared import (
    cell,
    claims_in_short,
    claims_table,
    fit_missing,
    found,
    kept_fits,
    markdown,
    mean_and_error,
    pyplot,
    read_arguments,
    record,
    verdict,
    write_results,
)

SCALES = {
    "full": {
        "setups": ("lt100", "lt50", "lt10", "severe", "moderate"),
        "seeds": 5,
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
        "setups": ("lt100", "severe"),
        "seeds": 2,
        "n_max": 500,
        "test": 1000,
        "backbone": "resnet8",
        "epochs": 20,
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
TITLES = {
    "lt100": "long tail, ratio 100",
    "lt50": "long tail, ratio 50",
    "lt10": "long tail, ratio 10",
    "severe": "severe (5 images of nine classes)",
    "moderate": "moderate (5 to 55 images of nine classes)",
}
# Pairs that the papers say something about: the first is better.
CLAIMS = (
    ("SAM-A helps (S002)", "sam_a", "erm"),
    ("Joint-SSL helps (S002)", "joint_ssl", "erm"),
    ("Joint-SSL + SAM-A + smoothing helps (S002)", "joint_sam", "erm"),
    ("MetaBalance beats ERM (S003)", "metabalance", "erm"),
    ("MetaBalance beats dividing the prior out (S003)", "metabalance", "erm_uniform"),
    ("pre-training by rotation helps (S004)", "ssp", "erm"),
    ("LDAM-DRW beats ERM", "ldam_drw", "erm"),
    ("MiSLAS beats mixup alone", "mislas", "mixup"),
    ("cRT beats ERM", "crt", "erm"),
    ("M2m beats re-sampling", "m2m", "resampling"),
    ("dividing the prior out beats ERM", "erm_uniform", "erm"),
    ("re-sampling beats ERM", "resampling", "erm"),
)


def all_jobs(scale, methods):
    """Names and settings of every fit."""
    settings = {k: v for k, v in scale.items() if k not in ("setups", "seeds")}
    for seed in range(scale["seeds"]):
        for setup in scale["setups"]:
            for method in methods:
                if setup.startswith("lt") or method in SEVERE:
                    # Other parameters, other figures.
                    _, *how = METHODS[method]
                    yield (setup, method, seed), {**settings, "how": repr(how)}


def summarise(rows, scale):
    """{set-up: {method: means and errors}}, and values by seed for the claims."""
    by, summary = {}, {}
    for row in rows:
        by.setdefault((row["setup"], row["method"]), {})[row["seed"]] = row
    for (setup, method), seeds in by.items():
        own = list(seeds.values())
        entry = {"accuracy": mean_and_error([r["accuracy"] for r in own])}
        for group in GROUPS:
            values = [r[group] for r in own if r[group] is not None]
            entry[group] = mean_and_error(values) if values else (None, None)
        entry["seconds"] = float(np.mean([r["seconds"] for r in own]))
        entry["seeds"] = len(own)
        summary.setdefault(setup, {})[method] = entry
    return summary, by


def claims(by, setups):
    lines = []
    for text, better, worse in CLAIMS:
        for setup in setups:
            a, b = by.get((setup, better), {}), by.get((setup, worse), {})
            seeds = sorted(set(a) & set(b))
            if seeds:
                differences = [a[s]["accuracy"] - b[s]["accuracy"] for s in seeds]
                lines.append(
                    {"claim": text, "where": TITLES[setup], **verdict(differences)}
                )
    return lines


def table_of(setup, entries):
    header = ["", "accuracy", *GROUPS, "published", "S002 (WRN-28-10)", "seconds"]
    rows = []
    for method, (title, *_) in METHODS.items():
        if method not in entries:
            continue
        entry = entries[method]
        published = CIFAR_LT.get(setup, {}).get(method)
        larger = CIFAR_LT_S002.get(method) if setup == "lt100" else None
        cells = [cell(*entry[name]) for name in ("accuracy", *GROUPS)]
        seconds = f"{entry['seconds']:.0f}"
        rows.append([title, *cells, cell(published), cell(larger), seconds])
    return markdown(header, rows)


def figure_of(summary):
    plt = pyplot()
    figure, axes = plt.subplots(
        1, len(summary), figsize=(6 * len(summary), 6), squeeze=False
    )
    for axis, (setup, entries) in zip(axes[0], summary.items(), strict=True):
        names = [m for m in METHODS if m in entries][::-1]
        means = [entries[m]["accuracy"][0] for m in names]
        errors = [entries[m]["accuracy"][1] or 0.0 for m in names]
        axis.errorbar(means, range(len(names)), xerr=errors, fmt="o", label="here")
        known = CIFAR_LT.get(setup, {})
        at = [i for i, m in enumerate(names) if m in known]
        axis.plot([known[names[i]] for i in at], at, "x", label="published, ResNet-32")
        axis.set_yticks(range(len(names)), [METHODS[m][0] for m in names])
        axis.set_title(TITLES[setup])
        axis.set_xlabel("accuracy on balanced test images")
        axis.legend()
    figure.tight_layout()
    return figure


def main(argv=None):
    argv = list(sys.argv[1:] if argv is None else argv)
    if "--scale" in argv:  # by the names of the papers' protocols
        i = argv.index("--scale")
        argv[i : i + 2] = {"full": [], "cpu": ["--quick"]}[argv[i + 1]]
    args = read_arguments(__doc__, argv, ("methods", list(METHODS)))
    scale = SCALES[args.scale]
    kept = kept_fits(args, "cifar_lt", ("setup", "method", "seed", "digest"))
    jobs = list(all_jobs(scale, args.methods))
    keys = fit_missing(args, kept, run, jobs, together=network_of)
    rows, missing = found(kept, keys)
    if not rows:
        raise SystemExit("No fit is there yet.")
    summary, by = summarise(rows, scale)
    lines = claims(by, summary)
    parts = []
    for setup, entries in summary.items():
        parts += [f"## CIFAR-10, {TITLES[setup]}", table_of(setup, entries)]
    parts += ["## Claims", claims_in_short(lines), claims_table(lines)]
    parts += ["\n".join(f"- {note}" for note in CIFAR_LT_NOTES)]
    content = record(
        __doc__, args, scale, rows, summary=summary, claims=lines, missing_fits=missing
    )
    write_results(args, "cifar_lt", content, parts, figure_of(summary))


if __name__ == "__main__":
    main()
