"""Reports tables.json and tables.md of the kept fits."""

from importlib.metadata import version

import numpy as np

from benchmarks.common.kept import origins
from benchmarks.common.report import environment, markdown, rounded, write_json
from benchmarks.tables.measure import N_FOLDS, OFFICIAL_SEEDS
from benchmarks.tables.models import MODELS
from benchmarks.tables.summary import HALVES, collect, goals, one_table, over_tables


def report(question, tables, models, repeats, kept, folder):
    """Write tables.json and tables.md from the kept results."""
    found = collect(tables, models, repeats, kept)
    missing = [name for name in tables if name not in found]
    if missing:
        print(f"Left out, some fits are missing: {', '.join(missing)}.")
    if not found:
        raise SystemExit("No table is complete: nothing to report.")
    by_table = {name: one_table(lines) for name, lines in found.items()}
    sets = {}
    for name, members in HALVES.items():
        some = {t: entry for t, entry in by_table.items() if t in members}
        if some:
            sets[name] = over_tables(some, models)
    reached = goals(by_table, sets, kept)
    lines = [line for t in found.values() for m in t.values() for line in m]
    record = environment()
    names = {MODELS[m].package for m in models}
    record["packages"] |= {name: version(name) for name in sorted(names)}
    content = {
        "question": question,
        "notes": [
            "interval: 95 %, corrected resampled t (Nadeau and Bengio 2003); a tie is "
            "an interval that holds 0",
            "adult: the official split, errors over seeds only, without the test rows'",
            "fraud: scored at the prior of its subset, 2.8 %, not of the population",
            "fit_cpu_seconds: processor time of the fit, on one thread",
        ],
        "fits_a_model": {t: len(next(iter(m.values()))) for t, m in found.items()},
        "missing_tables": missing,
        **record,
        **origins(lines),
        "models": {m: MODELS[m].record() for m in models},
        "goals": reached,
        "sets": sets,
        "tables": by_table,
    }
    write_json(folder / "tables.json", rounded(content))
    text = as_markdown(by_table, sets, models, splits_in_words(found))
    (folder / "tables.md").write_text(text)
    print(text)
    for goal, result in reached.items():
        print(f"{goal}: {rounded(result)}")


def splits_in_words(found):
    """How many folds stand behind each table."""
    repeats = {t: len(next(iter(m.values()))) // N_FOLDS for t, m in found.items()}
    repeats.pop("adult", None)
    most = max(repeats.values(), default=0)
    text = f"{most} x {N_FOLDS} stratified folds"
    fewer = [t for t, n in repeats.items() if n < most]
    return text + (f" ({', '.join(fewer)}: 1 x {N_FOLDS})" if fewer else "")


def as_markdown(by_table, sets, models, splits):
    """The tables of the README."""
    titles = [MODELS[m].title for m in models]
    text = [
        f"{splits}; adult: official split, {OFFICIAL_SEEDS} seeds; best mean in bold. "
        "Ranks count from 1, the best. "
        "Wins/ties/losses are ours, sklimb with its defaults, against the model of the "
        "column, by the 95 % corrected resampled t interval of the paired difference. "
        "Chosen: the tables on which our defaults were chosen; confirmed: the others.\n"
    ]
    for name, head in (("average_precision", "average precision"), ("roc_auc", "AUC")):
        rows = []
        for t, entry in by_table.items():
            means = [entry["models"][m][name]["mean"] for m in models]
            cells = [f"{v:.4f}" for v in means]
            rows.append([t] + [f"**{c}**" if c == max(cells) else c for c in cells])
        for half, found in sets.items():
            ranks = found["mean_rank"][name]
            label = f"mean rank, {half} ({len(found['tables'])})"
            rows.append([label, *(f"{ranks[m]:.2f}" for m in models)])
        for half, found in sets.items():
            if "sklimb" in models:
                against = found["against"]["sklimb"]
                label = f"wins/ties/losses, {half}"
                rows.append([label, *(_signs(against.get(m), name) for m in models)])
        text += [markdown([head, *titles], rows), ""]
    rows = [
        [f"mean rank, {name.replace('_', ' ')}"]
        + [f"{sets['all']['mean_rank'][name][m]:.2f}" for m in models]
        for name in ("log_loss", "brier")
    ]
    for name, label in (
        ("fit_cpu_seconds", "fit, processor seconds, mean"),
        ("predict_seconds", "predict, seconds, mean"),
    ):
        means = [
            np.mean([t["models"][m][name]["mean"] for t in by_table.values()])
            for m in models
        ]
        rows.append([label, *(f"{v:.2f}" for v in means)])
    text += [markdown(["all tables", *titles], rows), ""]
    return "\n".join(text)


def _signs(against, name):
    if against is None:
        return "-"
    line = against[name]
    return f"{line['wins']}/{line['ties']}/{line['losses']}"
