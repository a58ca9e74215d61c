"""Means over seeds, claims, tables and a picture of the methods on CIFAR-10."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.papers.cifar_lt.methods import GROUPS, METHODS
from benchmarks.papers.cifar_lt.real_images import READERS
from benchmarks.papers.common.published import CIFAR_LT, CIFAR_LT_S002
from benchmarks.papers.common.report import (
    cell,
    correlation,
    mean_and_error,
    pyplot,
    verdict,
)

TITLES = {
    "lt100": "CIFAR-10, long tail, ratio 100",
    "lt50": "CIFAR-10, long tail, ratio 50",
    "lt10": "CIFAR-10, long tail, ratio 10",
    "recipe100": "CIFAR-10, ratio 100, all on the recipe of S002",
    "recipe50": "CIFAR-10, ratio 50, all on the recipe of S002",
    "cifar100_lt100": "CIFAR-100, ratio 100, recipe of S002",
    "cifar100_lt50": "CIFAR-100, ratio 50, recipe of S002",
    "cifar100_plain100": "CIFAR-100, long tail, ratio 100",
    "cinic10_lt100": "CINIC-10, ratio 100, recipe of S002",
    "cinic10_lt50": "CINIC-10, ratio 50, recipe of S002",
    "tiny_imagenet_lt10": "Tiny-ImageNet, ratio 10, recipe of S002",
    "svhn_lt100": "SVHN, long tail, ratio 100",
    "severe": "CIFAR-10, severe (5 images of nine classes)",
    "moderate": "CIFAR-10, moderate (5 to 55 images of nine classes)",
    "pneumonia": "PneumoniaMNIST",
    "eurosat": "EuroSAT",
    "aptos": "APTOS 2019",
    "siim_isic": "SIIM-ISIC",
    "imagenet_lt": "ImageNet-LT",
    "inaturalist": "iNaturalist 2018",
}
# Set-ups that S002's first column is of.
WIDE = ("lt100", "recipe100")
# Pairs that the papers say something about: the first is better.
CLAIMS = (
    ("SAM-A helps (S002)", "sam_a", "erm"),
    ("Joint-SSL helps (S002)", "joint_ssl", "erm"),
    ("Joint-SSL + SAM-A + smoothing helps (S002)", "joint_sam", "erm"),
    ("MetaBalance beats ERM (S003)", "metabalance", "erm"),
    ("MetaBalance beats dividing the prior out (S003)", "metabalance", "erm_uniform"),
    ("MetaBalance beats under-sampling (S003)", "metabalance", "under"),
    ("MetaBalance beats Meta-Weight-Net (S003)", "metabalance", "meta_weight_net"),
    ("MetaBalance beats M2m (S003)", "metabalance", "m2m"),
    ("MetaBalance beats mixup (S003)", "metabalance", "mixup"),
    ("MetaBalance beats CutMix (S003)", "metabalance", "cutmix"),
    ("MetaBalance beats over-sampling with CutMix (S003)", "metabalance", "os_cutmix"),
    ("MetaBalance beats re-sampling (S003)", "metabalance", "resampling"),
    ("under-sampling beats over-sampling (S003)", "under", "resampling"),
    ("pre-training by rotation helps (S004)", "ssp", "erm"),
    ("it helps re-sampling (S004)", "ssp_resampling", "resampling"),
    ("it helps LDAM-DRW (S004)", "ssp_ldam_drw", "ldam_drw"),
    ("it helps more than class-balanced focal loss (S004)", "ssp", "cb_focal"),
    ("pre-training by MoCo helps (S004)", "moco", "erm"),
    ("MoCo helps re-sampling (S004)", "moco_resampling", "resampling"),
    ("MoCo helps cRT (S004)", "moco_crt", "crt"),
    ("ERM is better than re-weighting (S002)", "erm", "reweighting"),
    ("ERM is better than re-sampling (S002)", "erm", "resampling"),
    ("the common recipe helps (S002)", "recipe", "erm"),
    ("Joint-SSL + SAM-A + M2m helps the recipe (S002)", "recipe_best", "recipe"),
    ("all of it beats ERM (S002)", "recipe_best", "erm"),
    ("LDAM-DRW beats ERM", "ldam_drw", "erm"),
    ("MiSLAS beats mixup alone", "mislas", "mixup"),
    ("cRT beats ERM", "crt", "erm"),
    ("M2m beats re-sampling", "m2m", "resampling"),
    ("dividing the prior out beats ERM", "erm_uniform", "erm"),
)
# Pairs by the recall of a group of classes (S002, Table 5).
BY_GROUP = (
    ("SAM-A lifts the classes with few images (S002)", "few", "sam_a", "erm"),
    ("Joint-SSL + SAM-A lifts them (S002)", "few", "ssl_sam", "erm"),
    ("M2m on top lifts them (S002)", "few", "recipe_best", "recipe"),
    ("Joint-SSL + SAM-A harms those with many", "many", "ssl_sam", "erm"),
)


def summarise(rows):
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
    for text, group, better, worse in BY_GROUP:
        for setup in setups:
            a, b = by.get((setup, better), {}), by.get((setup, worse), {})
            seeds = [s for s in sorted(set(a) & set(b)) if a[s][group] is not None]
            # "harms" is a lower recall.
            sign = -1.0 if "harms" in text else 1.0
            differences = [sign * (a[s][group] - b[s][group]) for s in seeds]
            if seeds and setup.startswith("lt"):
                found = verdict(differences)
                lines.append({"claim": text, "where": TITLES[setup], **found})
    for setup in setups:
        lines += [*_matched(by, setup), *_over_fitted(by, setup)]
    return lines + list(_followed(by, setups))


def _over_fitted(by, setup):
    """Bansal et al. (2021), Figures 1 and 2."""
    own, plain = (by.get((setup, name), {}) for name in ("metabalance", "erm"))
    both = [s for s in sorted(set(own) & set(plain)) if "by_class" in own[s]]
    if not both:
        return
    rare = [
        np.mean(own[s]["by_class"][1:]) - np.mean(plain[s]["by_class"][1:])
        for s in both
    ]
    text = "MetaBalance beats ERM on the rare classes (S003, Figure 1)"
    yield {"claim": text, "where": TITLES[setup], **verdict(rare)}

    def gap(row):
        return row["train_others"][-1] - row["test_others"][-1]

    both = [s for s in both if "test_others" in own[s] and "test_others" in plain[s]]
    for text, values in (
        (
            "ERM over-fits the rare classes (S003, Figure 2): training less test",
            [gap(plain[s]) for s in both],
        ),
        (
            "MetaBalance over-fits them less (S003, Figure 2)",
            [gap(plain[s]) - gap(own[s]) for s in both],
        ),
    ):
        if values:
            yield {"claim": text, "where": TITLES[setup], **verdict(values)}


def _followed(by, setups):
    """Are methods that are better on CIFAR-10 better on real images? S002, Table 3."""
    for setup in setups:
        methods = sorted(m for own, m in by if own == setup and ("lt100", m) in by)
        if setup not in READERS or len(methods) < 3:
            continue
        lists = [
            [np.mean([r["accuracy"] for r in by[own, m].values()]) for m in methods]
            for own in ("lt100", setup)
        ]
        text = "methods' accuracy on CIFAR-10 tells that on real images (S002: hardly)"
        yield {"claim": text, "where": TITLES[setup], **correlation(*lists)}


def _matched(by, setup):
    """MetaBalance against ERM whose threshold gives its accuracy on the largest class.

    Bansal et al. (2021), section 6; only where there is one such class.
    """
    own, plain = (by.get((setup, name), {}) for name in ("metabalance", "erm"))
    seeds = [s for s in sorted(set(own) & set(plain)) if "matched" in plain[s]]
    if seeds:
        at_same = [
            min(
                plain[s]["matched"],
                key=lambda pair: abs(pair[0] - own[s]["by_class"][0]),
            )[1]
            for s in seeds
        ]
        differences = [
            own[s]["accuracy"] - a for s, a in zip(seeds, at_same, strict=True)
        ]
        yield {
            "claim": "MetaBalance beats ERM at equal accuracy on the largest class",
            "where": TITLES[setup],
            **verdict(differences),
        }


def table_of(setup, entries):
    header = ["", "accuracy", *GROUPS, "published", "S002 (WRN-28-10)", "seconds"]
    rows = []
    for method, (title, *_) in METHODS.items():
        if method not in entries:
            continue
        entry = entries[method]
        published = CIFAR_LT.get(setup, {}).get(method)
        larger = CIFAR_LT_S002.get(method) if setup in WIDE else None
        cells = [cell(*entry[name]) for name in ("accuracy", *GROUPS)]
        seconds = f"{entry['seconds']:.0f}"
        rows.append([title, *cells, cell(published), cell(larger), seconds])
    return markdown(header, rows)


def figure_of(summary, by):
    """A panel for each set-up, and Figures 1 and 2 of Bansal et al. (2021)."""
    curved = [s for s in summary if any("test_others" in r for r in _seeds(by, s))]
    n_columns = max(len(summary), 3)
    figure, axes = pyplot().subplots(
        1 + len(curved),
        n_columns,
        figsize=(6 * n_columns, 6 * (1 + len(curved))),
        squeeze=False,
        layout="constrained",
    )
    for axis, (setup, entries) in zip(axes[0], summary.items(), strict=False):
        names = [m for m in METHODS if m in entries][::-1]
        means = [entries[m]["accuracy"][0] for m in names]
        errors = [entries[m]["accuracy"][1] or 0.0 for m in names]
        axis.errorbar(means, range(len(names)), xerr=errors, fmt="o", label="here")
        known = CIFAR_LT.get(setup, {})
        at = [i for i, m in enumerate(names) if m in known]
        axis.plot([known[names[i]] for i in at], at, "x", label="published, ResNet-32")
        axis.set_yticks(range(len(names)), [METHODS[m][0] for m in names])
        axis.set_title(TITLES[setup])
        axis.set_xlabel("accuracy on test images")
        axis.legend()
    for row, setup in zip(axes[1:], curved, strict=True):
        _draw_curves(row, by, setup)
    for axis in axes.flat:
        axis.set_visible(axis.has_data())
    return figure


def _seeds(by, setup):
    return [
        row for (own, _), seeds in by.items() if own == setup for row in seeds.values()
    ]


def _draw_curves(axes, by, setup):
    for i, method in enumerate(("erm", "resampling", "under", "metabalance")):
        rows = list(by.get((setup, method), {}).values())
        if rows:
            mean = np.mean([row["by_class"] for row in rows], 0)
            place = np.arange(1, len(mean) + 1) + 0.2 * i
            axes[0].bar(place, mean, 0.2, label=METHODS[method][0])
    axes[0].set_xlabel("class, the largest first")
    axes[0].set_ylabel("accuracy on test images")
    for axis, own, title in (
        (axes[1], "largest", "the largest class"),
        (axes[2], "others", "mean of the other classes"),
    ):
        for i, method in enumerate(("erm", "os_mixup", "metabalance")):
            rows = [
                row
                for row in by.get((setup, method), {}).values()
                if f"test_{own}" in row
            ]
            for part, style in (("test", "-"), ("train", "--")) if rows else ():
                mean = np.mean([row[f"{part}_{own}"] for row in rows], 0)
                epochs = np.arange(1, len(mean) + 1)
                label = f"{METHODS[method][0]}, {part}"
                axis.plot(epochs, mean, style, color=f"C{i}", label=label)
        axis.set_xlabel("epoch")
        axis.set_ylabel(f"accuracy, {title}")
    for axis in axes[:3]:
        axis.set_title(TITLES[setup])
        axis.legend(fontsize="small")
