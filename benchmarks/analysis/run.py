"""What does it cost to look inside of a fit, in passes over the same rows?

    python benchmarks/analysis/run.py [--repeats 5] [--epochs 20]

The default network on 5,600 simulated transactions, alone and five side by side, one
thread. Collapse, margins and the curves of one epoch in evaluation passes
(predict_proba over the same rows), called in turn so that other load affects all; ten
eigenvalues of each network's Hessian with its trace in seconds.
Writes results/analysis.json and .md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from benchmarks.analysis.measure import (
    HESSIAN_SECONDS,
    NETWORKS,
    PASSES,
    ROWS,
    fitted,
    hessian,
    passes,
)
from benchmarks.common.report import (
    RESULTS,
    environment,
    goals_table,
    rounded,
    verdict,
    write_json,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    goals, lines = [], []
    result = {"environment": environment(), "rows": ROWS, "networks": {}}
    for n in NETWORKS:
        model, X, y, curves = fitted(args.epochs, n)
        one, found = passes(model, X, y, args.repeats)
        found["ClassCurves, one epoch"] = float(np.median(curves)) / one
        seconds, spectrum = hessian(model, X, y)
        goals += [
            verdict(f"{name}; networks: {n}", f"{PASSES} passes", x, x <= PASSES)
            for name, x in found.items()
        ]
        name = f"hessian_eigenvalues, top 10 of {spectrum.n_parameters} weights"
        goals.append(
            verdict(
                f"{name}; networks: {n}",
                f"{HESSIAN_SECONDS} s",
                seconds,
                seconds <= HESSIAN_SECONDS,
            )
        )
        result["networks"][n] = {
            "pass_seconds": one,
            "passes": found,
            "hessian_seconds": seconds,
            "hessian_products": spectrum.n_products,
        }
        lines.append(
            f"{1e3 * one:.0f} ms and {spectrum.n_products} products with the Hessian "
            f"of {n}"
        )
    result["goals"] = goals
    text = [
        f"# {__doc__.splitlines()[0]}\n",
        goals_table(goals),
        f"\nMedians over {args.repeats} repeats in turn, {ROWS} rows, of which margins "
        f"draw 800; one pass takes {', '.join(lines)}. A gradient of the prediction "
        "alone costs 2 passes over the rows that are looked at, and each point on a "
        f"line one ({result['environment']['machine']}, one thread, processor time).",
    ]
    write_json(RESULTS / "analysis.json", rounded(result))
    (RESULTS / "analysis.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()
