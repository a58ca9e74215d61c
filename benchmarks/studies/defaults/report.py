"""Reports defaults.json and defaults.md of the kept fits."""

import numpy as np
from scipy import stats

from benchmarks.common.kept import digest, origins
from benchmarks.common.report import environment, markdown, rounded, write_json
from benchmarks.common.scores import SCORES
from benchmarks.studies.defaults.measure import N_FOLDS
from benchmarks.studies.defaults.settings import BASE

RANK = "mean_rank_average_precision"


def collect(settings, tables, repeats, kept):
    """Scores as {setting: {name: array (n_tables, repeats * folds)}}, complete ones."""
    found = {}
    for setting, changes in settings.items():
        code = digest(BASE | changes)
        keys = [
            [(t, r, f, code) for r in range(repeats) for f in range(N_FOLDS)]
            for t in tables
        ]
        if all(key in kept for line in keys for key in line):
            found[setting] = {
                name: np.array([[kept.rows[k][name] for k in line] for line in keys])
                for name in [*SCORES, "fit_cpu_seconds", "n_iter"]
            }
    return found


def ranking(settings, tables, repeats, kept):
    """What came out for each setting, the best mean rank first."""
    found = collect(settings, tables, repeats, kept)
    if "base" not in found:
        return {}
    ap = np.array([v["average_precision"].mean(1) for v in found.values()])
    rank = stats.rankdata(-ap, axis=0).mean(1)
    content = {}
    for i, (setting, values) in enumerate(found.items()):
        entry = {
            "changes": settings[setting],
            RANK: float(rank[i]),
            "fit_cpu_seconds": float(values["fit_cpu_seconds"].mean()),
            "epochs": float(values["n_iter"].mean()),
            "mean_by_table": {
                t: {name: float(values[name][k].mean()) for name in SCORES}
                for k, t in enumerate(tables)
            },
        }
        for name, sign in SCORES.items():
            difference = values[name] - found["base"][name]
            by_table = sign * difference.mean(1)
            entry[name] = {
                "mean": float(values[name].mean()),
                "difference": float(difference.mean()),
                "standard_error": float(stats.sem(difference, axis=None)),
                "tables_better": int((by_table > 0).sum()),
                "tables_worse": int((by_table < 0).sum()),
            }
        content[setting] = entry
    return dict(sorted(content.items(), key=lambda e: e[1][RANK]))


def report(question, rounds, tables, kept, folder):
    """Write defaults.json and defaults.md from the kept results."""
    found = {
        name: ranking(settings, tables, repeats, kept)
        for name, (settings, repeats) in rounds.items()
    }
    write_json(
        folder / "defaults.json",
        rounded(
            {
                "question": question,
                "tables": list(tables),
                "base": BASE,
                **origins(kept.rows.values()),
                **environment(),
                "rounds": {
                    name: {
                        "folds": N_FOLDS,
                        "repeats": rounds[name][1],
                        "not_finished": [s for s in rounds[name][0] if s not in e],
                        "settings": e,
                    }
                    for name, e in found.items()
                },
            }
        ),
    )
    text = "\n".join(
        as_markdown(name, content, tables, rounds[name][1])
        for name, content in found.items()
    )
    (folder / "defaults.md").write_text(text)
    print(text)


def as_markdown(name, content, tables, repeats):
    """The ranking of one round as a Markdown table."""

    def difference(entry, name):
        d = entry[name]
        signs = f"{d['tables_better']}:{d['tables_worse']}"
        change = f"{d['difference'] * 1e3:+.1f} ± {d['standard_error'] * 1e3:.1f}"
        return f"{change} ({signs})"

    rows = [
        [
            setting,
            f"{entry[RANK]:.1f}",
            f"{entry['average_precision']['mean']:.4f}",
            difference(entry, "average_precision"),
            difference(entry, "roc_auc"),
            difference(entry, "log_loss"),
            f"{entry['fit_cpu_seconds']:.1f}",
            f"{entry['epochs']:.0f}",
        ]
        for setting, entry in content.items()
    ]
    header = ["setting", "rank", "AP", "AP - base", "AUC - base", "log loss - base"]
    return (
        f"**{name}.** {len(tables)} tables ({', '.join(tables)}), {repeats} x "
        f"{N_FOLDS} stratified folds. Rank: of average precision, mean over tables. "
        "Differences from the base in thousandths ± their standard error over tables "
        "and folds; in brackets tables that got better : worse. Seconds: processor "
        "time of a fit on one thread.\n\n"
        + markdown([*header, "seconds", "epochs"], rows)
        + "\n"
    )
