"""Rates of a device, the shortest possible time of a step, and steps that are timed."""

import gc
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from benchmarks.packed_search.measure import (
    COLUMNS,
    MLP,
    WIDTHS,
    Scale,
    classifier,
    synthetic,
)

BATCHES = (32, 256)
DTYPES = {"cpu": ("float32",), "cuda": ("float32", "bfloat16")}
# What `compile=` is where it is measured too: CUDA graphs where there are some.
COMPILE = {"cpu": True, "cuda": "reduce-overhead"}
NO_GPU = "no CUDA device"
# Most times the floor, and least times GridSearchCV's time over the packed one's.
STEPS_GOAL, SEARCH_GOAL = 2.0, 30.0
WIDTH, CLASSES, DROPOUT = 64, 2, 0.1
LAYERS = ((COLUMNS, WIDTH), (WIDTH, WIDTH), (WIDTH, CLASSES))
PRODUCTS = sum(n * m for n, m in LAYERS)
WEIGHTS = PRODUCTS + sum(m for _, m in LAYERS)
# Passes over numbers of a batch. Hidden units: written, read by the next layer and for
# its weights' gradient, their gradient written and read; masks: written, read forward
# and backward. Logits and their gradient: written and read. Inputs: read twice.
PASSES = (5 + 3) * 2 * WIDTH + 4 * CLASSES + 2 * COLUMNS
FORMULA = (
    "Floor of a step = max(operations / rate of products, bytes / rate of a copy). "
    f"Operations = 3 x 2 x batch x {PRODUCTS} x members. Bytes = members x "
    f"({WEIGHTS} x (2 s + 8 x 4) + batch x {PASSES} x s), s bytes a number (float32 4, "
    "bfloat16 2): weights are read forward and backward, their gradient is written; "
    "AdamW reads weight, gradient and both moments and writes weight and moments, ten "
    "passes in all, eight of them in float32; a row's hidden units take five passes, "
    "dropout masks three, logits and their gradient four, inputs two. The copy is from "
    "and to main memory: what stays in caches may be faster than this. Starting "
    "operations is not in the floor."
)


@dataclass(frozen=True)
class Plan:
    """How much is measured; the defaults are the benchmark.

    Parameters
    ----------
    rows : dict
        Device -> {members: rows of an epoch}.
    single_rows : int
        Rows of an epoch of skorch and the hand loop.
    repeats, most_seconds : int
        Repeats of each batch size, fewer if they take longer than this.
    matrix, copied : dict
        Device -> size of the matrices, megabytes of the copy.
    scales : dict
        Device -> Scale of the searches.
    """

    rows: dict = field(
        default_factory=lambda: {
            "cpu": {1: 8192, 8: 4096, 64: 2048, 512: 1024},
            "cuda": {1: 8192, 8: 8192, 64: 8192, 512: 8192},
        }
    )
    single_rows: int = 8192
    repeats: int = 5
    most_seconds: int = 40
    matrix: dict = field(default_factory=lambda: {"cpu": 2048, "cuda": 8192})
    copied: dict = field(default_factory=lambda: {"cpu": 256, "cuda": 2048})
    scales: dict = field(
        default_factory=lambda: {
            "cpu": Scale(rates=16, epochs=8),
            "cuda": Scale(rates=16),
        }
    )


QUICK = Plan(
    {device: {1: 256, 8: 256, 64: 256} for device in ("cpu", "cuda")},
    256,
    1,
    1,
    {"cpu": 256, "cuda": 512},
    {"cpu": 16, "cuda": 64},
    {
        device: Scale(rows=1000, rates=2, splits=2, epochs=2)
        for device in ("cpu", "cuda")
    },
)


def wait(device):
    """Until the device has done all that it was told."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(function, device, n=1):
    """Seconds of `n` calls, all work on the device included."""
    wait(device)
    begin = time.perf_counter()
    for _ in range(n):
        function()
    wait(device)
    return time.perf_counter() - begin


def rates(device, dtypes, plan):
    """The device's best rates of products and of a copy, and a tiny operation's time.

    The best of several, because a floor is a bound.
    """
    n, on = plan.matrix[device], {"device": device}
    calls = {}
    for dtype in dtypes:
        abc = torch.randn(3, n, n, **on).to(getattr(torch, dtype)).unbind()
        calls[dtype] = lambda a=abc[0], b=abc[1], c=abc[2]: torch.mm(a, b, out=c)
    source = torch.ones(plan.copied[device] * 2**18, **on)
    target, one = torch.empty_like(source), torch.zeros(1, **on)
    calls["copy"] = lambda: target.copy_(source)
    seconds = {name: [] for name in [*calls, "tiny"]}
    for i in range(8):
        for name, call in calls.items():
            seconds[name].append(seconds_of(call, device))
        seconds["tiny"].append(seconds_of(lambda: one.add_(1.0), device, 500) / 500)
        if i == 0:  # libraries and memory get ready
            seconds = {name: [] for name in seconds}
    best = {name: min(s) for name, s in seconds.items()}
    return {
        "operations_a_second": {name: 2 * n**3 / best[name] for name in dtypes},
        "bytes_a_second": 2 * source.nbytes / best["copy"],
        "tiny_operation_seconds": best["tiny"],
    }


def floor(measured, dtype, batch_size, n_members):
    """Least seconds of a step, and what bounds it."""
    size = getattr(torch, dtype).itemsize
    operations = 3 * 2 * batch_size * PRODUCTS * n_members
    n_bytes = WEIGHTS * (2 * size + 8 * 4) + batch_size * PASSES * size
    times = {
        "operations": operations / measured["operations_a_second"][dtype],
        "bytes": n_members * n_bytes / measured["bytes_a_second"],
    }
    bound = max(times, key=times.get)
    return times[bound], bound


def ours(device, dtype, batch_size, n_members, n_rows, **params):
    """`going_on` of the network whose floor is known."""
    clf = classifier(
        **WIDTHS["small"],
        n_members=n_members,
        batch_size=batch_size,
        dtype=dtype,
        device=device,
        **params,
    )
    return going_on(clf, n_rows)


def going_on(clf, n_rows):
    """Function: seconds of a step of our fit, which goes on with each call."""
    X, y = synthetic(n_rows)
    clf.set_params(early_stopping=False, target_prior=None, warm_start=True)
    clf.set_params(max_epochs=1).fit(X, y)
    clf.set_params(max_epochs=2)  # of which the first warms up
    return lambda: clf.fit(X, y).history_[1]["dur"] / -(-n_rows // clf.batch_size)


def by_hand(device, dtype, batch_size, n_rows):
    """Function: seconds of a step of a loop without any host read in an epoch."""
    X, y = (torch.from_numpy(part).to(device) for part in synthetic(n_rows))
    torch.manual_seed(0)
    model, loss_function = MLP(COLUMNS, DROPOUT).to(device), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True
    )
    half = torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16")

    def epoch():
        total = torch.zeros((), device=device)
        for rows in torch.randperm(n_rows, device=device).split(batch_size):
            optimizer.zero_grad()
            with half:
                loss = loss_function(model(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()

    epoch()
    return lambda: seconds_of(epoch, device) / -(-n_rows // batch_size)


def by_skorch(device, batch_size, n_rows):
    """Function: seconds of a step of skorch, without its validation split."""
    X, y = synthetic(n_rows)
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        MLP(COLUMNS, DROPOUT),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=1e-4,
        lr=1e-3,
        max_epochs=1,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        device=device,
        verbose=0,
    )
    net.partial_fit(X, y)

    def epoch():
        net.partial_fit(X, y)

    return lambda: seconds_of(epoch, device) / -(-n_rows // batch_size)


def step_rows(device, dtype, plan, measured):
    """One row for each batch size and number of members."""
    rows = []
    for batch_size in BATCHES:
        how = (device, dtype, batch_size)
        runs = {"hand": by_hand(*how, plan.single_rows)}
        if dtype == "float32":
            runs["skorch"] = by_skorch(device, batch_size, plan.single_rows)
        for n_members, n_rows in plan.rows[device].items():
            runs[n_members] = ours(*how, n_members, n_rows)
            runs["compiled", n_members] = ours(
                *how, n_members, n_rows, compile=COMPILE[device]
            )
        seconds = {name: [] for name in runs}
        begin = time.perf_counter()
        for i in range(plan.repeats):
            if i and time.perf_counter() - begin > plan.most_seconds:
                break
            for name, run in runs.items():
                seconds[name].append(run())
        for k in plan.rows[device]:
            least, bound = floor(measured, dtype, batch_size, k)
            times = {
                "sklimb": np.median(seconds[k]),
                "compiled": np.median(seconds["compiled", k]),
                "hand": k * np.median(seconds["hand"]),
                "skorch": k * np.median(seconds.get("skorch", np.nan)),
                "floor": least,
            }
            times = {name: float(s) for name, s in times.items() if np.isfinite(s)}
            rows.append(
                {
                    **named_step(device, dtype, batch_size, k),
                    "run": True,
                    "steps_a_second": {name: 1 / s for name, s in times.items()},
                    "time_over_sklimb": {
                        n: s / times["sklimb"] for n, s in times.items()
                    },
                    "time_over_floor": times["sklimb"] / least,
                    "bound": bound,
                    "all_seconds": seconds[k],
                }
            )
            print(device, dtype, batch_size, k, times, flush=True)
        del runs
        gc.collect()
        if device == "cuda":  # the searches are processes of their own
            torch.cuda.empty_cache()
    return rows


def named_step(device, dtype, batch_size, n_members):
    names = ("device", "dtype", "batch_size", "members")
    return dict(zip(names, (device, dtype, batch_size, n_members), strict=True))


def not_run(device, plan):
    """What stands for `measure_steps` where there is no such device."""
    reason = {"run": False, "reason": NO_GPU}
    rows = [
        {**named_step(device, dtype, batch_size, n_members), **reason}
        for dtype in DTYPES[device]
        for batch_size in BATCHES
        for n_members in plan.rows[device]
    ]
    return {"rates": reason, "rows": rows}


def measure_steps(device, plan):
    """The device's rates, and a row for each type, batch size and number of members."""
    measured = {"run": True, **rates(device, DTYPES[device], plan)}
    rows = [
        row
        for dtype in DTYPES[device]
        for row in step_rows(device, dtype, plan, measured)
    ]
    return {"rates": measured, "rows": rows}
