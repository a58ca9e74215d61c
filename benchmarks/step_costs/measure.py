"""What does a step of MetaBalance, L2RW and Meta-Weight-Net cost, next to plain ones?

    python benchmarks/step_costs.py [--repeats 15]

One thread, float32, an MLP 29-64-64-2 without embeddings, and for comparison the
default network on the same rows. Times are those of the processor. All steps run in
turn within each repeat, so that a noisy machine hits them alike; figures are medians
over repeats, and what counts are the ratios. MetaBalance (first order) is compared with
twice as many forward and backward passes as it has tasks, without updates; the others
with a plain step, update included. Making the batches is in none of them. Writes
results/step_costs.json and .md.
"""

import argparse
import time
from itertools import cycle, islice

import numpy as np
from _common import RESULTS, environment, markdown, rounded, write_json
from loop_overhead import WIDTH, make_data

from sklimb import TabularMLPClassifier
from sklimb.fitting.jobs import make_job
from sklimb.fitting.pack import Pack
from sklimb.fitting.prepare import prepare

TASKS = 80
NETWORKS = {
    "MLP 29-64-64-2": {"num_embeddings": None, "d_block": WIDTH, "dropout": 0.0},
    "default (plr, 256)": {},
}
STEPS = {
    "MetaBalance": {"metabalance_sampler": "natural", "metabalance_steps": TASKS},
    "L2RW": {"row_weighting": "l2rw"},
    "Meta-Weight-Net": {"row_weighting": "meta_weight_net"},
}
# Most that a step may cost, on the first network.
GOALS = {"MetaBalance": 1.15, "L2RW": 3.3, "Meta-Weight-Net": 4.0}


def make_net(X, y, batch_size, **params):
    """A net that is ready to step, and some of its batches for ever."""
    clf = TabularMLPClassifier(
        numeric_transform=None,
        batch_size=batch_size,
        support_batch_size=batch_size,
        query_batch_size=batch_size,
        early_stopping=False,
        random_state=0,
        **params,
    )
    pack = Pack([make_job(clf, prepare(clf, X, y))])
    for callback in pack.net.updates_:
        callback.on_train_begin(pack.net)
    pack.net._set_training(True)
    return pack.net, cycle(list(islice(pack.batches, 20)))


def timed(step, batches, n):
    """Microseconds of one of `n` steps."""
    begin = time.thread_time()
    for _ in range(n):
        step(next(batches))
    return 1e6 * (time.thread_time() - begin) / n


def costs(X, y, batch_size, network, repeats):
    """Ratio of each step, with the microseconds that it is made of."""
    plain, batches = make_net(X, y, batch_size, **network)
    n = TASKS if network else 10  # steps of one timing
    runs = {
        "pass": (plain.train_step_single, batches, n),
        "plain": (plain.train_step, batches, n),
    }
    for name, params in STEPS.items():
        net, own = make_net(X, y, batch_size, **network, **params)
        runs[name] = net.train_step, own, 1 if name == "MetaBalance" else n
    for step, own, _ in runs.values():  # the first steps allocate
        timed(step, own, 2)
    us = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            us[name].append(timed(*run))
    median = {name: float(np.median(values)) for name, values in us.items()}
    out = {}
    for name in STEPS:
        base = "pass" if name == "MetaBalance" else "plain"
        times = 2 * TASKS if name == "MetaBalance" else 1
        out[name] = {
            "us": median[name],
            "base_us": times * median[base],
            "ratio": median[name] / (times * median[base]),
            # Within a repeat, so that slow minutes of the machine cancel.
            "ratio_of_repeats": np.quantile(
                np.array(us[name]) / (times * np.array(us[base])), [0.25, 0.5, 0.75]
            ).tolist(),
        }
    return out


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
