"""The command line of the papers' benchmarks, and fits that are run once and kept."""

import argparse
from pathlib import Path

from joblib import delayed

from benchmarks.common.kept import (
    SAME_SINCE,
    Kept,
    code_digest,
    digest,
    run_all,
    source_digest,
)
from benchmarks.common.report import RESULTS
from benchmarks.common.scores import timed_fit

FOLDERS = {
    "full": RESULTS / "papers",
    "quick": RESULTS / "papers" / "quick",
    "whole": RESULTS / "papers" / "whole",
}


# Parameters that were renamed after fits of days were kept: today's name, the name in
# the keys.
NAMES_IN_KEYS = {
    "metabalance_inner_lr": "inner_lr",
    "metabalance_beta": "beta",
    "metabalance_second_order": "second_order",
    "metabalance_support_batch_size": "support_batch_size",
    "metabalance_query_batch_size": "query_batch_size",
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


def kept_fits(args, name, key, *measured):
    """Results of earlier runs of a script at this scale.

    `measured` are modules of benchmarks/papers and functions that a fit goes through,
    besides what makes splits.
    """
    names = [f"benchmarks.papers.{m}" if isinstance(m, str) else m for m in measured]
    code = code_digest("benchmarks.common.splits", timed_fit, *names)
    path = args.out / "partial" / f"{name}-{args.scale}.jsonl"
    return Kept(path, key, None if args.report_only else lambda line: code)


def key_of(names, settings):
    """Key of a fit: its names, and the digest of version and settings."""
    return (*names, digest([SAME_SINCE, as_kept(settings)]))


def as_kept(settings):
    """Settings with parameters by the names that are in the keys of kept lines."""
    if isinstance(settings, dict):
        return {NAMES_IN_KEYS.get(k, k): as_kept(v) for k, v in settings.items()}
    if isinstance(settings, list | tuple):
        return [as_kept(value) for value in settings]
    return settings


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
        key = key_of(names, settings)
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
