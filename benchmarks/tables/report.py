"""How good are the default fits on binary tables, next to boosted trees and the like?

2 x 5 stratified folds of each table (fraud: folds that keep identical rows together;
Adult: its official split, three seeds). On every split all models see the same training
rows, and 15 % of them, the same for all, stop the training of ours and of the boosters
and choose C of the logistic regression. scikit-learn's MLPClassifier takes no
validation rows: it gets all training rows and holds 15 % out by itself. Test rows are
used once.

    SKLIMB_DATA=... python benchmarks/tables.py --jobs 2
    SKLIMB_DATA=... python benchmarks/tables.py --tables german loan --models sklimb mlp
    python benchmarks/tables.py --report-only

A stopped run goes on where it stopped, and a model whose settings or package version
changed is run again; after a change of the package itself, delete results/partial.

Writes results/tables.json and results/tables.md: scores, paired differences with the
corrected resampled t interval, mean ranks and Wilcoxon tests over tables, for all
tables and for either half: that on which our defaults were chosen (`defaults.py`), and
the other. Fraud is scored at the prior of its subset (2.8 %), not of the population.
"""

import argparse
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from _common import (
    ALL_TABLES,
    CHOSEN,
    CONFIRMED,
    RESULTS,
    SCORES,
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
    score,
    source_digest,
    table,
    timed_fit,
    write_json,
)
from catboost import CatBoostClassifier
from joblib import delayed
from lightgbm import LGBMClassifier, early_stopping
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier

from sklimb import TabularEncoder, TabularMLPClassifier

N_FOLDS = 5
OFFICIAL_SEEDS = 3
ROUNDS, PATIENCE = 2000, 50
HALVES = {"all": ALL_TABLES, "chosen": CHOSEN, "confirmed": CONFIRMED}
SPEED_SHAPE = (5600, 19)


def make_ours(seed, **changes):
    return TabularMLPClassifier(random_state=seed, device="cpu", **changes)


def fit_ours(model, X, y, X_val, y_val):
    return model.fit(X, y, X_val=X_val, y_val=y_val)


def make_xgboost(seed, **changes):
    return XGBClassifier(
        n_estimators=ROUNDS,
        early_stopping_rounds=PATIENCE,
        enable_categorical=True,
        tree_method="hist",
        eval_metric="logloss",
        n_jobs=1,
        random_state=seed,
        **changes,
    )


def fit_xgboost(model, X, y, X_val, y_val):
    return model.fit(X, y, eval_set=[(X_val, y_val)], verbose=False)


def make_lightgbm(seed):
    return LGBMClassifier(
        n_estimators=ROUNDS, n_jobs=1, random_state=seed, verbosity=-1
    )


def fit_lightgbm(model, X, y, X_val, y_val):
    return model.fit(
        X,
        y,
        eval_X=X_val,
        eval_y=y_val,
        eval_metric="binary_logloss",
        callbacks=[early_stopping(PATIENCE, verbose=False)],
    )


def make_catboost(seed):
    return CatBoostClassifier(
        iterations=ROUNDS,
        early_stopping_rounds=PATIENCE,
        loss_function="Logloss",
        thread_count=1,
        random_seed=seed,
        logging_level="Silent",
        allow_writing_files=False,
    )


def strings(X):
    """X with categories as strings: CatBoost refuses missing categories."""
    names = X.select_dtypes("category").columns
    return X.assign(**{c: X[c].astype(object).fillna("missing") for c in names})


def fit_catboost(model, X, y, X_val, y_val):
    names = [c for c in X if pd.api.types.is_object_dtype(X[c])]
    return model.fit(X, y, cat_features=names, eval_set=(X_val, y_val))


def make_logistic(seed):
    return make_pipeline(
        TabularEncoder(category_encoding="onehot"),
        LogisticRegression(max_iter=2000, random_state=seed),
    )


def fit_logistic(model, X, y, X_val, y_val):
    candidates = [
        clone(model).set_params(logisticregression__C=C).fit(X, y)
        for C in (0.01, 0.1, 1.0)
    ]
    return min(candidates, key=lambda m: log_loss(y_val, m.predict_proba(X_val)))


def make_mlp(seed):
    return make_pipeline(
        TabularEncoder(category_encoding="onehot"),
        MLPClassifier(early_stopping=True, validation_fraction=0.15, random_state=seed),
    )


def fit_mlp(model, X, y, X_val, y_val):
    return model.fit(pd.concat([X, X_val]), np.concatenate([y, y_val]))


@dataclass(frozen=True)
class Model:
    """One column of the report.

    Parameters
    ----------
    title : str
        Head of the column.
    package : str
        Distribution whose version is part of the results' key.
    make : callable
        From a seed to an estimator.
    fit : callable
        From (estimator, X, y, X_val, y_val) to a fitted one.
    note : str, default=""
        What the estimator's parameters do not say; part of the results' key.
    read : callable, default=None
        What is done to X before the model sees it.
    """

    title: str
    package: str
    make: Callable
    fit: Callable
    note: str = ""
    read: Callable | None = None

    def record(self):
        """What the report says about the model; unset parameters are left out."""
        params = self.make(0).get_params().items()
        # Floats that equal themselves: JSON has no NaN.
        simple = {
            k: v
            for k, v in params
            if isinstance(v, bool | int | float | str) and v == v
        }
        return {"title": self.title, "note": self.note, "parameters": simple}

    def digest(self):
        """Changes with the configuration and the package's version."""
        params = self.make(0).get_params()
        return digest([self.package, version(self.package), self.note, params])


STOPPED = f"at most {ROUNDS} trees, stopped after {PATIENCE} without a better log loss"
MODELS = {
    "sklimb": Model("sklimb", "sklimb", make_ours, fit_ours, "defaults"),
    "sklimb_4": Model(
        "sklimb x4",
        "sklimb",
        lambda seed: make_ours(seed, n_members=4),
        fit_ours,
        "defaults but for n_members=4",
    ),
    "xgboost": Model("XGBoost", "xgboost", make_xgboost, fit_xgboost, STOPPED),
    "xgboost_lr0.05": Model(
        "XGBoost lr 0.05",
        "xgboost",
        lambda seed: make_xgboost(seed, learning_rate=0.05),
        fit_xgboost,
        STOPPED,
    ),
    "lightgbm": Model("LightGBM", "lightgbm", make_lightgbm, fit_lightgbm, STOPPED),
    "catboost": Model(
        "CatBoost", "catboost", make_catboost, fit_catboost, STOPPED, strings
    ),
    "logistic": Model(
        "logistic",
        "scikit-learn",
        make_logistic,
        fit_logistic,
        "C of 0.01, 0.1, 1 with the least log loss on the validation rows",
    ),
    "mlp": Model(
        "MLPClassifier",
        "scikit-learn",
        make_mlp,
        fit_mlp,
        "holds out its own validation rows and stops by accuracy",
    ),
}


def make_units(name, repeats, data_home):
    """The splits of one table."""
    bunch = table(name, data_home)
    y, groups = bunch.y, bunch.groups
    if bunch.split is not None:
        rows, test = (np.flatnonzero(bunch.split == part) for part in ("train", "test"))
        parts = [(seed, 0, rows, test) for seed in range(OFFICIAL_SEEDS)]
    else:
        parts = [
            (repeat, fold, train, test)
            for repeat in range(repeats)
            for fold, (train, test) in enumerate(folds(y, groups, N_FOLDS, repeat))
        ]
    for repeat, fold, rows, test in parts:
        train, validation = hold_out(y, groups, rows, 100 * repeat + fold)
        yield Unit(name, repeat, fold, train, validation, test)


def run(unit, name, code, data_home):
    """Fit one model on one split; the line that is kept."""
    # MLPClassifier says so when its 200 epochs are used up.
    warnings.simplefilter("ignore", ConvergenceWarning)
    entry, bunch = MODELS[name], table(unit.table, data_home)
    X, y = bunch.X if entry.read is None else entry.read(bunch.X), bunch.y
    parts = [(X.iloc[rows], y[rows]) for rows in (unit.train, unit.validation)]
    model, wall, processor = timed_fit(
        lambda: entry.fit(entry.make(unit.seed), *parts[0], *parts[1])
    )
    X_test = X.iloc[unit.test]
    p, predict_wall, _ = timed_fit(lambda: model.predict_proba(X_test)[:, 1])
    return {
        "table": unit.table,
        "repeat": unit.repeat,
        "fold": unit.fold,
        "model": name,
        "digest": code,
        "n_train": len(unit.train) + len(unit.validation),
        "n_test": len(unit.test),
        **score(y[unit.test], p),
        "fit_seconds": wall,
        "fit_cpu_seconds": processor,
        "predict_seconds": predict_wall,
        "source": source_digest(),
    }


def time_default_fit(data_home):
    """Median seconds of three default fits on the loans, one-hot: 5,600 x 19."""
    bunch = table("loan", data_home)
    X = pd.get_dummies(bunch.X, dtype=np.int8).iloc[: SPEED_SHAPE[0]]
    if X.shape != SPEED_SHAPE:
        raise ValueError(f"The timed table must be {SPEED_SHAPE}, got {X.shape}.")
    y = bunch.y[: len(X)]
    seconds = [
        timed_fit(lambda seed=seed: make_ours(seed).fit(X, y))[1] for seed in range(3)
    ]
    return {
        "table": "5,600 x 19",
        "repeat": 0,
        "fold": 0,
        "model": "sklimb",
        "digest": MODELS["sklimb"].digest(),
        "fit_seconds": statistics.median(seconds),
        "source": source_digest(),
    }


def collect(tables, models, repeats, kept):
    """Kept lines as {table: {model: list of lines}}, of tables that have them all.

    A table takes as many whole repeats as are kept, at most `repeats`.
    """
    codes = {m: MODELS[m].digest() for m in models}
    found = {}
    for name in tables:
        for n in range(repeats, 0, -1):
            splits = [(r, f) for r in range(n) for f in range(N_FOLDS)]
            if name == "adult":
                splits = [(seed, 0) for seed in range(OFFICIAL_SEEDS)]
            keys = {m: [(name, *s, m, codes[m]) for s in splits] for m in models}
            if all(key in kept for line in keys.values() for key in line):
                found[name] = {m: [kept.rows[k] for k in keys[m]] for m in models}
                break
    return found


def test_share(lines):
    """n_test / n_train of a table's folds; 0 where only the seed differs."""
    if len({line["repeat"] for line in lines}) == len(lines):
        return 0.0
    return float(np.mean([line["n_test"] / line["n_train"] for line in lines]))


def compare(lines, ours, other, name):
    """Our paired difference from another model on one table."""
    difference = [
        a[name] - b[name] for a, b in zip(lines[ours], lines[other], strict=True)
    ]
    mean, error = corrected_mean(difference, test_share(lines[ours]))
    low, high = interval(mean, error, len(difference))
    verdict = "tie"
    if low > 0 or high < 0:
        verdict = "win" if mean * SCORES[name] > 0 else "loss"
    return {
        "difference": mean,
        "standard_error": error,
        "interval": [low, high],
        "verdict": verdict,
    }


def one_table(lines):
    """Means of every model and our differences from the others, on one table."""
    share = test_share(next(iter(lines.values())))
    entry = {"models": {}, "differences": {}}
    for m, values in lines.items():
        entry["models"][m] = {
            name: dict(
                zip(
                    ("mean", "standard_error"),
                    corrected_mean([v[name] for v in values], share),
                    strict=True,
                )
            )
            for name in (*SCORES, "fit_seconds", "fit_cpu_seconds", "predict_seconds")
        }
    for ours in ("sklimb", "sklimb_4"):
        if ours in lines:
            entry["differences"][ours] = {
                other: {name: compare(lines, ours, other, name) for name in SCORES}
                for other in lines
                if other != ours
            }
    return entry


def over_tables(by_table, models):
    """Mean ranks, Wilcoxon tests, and wins, ties and losses, of a set of tables."""
    entry = {"tables": list(by_table), "mean_rank": {}, "against": {}}
    for name, sign in SCORES.items():
        means = np.array(
            [[t["models"][m][name]["mean"] for m in models] for t in by_table.values()]
        )
        ranks = stats.rankdata(-sign * means, axis=1).mean(0)
        entry["mean_rank"][name] = dict(zip(models, ranks.tolist(), strict=True))
    for ours in ("sklimb", "sklimb_4"):
        if ours not in models:
            continue
        entry["against"][ours] = {}
        for other in (m for m in models if m != ours):
            entry["against"][ours][other] = {
                name: _against(by_table, ours, other, name) for name in SCORES
            }
    return entry


def _against(by_table, ours, other, name):
    lines = [t["differences"][ours][other][name] for t in by_table.values()]
    difference = [line["difference"] for line in lines]
    return {
        "mean_difference": float(np.mean(difference)),
        "wilcoxon_p": float(stats.wilcoxon(difference).pvalue)
        if any(difference)
        else 1.0,
        **{
            plural: sum(line["verdict"] == verdict for line in lines)
            for verdict, plural in (
                ("win", "wins"),
                ("tie", "ties"),
                ("loss", "losses"),
            )
        },
    }


def goals(by_table, sets, kept):
    """What was aimed at, what came out."""
    found = {}
    rank = sets["all"]["mean_rank"]["average_precision"]
    if {"sklimb", "xgboost"} <= set(rank):
        found["mean rank of average precision ahead of early-stopped XGBoost"] = {
            "sklimb": rank["sklimb"],
            "xgboost": rank["xgboost"],
            "reached": bool(rank["sklimb"] < rank["xgboost"]),
        }
    loan = by_table.get("loan", {}).get("differences", {}).get("sklimb", {})
    if "logistic" in loan:
        line = loan["logistic"]["roc_auc"]
        found["loan: AUC at least 0.005 above logistic regression"] = {
            "difference": line["difference"],
            "interval": line["interval"],
            "reached": bool(line["difference"] >= 0.005),
            "interval_above_0": bool(line["interval"][0] > 0),
        }
    key = ("5,600 x 19", 0, 0, "sklimb", MODELS["sklimb"].digest())
    if key in kept:
        seconds = kept.rows[key]["fit_seconds"]
        found["a default fit on 5,600 x 19 in at most 5 s"] = {
            "seconds": seconds,
            "reached": bool(seconds <= 5),
        }
    return found


def report(tables, models, repeats, kept, folder):
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
        "question": __doc__.partition("\n")[0],
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
        "source_digests": sorted({line["source"] for line in lines}),
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", nargs="+", choices=ALL_TABLES, default=ALL_TABLES)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=2, help="of the 5 folds")
    parser.add_argument("--jobs", type=int, default=1, help="fits side by side")
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--data-home", help="folder of the tables; else SKLIMB_DATA")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()

    key = ("table", "repeat", "fold", "model", "digest")
    kept = Kept(args.results / "partial" / "tables.jsonl", key)
    if not args.report_only:
        codes = {name: MODELS[name].digest() for name in args.models}
        todo = [
            delayed(run)(unit, name, codes[name], args.data_home)
            for t in args.tables
            for unit in make_units(t, args.repeats, args.data_home)
            for name in args.models
            if (*unit.key, name, codes[name]) not in kept
        ]
        run_all(todo, kept, args.jobs)
        ours = MODELS["sklimb"].digest()
        timed = ("5,600 x 19", 0, 0, "sklimb", ours)
        if "sklimb" in args.models and "loan" in args.tables and timed not in kept:
            kept.add(time_default_fit(args.data_home))
    report(args.tables, args.models, args.repeats, kept, args.results)


if __name__ == "__main__":
    main()
