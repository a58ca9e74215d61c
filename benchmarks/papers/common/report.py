"""What the three papers' scripts share: scales, errors, verdicts, the three files."""

import argparse
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from _common import (
    RESULTS,
    Kept,
    Unit,
    corrected_mean,
    digest,
    environment,
    folds,
    hold_out,
    interval,
    markdown,
    rounded,
    run_all,
    source_digest,
    table,
    timed_fit,
    write_json,
)
from joblib import delayed

FOLDERS = {
    "full": RESULTS / "papers",
    "quick": RESULTS / "papers" / "quick",
    "whole": RESULTS / "papers" / "whole",
}
QUICK_LABEL = {
    "full": "Full scale of `make papers`.",
    "whole": "All rows, three groups of five seeds.",
    "quick": "**Quick scale**: fewer rows, epochs and seeds than the paper's protocol "
    "(see the settings); a look, not a reproduction.",
    "tiny": "**Tiny scale**: a test of the script; the figures mean nothing.",
}


def read_arguments(doc, argv, *choices, whole=False):
    """The command line of every script; `choices` are (name, values) to pick from.

    `whole` offers a fourth scale, for a GPU.
    """
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--quick", action="store_true", help="minutes, on two cores")
    group.add_argument("--tiny", action="store_true", help="seconds; figures are void")
    if whole:
        group.add_argument("--whole", action="store_true", help="all rows, on a GPU")
    for name, values in choices:
        parser.add_argument(
            f"--{name}", nargs="+", choices=values, default=list(values)
        )
    parser.add_argument("--jobs", type=int, default=2, help="fits side by side")
    parser.add_argument("--device", default="cpu", help="of our networks")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--out", type=Path, help="folder of the results")
    args = parser.parse_args(argv)
    flags = [name for name in ("quick", "tiny", "whole") if getattr(args, name, False)]
    args.scale = flags[0] if flags else "full"
    if args.out is None:
        if args.tiny:
            parser.error("--tiny needs --out: its figures are not for keeping.")
        args.out = FOLDERS[args.scale]
    return args


def kept_fits(args, name, key):
    """Results of earlier runs of a script at this scale."""
    return Kept(args.out / "partial" / f"{name}-{args.scale}.jsonl", key)


def fit_missing(args, kept, run, jobs, together=None):
    """Run the jobs whose results are not kept; returns the keys of all.

    Parameters
    ----------
    run : callable
        (key, settings, data_home, device) -> dict, the rest of the line that is kept.
    jobs : list of (tuple, dict)
        Names of a fit and what it needs to run: all that the digest, appended to its
        key, shall change with.
    together : callable or None
        Names -> a group. `run` then gets the list of the keys that a group misses and
        returns a list of results.
    """
    keys, missing = [], {}
    for names, settings in jobs:
        key = (*names, digest([version("sklimb"), settings]))
        keys.append(key)
        if key not in kept:
            group = names if together is None else together(names)
            missing.setdefault(group, ([], settings))[0].append(key)
    todo = [
        delayed(_named)(
            kept.key,
            run,
            own[0] if together is None else own,
            settings,
            args.data_home,
            args.device,
        )
        for own, settings in missing.values()
    ]
    if todo and not args.report_only:
        run_all(todo, kept, args.jobs)
    return keys


def _named(names, run, keys, *given):
    """The line of a fit, or of each fit of a group, with its names and sources."""
    lines = run(keys, *given)
    if not isinstance(lines, list):
        return _line(names, keys, lines)
    return [_line(names, *pair) for pair in zip(keys, lines, strict=True)]


def _line(names, key, rest):
    return {**dict(zip(names, key, strict=True)), **rest, "source": source_digest()}


def found(kept, keys):
    """The kept results of the keys, and how many are missing."""
    rows = [kept.rows[key] for key in keys if key in kept]
    return rows, len(keys) - len(rows)


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
        "source_digests": sorted({row["source"] for row in rows}),
        "fit_seconds_in_total": sum(row["seconds"] for row in rows),
        **content,
    }


def write_results(args, name, content, parts, figure):
    """Write NAME.json, NAME.md and NAME.png; prints the Markdown."""
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
    print(text)


def pyplot():
    """matplotlib.pyplot that needs no display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


__all__ = [
    "Unit",
    "cell",
    "claims_in_short",
    "claims_table",
    "fit_missing",
    "folds",
    "found",
    "hold_out",
    "kept_fits",
    "markdown",
    "mean_and_error",
    "pyplot",
    "read_arguments",
    "record",
    "source_digest",
    "table",
    "timed_fit",
    "verdict",
    "write_results",
]
