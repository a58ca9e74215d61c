"""Means, claims, tables and a picture of what unlabelled images add."""

from benchmarks.common.report import markdown
from benchmarks.papers.common.report import cell, mean_and_error, pyplot, verdict

COLLECTIONS = {"table": "CIFAR-10", "svhn": "SVHN"}
TITLES = {"erm": "ERM", "ldam_drw": "LDAM-DRW"}
# Accuracy of ResNet-32, 1 less the errors of Table 1: alone, then by the ratio of the
# unlabelled images: 1, half, equal, twice.
_CIFAR_10 = {
    "erm": {
        100: (0.7036, 0.8252, 0.8158, 0.8126, 0.7994),
        50: (0.7481, 0.8321, 0.8312, 0.8164, 0.8006),
        10: (0.8639, 0.8978, 0.8952, 0.8914, 0.8896),
    },
    "ldam_drw": {
        100: (0.7703, 0.8504, 0.8482, 0.8467, 0.8445),
        50: (0.8094, 0.8567, 0.8530, 0.8507, 0.8476),
        10: (0.8816, 0.9128, 0.9176, 0.9132, 0.9103),
    },
}
_SVHN = {
    "erm": {
        100: (0.8002, 0.8698, 0.8627, 0.8535, 0.8496),
        50: (0.8250, 0.8693, 0.8664, 0.8684, 0.8546),
        10: (0.8854, 0.8999, 0.8980, 0.8994, 0.8929),
    },
    "ldam_drw": {
        100: (0.8334, 0.8868, 0.8830, 0.8808, 0.8722),
        50: (0.8541, 0.8902, 0.8886, 0.8874, 0.8849),
        10: (0.8973, 0.9106, 0.9092, 0.9130, 0.9065),
    },
}
PUBLISHED = {"table": _CIFAR_10, "svhn": _SVHN}
NOTES = (
    "The authors' unlabelled images are of 80 Million Tiny Images; ours are the "
    "training images of CIFAR-10 that have no label here, which caps the labelled ones "
    "at 700 of the largest class.",
    "Irrelevant images are of two classes that are not among the eight labelled ones; "
    "the authors' are of other collections.",
    "Rare classes are the third of the classes with the fewest labelled images.",
    "The images are recompressed as JPEG: accuracies run slightly low.",
)


def by_name(rows):
    """{(part, method, ratio, ratio of the unlabelled, relevance): {seed: row}}."""
    names = ("part", "method", "ratio", "unlabeled_ratio", "relevance")
    out = {}
    for row in rows:
        out.setdefault(tuple(row[n] for n in names), {})[row["seed"]] = row
    return out


def summarise(by):
    """A list of settings with means and standard errors."""
    names = ("part", "method", "ratio", "unlabeled_ratio", "relevance")
    return [
        {
            **dict(zip(names, key, strict=True)),
            **{
                name: mean_and_error([row[name] for row in seeds.values()])
                for name in ("accuracy", "rare")
            },
        }
        for key, seeds in by.items()
    ]


def claims(by):
    """Claims of Yang and Xu (2020), sections 2 and 3."""
    lines = []

    def add(text, where, better, worse):
        a, b = by.get(better, {}), by.get(worse, {})
        both = sorted(set(a) & set(b))
        if both and better != worse:
            found = verdict([a[s]["accuracy"] - b[s]["accuracy"] for s in both])
            lines.append({"claim": text, "where": where, **found})

    for part, method, ratio, unlabeled, relevance in by:
        own = part, method, ratio
        whose = f"{COLLECTIONS.get(part, 'CIFAR-10')}, {TITLES[method]}"
        where = f"{whose}, ratio {ratio:g}, unlabelled {unlabeled:g}"
        here, alone = (*own, unlabeled, relevance), (*own, 0, 1.0)
        if part in COLLECTIONS and unlabeled:
            add("unlabelled images help (Table 1)", where, here, alone)
        if part in COLLECTIONS and unlabeled == 2 * ratio:
            text = "balanced unlabelled images help more than those of twice the ratio"
            add(text, f"{whose}, ratio {ratio:g}", (*own, 1, 1.0), here)
        if part == "relevance" and unlabeled == ratio and relevance < 1:
            at = f"{where}, {relevance:.0%} relevant"
            if relevance < 0.6:
                add("they harm below 60 % relevance (Figure 2)", at, alone, here)
            else:
                add("they help from 60 % relevance on (Figure 2)", at, here, alone)
        if part == "relevance" and relevance == 0.6 and unlabeled > ratio:
            best = (*own, 1, 0.6)
            add("at 60 % relevance imbalance harms (Figure 3)", where, best, here)
    return lines


def tables(summary):
    """Markdown: Table 1 beside the published figures, then the relevance."""
    table, relevance = [], []
    for line in summary:
        name = TITLES[line["method"]]
        own = [cell(*line["accuracy"]), cell(*line["rare"])]
        ratio, unlabeled = line["ratio"], line["unlabeled_ratio"]
        shown = f"{unlabeled:g}" if unlabeled else "none"
        if line["part"] in COLLECTIONS:
            name = f"{COLLECTIONS[line['part']]}, {name}"
            ratios = (0, 1, ratio / 2, ratio, 2 * ratio)
            known = PUBLISHED[line["part"]][line["method"]].get(ratio)
            theirs = known[ratios.index(unlabeled)] if known else None
            table.append([name, f"{ratio:g}", shown, *own, cell(theirs)])
        else:
            share = f"{line['relevance']:.0%}" if unlabeled else "-"
            relevance.append([name, f"{ratio:g}", shown, share, *own])
    head = ["", "ratio", "ratio of the unlabelled"]
    scores = ["accuracy", "rare classes"]
    return [
        markdown([*head, *scores, "published"], table),
        markdown([*head, "relevant", *scores], relevance),
    ]


def draw(summary):
    """Errors by the ratio of the unlabelled images, and by their relevance."""
    figure, axes = pyplot().subplots(1, 3, figsize=(15, 4.2), layout="constrained")
    panels = (
        ("unlabeled_ratio", "imbalance ratio of the unlabelled (Table 1)"),
        ("relevance", "share of relevant unlabelled images (Figure 2)"),
        ("unlabeled_ratio", "their imbalance ratio at 60 % (Figure 3)"),
    )
    for i, (axis, (x, label)) in enumerate(zip(axes, panels, strict=True)):
        lines = {}
        for line in summary:
            own = (line["part"] == "relevance") == bool(i)
            own &= i != 1 or line["unlabeled_ratio"] in (0, line["ratio"])
            own &= i != 2 or line["relevance"] == 0.6
            if own:
                whose = COLLECTIONS.get(line["part"], "CIFAR-10")
                name = f"{whose}, {TITLES[line['method']]}, ratio {line['ratio']:g}"
                lines.setdefault(name, []).append(line)
        for name, own in lines.items():
            used = sorted((o for o in own if o["unlabeled_ratio"]), key=lambda o: o[x])
            axis.errorbar(
                [o[x] for o in used],
                [100 * (1 - o["accuracy"][0]) for o in used],
                yerr=[100 * (o["accuracy"][1] or 0.0) for o in used],
                fmt="o-",
                label=name,
            )
            for o in own:
                if not o["unlabeled_ratio"]:
                    axis.axhline(100 * (1 - o["accuracy"][0]), ls=":", color="0.5")
        axis.set_xlabel(label)
        axis.set_ylabel("error on balanced test images, %")
        if lines:
            axis.legend(fontsize=7)
    return figure
