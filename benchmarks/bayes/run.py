"""What do posteriors cost, next to the fits that they begin with?

    python benchmarks/bayes/run.py [--repeats 5]

Last-layer Laplace next to a default fit, and eight chains of SGHMC next to one: an MLP
with two hidden layers of 64 and batches of 32, where the cost of a call rules. One
thread; times are those of the processor, in turn, so that other load affects all of
them. Writes results/bayes.json and .md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bayes.measure import GOALS, N_CHAINS, chains_ratio, laplace_ratio
from benchmarks.common.report import (
    RESULTS,
    environment,
    goals_table,
    markdown,
    rounded,
    verdict,
    write_json,
)

N_ROWS = 2000
# Structure and members.
FITS = (("diag", 1), ("kron", 1), ("full", 1), ("diag", 5))


def costs(repeats):
    """(what, goal, seconds) one after the other."""
    for structure, n_members in FITS:
        what = f"last layer, {structure}, networks: {n_members}"
        own = laplace_ratio(N_ROWS, structure, n_members)
        yield what, GOALS["laplace"], own
    what = f"{N_CHAINS} chains next to one, width 64"
    yield what, GOALS["chains"], chains_ratio(repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    result = {"environment": environment(), "costs": {}, "goals": []}
    lines = []
    for what, goal, own in costs(args.repeats):
        result["costs"][what] = own
        lines.append([what, *(f"{own[k]:.3f}" for k in ("fit", "posterior", "ratio"))])
        ratio = own["ratio"]
        result["goals"].append(verdict(what, f"{goal:g}", ratio, ratio <= goal))
        print(*lines[-1], sep="  ", flush=True)
    text = [
        f"# {__doc__.splitlines()[0]}\n",
        goals_table(result["goals"]),
        "",
        markdown(["", "fit or one chain, s", "posterior, s", "ratio"], lines),
        f"\nProcessor time, one thread ({result['environment']['machine']}).",
    ]
    write_json(RESULTS / "bayes.json", rounded(result))
    (RESULTS / "bayes.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
