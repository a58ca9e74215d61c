"""How long does a fitted classifier take for one row, next to boosted trees?

    python benchmarks/prediction/run.py [--repeats 200] [--rows 1000000]
    python benchmarks/prediction/run.py --quick

One row of a pandas frame with 3, 60 and 300 columns (two thirds numeric, one third
categorical, and 300 numbers), as a service would send it, and 1000 rows. One thread.
Then a million rows of 30 columns on two threads (`--quick`: 20,000, and few repeats).
All models predict in turn within each repeat, so that other load affects all of them;
figures are medians over repeats, of which the ratios matter. Writes
results/prediction.json and .md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.fresh import fresh
from benchmarks.common.report import (
    RESULTS,
    environment,
    goals_table,
    markdown,
    rounded,
    verdict,
    write_json,
)
from benchmarks.prediction.measure import (
    GOAL,
    GOAL_MILLION,
    MANY,
    MILLION,
    TABLES,
    costs,
    seconds_of,
)

OURS = "TabularMLP"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--rows", type=int, default=MILLION)
    parser.add_argument("--quick", action="store_true", help="few rows and repeats")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.quick:
        args.repeats, args.rows = 5, 20_000
    result = {"environment": environment(), "repeats": args.repeats, "tables": {}}
    lines, goals = [], []
    for title, shape in TABLES.items():
        table = result["tables"][title] = costs(shape, args.repeats)
        for name, row in table.items():
            line = [title, name]
            for what in ("one", "many"):
                ratio = table[OURS][what] / row[what]
                line += [f"{row[what]:.2f}", "" if name == OURS else f"{ratio:.2f}"]
            lines.append(line)
            print(*line, sep="  ", flush=True)
        if sum(shape) == 300:
            ms = table[OURS]["one"]
            goals.append(verdict(f"one row, {title}", f"{GOAL:g} ms", ms, ms <= GOAL))
    many = result["many"] = fresh(seconds_of, args.rows)
    others = many.pop("others_cores")
    if args.rows == MILLION:
        seconds = many[OURS]["seconds"]
        what = "a million rows of 30 columns, two threads"
        fine = seconds <= GOAL_MILLION
        goals.append(verdict(what, f"{GOAL_MILLION:g} s", seconds, fine))
    result["goals"] = goals
    header = ["table", "model", "one row, ms", "ours / theirs"]
    header += [f"{MANY} rows, ms", "ours / theirs"]
    text = [
        f"# {__doc__.splitlines()[0]}\n",
        goals_table(goals),
        "",
        markdown(header, lines),
        f"\nMedians over {args.repeats} interleaved repeats, one thread "
        f"({result['environment']['machine']}).",
        f"\n{args.rows:,} rows of 30 columns, two threads:\n",
        markdown(
            ["model", "seconds", "processor seconds"],
            [
                [name, f"{row['seconds']:.2f}", f"{row['processor']:.2f}"]
                for name, row in many.items()
            ],
        ),
    ]
    if others > 0.2:
        text.append(
            f"\nOther programs took {others:.1f} of the cores meanwhile: of these "
            "seconds the processor's tell more than the clock's."
        )
    write_json(args.results / "prediction.json", rounded(result))
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "prediction.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
