"""What does a step of MetaBalance, L2RW and Meta-Weight-Net cost, next to plain ones?

    python benchmarks/step_costs/run.py [--repeats 15]

One thread, float32, an MLP 29-64-64-2 without embeddings, and for comparison the
default network on the same rows. Times are those of the processor. All steps run in
turn within each repeat, so that other load affects all of them; figures are medians
over repeats, of which the ratios matter. MetaBalance (first order) is compared with
twice as many forward and backward passes as it has tasks, without updates; the others
with a plain step, update included. The time of making batches is left out. Writes
results/step_costs.json and .md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.report import RESULTS, environment, markdown, rounded, write_json
from benchmarks.loop_overhead.measure import make_data
from benchmarks.step_costs.measure import GOALS, NETWORKS, costs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    X, y = make_data(args.rows)
    result = {"environment": environment(), "goals": GOALS, "networks": {}}
    lines = []
    for title, network in NETWORKS.items():
        result["networks"][title] = {}
        for batch_size in (32, 256):
            table = costs(X, y, batch_size, network, args.repeats)
            result["networks"][title][batch_size] = table
            for name, row in table.items():
                goal = f"{GOALS[name]:g}" if network else ""
                line = [title, batch_size, name, f"{row['base_us']:.0f}"]
                line += [f"{row['us']:.0f}", f"{row['ratio']:.2f}", goal]
                lines.append(line)
                print(*line, sep="  ", flush=True)
    header = ["network", "batch", "step", "plain, us", "us", "ratio", "goal"]
    text = [f"# {__doc__.splitlines()[0]}\n", markdown(header, lines)]
    text.append(
        "\nMetaBalance: an update of 80 tasks, first order, against 160 forward and "
        "backward passes. The others: a step against a plain step, updates included. "
        f"Processor time, medians over {args.repeats} interleaved repeats, one thread "
        f"({result['environment']['machine']})."
    )
    write_json(RESULTS / "step_costs.json", rounded(result))
    (RESULTS / "step_costs.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
