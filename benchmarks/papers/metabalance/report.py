"""Does MetaBalance beat re-sampling and re-weighting on loans and card payments?

Tables 2 and 6 of "MetaBalance" (S003) with the paper's networks and steps, and the same
methods in our default network, with boosted trees and a logistic regression. A seed is
a random 80/20 split, the same for all; 15 % of the 80 validate. On the paper's networks
the learning rate (0.01, 0.02, 0.05, 0.1) of every method, and the pair of samplers of
MS-MetaBalance, are those with the best validation AUC; all epochs are trained. Networks
are evaluated without dropout.

    SKLIMB_DATA=... python benchmarks/papers/metabalance.py --jobs 2
    SKLIMB_DATA=... python benchmarks/papers/metabalance.py --quick

The fraud rows are a subset of the paper's (17,831 of 284,807, 2.8 % frauds instead of
0.17 %): their figures are not comparable with the published ones. A stopped run goes on
where it stopped; after a change of the package itself, delete the folder partial.
"""

from collections import Counter

import numpy as np
from _metabalance import WEIGHTINGS, has_row_weighting, run, strategies
from _published import METABALANCE, METABALANCE_ERRORS, METABALANCE_NOTES
from _shared import (
    cell,
    claims_in_short,
    claims_table,
    fit_missing,
    found,
    kept_fits,
    markdown,
    mean_and_error,
    pyplot,
    read_arguments,
    record,
    verdict,
    write_results,
)

SUPPORTS = ("over", "smote", "borderline_smote", "svm_smote", "adasyn")
SCALES = {
    "full": {
        "seeds": 10,
        "rows": 0,
        "epochs": 100,
        "meta_epochs": 100,
        "modern_epochs": 200,
        "n_clean": 10,
        "supports": SUPPORTS,
    },
    "quick": {
        "seeds": 3,
        "rows": 4000,
        "epochs": 10,
        "meta_epochs": 100,
        "modern_epochs": 30,
        "n_clean": 10,
        "supports": ("smote", "svm_smote"),
    },
    "tiny": {
        "seeds": 2,
        "rows": 400,
        "epochs": 1,
        "meta_epochs": 1,
        "modern_epochs": 1,
        "n_clean": 2,
        "supports": ("smote",),
    },
}
TABLES = ("loan", "fraud")
TITLES = {
    "naive": "naive",
    "naive_long": "naive, as many epochs as MetaBalance",
    "over": "random over-sampling",
    "under": "random under-sampling",
    "smote": "SMOTE",
    "borderline_smote": "Borderline SMOTE",
    "svm_smote": "SVM-SMOTE",
    "adasyn": "ADASYN",
    "all_knn": "AllKNN",
    "cluster_centroids": "ClusterCentroids",
    "near_miss": "NearMiss",
    "smote_enn": "SMOTEENN",
    "class_balanced": "class-balanced loss (S003's LRwt)",
    "meta_weight_net": "Meta-Weight-Net",
    "l2rw": "L2RW",
    "metabalance": "MetaBalance",
    "ms_metabalance": "MS-MetaBalance",
    "xgboost": "XGBoost",
    "logistic": "logistic regression",
}
BASELINES = {"paper": (), "modern": ("xgboost", "logistic")}
FRAUD = (
    "Fraud: **a subset of the paper's rows** (17,831 of 284,807, 2.8 % frauds instead "
    "of 0.17 %): not comparable with the published figures."
)


def all_jobs(scale, tables, networks):
    """Names and settings of every fit."""
    limits = {k: scale[k] for k in ("rows", "epochs", "meta_epochs", "modern_epochs")}
    for network in networks:
        for name in tables:
            methods = strategies(
                name, scale["supports"], scale["n_clean"], network == "modern"
            )
            methods |= {m: {} for m in BASELINES[network]}
            for seed in range(scale["seeds"]):
                for method, parameters in methods.items():
                    settings = {**limits, "parameters": parameters}
                    yield (network, name, method, seed), settings
                if network == "paper" and scale["epochs"] < scale["meta_epochs"]:
                    settings = {**limits, "epochs": limits["meta_epochs"]}
                    settings["parameters"] = {}
                    yield (network, name, "naive_long", seed), settings


def choose(rows):
    """Of some fits of one seed: the choice with the best validation AUC."""
    options = [
        (value, row["method"], choice, test)
        for row in rows
        for value, choice, test in zip(
            row["validation"], row["choices"], row["test"], strict=True
        )
        if value is not None and test is not None
    ]
    _, method, choice, test = max(options, key=lambda option: option[0])
    return {"test": test, "choice": choice, "method": method}


def summarise(rows):
    """{method: mean, error, values by seed, choices} of one network and table."""
    by = {}
    for row in rows:
        by.setdefault(row["method"], {})[row["seed"]] = row
    groups = {m: [m] for m in by if not m.startswith("metabalance ")}
    pairs = [m for m in by if m.startswith("metabalance")]
    if len(pairs) > 1:
        groups["ms_metabalance"] = pairs
    summary = {}
    for title, methods in groups.items():
        seeds = sorted(set.intersection(*(set(by[m]) for m in methods)))
        if not seeds:
            continue
        best = {s: choose([by[m][s] for m in methods]) for s in seeds}
        mean, error = mean_and_error([b["test"] for b in best.values()])
        summary[title] = {
            "auc": mean,
            "standard_error": error,
            "by_seed": {str(s): b["test"] for s, b in best.items()},
            "choices": Counter(
                f"{b['method']}: {b['choice']}" if len(methods) > 1 else b["choice"]
                for b in best.values()
            ).most_common(),
        }
    order = [m for m in TITLES if m in summary]
    return {m: summary[m] for m in order}


def compare(summary, ours, other, share):
    """Verdict on the paired difference of two methods of a summary."""
    a, b = summary[ours]["by_seed"], summary[other]["by_seed"]
    return verdict([a[s] - b[s] for s in a if s in b], share)


def claims(summaries, share):
    """What S003 says of MetaBalance, on our rows."""
    lines = []
    for (network, name), summary in summaries.items():
        where = f"{name}, {network} network"
        if "metabalance" not in summary or "naive" not in summary:
            continue
        rivals = [
            m
            for m in summary
            if m not in ("metabalance", "ms_metabalance", "naive_long")
            and m not in BASELINES["modern"]
        ]
        best = max(rivals, key=lambda m: summary[m]["auc"])
        pairs = [("metabalance", "naive", "MetaBalance beats naive training")]
        title = f"MetaBalance beats every other method (best here: {TITLES[best]})"
        pairs.append(("metabalance", best, title))
        if "naive_long" in summary:
            text = "MetaBalance beats naive training of as many epochs"
            pairs.append(("metabalance", "naive_long", text))
        if "ms_metabalance" in summary:
            text = "choosing both samplers (MS-) beats MetaBalance"
            pairs.append(("ms_metabalance", "metabalance", text))
        pairs += [
            (m, "naive", f"{TITLES[m]} beats naive training")
            for m in WEIGHTINGS
            if m in summary
        ]
        for ours, other, text in pairs:
            if ours != other:
                found = compare(summary, ours, other, share)
                lines.append({"claim": text, "where": where, **found})
    return lines


def one_table(network, summaries, tables):
    """Markdown of one network: published beside ours."""
    header = ["test AUC, mean ± SE"]
    for name in tables:
        label = "fraud (subset)" if name == "fraud" else name
        if network == "paper":
            header.append(f"{label}, published")
        header += [f"{label}, ours"]
        if network == "paper":
            header.append("chosen")
    rows = []
    for method, title in TITLES.items():
        here = [summaries[network, name].get(method) for name in tables]
        if network == "paper" and method in BASELINES["modern"]:
            continue
        optional = network != "paper" or method == "naive_long"
        if not any(here) and optional:
            continue
        row = [title]
        for name, entry in zip(tables, here, strict=True):
            if network == "paper":
                error = METABALANCE_ERRORS[name].get(method)
                row.append(cell(METABALANCE[name].get(method), error))
            if entry is None:
                row.append("not there" if method in WEIGHTINGS else "not run")
            else:
                row.append(cell(entry["auc"], entry["standard_error"]))
            if network == "paper":
                row.append("-" if entry is None else str(entry["choices"][0][0]))
        rows.append(row)
    return markdown(header, rows)


def draw(summaries, tables, scale):
    """Dots of every method; the published figure as a cross."""
    networks = list(dict.fromkeys(network for network, _ in summaries))
    figure, axes = pyplot().subplots(
        len(networks),
        len(tables),
        figsize=(5.5 * len(tables), 4.6 * len(networks)),
        squeeze=False,
        layout="constrained",
    )
    for line, network in zip(axes, networks, strict=True):
        for axis, name in zip(line, tables, strict=True):
            summary = summaries[network, name]
            methods = list(summary)[::-1]
            for place, method in enumerate(methods):
                entry = summary[method]
                axis.errorbar(
                    entry["auc"],
                    place,
                    xerr=entry["standard_error"] or 0.0,
                    fmt="o",
                    color="tab:blue",
                    label="ours ± SE" if place == 0 else None,
                )
                published = METABALANCE[name].get(method)
                if network == "paper" and published is not None:
                    label = "published" if place == 0 else None
                    axis.plot(published, place, "x", color="tab:red", label=label)
            axis.set_yticks(range(len(methods)), [TITLES[m] for m in methods])
            axis.set_xlabel("test AUC")
            suffix = "\n(a subset: not comparable)" if name == "fraud" else ""
            title = f"{name}, {network} network ({scale}){suffix}"
            axis.set_title(title, fontsize=10)
            axis.grid(axis="x", alpha=0.3)
            if summary:
                axis.legend(fontsize=8)
    return figure


def main(argv=None):
    networks = ("paper", "modern")
    args = read_arguments(__doc__, argv, ("tables", TABLES), ("networks", networks))
    scale = SCALES[args.scale]
    kept = kept_fits(
        args, "metabalance", ("network", "table", "method", "seed", "digest")
    )
    jobs = list(all_jobs(scale, args.tables, args.networks))
    keys = fit_missing(args, kept, run, jobs)
    rows, missing = found(kept, keys)
    if not rows:
        raise SystemExit("No fit is there: nothing to report.")
    summaries = {
        (network, name): summarise(
            [r for r in rows if (r["network"], r["table"]) == (network, name)]
        )
        for network in args.networks
        for name in args.tables
    }
    share = float(np.mean([row["test_share"] for row in rows]))
    lines = claims(summaries, share)
    absent = [] if has_row_weighting() else list(WEIGHTINGS)
    notes = [FRAUD, *METABALANCE_NOTES]
    if absent:
        notes.append(
            "Meta-Weight-Net and L2RW are not there: this version of the package has "
            "no `row_weighting`."
        )
    content = record(
        __doc__,
        args,
        scale,
        rows,
        missing_fits=missing,
        not_there=absent,
        notes=notes,
        published={"auc": METABALANCE, "standard_error": METABALANCE_ERRORS},
        claims=lines,
        ours={
            network: {name: summaries[network, name] for name in args.tables}
            for network in args.networks
        },
    )
    heads = {
        "paper": "**The paper's networks and steps.** Published: S003, Tables 2, 6 "
        "and 7. Chosen: the learning rate, or pair and rate, chosen most often.",
        "modern": "**Our default network**, with each strategy as a parameter and "
        "early stopping on the validation rows. Nobody has published these.",
    }
    parts = [
        f"{heads[network]}\n\n{one_table(network, summaries, args.tables)}"
        for network in args.networks
    ]
    parts.append(
        "**Claims.** Differences of test AUC, with the corrected resampled t "
        f"interval.\n\n{claims_in_short(lines)}\n\n{claims_table(lines)}"
    )
    parts.append("\n".join(f"- {note}" for note in notes))
    figure = draw(summaries, args.tables, args.scale)
    write_results(args, "metabalance", content, parts, figure)


if __name__ == "__main__":
    main()
