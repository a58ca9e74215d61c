"""Means over seeds, claims, tables and pictures of MetaBalance and other methods."""

from collections import Counter

from benchmarks.common.report import markdown
from benchmarks.papers.common.published import METABALANCE, METABALANCE_ERRORS
from benchmarks.papers.common.report import cell, mean_and_error, pyplot, verdict
from benchmarks.papers.metabalance.methods import WEIGHTINGS

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
# Below naive training in Tables 2 and 6, loans.
WORSE = (
    "over",
    "under",
    "smote",
    "borderline_smote",
    "svm_smote",
    "adasyn",
    "cluster_centroids",
    "near_miss",
    "smote_enn",
)
FRAUD = (
    "Fraud: **a subset of the paper's rows** (17,831 of 284,807, 2.8 % frauds instead "
    "of 0.17 %): not comparable with the published figures."
)


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
    """Claims of Bansal et al. (2021) on MetaBalance, on our rows."""
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
        if name == "loan":
            pairs += [
                ("naive", m, f"naive training beats {TITLES[m]}")
                for m in WORSE
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
