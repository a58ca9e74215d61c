"""Reports out_of_the_box.json and .md of the kept fits."""

from importlib.metadata import version

from benchmarks.common.kept import origins
from benchmarks.common.report import environment, markdown, rounded, write_json
from benchmarks.out_of_the_box.models import MODELS
from benchmarks.out_of_the_box.summary import NAMES, collect, mean_of, slices, summary
from benchmarks.out_of_the_box.tables import TEMPORAL, tables_of

COMPARED = ("auto", "one", "catboost", "xgboost", "lightgbm", "histogram", "logistic")
PAIRS = (
    ("auto", "catboost"),
    ("auto", "xgboost"),
    ("auto", "lightgbm"),
    ("auto", "histogram"),
    ("auto", "logistic"),
    ("auto", "one"),
    ("one", "catboost"),
)
HEADS = {
    "average_precision": "AP",
    "roc_auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier",
}


def title(model):
    return MODELS[model].title


def report(question, kept, folder):
    """Write out_of_the_box.json and out_of_the_box.md from the kept results."""
    digests = {name: model.digest() for name, model in MODELS.items()}
    found = collect(kept, COMPARED, digests)
    in_time = {t: found.pop(t) for t in TEMPORAL if t in found}
    if not found:
        raise SystemExit("No table is complete: nothing to report.")
    sets = {
        half: {t: found[t] for t in tables_of(half) if t in found}
        for half in ("all", "chosen", "confirmed")
    }
    sets |= slices(found)
    results = {
        name: summary(tables, COMPARED, PAIRS)
        for name, tables in sets.items()
        if tables
    }
    lines = [line for t in found.values() for m in t.values() for line in m]
    record = environment()
    names = {model.package for model in MODELS.values()}
    record["packages"] |= {name: version(name) for name in sorted(names)}
    content = {
        "question": question,
        "notes": [
            "differences: more is better of every score; 95 % intervals over families",
            "seconds: processor time on one thread of a busy machine",
        ],
        "missing_tables": sorted(set(tables_of("all")) - set(found)),
        **record,
        **origins(lines),
        "sets": results,
        "tables": {t: means(lines) for t, lines in sorted(found.items())},
        "in_time": {t: means(lines) for t, lines in in_time.items()},
    }
    write_json(folder / "out_of_the_box.json", rounded(content))
    text = as_markdown(content)
    (folder / "out_of_the_box.md").write_text(text)
    print(text)


def means(lines):
    """{model: {figure: mean over splits}} of a table, with its size."""
    figures = (*NAMES, "fit_cpu_seconds", "n_merged", "n_positive")
    return {m: {name: mean_of(v, name) for name in figures} for m, v in lines.items()}


def as_markdown(content):
    parts = [
        "Mean ranks (1 is best; families of tables count once) and seconds. Each model "
        "got all training rows. sklimb is the default; 1 network is `n_members=1, "
        "validation_folds=None`.\n"
    ]
    if content["missing_tables"]:
        parts.append(f"Not fitted yet: {', '.join(content['missing_tables'])}.\n")
    for name, own in content["sets"].items():
        parts += [ranks_table(name, own), ""]
    parts.append(
        "Differences, better than 0 if the first is better: mean +- standard error "
        "over families (families where it is better : worse).\n"
    )
    for name in ("all", "chosen", "confirmed"):
        if name in content["sets"]:
            parts += [differences_table(name, content["sets"][name]), ""]
    parts.append("AP / AUC / log loss of each table, means over its splits.\n")
    parts += [each_table({**content["tables"], **content["in_time"]}), ""]
    return "\n".join(parts)


def ranks_table(name, own):
    head = f"{name}: {len(own['tables'])} tables, {own['families']} families"
    rows = []
    for m in COMPARED:
        cells = [f"{own['mean_rank'][score][m]:.2f}" for score in HEADS]
        time = own["seconds"][m]
        cells += [f"{time['mean']:.1f}", f"{time['median_of_catboosts']:.2f}"]
        rows.append([title(m), *cells])
    return markdown([head, *HEADS.values(), "s, mean", "s of CatBoost's, median"], rows)


def differences_table(name, own):
    rows = []
    for pair, scores in own["differences"].items():
        cells = []
        for score in HEADS:
            d = scores[score]
            if "interval" not in d:
                cells.append("-")
                continue
            text = f"{d['mean']:+.4f} +- {d['standard_error']:.4f}"
            cells.append(f"{text} ({d['better']}:{d['worse']})")
        one, other = pair.split(" - ")
        rows.append([f"{title(one)} - {title(other)}", *cells])
    return markdown([name, *HEADS.values()], rows)


def each_table(tables):
    names = [*COMPARED, "latest"]
    rows = []
    for t, own in tables.items():
        size = own["one"]
        head = f"{t} ({size['n_merged']:.0f} rows, {size['n_positive']:.0f} positive)"
        cells = [
            " / ".join(f"{own[m][score]:.3f}" for score in list(HEADS)[:3])
            if m in own
            else "-"
            for m in names
        ]
        rows.append([head, *cells])
    return markdown(["", *map(title, names)], rows)
