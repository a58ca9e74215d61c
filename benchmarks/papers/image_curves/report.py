"""Do batch, augmentation and network size matter more the longer the tail is?

Figures 1 to 3 of "Simplifying Neural Network Training Under Class Imbalance" (S002) on
CIFAR-10: accuracy on balanced test images by batch size, augmentation and size of the
network, for tails of several ratios with the same number of training images. A seed is
a draw of images, of the order of the classes and of everything else, the same for all
settings. Each batch size takes the learning rate with the best accuracy on balanced
validation images; all other settings take the base's.

    SKLIMB_DATA=... python benchmarks/papers/image_curves.py --device cuda --jobs 1
    SKLIMB_DATA=... python benchmarks/papers/image_curves.py --quick

full: ResNet-32 and others, 200 epochs, one GPU. quick: ResNet-8, 1,240 images, 10
epochs. A stopped run goes on where it stopped.
"""

import numpy as np
from _batch_size import exponential_counts
from _cifar_lt import images
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
    timed_fit,
    verdict,
    write_results,
)

from sklimb import ImageResNetClassifier

AUGMENTS = {
    "none": None,
    "crop, flip": ["crop", "flip"],
    "cutout": ["crop", "flip", "cutout"],
    "trivial": ["crop", "flip", "trivial"],
    "randaugment": ["crop", "flip", "randaugment"],
    "augmix": ["crop", "flip", "augmix"],
}
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
        ),
        "backbones": ("resnet32", "resnet8", "resnet20", "resnet56", "resnet18"),
        "epochs": 200,
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
        "augments": ("crop, flip", "none", "trivial", "randaugment"),
        "backbones": ("resnet8", "resnet20"),
        "epochs": 10,
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
        "augments": ("crop, flip", "none", "trivial"),
        "backbones": ("resnet8", "resnet20"),
        "epochs": 1,
        "dtype": "float32",
    },
}
CURVES = {
    "batch_size": "batch size (Figure 1)",
    "augment": "augmentation (Figure 2)",
    "backbone": "network (Figure 3)",
}
NOTES = (
    "S002's figures are of ResNet-50 on CIFAR-100 and have no numbers; what can be "
    "compared is the direction.",
    "Rare classes are the third of the classes with the fewest training images; at "
    "ratio 1 the same classes, which have as many as the others.",
    "The images are recompressed as JPEG: accuracies run slightly low.",
)


def settings_of(scale):
    """Every (batch size, augmentation, backbone, learning rate) that a curve needs."""
    batch, rate = scale["base_batch"], scale["base_rate"]
    augment, backbone = scale["augments"][0], scale["backbones"][0]
    out = [
        (b, augment, backbone, r) for b in scale["batch_sizes"] for r in scale["rates"]
    ]
    out += [(batch, a, backbone, rate) for a in scale["augments"]]
    out += [(batch, augment, b, rate) for b in scale["backbones"]]
    return list(dict.fromkeys(out))


def all_jobs(scale):
    """Names and settings of every fit."""
    names = ("total", "per_class", "test", "epochs", "dtype")
    settings = {name: scale[name] for name in names}
    for seed in range(scale["seeds"]):
        for ratio in scale["ratios"]:
            for how in settings_of(scale):
                yield (ratio, *how, seed), settings


def make_rows(y, total, ratio, per_class, seed):
    """Rows of the long tail and of balanced validation images; the classes by size."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.unique(y))
    counts = exponential_counts(len(order), total, ratio)
    train, validation = [], []
    for label, count in zip(order, counts, strict=True):
        rows = rng.permutation(np.flatnonzero(y == label))
        if len(rows) < per_class + count:
            raise ValueError(
                f"Class {label!r} has {len(rows)} images, and {count} to train and "
                f"{per_class} to validate are wanted. Lower the total."
            )
        validation.append(rows[:per_class])
        train.append(rows[per_class : per_class + count])
    return np.concatenate(train), np.concatenate(validation), order


def run(key, settings, data_home, device):
    """Fit one setting; the rest of the line that is kept."""
    ratio, batch_size, augment, backbone, rate, seed = key[:6]
    (X, y), (X_test, y_test) = images(data_home)
    train, validation, order = make_rows(
        y, settings["total"], ratio, settings["per_class"], seed
    )
    model = ImageResNetClassifier(
        backbone=backbone,
        augment=AUGMENTS[augment],
        channels_last=True,
        batch_size=batch_size,
        max_epochs=settings["epochs"],
        lr=rate,
        clip_norm=5.0,  # small batches with the largest rate diverge without
        early_stopping=False,
        target_prior=None,
        dtype=settings["dtype"],
        device=device,
        random_state=seed,
    )
    model, seconds, processor = timed_fit(lambda: model.fit(X[train], y[train]))
    test = np.random.default_rng(0).permutation(len(y_test))[: settings["test"]]
    right = model.predict(X_test[test]) == y_test[test]
    rare = np.isin(y_test[test], order[-(len(order) // 3) :])
    return {
        "accuracy": float(right.mean()),
        "rare": float(right[rare].mean()),
        "validation": float((model.predict(X[validation]) == y[validation]).mean()),
        "seconds": seconds,
        "processor_seconds": processor,
    }


def points(rows, scale):
    """{curve: {ratio: {value: {seed: row}}}}, the learning rates chosen."""
    by = {}
    for row in rows:
        names = ("ratio", "batch_size", "augment", "backbone", "lr", "seed")
        by[tuple(row[name] for name in names)] = row
    augment, backbone = scale["augments"][0], scale["backbones"][0]
    batch, rate = scale["base_batch"], scale["base_rate"]
    out = {curve: {} for curve in CURVES}
    for ratio in scale["ratios"]:
        for seed in range(scale["seeds"]):

            def keep(curve, value, options, ratio=ratio, seed=seed):
                found = [by[o] for o in options if o in by]
                if found:
                    best = max(found, key=lambda row: row["validation"])
                    own = out[curve].setdefault(ratio, {}).setdefault(value, {})
                    own[seed] = best

            for b in scale["batch_sizes"]:
                options = [
                    (ratio, b, augment, backbone, r, seed) for r in scale["rates"]
                ]
                keep("batch_size", b, options)
            for a in scale["augments"]:
                keep("augment", a, [(ratio, batch, a, backbone, rate, seed)])
            for b in scale["backbones"]:
                keep("backbone", b, [(ratio, batch, augment, b, rate, seed)])
    return out


def summarise(curves):
    """{curve: {ratio: {value: means and standard errors}}}."""
    return {
        curve: {
            str(ratio): {
                str(value): {
                    name: mean_and_error([row[name] for row in seeds.values()])
                    for name in ("accuracy", "rare")
                }
                | {"lr": [row["lr"] for row in seeds.values()]}
                for value, seeds in line.items()
            }
            for ratio, line in ratios.items()
        }
        for curve, ratios in curves.items()
    }


def claims(curves, scale):
    """S002's statements, as differences in accuracy between the ends of the ratios."""
    even, long = scale["ratios"][0], scale["ratios"][-1]
    base, small = scale["base_batch"], scale["batch_sizes"][0]
    first, last = "resnet8", scale["backbones"][-1]
    seeds = range(scale["seeds"])

    def values(curve, ratio, name):
        return {v: [s[i][name] for i in seeds] for v, s in curves[curve][ratio].items()}

    def gain(curve, ratio, name, better, worse):
        own = values(curve, ratio, name)
        return np.subtract(own[better], own[worse])

    def spread(curve, ratio, name):
        return np.ptp(list(values(curve, ratio, name).values()), axis=0)

    where = f"CIFAR-10, ratio {long:g}"
    both = f"{where} against {even:g}"
    batch = gain("batch_size", long, "accuracy", small, base)
    trivial = [gain("augment", r, "rare", "trivial", "none") for r in (long, even)]
    kinds = [spread("augment", r, "rare") for r in (long, even)]
    sizes = [spread("batch_size", r, "accuracy") for r in (long, even)]
    deep = [gain("backbone", r, "rare", last, first) for r in (even, long)]
    return [
        _claim(f"batches of {small} are better than of {base}", where, batch),
        _claim("the batch size matters more (best - worst)", both, sizes),
        _claim("TrivialAugment lifts rare classes more", both, trivial),
        _claim("the kind of augmentation matters more to rare classes", both, kinds),
        _claim(f"{last} gains less on rare classes over {first}", both, deep),
    ]


def _claim(text, where, differences):
    if isinstance(differences, list):
        differences = np.subtract(*differences)
    return {"claim": text, "where": where, **verdict(differences)}


def tables(summary):
    """Markdown: a table a curve."""
    parts = []
    for curve, ratios in summary.items():
        header = [CURVES[curve]]
        for ratio in ratios:
            header += [f"accuracy, ratio {ratio}", "rare classes"]
        rows = []
        for value in next(iter(ratios.values())):
            row = [value]
            for line in ratios.values():
                row += [cell(*line[value][name]) for name in ("accuracy", "rare")]
            rows.append(row)
        parts.append(markdown(header, rows))
    return parts


def draw(summary):
    """A panel a curve: accuracy of all and of rare classes."""
    figure, axes = pyplot().subplots(
        1, len(summary), figsize=(5 * len(summary), 4.2), layout="constrained"
    )
    for axis, (curve, ratios) in zip(axes, summary.items(), strict=True):
        for ratio, line in ratios.items():
            for name, style in (("accuracy", "o-"), ("rare", "s--")):
                means, errors = zip(*(v[name] for v in line.values()), strict=True)
                axis.errorbar(
                    range(len(line)),
                    means,
                    yerr=[e or 0.0 for e in errors],
                    fmt=style,
                    label=f"ratio {ratio}, {'all' if name == 'accuracy' else name}",
                )
        axis.set_xticks(range(len(line)), list(line), rotation=20)
        axis.set_title(CURVES[curve])
        axis.set_ylabel("accuracy on balanced test images")
        axis.legend(fontsize=7)
    return figure


def main(argv=None):
    args = read_arguments(__doc__, argv)
    scale = SCALES[args.scale]
    key = ("ratio", "batch_size", "augment", "backbone", "lr", "seed", "digest")
    kept = kept_fits(args, "image_curves", key)
    keys = fit_missing(args, kept, run, list(all_jobs(scale)))
    rows, missing = found(kept, keys)
    if missing:
        raise SystemExit(f"{missing} fits are missing: curves need all of them.")
    curves = points(rows, scale)
    summary, lines = summarise(curves), claims(curves, scale)
    parts = [*tables(summary), claims_in_short(lines), claims_table(lines)]
    parts += ["\n".join(f"- {note}" for note in NOTES)]
    content = record(
        __doc__,
        args,
        scale,
        rows,
        published="no numbers are published",
        curves=summary,
        claims=lines,
        missing_fits=missing,
    )
    write_results(args, "image_curves", content, parts, draw(summary))


if __name__ == "__main__":
    main()
