"""Errors, verdicts on claims, and the three files of a paper's benchmark."""

from collections import Counter
from importlib.metadata import version

import numpy as np

from benchmarks.common.kept import origins
from benchmarks.common.report import environment, markdown, rounded, write_json
from benchmarks.common.statistics import corrected_mean, interval

QUICK_LABEL = {
    "full": "Full scale of `make papers`.",
    "whole": "All rows, three groups of five seeds.",
    "quick": "**Quick scale**: fewer rows, epochs and seeds than the paper's protocol "
    "(see the settings); a look, not a reproduction.",
    "tiny": "**Tiny scale**: a test of the script; the figures mean nothing.",
}


def mean_and_error(values):
    """Mean and standard error over runs; without an error for a single run."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), None
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def cell(mean, error=None, digits=3):
    """`mean ± error` for a Markdown table; "-" for what there is not."""
    if mean is None:
        return "-"
    text = f"{mean:.{digits}f}"
    return text if error is None else f"{text} ± {error:.{digits}f}"


def verdict(differences, test_share=0.0):
    """Does a difference hold? Its mean and 95 % t interval over paired runs.

    `test_share` is n_test / n_train of runs that re-draw their splits, see
    `corrected_mean`; 0 for runs that differ in their seeds alone.
    """
    differences = np.asarray(differences, dtype=float)
    if len(differences) < 2:
        return {"mean": float(differences.mean()), "interval": None, "holds": "1 run"}
    mean, error = corrected_mean(differences, test_share)
    low, high = interval(mean, error, len(differences))
    holds = "yes" if low > 0 else "no, the opposite" if high < 0 else "not shown"
    return {
        "mean": mean,
        "interval": [low, high],
        "holds": holds,
        "runs": len(differences),
    }


def correlation(a, b):
    """Does one list of accuracies follow another? Pearson's r and the slope.

    The 95 % interval is Fisher's, over what the lists name, such as methods.
    """
    n = len(a)
    if n < 4 or np.ptp(a) == 0 or np.ptp(b) == 0:  # no interval, or no r
        return {
            "mean": 0.0,
            "slope": 0.0,
            "runs": n,
            "interval": None,
            "holds": "1 run",
        }
    r = min(float(np.corrcoef(a, b)[0, 1]), 1 - 1e-12)
    found = {"mean": r, "slope": float(np.polyfit(a, b, 1)[0]), "runs": n}
    z = np.arctanh(r) + np.array([-1.96, 1.96]) / np.sqrt(n - 3)
    low, high = np.tanh(z).tolist()
    holds = "yes" if low > 0 else "no, the opposite" if high < 0 else "not shown"
    return {**found, "interval": [low, high], "holds": holds}


def claims_table(claims):
    """Markdown of claims: [{"claim", "where", "mean", "interval", "holds"}]."""
    rows = []
    for c in claims:
        if c["interval"] is None:
            span = f"{c['mean']:+.4f}"
        else:
            low, high = c["interval"]
            span = f"{c['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"
        rows.append([c["claim"], c["where"], span, c["holds"]])
    return markdown(["claim", "where", "difference [95 % interval]", "holds"], rows)


def claims_in_short(claims):
    """Markdown: in how many settings each claim holds."""
    counts = {}
    for c in claims:
        kind = "no" if c["holds"].startswith("no,") else c["holds"]
        counts.setdefault(c["claim"], Counter())[kind] += 1
    kinds = ["yes", "no", "not shown"]
    kinds += ["1 run"] if any(n["1 run"] for n in counts.values()) else []
    rows = [[claim, *(n[k] for k in kinds)] for claim, n in counts.items()]
    return markdown(["claim: settings in which it holds", *kinds], rows)


def record(doc, args, scale, rows, **content):
    """The JSON of a script: question, command, versions, settings, content."""
    names = ("xgboost", "imbalanced-learn", "matplotlib", "rtdl_revisiting_models")
    state = environment()
    state["packages"] |= {name: version(name) for name in names}
    return {
        "question": doc.partition("\n")[0],
        "scale": args.scale,
        "settings": scale,
        **state,
        **origins(rows),
        "fit_seconds_in_total": sum(row["seconds"] for row in rows),
        # Where a line has no others, its seconds are the processor's.
        "processor_seconds_in_total": sum(
            row.get("processor_seconds", row["seconds"]) for row in rows
        ),
        **content,
    }


def write_results(args, name, content, parts, figure):
    """Write NAME.json, NAME.md and NAME.png, close the figure, print the Markdown."""
    args.out.mkdir(parents=True, exist_ok=True)
    write_json(args.out / f"{name}.json", rounded(content))
    missing = content.get("missing_fits", 0)
    head = QUICK_LABEL[args.scale]
    if missing:
        head += f" {missing} fits are missing; means are over those that are there."
    settings = ", ".join(f"{k}={v}" for k, v in content["settings"].items())
    head += f"\n\nSettings: {settings}. {content['machine']}, {content['date']}."
    text = "\n\n".join([head, *parts]) + "\n"
    (args.out / f"{name}.md").write_text(text)
    figure.savefig(args.out / f"{name}.png", dpi=110)
    pyplot().close(figure)
    print(text)


def pyplot():
    """matplotlib.pyplot that needs no display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
