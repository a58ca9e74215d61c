"""The results of the study of portfolios as Markdown."""

import json

from benchmarks.common.report import markdown

SHORT = {"roc_auc": "AUC", "average_precision": "AP", "log_loss": "log loss"}


def as_markdown(content):
    """All tables and the verdicts."""
    parts = [
        _candidates(content),
        _verdicts(content),
        _gains(content),
        _by_table(content),
        _lists(content),
        _weights(content),
        _seconds(content),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _name(setting):
    return json.dumps(setting).strip("{}").replace('"', "")


def _letters(chosen):
    return "".join("ABCDEFGH"[i] for i in chosen)


def _candidates(content):
    singles = content["all_tables"]["singles"]
    rows = [
        [
            f"{_letters([i])}: {_name(setting)}",
            *(f"{single[k]:.4f}" for k in SHORT),
            f"{single['mean_rank_auc']:.1f}",
            *(f"{single['members'][k]:.4f}" for k in SHORT),
        ]
        for i, (setting, single) in enumerate(
            zip(content["candidates"], singles, strict=True)
        )
    ]
    header = ["candidate", *SHORT.values(), "rank of AUC"]
    header += [f"{name}, 4 networks" for name in SHORT.values()]
    tables = content["tables"]
    note = (
        f"**Candidates.** Means over {len(tables)} tables ({', '.join(tables)}), "
        "their folds and 4 networks each; then of the mean of the 4 networks."
    )
    return f"{note}\n\n{markdown(header, rows)}"


def _verdict(interval):
    if interval[0] > 0:
        return "yes"
    return "no" if interval[1] < 0 else "not shown (interval covers 0)"


def _verdicts(content):
    goals, regret = (
        content["goals"],
        content["regret"]["list - oracle"]["roc_auc"]["median"],
    )
    lines = [
        f"- Median regret of the list in AUC against the table's best setting: "
        f"{regret:+.4f}; goal at most {goals['median_regret']}: "
        + ("met." if regret <= goals["median_regret"] else "not met.")
    ]
    for name in ("list - single", "list - n_members=4 of single"):
        found = ", ".join(
            f"{short}: {_verdict(content['gains'][name][k]['interval_95'])}"
            for k, short in SHORT.items()
        )
        lines.append(f"- Better on the mean of tables, {name}: {found}.")
    gain = content["gains"]["list - n_members=4 of single"]["roc_auc"]
    becomes = "holds" if gain["interval_95"][0] > 0 else "does not hold"
    lines.append(
        "- The portfolio becomes the default only if it beats n_members=4 of the best "
        f"single setting at equal time: on AUC this {becomes}."
    )
    if content["seconds"]:
        ratio = content["seconds"]["median_ratios"]
        for name in (
            "portfolio / its settings one by one",
            "portfolio / (members x default)",
        ):
            met = "met" if ratio[name] <= goals["time_ratio"] else "not met"
            lines.append(
                f"- Time, {name}: {ratio[name]:.2f} (median of tables); goal at most "
                f"{goals['time_ratio']}: {met}."
            )
        synthetic = content["seconds"]["by_table"].get("synthetic")
        if synthetic:
            taken = synthetic["portfolio"]
            met = "met" if taken <= goals["seconds"] else "not met"
            lines.append(
                f"- 5,600 x 19 rows: {taken:.1f} s; goal at most {goals['seconds']} "
                f"s: {met}."
            )
    return "**Goals.**\n\n" + "\n".join(lines)


def _change(entry):
    low, high = entry["interval_95"]
    signs = f"{entry['tables_better']}:{entry['tables_worse']}"
    return (
        f"{entry['mean'] * 1e3:+.1f} ± {entry['standard_error'] * 1e3:.1f} "
        f"[{low * 1e3:+.1f}, {high * 1e3:+.1f}] ({signs})"
    )


def _gain_rows(gains):
    return [[name, *(_change(gain[k]) for k in SHORT)] for name, gain in gains.items()]


def _gains(content):
    everything = content["all_tables"]
    gains = dict(content["gains"])
    name = "list - n_members=4 of single"
    gains["the list of all tables - n_members=4 (optimistic)"] = everything[name]
    current = everything["current default - n_members=4 of single"]
    if current:
        gains["sklimb's list - n_members=4"] = current
    regret = [
        [
            what,
            *(
                f"{entry[k]['median'] * 1e3:+.1f} / {entry[k]['mean'] * 1e3:+.1f} / "
                f"{entry[k]['largest'] * 1e3:+.1f}"
                for k in SHORT
            ),
        ]
        for what, entry in content["regret"].items()
    ]
    return (
        "**Gains, leave one table out.** Thousandths, positive is better: mean over "
        "tables ± its standard error, [95 % t interval], (tables better : worse). "
        "List and single setting are chosen by mean AUC on the other tables.\n\n"
        + markdown(["", *SHORT.values()], _gain_rows(gains))
        + "\n\n**Regret** against the setting that is best on the table itself, one "
        "network of it (oracle) or 4 (oracle_members): median / mean / largest of the "
        "tables, thousandths.\n\n" + markdown(["", *SHORT.values()], regret)
    )


def _by_table(content):
    kinds = ("list", "list_equal_weights", "single", "members", "oracle")
    parts = []
    for k, short in SHORT.items():
        rows = [
            [
                name,
                "/".join(map(str, entry["minority_validation_rows"])),
                _letters(entry["chosen_list"]),
                _letters([entry["chosen_single"]]),
                *(f"{entry['scores'][kind][k]:.4f}" for kind in kinds),
                _letters([entry["oracle"][k]]),
            ]
            for name, entry in content["tables"].items()
        ]
        header = ["table", "rare rows", "list", "single", short, "equal weights"]
        header += ["single setting", "n_members=4", "best setting", "which"]
        parts.append(markdown(header, rows))
    return (
        "**By table.** Rare rows: validation rows of the rarest class, by fold. List "
        "and single: chosen on the other tables.\n\n" + "\n\n".join(parts)
    )


def _lists(content):
    found = content["all_tables"]
    entries = {str(i + 1): e for i, e in enumerate(found["ranking"])}
    entries["last"] = found["worst"]
    if found["current_default"]:
        place = found["current_default"]["place"]
        entries[f"{place} (sklimb's)"] = found["current_default"]
    rows = [
        [place, _letters(e["list"]), *(f"{e[k]:.4f}" for k in SHORT)]
        for place, e in entries.items()
    ]
    best = ", ".join(
        f"{short} {_letters(found['best_list_by'][k])}" for k, short in SHORT.items()
    )
    return (
        f"**Lists on all tables.** By mean AUC; the best by {best}. Recommended: "
        f"{', '.join('{' + _name(s) + '}' for s in found['settings'])}.\n\n"
        + markdown(["place", "list", *SHORT.values()], rows)
    )


def _weights(content):
    rows = {
        f"{_letters(found['list'])}: {name}": gain
        for found in content["weights"].values()
        for name, gain in found.items()
        if name != "list"
    }
    fewer = {
        f"{n} ({len(gain['tables'])} tables)": gain
        for n, gain in content["fewer_validation_rows"].items()
    }
    return (
        "**Greedy or equal weights.** Gain over equal weights when the greedy ones, "
        "or those half-way from equal to greedy, are used from so many rare validation "
        "rows on; the best list of all tables and sklimb's.\n\n"
        + markdown(["weights, from", *SHORT.values()], _gain_rows(rows))
        + "\n\nThe list of all tables, weights chosen on a stratified draw of the "
        "validation rows with so many rare ones, on all tables that have them:\n\n"
        + markdown(["rare rows drawn", *SHORT.values()], _gain_rows(fewer))
    )


def _seconds(content):
    if not content["seconds"]:
        return None
    columns = ["default", "n_members", "portfolio"]
    ratios = list(content["seconds"]["median_ratios"])
    rows = [
        [name, *(f"{e[c]:.1f}" for c in columns), *(f"{e[c]:.2f}" for c in ratios)]
        for name, e in content["seconds"]["by_table"].items()
    ]
    last = ["median", "", "", ""]
    last += [f"{content['seconds']['median_ratios'][c]:.2f}" for c in ratios]
    return (
        "**Seconds.** Processor time on one thread: one network of the defaults, "
        "n_members=4, the recommended list; synthetic: 5,600 x 19 rows, mean of 3 "
        "seeds. Other programs ran on the machine.\n\n"
        + markdown(["table", *columns, *ratios], [*rows, last])
    )
