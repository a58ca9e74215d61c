"""Figures, goals and tables of the benchmark of searches."""

import numpy as np

from benchmarks.common.report import markdown
from benchmarks.common.statistics import corrected_mean
from benchmarks.packed_search.measure import (
    BATCH,
    METHODS,
    PATIENCE,
    SMALL_ONLY,
    WIDTHS,
    candidates,
)

TITLES = {"small": "width 64, no embeddings", "default": "default network"}
NOTE = {
    "search": "{n} candidates x {f} folds on the loans, batch {b}, patience {p}. Steps "
    "are those of one network on one batch.",
    "loses": "4 candidates x {f} folds on the loans, width 512, no embeddings, batch "
    "1024, at most {e} epochs.",
    "ensemble": "{r} synthetic rows of 29 numbers, width 64, no embeddings, batch 32; "
    "medians of {t} interleaved repeats.",
    "growth": "Members are candidates and folds of a search on the loans, width 64, "
    "no embeddings, batch 64, 2 threads. Memory is the peak of two epochs above that "
    "of a pack of two. The share is that of the rate of a product of 2048 x 2048 "
    "float32 matrices, at three products of a batch and the weights a step.",
}


def goal(what, wanted, measured, reached):
    """One line of a list of goals; `measured` is None if something was not run."""
    verdict = "reached" if reached else "missed"
    if measured is None:
        verdict = "not run"
    return {"what": what, "goal": wanted, "measured": measured, "verdict": verdict}


def ratio_goal(what, entries, slow, fast, least):
    """Goal for how many times longer one method takes than another."""
    if slow not in entries or fast not in entries:
        return goal(what, f">= {least:g}", None, False)
    ratio = entries[slow]["seconds"] / entries[fast]["seconds"]
    return goal(what, f">= {least:g}", ratio, ratio >= least)


def summary(rows):
    """What the report says of one search."""
    row = rows[0]
    scaled = row["scaled_by"]
    seconds = float(np.median([r["seconds"] for r in rows]))
    scores = np.array(row["scores"])
    best = int(scores.mean(1).argmax())
    mean, error = corrected_mean(scores[best], 0.0)
    return {
        "seconds": seconds * scaled,
        "all_seconds": [r["seconds"] for r in rows],
        "scaled_by": scaled,
        "others_cores": max(r["others_cores"] for r in rows),
        "fits": row["fits"],
        "member_epochs": row["member_epochs"],
        "member_steps_a_second": row["member_epochs"] * row["steps_an_epoch"] / seconds,
        "packs": row["packs"],
        "best_auc": mean,
        "standard_error": error,
        "best_params": row["candidates"][best],
        "means": scores.mean(1).tolist(),
        "best": best,
    }


def agreement(entry, base):
    """How far a search is from GridSearchCV's scores, and whether it chose as well."""
    difference = np.abs(np.subtract(entry["means"], base["means"]))
    behind = base["best_auc"] - base["means"][entry["best"]]
    return {
        "median_difference": float(np.median(difference)),
        "same_best": entry["best"] == base["best"],
        "behind_best": behind,
        "as_good": bool(behind <= base["standard_error"]),
    }


def search_report(found, scale):
    """Figures and goals of each width."""
    content, goals = {}, []
    for width in WIDTHS:
        begin = f"{width}/"
        entries = {
            name.removeprefix(begin): summary(rows)
            for name, rows in found.items()
            if name.startswith(begin)
        }
        base = entries.get("grid")
        for name, entry in entries.items():
            if base is not None and name != "grid" and not METHODS[name].some:
                entry["against_grid"] = agreement(entry, base)
        content[width] = entries
        goals += search_goals(width, entries)
    return content, goals


def search_goals(width, entries):
    """Goals of one width."""
    least = {"small": 3, "default": 1.2}[width]
    label = f"{width}: "
    goals = [
        ratio_goal(f"{label}GridSearchCV / packed", entries, "grid", "packed", least),
        ratio_goal(f"{label}packed / halving", entries, "packed", "halving", 2.5),
    ]
    full, half = entries.get("packed"), entries.get("halving")
    lost = None if full is None or half is None else full["best_auc"] - half["best_auc"]
    error = None if full is None else full["standard_error"]
    text = f"{label}best AUC that halving loses, at most a standard error"
    bound = "-" if error is None else f"<= {error:.4f}"
    goals += [
        goal(text, bound, lost, lost is not None and lost <= error),
        ratio_goal(f"{label}max_members=1 / packed", entries, "single", "packed", 0.95),
    ]
    if width == "small":
        goals.append(
            ratio_goal(f"{label}skorch / packed", entries, "skorch", "packed", 10)
        )
    near = (full or {}).get("against_grid")
    median = near and near["median_difference"]
    text = f"{label}median over candidates of the difference of mean AUC to GridSearch"
    goals.append(goal(text, "<= 0.001", median, near and median <= 1e-3))
    text = f"{label}chosen candidate behind the best in GridSearchCV, at most its error"
    bound = f"<= {entries['grid']['standard_error']:.4f}" if near else "-"
    behind = near and near["behind_best"]
    goals.append(goal(text, bound, behind, near and near["as_good"]))
    return goals


def loses_report(found, scale):
    """Where packing loses, "auto" costs next to nothing."""
    entries = {name: summary(rows) for name, rows in found.items()}
    if len(entries) == 2:
        entries["packed"]["against_grid"] = agreement(
            entries["packed"], entries["grid"]
        )
    text = "GridSearchCV / packed, at most 5 % slower"
    return entries, [ratio_goal(text, entries, "grid", "packed", 0.95)]


def ensemble_report(found, scale):
    """Seconds of a step by members, for each number of threads."""
    content, goals = {}, []
    most = {"8": 2.2, "32": 6}
    for n_threads, rows in found.items():
        seconds = {
            n: float(np.median([s for row in rows for s in row["seconds"][n]]))
            for n in rows[0]["seconds"]
        }
        one = seconds["1"]
        content[n_threads] = {
            n: {"seconds_a_step": s, "ratio_to_one": s / one}
            for n, s in seconds.items()
        }
        for n, bound in most.items():
            text = f"{n} members / one, threads: {n_threads}"
            ratio = seconds[n] / one
            goals.append(goal(text, f"<= {bound}", ratio, ratio <= bound))
    return content, goals


def growth_report(found, scale):
    """Time and memory by members of a pack."""
    names = [str(n) for n in scale.packs if str(n) in found]
    rate = None
    if "matrix" in found:
        rates = [row["operations_a_second"] for row in found["matrix"]]
        rate = float(np.median(rates))
    content = {"matrix_operations_a_second": rate, "packs": {}}
    for name in names:
        seconds = float(np.median([r["seconds"] for r in found[name]])) / int(name)
        operations = 3 * 2 * BATCH * found[name][0]["weights"]
        content["packs"][name] = {
            "seconds_a_member_step": seconds,
            "operations_a_second": operations / seconds,
            "share_of_matrix_rate": rate and operations / seconds / rate,
            "peak_bytes": float(np.median([r["peak_bytes"] for r in found[name]])),
        }
    if len(names) > 1:
        peaks = [content["packs"][name]["peak_bytes"] for name in names]
        slope = np.polyfit([int(name) for name in names], peaks, 1)[0]
        content["megabytes_a_member"] = float(slope) / 2**20
    return content, []


def search_lines(entries, names):
    """Rows of a table of searches."""
    lines = []
    for name in names:
        entry = entries.get(name)
        title = METHODS[name].title
        if entry is None:
            lines.append([title, "not run", *[""] * 7])
            continue
        if entry["scaled_by"] != 1:
            title += f" ({entry['fits']} fits x {entry['scaled_by']:.0f})"
        near = entry.get("against_grid")
        lines.append(
            [
                title,
                f"{entry['seconds']:.1f}",
                f"{entry['fits']}",
                f"{entry['member_epochs']:.0f}",
                f"{entry['member_steps_a_second']:.0f}",
                in_words(entry["packs"]),
                f"{entry['best_auc']:.4f} ± {entry['standard_error']:.4f}",
                f"{near['median_difference']:.5f}" if near else "",
                f"{entry['others_cores']:.2f}",
            ]
        )
    return lines


def in_words(sizes):
    """Sizes of packs, as "2 x 80"."""
    return ", ".join(f"{sizes.count(n)} x {n}" for n in sorted(set(sizes))[::-1])


SEARCH_HEAD = ["", "seconds", "fits", "epochs", "steps/s", "packs"]
SEARCH_HEAD += ["best AUC", "median AUC difference", "others"]


def section_tables(section, content):
    """The tables of a section, one text each."""
    if section == "search":
        tables = []
        for width, entries in content.items():
            some = [n for n in METHODS if width == "small" or n not in SMALL_ONLY]
            head = [TITLES[width], *SEARCH_HEAD[1:]]
            tables.append(markdown(head, search_lines(entries, some)))
        return tables
    if section == "loses":
        return [markdown(SEARCH_HEAD, search_lines(content, ("grid", "packed")))]
    if section == "ensemble":
        lines = [
            [threads, n, f"{1e6 * e['seconds_a_step']:.0f}", f"{e['ratio_to_one']:.2f}"]
            for threads, entries in content.items()
            for n, e in entries.items()
        ]
        return [markdown(["threads", "members", "us a step", "ratio to one"], lines)]
    lines = [
        [
            n,
            f"{1e6 * e['seconds_a_member_step']:.1f}",
            f"{e['operations_a_second'] / 1e9:.1f}",
            f"{100 * (e['share_of_matrix_rate'] or np.nan):.0f} %",
            f"{e['peak_bytes'] / 2**20:.0f}",
        ]
        for n, e in content["packs"].items()
    ]
    head = ["members", "us a member and step", "GFLOP/s", "share", "peak MB"]
    rate = content["matrix_operations_a_second"] or np.nan
    slope = content.get("megabytes_a_member", np.nan)
    text = f"Plain product: {rate / 1e9:.0f} GFLOP/s. Memory: {slope:.2f} MB a member."
    return [markdown(head, lines), text]


REPORTS = {
    "search": search_report,
    "loses": loses_report,
    "ensemble": ensemble_report,
    "growth": growth_report,
}


def as_markdown(section, content, goals, others, scale):
    """Note, tables and goals of a section, line by line."""
    words = {"n": len(candidates(scale)), "f": scale.splits, "b": BATCH, "p": PATIENCE}
    words |= {"e": scale.wide_epochs, "r": scale.synthetic_rows, "t": scale.timings}
    note = NOTE[section].format(**words)
    text = [f"## {section}\n", f"{note} Others took at most {others:.2f} cores.", ""]
    for part in section_tables(section, content):
        text += [part, ""]
    if goals:
        lines = [
            [g["what"], g["goal"], _number(g["measured"]), g["verdict"]] for g in goals
        ]
        text += [markdown(["", "goal", "measured", ""], lines), ""]
    return text


def _number(value):
    if value is None:
        return "not run"
    return f"{value:.5f}" if abs(value) < 0.1 else f"{value:.2f}"
