"""The report of large tables, of the lines that are kept."""

from benchmarks.common.report import (
    environment,
    goals_table,
    markdown,
    rounded,
    verdict,
    write_json,
)
from benchmarks.large.measure import TEST_ROWS
from benchmarks.large.models import is_ours

OURS = "TabularMLP"
# The first has the settings of the other boosters, the second none.
CLOCKS = "HistGradientBoosting", "HistGradientBoosting default"
IN_BLOCKS, ROWS_OF_BLOCKS, MOST_MEGABYTES = "TabularMLP in blocks", 20_000_000, 2000
GOAL_ROWS = 1_000_000
MOST_SECONDS, MOST_MEMORY = 5, 3
COLUMNS = (
    "model",
    "fit, s",
    "processor, s",
    "peak, MB",
    "over encoded",
    "epochs or trees",
    "AP",
    "regret, 1e-5",
)


def report(title, kept, folder):
    """Write large.md and large.json of the lines on TEST_ROWS rows, if there are any.

    Lines of fewer test rows are of `--quick`: they stand alone in a report without
    goals.
    """
    lines = list(kept.rows.values())
    whole = [line for line in lines if line["test_rows"] == TEST_ROWS]
    lines = whole or lines
    text = [f"# {title}\n"]
    goals = _goals(whole)
    if goals:
        text += [goals_table(goals), ""]
    for n_rows in sorted({line["n_rows"] for line in lines}):
        own = [line for line in lines if line["n_rows"] == n_rows]
        best = own[0]["best_average_precision"]
        text += [
            f"{n_rows:,} rows; the true chances have AP {best:.4f}.\n",
            markdown(COLUMNS, [_row(line) for line in own]),
            "",
        ]
    here = environment()
    text.append(
        f"Two threads per fit ({here['machine']}); {lines[0]['test_rows']:,} test rows."
        if lines
        else "Nothing was measured."
    )
    crowded = max((line["others_cores"] for line in lines), default=0)
    if crowded > 0.2:
        text.append(
            f"\nOther programs took up to {crowded:.1f} cores meanwhile: processor "
            "seconds tell more than the clock."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "large.md").write_text("\n".join(text) + "\n")
    content = {"environment": here, "goals": goals, "lines": lines}
    write_json(folder / "large.json", rounded(content))


def _row(line):
    return [
        line["model"],
        f"{line['fit_seconds']:.0f}",
        f"{line['fit_cpu_seconds']:.0f}",
        f"{line['peak_megabytes']:.0f}",
        f"{line['peak_over_encoded']:.1f}",
        line["n_iter"] or "",
        f"{line['average_precision']:.4f}",
        f"{1e5 * line['regret']:.1f}",
    ]


def _goals(lines):
    """Regret, time and memory at the size that the goals are for."""
    blocks = [
        verdict(
            f"peak memory of {ROWS_OF_BLOCKS:,} rows in blocks, MB",
            MOST_MEGABYTES,
            line["peak_megabytes"],
            line["peak_megabytes"] <= MOST_MEGABYTES,
        )
        for line in lines
        if line["model"] == IN_BLOCKS and line["n_rows"] == ROWS_OF_BLOCKS
    ]
    at = {line["model"]: line for line in lines if line["n_rows"] == GOAL_ROWS}
    ours = at.get(OURS)
    if ours is None:
        return blocks
    goals = [
        verdict(
            f"peak memory at {GOAL_ROWS:,} rows, times the encoded rows",
            MOST_MEMORY,
            ours["peak_over_encoded"],
            ours["peak_over_encoded"] <= MOST_MEMORY,
        )
    ]
    theirs = [line["regret"] for name, line in at.items() if not is_ours(name)]
    if theirs:
        goals.append(
            verdict(
                "regret over that of the best booster",
                1,
                ours["regret"] / min(theirs),
                ours["regret"] <= min(theirs),
            )
        )
    for clock in CLOCKS:
        if clock not in at:
            continue
        ratio = ours["fit_cpu_seconds"] / at[clock]["fit_cpu_seconds"]
        goals.append(
            verdict(
                f"processor seconds over those of {clock}",
                MOST_SECONDS,
                ratio,
                ratio <= MOST_SECONDS,
            )
        )
    return goals + blocks
