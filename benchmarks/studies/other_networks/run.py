"""How does the default stand beside RealMLP and TabM, at the defaults of pytabkit?

Their package pins what ours does not, so it has an environment of its own:

    python -m venv pytabkit && pytabkit/bin/pip install -c constraints.txt \
        torch==2.13.0 pytabkit pyarrow
    SKLIMB_DATA=... python benchmarks/studies/other_networks/run.py \
        --python pytabkit/bin/python

Eight tables of at most 2,000 rows, of eight families, four of each half, on the splits
of benchmarks/out_of_the_box; processor seconds on one thread. Each network gets all
training rows and validates by itself, as pytabkit does by default. A stopped run goes
on where it stopped.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.common.kept import Kept
from benchmarks.common.report import RESULTS, markdown
from benchmarks.common.scores import score
from benchmarks.out_of_the_box.measure import make_unit, run
from benchmarks.out_of_the_box.models import MODELS
from benchmarks.out_of_the_box.run import KEY
from benchmarks.out_of_the_box.summary import NAMES, difference, mean_of, ranks, seconds
from benchmarks.out_of_the_box.tables import FAMILY_OF, load, tables_of

FEW_ROWS = 2000
N_TABLES = 4  # of each half
SPLIT = 0
TITLES = {
    "auto": "sklimb",
    "realmlp": "RealMLP-TD",
    "tabm": "TabM-D",
    "catboost": "CatBoost",
}
FIT = Path(__file__).with_name("fit.py")


def chosen_tables(data_home):
    """Of each half the tables with the most rare rows, one of a family."""
    names = []
    for half in ("chosen", "confirmed"):
        rare = {}
        for name in tables_of(half):
            y = load(name, data_home).y
            if len(y) <= FEW_ROWS:
                rare[name] = min(y.sum(), len(y) - y.sum())
        of_family = {}
        for name in sorted(rare, key=rare.get):
            of_family[FAMILY_OF[name]] = name  # the last one has the most
        best = sorted(of_family.values(), key=rare.get, reverse=True)
        names += best[:N_TABLES]
    return names


def fit_elsewhere(python, name, unit, data_home):
    """The line of a network that another environment fits."""
    data = load(unit.table, data_home)
    train = data.X.iloc[unit.train].assign(target=data.y[unit.train])
    with tempfile.TemporaryDirectory() as folder:
        train.to_parquet(Path(folder) / "train.parquet")
        data.X.iloc[unit.test].to_parquet(Path(folder) / "test.parquet")
        command = [python, str(FIT), folder, name, str(unit.split)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        p = np.load(Path(folder) / "p.npy")
        found = json.loads((Path(folder) / "seconds.json").read_text())
    return {
        "table": unit.table,
        "split": unit.split,
        "model": name,
        "digest": found.pop("version"),
        "n_train": len(unit.train),
        "n_merged": unit.n_merged,
        "n_positive": int(data.y[unit.train].sum()),
        **score(data.y[unit.test], p),
        **found,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="of the environment that has pytabkit")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    kept = Kept(args.results / "partial" / "other_networks.jsonl", KEY)
    if not args.report_only:
        for table in chosen_tables(args.data_home):
            unit = make_unit(table, SPLIT, args.data_home)
            have = {key[2] for key in kept.rows if key[:2] == (table, SPLIT)}
            for name in TITLES:
                if name in have:
                    continue
                if name in MODELS:
                    line = run(unit, name, MODELS[name].digest(), args.data_home)
                else:
                    line = fit_elsewhere(args.python, name, unit, args.data_home)
                kept.add(line)
                print(
                    table, name, line["log_loss"], line["fit_cpu_seconds"], flush=True
                )
    report(kept, args.results)


def report(kept, folder):
    """Write other_networks.md: ranks, paired differences, all figures."""
    tables = {}
    for (table, _, model, _), line in kept.rows.items():
        tables.setdefault(table, {})[model] = [line]
    tables = {t: lines for t, lines in tables.items() if set(TITLES) <= set(lines)}
    if len(tables) < 2:
        return
    rank = {name: ranks(tables, list(TITLES), name) for name in NAMES}
    time = seconds(tables, list(TITLES))
    head = [f"mean rank, {len(tables)} tables", "AP", "AUC", "log loss", "Brier", "s"]
    rows = [
        [title, *(f"{rank[n][m]:.2f}" for n in NAMES), f"{time[m]['mean']:.1f}"]
        for m, title in TITLES.items()
    ]
    parts = [
        "Networks of pytabkit at their defaults beside ours and CatBoost: one split, "
        "processor seconds on one thread. Better than 0 is better; mean +- standard "
        "error over families (signs).",
        markdown(head, rows),
    ]
    rows = []
    for other in list(TITLES)[1:]:
        cells = []
        for name in NAMES:
            d = difference(tables, "auto", other, name)
            cells.append(
                f"{d['mean']:+.4f} +- {d['standard_error']:.4f} "
                f"({d['better']}:{d['worse']})"
            )
        rows.append([f"sklimb - {TITLES[other]}", *cells])
    parts.append(markdown(["", "AP", "AUC", "log loss", "Brier"], rows))
    rows = [
        [
            table,
            title,
            *(f"{mean_of(lines[m], n):.4f}" for n in NAMES),
            f"{mean_of(lines[m], 'fit_cpu_seconds'):.1f}",
        ]
        for table, lines in tables.items()
        for m, title in TITLES.items()
    ]
    parts.append(markdown(["table", "", "AP", "AUC", "log loss", "Brier", "s"], rows))
    text = "\n\n".join(parts) + "\n"
    (folder / "other_networks.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
