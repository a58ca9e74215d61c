"""Means over seeds, claims, tables and a picture of the methods on CIFAR-10."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.papers.cifar_lt.methods import GROUPS, METHODS
from benchmarks.papers.common.published import CIFAR_LT, CIFAR_LT_S002
from benchmarks.papers.common.report import cell, mean_and_error, pyplot, verdict

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
    ("MetaBalance beats under-sampling (S003)", "metabalance", "under"),
    ("MetaBalance beats Meta-Weight-Net (S003)", "metabalance", "meta_weight_net"),
    ("MetaBalance beats M2m (S003)", "metabalance", "m2m"),
    ("under-sampling beats over-sampling (S003)", "under", "resampling"),
    ("pre-training by rotation helps (S004)", "ssp", "erm"),
    ("it helps re-sampling (S004)", "ssp_resampling", "resampling"),
    ("it helps LDAM-DRW (S004)", "ssp_ldam_drw", "ldam_drw"),
    ("the common recipe helps (S002)", "recipe", "erm"),
    ("Joint-SSL + SAM-A + M2m helps the recipe (S002)", "recipe_best", "recipe"),
    ("LDAM-DRW beats ERM", "ldam_drw", "erm"),
    ("MiSLAS beats mixup alone", "mislas", "mixup"),
    ("cRT beats ERM", "crt", "erm"),
    ("M2m beats re-sampling", "m2m", "resampling"),
    ("dividing the prior out beats ERM", "erm_uniform", "erm"),
    ("re-sampling beats ERM", "resampling", "erm"),
)


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
    return lines + [line for setup in setups for line in _matched(by, setup)]


def _matched(by, setup):
    """MetaBalance against ERM whose threshold gives its accuracy on the largest class.

    Bansal et al. (2021), section 6; only where there is one such class.
    """
    if setup.startswith("lt"):
        return
    own, plain = (by.get((setup, name), {}) for name in ("metabalance", "erm"))
    seeds = [s for s in sorted(set(own) & set(plain)) if "matched" in plain[s]]
    if seeds:
        at_same = [
            min(plain[s]["matched"], key=lambda pair: abs(pair[0] - own[s]["many"]))[1]
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
