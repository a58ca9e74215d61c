"""What does it cost to look inside of a fit, in passes over the same rows?

    python benchmarks/analysis/run.py [--repeats 5] [--epochs 20]

The default network on 5,600 simulated transactions, one thread. Collapse, margins and
the curves of one epoch in evaluation passes (predict_proba over the same rows), called
in turn so that other load affects all; ten eigenvalues of the Hessian with its trace in
seconds.
Writes results/analysis.json and .md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from benchmarks.analysis.measure import (
    HESSIAN_SECONDS,
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
    model, X, y, curves = fitted(args.epochs)
    one, found = passes(model, X, y, args.repeats)
    found["ClassCurves, one epoch"] = float(np.median(curves)) / one
    seconds, spectrum = hessian(model, X, y)
    goals = [
        verdict(name, f"{PASSES} passes", value, value <= PASSES)
        for name, value in found.items()
    ]
    goals.append(
        verdict(
            f"hessian_eigenvalues, top 10 of {spectrum.n_parameters} weights",
            f"{HESSIAN_SECONDS} s",
            seconds,
            seconds <= HESSIAN_SECONDS,
        )
    )
    state = environment()
    result = {
        "environment": state,
        "rows": ROWS,
        "pass_seconds": one,
        "passes": found,
        "hessian_seconds": seconds,
        "hessian_products": spectrum.n_products,
        "goals": goals,
    }
    text = [
        f"# {__doc__.splitlines()[0]}\n",
        goals_table(goals),
        f"\nMedians over {args.repeats} repeats in turn, {ROWS} rows, one pass "
        f"{1e3 * one:.0f} ms; {spectrum.n_products} products with the "
        "Hessian. A gradient of the prediction alone costs 2 passes, and each point on "
        f"a line one ({state['machine']}, other work beside it).",
    ]
    write_json(RESULTS / "analysis.json", rounded(result))
    (RESULTS / "analysis.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()
