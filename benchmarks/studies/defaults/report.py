"""Which default settings should TabularMLPClassifier have?

Runs named settings on the tables of the half on which defaults are chosen, and no
others: 3 stratified folds of each table; of Adult, of a stratified sample of 8,000 rows
of its official training part. The internal validation rows of a fold (15 %) are the
same for all settings. First round: one change at a time from `BASE`. Second round:
what looked helpful, combined, on 2 x 3 folds. The other half of the tables never
enters; `tables.py` reports both.

    SKLIMB_DATA=... python benchmarks/defaults.py --jobs 1
    SKLIMB_DATA=... python benchmarks/defaults.py --settings more.json --repeats 2

A stopped run goes on where it stopped. `--settings` reads {name: {parameter: value}}:
changes from `BASE` that make a round of their own, next to the base.

Writes results/defaults.json and results/defaults.md: mean rank of average precision
over tables, and paired differences from `BASE`. They share the luck of the base: where
nearly all settings lose on a table, the base was lucky there.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from _common import (
    CHOSEN,
    RESULTS,
    SCORES,
    Kept,
    Unit,
    digest,
    environment,
    folds,
    hold_out,
    markdown,
    rounded,
    run_all,
    score,
    source_digest,
    table,
    timed_fit,
    write_json,
)
from joblib import delayed
from scipy import stats
from sklearn.model_selection import train_test_split

from sklimb import TabularMLPClassifier

ADULT_ROWS = 8000
RANK = "mean_rank_average_precision"
N_FOLDS = 3

# Written out, so that it stays what it was when the library's defaults change.
BASE = {
    "num_embeddings": "plr",
    "frequency_scale": 0.1,
    "n_frequencies": 16,
    "d_embedding": 16,
    "n_bins": 32,
    "n_blocks": 2,
    "d_block": 256,
    "dropout": 0.1,
    "lr": 1e-3,
    "lr_schedule": "constant",
    "weight_decay": 1e-4,
    "batch_size": "auto",  # 256
    "max_epochs": 200,
    "n_iter_no_change": 16,
    "ema_decay": 0.0,
    "numeric_transform": "quantile",
    "smoothing_eps": 0.0,
    "sam_asymmetric_rho": 0.0,
    "sam_scale": "inverse",
}

ONE_CHANGE = {
    "base": {},
    "no embeddings": {"num_embeddings": None},
    "linear": {"num_embeddings": "linear"},
    "plr-lite": {"num_embeddings": "plr-lite"},
    "ple, 16 bins": {"num_embeddings": "ple", "n_bins": 16},
    "ple, 32 bins": {"num_embeddings": "ple", "n_bins": 32},
    "ple, 48 bins": {"num_embeddings": "ple", "n_bins": 48},
    "frequency_scale 0.02": {"frequency_scale": 0.02},
    "frequency_scale 0.05": {"frequency_scale": 0.05},
    "frequency_scale 0.3": {"frequency_scale": 0.3},
    "frequency_scale 1": {"frequency_scale": 1.0},
    "ema 0.99": {"ema_decay": 0.99},
    "dropout 0": {"dropout": 0.0},
    "dropout 0.25": {"dropout": 0.25},
    "dropout 0.4": {"dropout": 0.4},
    "lr 3e-4": {"lr": 3e-4},
    "lr 3e-3": {"lr": 3e-3},
    "weight_decay 0": {"weight_decay": 0.0},
    "weight_decay 1e-2": {"weight_decay": 1e-2},
    "batch 128": {"batch_size": 128},
    "batch 64": {"batch_size": 64},
    "cosine, 60 epochs": {"lr_schedule": "cosine", "max_epochs": 60},
    "standard": {"numeric_transform": "standard"},
    "d_block 128": {"d_block": 128},
    "d_block 384": {"d_block": 384},
    "1 block": {"n_blocks": 1},
    "3 blocks": {"n_blocks": 3},
    "d_embedding 8": {"d_embedding": 8},
    "d_embedding 24": {"d_embedding": 24},
    "8 frequencies": {"n_frequencies": 8},
    "32 frequencies": {"n_frequencies": 32},
    "patience 8": {"n_iter_no_change": 8},
    "patience 32": {"n_iter_no_change": 32},
    "smoothing 0.02": {"smoothing_eps": 0.02},
    "SAM 0.02": {"sam_asymmetric_rho": 0.02, "sam_scale": "uniform"},
    "SAM 0.05": {"sam_asymmetric_rho": 0.05, "sam_scale": "uniform"},
    "SAM-A 0.02": {"sam_asymmetric_rho": 0.02, "sam_scale": "inverse"},
    "SAM-A 0.05": {"sam_asymmetric_rho": 0.05, "sam_scale": "inverse"},
}

COMBINATIONS = {
    "base": {},
    "ema": {"ema_decay": 0.99},
    "d_embedding 24": {"d_embedding": 24},
    "scale 0.2": {"frequency_scale": 0.2},
    "ema, d_embedding 24": {"ema_decay": 0.99, "d_embedding": 24},
    "ema, scale 0.2": {"ema_decay": 0.99, "frequency_scale": 0.2},
    "ema, d_embedding 24, scale 0.2": {
        "ema_decay": 0.99,
        "d_embedding": 24,
        "frequency_scale": 0.2,
    },
    "ema, d_embedding 24, 3 blocks": {
        "ema_decay": 0.99,
        "d_embedding": 24,
        "n_blocks": 3,
    },
    "ema, lr 2e-3": {"ema_decay": 0.99, "lr": 2e-3},
}

# Name: settings, repeats of the folds.
ROUNDS = {"one change": (ONE_CHANGE, 1), "combinations": (COMBINATIONS, 2)}


def selection_rows(name, bunch):
    """The rows of a table that may choose defaults."""
    if bunch.split is None:
        return np.arange(len(bunch.y))
    rows = np.flatnonzero(bunch.split == "train")
    rows, _ = train_test_split(
        rows, train_size=ADULT_ROWS, stratify=bunch.y[rows], random_state=0
    )
    return rows


def make_units(name, repeats, data_home):
    """The splits of one table."""
    bunch = table(name, data_home)
    rows = selection_rows(name, bunch)
    for repeat in range(repeats):
        for fold, (train, test) in enumerate(
            folds(bunch.y[rows], None, N_FOLDS, repeat)
        ):
            train, validation = hold_out(
                bunch.y, None, rows[train], 100 * repeat + fold
            )
            yield Unit(name, repeat, fold, train, validation, rows[test])


def run(unit, setting, config, data_home):
    """Fit one setting on one split; the line that is kept."""
    bunch = table(unit.table, data_home)
    X, y = bunch.X, bunch.y
    model = TabularMLPClassifier(**config, random_state=unit.seed, device="cpu")
    model, wall, processor = timed_fit(
        lambda: model.fit(
            X.iloc[unit.train],
            y[unit.train],
            X_val=X.iloc[unit.validation],
            y_val=y[unit.validation],
        )
    )
    p = model.predict_proba(X.iloc[unit.test])[:, 1]
    return {
        "table": unit.table,
        "repeat": unit.repeat,
        "fold": unit.fold,
        "digest": digest(config),
        "setting": setting,
        "config": config,
        **score(y[unit.test], p),
        "fit_seconds": wall,
        "fit_cpu_seconds": processor,
        "n_iter": model.n_iter_,
        "source": source_digest(),
    }


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


def report(rounds, tables, kept, folder):
    """Write defaults.json and defaults.md from the kept results."""
    found = {
        name: ranking(settings, tables, repeats, kept)
        for name, (settings, repeats) in rounds.items()
    }
    write_json(
        folder / "defaults.json",
        rounded(
            {
                "question": __doc__.partition("\n")[0],
                "tables": list(tables),
                "base": BASE,
                "source_digests": sorted({r["source"] for r in kept.rows.values()}),
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", nargs="+", choices=CHOSEN, default=CHOSEN)
    parser.add_argument("--settings", type=Path, help="JSON file of further settings")
    parser.add_argument("--repeats", type=int, default=1, help="for --settings")
    parser.add_argument("--rounds", nargs="+", choices=ROUNDS, default=list(ROUNDS))
    parser.add_argument("--jobs", type=int, default=1, help="fits side by side")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()

    rounds = {name: ROUNDS[name] for name in args.rounds}
    if args.settings:
        settings = {"base": {}} | json.loads(args.settings.read_text())
        rounds[args.settings.stem] = (settings, args.repeats)
    key = ("table", "repeat", "fold", "digest")
    kept = Kept(args.results / "partial" / "defaults.jsonl", key)
    if not args.report_only:
        todo = {
            (*unit.key, digest(BASE | changes)): delayed(run)(
                unit, setting, BASE | changes, args.data_home
            )
            for settings, repeats in rounds.values()
            for setting, changes in settings.items()
            for name in args.tables
            for unit in make_units(name, repeats, args.data_home)
        }
        run_all([call for k, call in todo.items() if k not in kept], kept, args.jobs)
    report(rounds, args.tables, kept, args.results)


if __name__ == "__main__":
    main()
