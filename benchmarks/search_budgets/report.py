"""Reports search_budgets.json and .md of the kept searches."""

import numpy as np

from benchmarks.common.report import environment, markdown, rounded, write_json
from benchmarks.common.scores import SCORES
from benchmarks.common.statistics import corrected_mean, interval
from benchmarks.search_budgets.measure import COMPETITORS, TABLES

NAMES = {"log_loss": "log loss", "average_precision": "AP", "roc_auc": "AUC"}
SEARCHED = ("networks", "xgboost", "catboost")


def report(question, kept, folder, budgets):
    """Write what is kept; a table enters a budget when all searches of a split did."""
    found = {}
    for (table, split, name, budget, _), line in kept.rows.items():
        found.setdefault((budget, table, split), {})[name] = line
    content, parts = {"question": question, **environment(), "budgets": {}}, [NOTE]
    for budget in budgets:
        whole = {}
        for table in TABLES:
            splits = [
                {**found.get((0, table, s), {}), **lines}
                for (b, t, s), lines in sorted(found.items())
                if b == budget and t == table and set(SEARCHED) <= set(lines)
            ]
            if splits:
                whole[table] = splits
        missing = [t for t in TABLES if t not in whole]
        entry = {"tables": sorted(whole), "not_run": missing}
        entry["means"] = {t: means(splits) for t, splits in whole.items()}
        if len(whole) > 1:
            entry["differences"] = {
                f"networks - {other}": {s: difference(whole, other, s) for s in NAMES}
                for other in ("xgboost", "catboost", "default")
                if all(other in lines for v in whole.values() for lines in v)
            }
        content["budgets"][budget] = entry
        parts += section(budget, entry, {t: len(v) for t, v in whole.items()})
    write_json(folder / "search_budgets.json", rounded(content))
    text = "\n\n".join(parts) + "\n"
    (folder / "search_budgets.md").write_text(text)
    print(text)


NOTE = (
    "Log loss and average precision on the tested fifth after a search within a budget "
    "of processor time, refit included. Every competitor has one thread and the same "
    "three folds. Processor seconds and not wall-clock ones, because the machine was "
    "busy; 60 of them are half a minute of two cores that are both used. The last "
    "column is what was really used: a packed search is planned from the time of one "
    "fit and may end early or late."
)


def means(splits):
    """{competitor: mean figures} of a table."""
    names = [n for n in COMPETITORS if all(n in lines for lines in splits)]
    figures = (*NAMES, "cpu_seconds")
    entry = {
        n: {f: float(np.mean([lines[n][f] for lines in splits])) for f in figures}
        for n in names
    }
    for n in names:
        tried = [lines[n].get("candidates") for lines in splits]
        entry[n]["candidates"] = None if None in tried else float(np.mean(tried))
    return entry


def difference(whole, other, name):
    """How much better the networks are; tables are independent of each other."""
    values = [
        SCORES[name]
        * np.mean([lines["networks"][name] - lines[other][name] for lines in splits])
        for splits in whole.values()
    ]
    mean, error = corrected_mean(values, 0.0)
    return {
        "mean": mean,
        "standard_error": error,
        "interval": interval(mean, error, len(values)),
        "better": int(np.sum(np.array(values) > 0)),
        "worse": int(np.sum(np.array(values) < 0)),
    }


def section(budget, entry, n_splits):
    """Markdown of one budget."""
    head = f"## {budget} processor seconds"
    if not entry["tables"]:
        return [head, f"Not run: {', '.join(entry['not_run'])}."]
    rows = []
    for table, own in entry["means"].items():
        for name, f in own.items():
            tried = "-" if f["candidates"] is None else f"{f['candidates']:.0f}"
            rows.append(
                [
                    f"{table} ({n_splits[table]} splits)",
                    COMPETITORS[name][0],
                    *(f"{f[s]:.4f}" for s in NAMES),
                    tried,
                    f"{f['cpu_seconds']:.0f}",
                ]
            )
    parts = [head]
    if entry["not_run"]:
        parts.append(f"Not run: {', '.join(entry['not_run'])}.")
    if "differences" in entry:
        cells = [
            [
                pair,
                *(
                    f"{d[s]['mean']:+.4f} +- {d[s]['standard_error']:.4f} "
                    f"({d[s]['better']}:{d[s]['worse']})"
                    for s in NAMES
                ),
            ]
            for pair, d in entry["differences"].items()
        ]
        parts.append(
            "Better than 0 if the networks are better: mean +- standard error over "
            "tables (tables where they are better : worse)."
        )
        parts.append(markdown(["", *NAMES.values()], cells))
    parts.append(
        markdown(["table", "", *NAMES.values(), "candidates", "seconds"], rows)
    )
    return parts
