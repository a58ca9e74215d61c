"""Means, claims, a table and a picture of rank-1 identification by groups."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.papers.common.report import cell, mean_and_error, pyplot, verdict

TITLES = {
    "naive": "naive",
    "over": "over-sampling of the rare group",
    "metabalance": "MetaBalance, balanced queries",
}
HEADS = {"cosface": "CosFace, cross-entropy", "cosface_focal": "CosFace, focal loss"}
# Table 3: total, frequent (male), rare (female), in shares; with the focal loss.
PUBLISHED = {
    "naive": (0.9012, 0.9531, 0.8688),
    "over": (0.8467, 0.9298, 0.7948),
    "metabalance": (0.9190, 0.9565, 0.8956),
}
NOTES = (
    "**Not measured on faces**: the identities are generated patterns with light and "
    "noise, in two groups, and say nothing about faces. With CelebA in the folder "
    "`celeba` of SKLIMB_DATA the same command takes it.",
    "Test identities are not among those of training; each test image is compared with "
    "all others.",
)
SCORES = ("total", "frequent", "rare")


def summarise(rows):
    """{(data, head, method): {score: mean and error}}, and rows by seed."""
    by = {}
    for row in rows:
        name = row["data"], row["head"], row["method"]
        by.setdefault(name, {})[row["seed"]] = row
    summary = {
        name: {s: mean_and_error([r[s] for r in seeds.values()]) for s in SCORES}
        for name, seeds in by.items()
    }
    return summary, by


def claims(by):
    """Bansal et al. (2021), section 5.4."""
    lines = []
    for data, head in dict.fromkeys(name[:2] for name in by):
        naive, over, meta = (by.get((data, head, m), {}) for m in TITLES)

        def add(text, values, data=data, head=head):
            if len(values):
                where = f"{data}, {HEADS[head]}"
                lines.append({"claim": text, "where": where, **verdict(values)})

        both = sorted(set(naive) & set(meta))
        for score, what in (("total", "all"), ("rare", "the rare group")):
            text = f"MetaBalance beats naive training on {what}"
            add(text, [meta[s][score] - naive[s][score] for s in both])

        def gap(row):
            return row["frequent"] - row["rare"]

        text = "it narrows the gap between the groups"
        add(text, [gap(naive[s]) - gap(meta[s]) for s in both])
        both = sorted(set(naive) & set(over))
        text = "over-sampling is worse than naive training"
        add(text, [naive[s]["total"] - over[s]["total"] for s in both])
    return lines


def table_of(summary):
    """Markdown, the published figures beside ours."""
    rows = []
    for (data, head, method), own in summary.items():
        theirs = PUBLISHED[method] if head == "cosface_focal" else (None,) * 3
        name = f"{data}, {HEADS[head]}, {TITLES[method]}"
        rows.append(
            [name, *(cell(*own[s]) for s in SCORES), *(cell(v) for v in theirs)]
        )
    header = ["rank-1 accuracy", *SCORES, *(f"{s}, S003 (CelebA)" for s in SCORES)]
    return markdown(header, rows)


def draw(summary):
    """Bars of the three scores, a panel for each head."""
    panels = list(dict.fromkeys(name[:2] for name in summary))
    figure, axes = pyplot().subplots(
        1, len(panels), figsize=(6 * len(panels), 4.2), squeeze=False
    )
    for axis, (data, head) in zip(axes[0], panels, strict=True):
        methods = [m for m in TITLES if (data, head, m) in summary]
        for i, method in enumerate(methods):
            own = summary[data, head, method]
            means, errors = zip(*(own[s] for s in SCORES), strict=True)
            place = np.arange(len(SCORES)) + 0.25 * i
            yerr = [e or 0.0 for e in errors]
            axis.bar(place, means, 0.25, yerr=yerr, label=TITLES[method])
        axis.set_xticks(np.arange(len(SCORES)) + 0.25, SCORES)
        axis.set_ylabel("rank-1 accuracy, identities not trained on")
        axis.set_title(f"{data}, {HEADS[head]}")
        axis.legend(fontsize="small")
    figure.tight_layout()
    return figure
