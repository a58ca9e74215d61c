"""Claims, tables and a picture of what analysis has found."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.papers.common.report import cell, mean_and_error, pyplot, verdict

TITLES = {
    "erm": "ERM",
    "reweighting": "Reweighting",
    "resampling": "Resampling",
    "ldam_drw": "LDAM-DRW",
    "ssl_sam_a": "Joint-SSL + SAM-A",
    "sam": "SAM",
    "sam_a": "SAM-A",
}
# S002's Table 4: CDNV and NCC of minority training rows, accuracy in percent.
PUBLISHED = {
    "erm": (0.42, 0.92, 84.58),
    "reweighting": (0.38, 0.94, 82.62),
    "resampling": (0.38, 0.97, 82.16),
    "ldam_drw": (0.41, 0.94, 83.86),
    "ssl_sam_a": (0.43, 0.90, 84.80),
}
NOTES = (
    "S002's Table 4 is of WideResNet-28-10 on all of CIFAR-10; its text calls standard "
    "training the more collapsed, its table the less.",
    "Minority is the fifth of the classes with the fewest training images. CDNV and "
    "nearest class means are of their training rows.",
    "S002 does not say whether NCC is accuracy or agreement with the network; both are "
    "here.",
    "Eigenvalues and landscape are of the training loss without regularisation, on as "
    "many random training rows as `curvature` says, with stored BatchNorm statistics.",
    "Margins of the toy are in standard deviations of its numbers; wrong rows count "
    "negative.",
)
_IMAGES = ("accuracy", "cdnv", "ncm_accuracy", "ncm_agreement")
_TOY = ("rare_margin", "frequent_margin", "rare_lowest", "rare_region")
_CURVES = ("train_accuracy", "few_recall", "many_recall")


def by_name(rows):
    """{(part, method, ratio): {seed: row}}."""
    out = {}
    for row in rows:
        name = row["part"], row["method"], row["ratio"]
        out.setdefault(name, {})[row["seed"]] = row
    return out


def summarise(rows):
    """{"part method ratio": means and standard errors}."""
    out = {}
    for (part, method, ratio), seeds in by_name(rows).items():
        names = _TOY if part == "toy" else (*_IMAGES, *_CURVES)
        own = out[f"{part} {method} {ratio:g}"] = {}
        for name in names:
            last = [np.ravel(row[name])[-1] for row in seeds.values()]
            own[name] = mean_and_error(last)
        if all("eigenvalues" in row for row in seeds.values()):
            values = [row["eigenvalues"] for row in seeds.values()]
            own["eigenvalues"] = np.mean(values, 0).tolist()
    return out


def claims(rows, scale):
    """The papers' claims, as differences between fits of the same seed."""
    by = by_name(rows)
    even, long, toy = scale["ratios"][0], scale["ratios"][-1], scale["toy_ratio"]

    def pairs(value, one, other):
        a, b = by.get(one, {}), by.get(other, {})
        both = sorted(set(a) & set(b))
        return [value(a[s]) - value(b[s]) for s in both]

    def last(name):
        return lambda row: np.ravel(row[name])[-1]

    erm, balanced = ("images", "erm", long), ("images", "erm", even)
    where, both = f"CIFAR-10, ratio {long:g}", f"ratio {even:g} less {long:g}"
    found = [
        (
            "rare classes are fit worse than frequent ones (S000, Figure 4)",
            where,
            [
                row["many_recall"][-1] - row["few_recall"][-1]
                for row in by.get(erm, {}).values()
            ],
        ),
        (
            "imbalanced rows take longer to fit (S002, Figure 17): accuracy",
            f"rare classes, {both}",
            pairs(last("few_recall"), balanced, erm),
        ),
        (
            "imbalance lowers the top eigenvalues (S000, Figure 7a): their mean",
            both,
            pairs(lambda row: np.mean(np.abs(row["eigenvalues"])), balanced, erm),
        ),
        (
            "the loss rises slower under imbalance (S000, Figure 7b): to both ends",
            both,
            pairs(_rise, balanced, erm),
        ),
    ]
    for method in ("reweighting", "resampling"):
        found.append(
            (
                f"{TITLES[method]} collapses more than ERM (S002, Table 4): CDNV",
                where,
                pairs(last("cdnv"), erm, ("images", method, long)),
            )
        )
    ours = "images", "ssl_sam_a", long
    found += [
        (
            "Joint-SSL + SAM-A collapses less than ERM (Table 4): CDNV",
            where,
            pairs(last("cdnv"), ours, erm),
        ),
        (
            "SAM-A makes regions alike (S002, Figure 19): the smallest share",
            where,
            pairs(lambda row: min(row["regions"]), ours, erm),
        ),
    ]
    for method, figure in (("sam", "S000, Figure 9"), ("sam_a", "S002, Figure 18")):
        found.append(
            (
                f"{TITLES[method]} widens the margins of rare rows ({figure})",
                f"two moons, ratio {toy:g}",
                pairs(last("rare_margin"), ("toy", method, toy), ("toy", "erm", toy)),
            )
        )
    return [
        {"claim": text, "where": place, **verdict(values)}
        for text, place, values in found
        if values
    ]


def _rise(row):
    values = np.array(row["landscape"])
    return (values[0] + values[-1]) / 2 - values[len(values) // 2]


def tables(summary):
    """Markdown: collapse beside Table 4, curves and curvature, the toy."""
    collapse, curves, toy = [], [], []
    for name, own in summary.items():
        part, method, ratio = name.split()
        if part == "toy":
            toy.append([TITLES[method], *(cell(*own[n]) for n in _TOY)])
            continue
        theirs = PUBLISHED[method] if float(ratio) < 1 else ("-", "-", "-")
        cells = (cell(*own[n]) for n in _IMAGES)
        collapse.append([f"{TITLES[method]}, {ratio}", *cells, *theirs])
        if "eigenvalues" in own:
            shown = ", ".join(f"{value:.3g}" for value in own["eigenvalues"][:3])
            curves.append([ratio, *(cell(*own[n]) for n in _CURVES), shown])
    return [
        markdown(
            [
                "method, ratio",
                "accuracy",
                "CDNV",
                "NCM accuracy",
                "NCM agreement",
                "CDNV (S002)",
                "NCC (S002)",
                "accuracy (S002)",
            ],
            collapse,
        ),
        markdown(
            [
                "ratio (ERM)",
                "training accuracy",
                "recall, rare",
                "recall, frequent",
                "top eigenvalues",
            ],
            curves,
        ),
        markdown(
            [
                "toy",
                "rare margin",
                "frequent margin",
                "rare, lowest 5 %",
                "rare region",
            ],
            toy,
        ),
    ]


def draw(rows, scale):
    """Curves, spectrum, landscape, regions and margins, a panel each."""
    by = by_name(rows)
    figure, axes = pyplot().subplots(1, 5, figsize=(23, 4.2), layout="constrained")
    curves, spectrum, landscape, regions, toy = axes
    for i, ratio in enumerate(scale["ratios"]):
        seeds = list(by.get(("images", "erm", ratio), {}).values())
        if not seeds:
            continue
        for name, style in (("many_recall", "-"), ("few_recall", "--")):
            mean = np.mean([row[name] for row in seeds], 0)
            label = f"{name[:4].strip('_')}, ratio {ratio:g}"
            epochs = np.arange(1, len(mean) + 1)
            curves.plot(epochs, mean, style, color=f"C{i}", label=label)
        values = np.mean([row["eigenvalues"] for row in seeds], 0)
        ranks = np.arange(1, len(values) + 1)
        spectrum.plot(ranks, values, "o-", color=f"C{i}", label=f"ratio {ratio:g}")
        loss = np.mean([row["landscape"] for row in seeds], 0)
        landscape.plot(seeds[0]["positions"], loss, color=f"C{i}", label=f"{ratio:g}")
    for method in ("erm", "ssl_sam_a"):
        seeds = by.get(("images", method, scale["ratios"][-1]), {}).values()
        if seeds:
            share = np.mean([row["regions"] for row in seeds], 0)
            regions.plot(
                np.arange(1, len(share) + 1), share, "o-", label=TITLES[method]
            )
    names = [m for m in ("erm", "sam", "sam_a") if ("toy", m, scale["toy_ratio"]) in by]
    for i, name in enumerate(("rare_margin", "frequent_margin")):
        means = [
            np.mean([r[name] for r in by["toy", m, scale["toy_ratio"]].values()])
            for m in names
        ]
        place = np.arange(len(names)) + 0.4 * i
        toy.bar(place, means, 0.4, label=name.replace("_", " "))
    toy.set_xticks(np.arange(len(names)) + 0.2, [TITLES[m] for m in names])
    for axis, title, x in (
        (curves, "training recall", "epoch"),
        (spectrum, "eigenvalues of the Hessian", "rank"),
        (landscape, "training loss", "filter-normalised distance"),
        (regions, "share of planes", "class, by training rows"),
        (toy, "margins, two moons", ""),
    ):
        axis.set_title(title)
        axis.set_xlabel(x)
        axis.legend(fontsize="small")
    return figure
