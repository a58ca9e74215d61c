"""Tables, claims and picture of "Bayesian inference under class imbalance"."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.papers.common.report import cell, mean_and_error, pyplot, verdict
from benchmarks.papers.posterior.measure import METHODS

TITLES = {
    "single": "one network",
    "ensemble": "five networks",
    "laplace": "Laplace, last layer, diagonal",
    "sghmc": "SGHMC, 12 samples",
}
COLUMNS = {
    "log_loss": "log loss",
    "ece": "ECE",
    "average_precision": "average precision",
    "balanced_log_loss": "log loss, balanced",
    "balanced_ece": "ECE, balanced",
    "balanced_error": "error, balanced",
    "seconds": "processor seconds",
}
# Less is better in both.
CLAIMED = {"balanced_error": "error on balanced rows", "log_loss": "log loss"}


def by_task(rows, ratio, method, column):
    """Mean over seeds of each task, in the order of the tasks."""
    values = {}
    for row in rows:
        if row["ratio"] == ratio:
            own = row["scores"][method][column]
            values.setdefault(row["task"], []).append(own)
    return np.array([np.mean(values[task]) for task in sorted(values)])


def score_table(rows, ratios):
    """Markdown: means over tasks of the means over seeds."""
    lines = []
    for ratio in ratios:
        for method in METHODS:
            line = [f"{ratio:g}", TITLES[method]]
            for column in COLUMNS:
                values = by_task(rows, ratio, method, column)
                digits = 2 if column == "seconds" else 4
                line.append(cell(values.mean(), digits=digits))
            lines.append(line)
    return markdown(["ratio", "method", *COLUMNS.values()], lines)


def gains(rows, ratio, method, column):
    """What a method takes off the single network's loss, as a share, per task."""
    single = by_task(rows, ratio, "single", column)
    return 1 - by_task(rows, ratio, method, column) / single


def claims(rows, ratios):
    """Does each method help, and more under imbalance? Units are the tasks."""
    found = []
    for column, title in CLAIMED.items():
        for method in METHODS[1:]:
            for ratio in ratios:
                own = verdict(gains(rows, ratio, method, column))
                where = f"{TITLES[method]}, ratio {ratio:g}"
                found.append(
                    {"claim": f"lowers the {title} (share)", "where": where, **own}
                )
            more = gains(rows, min(ratios), method, column) - gains(
                rows, max(ratios), method, column
            )
            claim = f"lowers the {title} more at ratio {min(ratios):g} than at "
            claim += f"{max(ratios):g} (share)"
            found.append({"claim": claim, "where": TITLES[method], **verdict(more)})
    return found


def draw(rows, ratios):
    """Shares taken off the single network's losses, by ratio."""
    figure, axes = pyplot().subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for ax, (column, title) in zip(axes, CLAIMED.items(), strict=True):
        for method in METHODS[1:]:
            pairs = [
                mean_and_error(gains(rows, ratio, method, column)) for ratio in ratios
            ]
            mean, error = zip(*pairs, strict=True)
            error = None if None in error else error
            ax.errorbar(ratios, mean, error, marker="o", label=TITLES[method])
        ax.axhline(0, color="0.6")
        ax.set(xscale="log", xlabel="rare rows a frequent one")
        ax.set(title=f"share taken off one network's\n{title}, over tasks")
        ax.invert_xaxis()
    axes[0].legend()
    return figure
