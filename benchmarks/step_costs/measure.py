"""Timings of steps of MetaBalance and row weighting, beside plain steps."""

import time
from itertools import cycle, islice

import numpy as np

from benchmarks.loop_overhead.measure import WIDTH
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
        metabalance_support_batch_size=batch_size,
        metabalance_query_batch_size=batch_size,
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
