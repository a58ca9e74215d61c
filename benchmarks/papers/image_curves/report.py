"""Curves by batch size, augmentation and network, claims, tables and a picture."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.papers.common.report import (
    cell,
    correlation,
    mean_and_error,
    pyplot,
    verdict,
)
from benchmarks.papers.image_curves.measure import TIMM

CURVES = {
    "batch_size": "batch size (Figure 1)",
    "augment": "augmentation (Figure 2)",
    "backbone": "network (Figure 3)",
    "method": "method (S000, Figures 6 and 10)",
    "weights": "pre-trained weights (Figures 4 and 10)",
}
# Where the settings name the values of a curve.
VALUES = {
    "batch_size": "batch_sizes",
    "augment": "augments",
    "backbone": "backbones",
    "method": "methods",
    "weights": "weights",
}
NOTES = (
    "S002's figures are of ResNet-50 on CIFAR-100 and have no numbers; what can be "
    "compared is the direction.",
    "Rare classes are the third of the classes with the fewest training images; at "
    "ratio 1 the same classes, which have as many as the others.",
    "The images are recompressed as JPEG: accuracies run slightly low.",
)


def points(rows, scale):
    """{curve: {ratio: {value: {seed: row}}}}, the learning rates chosen."""
    by = {}
    for row in rows:
        names = ("ratio", "batch_size", "augment", "backbone", "lr", "method", "seed")
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
                    (ratio, b, augment, backbone, r, "erm", seed)
                    for r in scale["rates"]
                ]
                keep("batch_size", b, options)
            for a in scale["augments"]:
                keep("augment", a, [(ratio, batch, a, backbone, rate, "erm", seed)])
            for b in scale["backbones"]:
                keep("backbone", b, [(ratio, batch, augment, b, rate, "erm", seed)])
            for m in scale["methods"]:
                keep("method", m, [(ratio, batch, augment, backbone, rate, m, seed)])
            for w in scale["weights"]:
                keep("weights", w, [(ratio, batch, augment, TIMM, rate, w, seed)])
    return out


def whole(curves, scale, rows):
    """The curves that have all their fits, of all ratios and seeds."""
    # Of a batch size with few rates the best would be no choice.
    base = (scale["augments"][0], scale["backbones"][0], "erm")
    own = [r for r in rows if (r["augment"], r["backbone"], r["method"]) == base]
    n_batches = len(scale["batch_sizes"]) * len(scale["rates"])
    n_batches *= len(scale["ratios"]) * scale["seeds"]
    found = {}
    for name, ratios in curves.items():
        complete = all(
            len(ratios.get(ratio, {}).get(value, {})) == scale["seeds"]
            for ratio in scale["ratios"]
            for value in scale[VALUES[name]]
        )
        complete = complete and len(scale[VALUES[name]]) > 0
        if complete and (name != "batch_size" or len(own) >= n_batches):
            found[name] = ratios
    return found


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
    """The paper's claims, as differences in accuracy between the ends of the ratios."""
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

    def of_batches():
        batch = gain("batch_size", long, "accuracy", small, base)
        sizes = [spread("batch_size", r, "accuracy") for r in (long, even)]
        yield _claim(f"batches of {small} are better than of {base}", where, batch)
        yield _claim("the batch size matters more (best - worst)", both, sizes)

    def of_augmentation():
        trivial = [gain("augment", r, "rare", "trivial", "none") for r in (long, even)]
        kinds = [spread("augment", r, "rare") for r in (long, even)]
        auto = [
            gain("augment", r, "accuracy", "autoaugment", "trivial")
            for r in (long, even)
        ]
        yield _claim("TrivialAugment lifts rare classes more", both, trivial)
        text = "the kind of augmentation matters more to rare classes"
        yield _claim(text, both, kinds)
        yield _claim("AutoAugment is better than TrivialAugment", where, auto[0])
        text = "TrivialAugment is better than AutoAugment"
        yield _claim(text, f"ratio {even:g}", -auto[1])

    def of_networks():
        deep = [gain("backbone", r, "rare", last, first) for r in (even, long)]
        by_network = [
            [np.mean(v) for v in values("backbone", r, "accuracy").values()]
            for r in (even, long)
        ]
        yield _claim(f"{last} gains less on rare classes over {first}", both, deep)
        text = "balanced accuracy of networks tells imbalanced (S002: r = 0.14)"
        yield {"claim": text, "where": both, **correlation(*by_network)}

    def of_weights():
        for name in scale["weights"][1:]:
            more = []
            for ratio in (long, even):
                own = values("weights", ratio, "accuracy")
                more.append(np.divide(own[name], own["random"]) - 1)
            text = f"{name} weights help more under imbalance (share of accuracy)"
            yield _claim(text, both, more)

    found = {
        "weights": of_weights,
        "batch_size": of_batches,
        "augment": of_augmentation,
        "backbone": of_networks,
        "method": lambda: [
            *_of_methods(gain, scale, where, both),
            *_of_ratios(curves, scale),
        ],
    }
    return [line for name, own in found.items() if name in curves for line in own()]


def accuracy_at(recalls, ratio):
    """Accuracy on images of a tail of the ratio, by the recalls of its classes."""
    recalls = np.asarray(recalls)
    weights = ratio ** (np.arange(len(recalls)) / (len(recalls) - 1))
    return float(recalls @ weights / weights.sum())


def by_test_ratio(curves, scale):
    """{test ratio: {training ratio: accuracy of each seed}} of the base's fits.

    "best" is the training ratio with the best accuracy on validation images.
    """
    own = {ratio: curves["method"][ratio]["erm"] for ratio in scale["ratios"]}
    found = {}
    for test in scale["ratios"]:
        line = {
            train: [
                accuracy_at(own[train][s]["by_class"], test)
                for s in range(scale["seeds"])
            ]
            for train in own
        }
        chosen = [
            max(
                own,
                key=lambda r, s=s, t=test: accuracy_at(
                    own[r][s]["validation_by_class"], t
                ),
            )
            for s in range(scale["seeds"])
        ]
        line["best"] = [line[r][s] for s, r in enumerate(chosen)]
        found[test] = line
    return found


def ratio_table(found):
    """Markdown of S002's Figures 11 to 14."""
    trained = list(next(iter(found.values())))
    head = ["accuracy on test images of ratio"]
    head += [t if t == "best" else f"trained at {t:g}" for t in trained]
    rows = [
        [f"{test:g}", *(cell(*mean_and_error(v)) for v in line.values())]
        for test, line in found.items()
    ]
    return markdown(head, rows)


def _of_ratios(curves, scale):
    """S002, Figures 11 and 12: the test's ratio to train on."""
    for test, line in by_test_ratio(curves, scale).items():
        if test == 1.0:
            continue
        where = f"CIFAR-10, test ratio {test:g}"
        gain = np.subtract(line[test], line[1.0])
        text = "training at the test's ratio beats balanced training (Figure 11)"
        yield _claim(text, where, gain)
        text = "the best training ratio gains over the test's (S002: little)"
        yield _claim(text, where, np.subtract(line["best"], line[test]))


def _of_methods(gain, scale, where, both):
    """S000, Figures 6 and 10: each method against others, and by ratio."""
    even, long = scale["ratios"][0], scale["ratios"][-1]
    for better, worse, text in (
        ("simclr", "erm", "SimCLR pre-training beats supervised training (S000)"),
        ("simclr", "over", "SimCLR pre-training beats over-sampling (S000)"),
        ("sam", "erm", "SAM beats ERM (S000)"),
        ("sam_a", "sam", "SAM-A beats SAM (S000)"),
        ("sam_a", "erm", "SAM-A beats ERM (S000)"),
    ):
        if {better, worse} <= set(scale["methods"]):
            gains = [gain("method", r, "accuracy", better, worse) for r in (long, even)]
            yield _claim(text, where, gains[0])
            yield _claim(f"{text}, the more under imbalance", both, gains)


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
        1,
        len(summary),
        figsize=(5 * len(summary), 4.2),
        squeeze=False,
        layout="constrained",
    )
    for axis, (curve, ratios) in zip(axes[0], summary.items(), strict=True):
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
