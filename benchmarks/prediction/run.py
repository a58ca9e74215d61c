"""How long does a fitted classifier take for one row, next to boosted trees?

    python benchmarks/prediction/run.py [--repeats 200]

One row of a pandas frame with 3, 60 and 300 columns (two thirds numeric, one third
categorical, and 300 numbers), as a service would send it, and 1000 rows. One thread.
All models predict in turn within each repeat, so that other load affects all of them;
figures are medians over repeats, of which the ratios matter. Writes
results/prediction.json and .md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.report import (
    RESULTS,
    environment,
    goals_table,
    markdown,
    rounded,
    verdict,
    write_json,
)
from benchmarks.prediction.measure import GOAL, MANY, TABLES, costs

OURS = "TabularMLP"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    args = parser.parse_args()
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
    ]
    write_json(RESULTS / "prediction.json", rounded(result))
    (RESULTS / "prediction.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
