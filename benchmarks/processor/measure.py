"""Processor time of steps: of packs with the pages they take, and of other networks.

Each is run by itself in a fresh process:

    python benchmarks/processor/measure.py pack 64
    python benchmarks/processor/measure.py transformer
    python benchmarks/processor/measure.py layout resnet8 32
    python benchmarks/processor/measure.py compiled 256 256
"""

import json
import resource
import sys
import time
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold

from benchmarks.packed_search.measure import (
    WIDTHS,
    Scale,
    candidates,
    classifier,
    loans,
)
from sklimb import (
    FTTransformerClassifier,
    ImageResNetClassifier,
    TabularMLPClassifier,
)
from sklimb.fitting.jobs import make_job
from sklimb.fitting.pack import Pack
from sklimb.fitting.prepare import prepare
from sklimb.model_selection._candidates import Folds, fresh, make_candidate

WARM_UP = 3
ONE = {"n_members": 1, "validation_folds": None, "max_epochs": 5}
FIXED = {"early_stopping": False, "random_state": 0, "device": "cpu"}


def ready(jobs):
    """A net that is ready to step, and its batches for ever."""
    pack = Pack(jobs)
    for callback in pack.net.updates_:
        callback.on_train_begin(pack.net)
    pack.net._set_training(True)

    def batches():
        while True:
            yield from pack.batches

    return pack.net, batches()


def pack(n_members, n_steps=60, data_home=None):
    """Microseconds per member and step, and pages that a step takes from the system."""
    X, y = loans(Scale(), data_home)
    clf = classifier(**WIDTHS["small"], **{**ONE, "max_epochs": 2})
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    folds = Folds(X, y, list(cv.split(X, y)), {})
    pairs = [(c, i) for c in candidates(Scale()) for i in range(5)][:n_members]
    jobs = [
        folds.job(fresh(make_candidate(clf, params), 0), i, {}) for params, i in pairs
    ]
    net, batches = ready(jobs)
    for batch in islice(batches, WARM_UP):
        net.train_step(batch)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    begin, steps = time.thread_time(), []
    for batch in islice(batches, n_steps):
        now = time.thread_time()
        net.train_step(batch)
        steps.append(time.thread_time() - now)
    whole = (time.thread_time() - begin) / n_steps
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return {
        "members": n_members,
        "us_with_batches": 1e6 * whole / n_members,
        "us_median_step": 1e6 * float(np.median(steps)) / n_members,
        "us_least_step": 1e6 * min(steps) / n_members,
        "pages_a_step": faults / n_steps,
    }


def medians(nets, n_steps):
    """Median milliseconds of a step of each net, in turn."""
    times = {name: [] for name in nets}
    for net, batches in nets.values():
        for batch in islice(batches, WARM_UP):
            net.train_step(batch)
    for _ in range(n_steps):
        for name, (net, batches) in nets.items():
            batch, now = next(batches), time.thread_time()
            net.train_step(batch)
            times[name].append(time.thread_time() - now)
    return {name: 1e3 * float(np.median(t)) for name, t in times.items()}


def simulated(n_rows, n_columns):
    X = np.random.default_rng(0).normal(size=(n_rows, n_columns)).astype(np.float32)
    return X, (X[:, 0] > 1).astype(int)


def transformer(n_columns=15, batch_size=256, n_epochs=3):
    """A step of FTTransformerClassifier and of rtdl's module in a hand-written loop."""
    from rtdl_revisiting_models import FTTransformer

    X, y = simulated(12 * batch_size, n_columns)
    clf = FTTransformerClassifier(
        batch_size=batch_size, numeric_transform=None, max_epochs=5, **FIXED
    )
    net, batches = ready([make_job(clf, prepare(clf, X, y))])
    sizes = {"n_blocks": 3, "d_block": 96, "attention_n_heads": 8}
    rates = {"attention_dropout": 0.2, "ffn_dropout": 0.1, "residual_dropout": 0.0}
    module = FTTransformer(
        n_cont_features=n_columns,
        cat_cardinalities=[],
        d_out=2,
        ffn_d_hidden_multiplier=4 / 3,
        **sizes,
        **rates,
    )
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-4, fused=True)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    times = {"hand": [], "sklimb": []}
    for epoch in range(n_epochs):
        if epoch == 1:  # the first allocates
            times = {name: [] for name in times}
        for rows in torch.randperm(len(X)).split(batch_size):
            now = time.thread_time()
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(X[rows], None), y[rows]).backward()
            optimizer.step()
            times["hand"].append(time.thread_time() - now)
            now = time.thread_time()
            net.train_step(next(batches))
            times["sklimb"].append(time.thread_time() - now)
    found = {f"ms_{name}": 1e3 * float(np.median(t)) for name, t in times.items()}
    return {**found, "ratio": found["ms_sklimb"] / found["ms_hand"]}


def layout(backbone, batch_size, n_steps=5):
    """A step with and without channels_last, on images of 32 x 32."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (2 * batch_size, 3, 32, 32)).astype(np.uint8)
    y, nets = np.arange(len(X)) % 2, {}
    for last in (False, True):
        clf = ImageResNetClassifier(
            backbone=backbone, channels_last=last, batch_size=batch_size, **FIXED
        )
        nets["ms_last" if last else "ms_first"] = ready(
            [make_job(clf, prepare(clf, X, y))]
        )
    found = medians(nets, n_steps)
    return {
        "backbone": backbone,
        **found,
        "ratio": found["ms_last"] / found["ms_first"],
    }


def compiled(width, batch_size, n_steps=9):
    """A step of an MLP with and without compile, and the seconds of the first one."""
    X, y = simulated(4 * batch_size, 30)
    nets, first = {}, 0.0
    for compile in (False, True):
        clf = TabularMLPClassifier(
            num_embeddings=None,
            d_block=width,
            batch_size=batch_size,
            compile=compile,
            **ONE,
            **FIXED,
        )
        net, batches = ready([make_job(clf, prepare(clf, X, y))])
        begin = time.perf_counter()
        net.train_step(next(batches))
        first = time.perf_counter() - begin
        nets["ms_compiled" if compile else "ms_eager"] = net, batches
    found = medians(nets, n_steps)
    ratio = found["ms_compiled"] / found["ms_eager"]
    return {"width": width, **found, "ratio": ratio, "first_step_seconds": first}


MEASURES = {
    "pack": pack,
    "transformer": transformer,
    "layout": layout,
    "compiled": compiled,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    arguments = [int(a) if a.isdigit() else a for a in sys.argv[2:]]
    print(json.dumps(MEASURES[sys.argv[1]](*arguments)))
