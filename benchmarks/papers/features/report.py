"""Claims, table and pictures of features in two dimensions."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.papers.common.report import cell, mean_and_error, pyplot, verdict
from benchmarks.papers.features.measure import METHODS
from sklimb.plots import EmbeddingDisplay

TITLES = {
    "erm": "ERM",
    "unlabelled": "with unlabelled images (Figure 1)",
    "ssp": "after rotations, SSP (Figure 4)",
}
COLUMNS = {
    "accuracy": "accuracy",
    "few_recall": "recall, rare",
    "few_leakage": "leakage, rare",
    "few_ncm": "nearest class mean, rare",
}
NOTES = (
    "S004's Figure 1 is of SVHN, here as Figure 4 of CIFAR-10.",
    "Rare is the fifth of the classes with the fewest training images; leakage is the "
    "share of their test images that are predicted as one of the others.",
    "Points are of training and test images together. Distances between groups of a "
    "t-SNE mean nothing: the claims are of the features themselves.",
)


def by_method(rows):
    """{method: {seed: row}}."""
    out = {}
    for row in rows:
        out.setdefault(row["method"], {})[row["seed"]] = row
    return out


def claims(rows):
    """The paper's claims, as differences between fits of the same seed."""
    by, found = by_method(rows), []
    for method, figure in (("unlabelled", "Figure 1"), ("ssp", "Figure 4")):
        for column, sign, what in (
            ("few_ncm", 1, "separates rare classes better: nearest class mean"),
            ("few_leakage", -1, "leaks less of rare classes"),
        ):
            seeds = sorted(set(by.get(method, {})) & set(by.get("erm", {})))
            values = [
                sign * (by[method][s][column] - by["erm"][s][column]) for s in seeds
            ]
            if values:
                claim = f"{TITLES[method].partition(' (')[0]}: {what}"
                found.append({"claim": claim, "where": figure, **verdict(values)})
    return found


def table(rows):
    """Markdown: means and standard errors over seeds."""
    lines = []
    for method, seeds in by_method(rows).items():
        cells = (mean_and_error([r[c] for r in seeds.values()]) for c in COLUMNS)
        lines.append([TITLES[method], *(cell(*pair) for pair in cells)])
    return markdown(["method", *COLUMNS.values()], lines)


def draw(rows):
    """The first seed of each method, a panel each."""
    by = by_method(rows)
    there = [method for method in METHODS if method in by]
    figure, axes = pyplot().subplots(
        1, max(len(there), 1), figsize=(6.2 * max(len(there), 1), 5), squeeze=False
    )
    for ax, method in zip(axes[0], there, strict=False):
        row = by[method][min(by[method])]
        points, labels = np.array(row["points"]), np.array(row["labels"])
        EmbeddingDisplay(points, labels, method="tsne").plot(ax)
        ax.set_title(TITLES[method])
    return figure
