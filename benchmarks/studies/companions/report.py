"""Mixtures of the kept probabilities, their ranks and paired differences."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.common.scores import score
from benchmarks.out_of_the_box.summary import NAMES, difference, ranks, seconds
from benchmarks.out_of_the_box.tables import tables_of

# Mixture: title and the weight of each part, before they are made to sum to 1.
MIXTURES = {
    "networks": ("networks", {"networks": 1}),
    "one": ("1 network", {"one": 1}),
    "histogram": ("HistGradientBoosting", {"histogram": 1}),
    "small_histogram": (
        "HistGradientBoosting, 150 small trees",
        {"small_histogram": 1},
    ),
    "extra_trees": ("ExtraTrees", {"extra_trees": 1}),
    "catboost": ("CatBoost", {"catboost": 1}),
    "over_forest": ("networks with a forest's log odds", {"over_forest": 1}),
    "companions": (
        "companions alone: small trees + ExtraTrees",
        {"small_histogram": 1, "extra_trees": 1},
    ),
    "voting": (
        "VotingClassifier: HistGradientBoosting, CatBoost",
        {"histogram": 1, "catboost": 1},
    ),
    "small_voting": (
        "VotingClassifier: small trees, CatBoost",
        {"small_histogram": 1, "catboost": 1},
    ),
    "with_histogram": (
        "networks + HistGradientBoosting",
        {"networks": 1, "histogram": 1},
    ),
    "with_small": ("networks + small trees", {"networks": 1, "small_histogram": 1}),
    "with_both": (
        "networks + small trees + ExtraTrees, thirds",
        {"networks": 1, "small_histogram": 1, "extra_trees": 1},
    ),
    "half_networks": (
        "networks 1/2, small trees 1/4, ExtraTrees 1/4",
        {"networks": 2, "small_histogram": 1, "extra_trees": 1},
    ),
    "with_extra": ("networks + ExtraTrees", {"networks": 1, "extra_trees": 1}),
    "with_catboost": ("networks + CatBoost", {"networks": 1, "catboost": 1}),
    "forest_and_trees": (
        "networks with log odds + small trees + ExtraTrees",
        {"over_forest": 1, "small_histogram": 1, "extra_trees": 1},
    ),
}
PAIRS = [
    (one, other)
    for one in (
        "with_both",
        "half_networks",
        "with_small",
        "with_histogram",
        "with_extra",
        "forest_and_trees",
    )
    for other in ("companions", "voting", "small_voting", "catboost", "networks")
]
PAIRS += [
    ("networks", "catboost"),
    ("networks", "voting"),
    ("over_forest", "networks"),
    ("with_small", "small_histogram"),
    ("with_histogram", "histogram"),
    ("with_catboost", "with_both"),
    ("with_catboost", "voting"),
    ("with_catboost", "small_voting"),
    ("with_catboost", "catboost"),
    ("with_catboost", "networks"),
    ("companions", "catboost"),
]
FINAL = [
    (one, other)
    for one in ("with_small", "with_catboost")
    for other in ("networks", "catboost")
]
FINAL += [("networks", "catboost")]
# Half: parts without which a split does not count, and pairs that are compared.
HALVES = {
    "chosen": (
        ("networks", "histogram", "small_histogram", "extra_trees", "catboost"),
        PAIRS,
    ),
    "confirmed": (("networks", "histogram", "small_histogram", "catboost"), FINAL),
}
HEADS = ("AP", "AUC", "log loss", "Brier")


def mixtures_of(lines):
    """{mixture: scores and seconds} of one split, from its lines by part."""
    y = np.array(lines["histogram"]["y"])
    found = {}
    for name, (_, weights) in MIXTURES.items():
        if not set(weights) <= set(lines):
            continue
        total = sum(weights.values())
        p = sum(w / total * np.array(lines[part]["p"]) for part, w in weights.items())
        time = sum(lines[part]["fit_cpu_seconds"] for part in weights)
        found[name] = {**score(y, p), "fit_cpu_seconds": time}
    return found


def collect(kept, half, needed):
    """{table: {mixture: entries by split}} of the splits where `needed` is there."""
    splits = {}
    for (table, split, part), line in kept.rows.items():
        if table in tables_of(half):
            splits.setdefault((table, split), {})[part] = line
    found = {
        key: mixtures_of(lines)
        for key, lines in sorted(splits.items())
        if set(needed) <= set(lines)
    }
    everywhere = set.intersection(*map(set, found.values())) if found else set()
    tables = {}
    for (table, _), entries in found.items():
        own = tables.setdefault(table, {m: [] for m in MIXTURES if m in everywhere})
        for name in own:
            own[name].append(entries[name])
    return tables


def report(question, kept, folder):
    """Write companions.md of what is kept."""
    parts = [
        question,
        "Processor seconds of a fit on one thread; families of tables count once. "
        "Differences are better than 0 if the first is better: mean, 95 % interval "
        "over families (families where it is better : worse).",
    ]
    for half, (needed, pairs) in HALVES.items():
        tables = collect(kept, half, needed)
        if len(tables) > 1:
            parts += section(half, tables, pairs)
    text = "\n\n".join(parts) + "\n"
    (folder / "companions.md").write_text(text)
    print(text)


def section(half, tables, pairs):
    """Ranks, seconds and differences on one half."""
    names = list(next(iter(tables.values())))
    place = {score: ranks(tables, names, score) for score in NAMES}
    time = seconds(tables, names)
    rows = [
        [
            MIXTURES[m][0],
            *(f"{place[score][m]:.2f}" for score in NAMES),
            f"{time[m]['mean']:.1f}",
            f"{time[m]['median_of_catboosts']:.2f}",
        ]
        for m in names
    ]
    n_splits = sum(len(v["networks"]) for v in tables.values())
    families = difference(tables, "networks", "catboost", "log_loss")["families"]
    head = f"## {half}: {len(tables)} tables, {families} families, {n_splits} splits"
    pairs = [pair_row(tables, *pair) for pair in pairs if set(pair) <= set(names)]
    return [
        head,
        markdown(["mean rank", *HEADS, "s, mean", "s of CatBoost's, median"], rows),
        markdown(["difference", *HEADS], pairs),
    ]


def pair_row(tables, one, other):
    cells = []
    for name in NAMES:
        d = difference(tables, one, other, name)
        low, high = d["interval"]
        cells.append(
            f"{d['mean']:+.4f} [{low:+.4f}, {high:+.4f}] ({d['better']}:{d['worse']})"
        )
    return [f"{MIXTURES[one][0]} - {MIXTURES[other][0]}", *cells]
