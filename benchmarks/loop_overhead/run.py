"""What does the training loop cost, next to loops written by hand and to skorch?

    python benchmarks/loop_overhead/run.py [--rows 40000] [--repeats 5]

One thread, an MLP 29-64-64-2 in float32. All loops run in turn within each repeat, so
that other load affects all of them; figures are medians over repeats, of which the
ratios matter. Writes results/loop_overhead.json.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.report import RESULTS, environment, write_json
from benchmarks.loop_overhead.measure import (
    KNOBS,
    LOOPS,
    make_data,
    median_microseconds,
    memory_of_fit,
    ours,
    predict_costs,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--skip-predict", action="store_true")
    args = parser.parse_args()
    X, y = make_data(args.rows)
    result = {"environment": environment(), "rows": args.rows, "loops": {}, "knobs": {}}
    for batch_size in (32, 256, 2048):
        runs = {
            name: lambda loop=loop, b=batch_size: loop(X, y, b)
            for name, loop in LOOPS.items()
        }
        table = median_microseconds(runs, X, y, batch_size, args.repeats)
        for row in table.values():
            row["ratio_to_hand"] = (
                row["us_per_step"] / table["hand loop"]["us_per_step"]
            )
        result["loops"][batch_size] = table
        runs = {
            name: lambda p=params, b=batch_size: ours(X, y, b, **p)
            for name, params in KNOBS.items()
        }
        table = median_microseconds(runs, X, y, batch_size, args.repeats)
        for row in table.values():
            row["ratio_to_plain"] = row["us_per_step"] / table["plain"]["us_per_step"]
        result["knobs"][batch_size] = table
        for part in ("loops", "knobs"):
            for name, row in result[part][batch_size].items():
                ratio = row.get("ratio_to_hand", row.get("ratio_to_plain"))
                print(
                    f"batch {batch_size:5d}  {name:14s} {row['us_per_step']:9.1f} us "
                    f"a step  x {ratio:.3f}"
                )
    if not args.skip_predict:
        result["predict_seconds"] = predict_costs(args.repeats)
        for name, value in result["predict_seconds"].items():
            print(f"{name:22s} {value:.4f}")
    result["memory"] = memory_of_fit()
    print("peak memory of fit, encoded data = 1:", result["memory"]["ratio_to_encoded"])
    write_json(RESULTS / "loop_overhead.json", result)


if __name__ == "__main__":
    main()
