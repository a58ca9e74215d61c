"""Measurements in a fresh process, with the load of the rest of the machine."""

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import psutil
import torch
from joblib.externals.loky import get_reusable_executor

from benchmarks.common import CORES


def fresh(function, *args):
    """Result of a call in a process of its own, which may use all cores.

    "others_cores" of the result is what the rest of the machine did meanwhile.
    """
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_with_cores, function, *args).result()


def _with_cores(function, *args):
    torch.set_num_threads(CORES)
    busy, own, begin = _busy_seconds(), _own_seconds(), time.perf_counter()
    try:
        row = function(*args)
        others = _busy_seconds() - busy - (_own_seconds() - own)
    finally:  # or the process waits for its workers to be idle for five minutes
        get_reusable_executor().shutdown(kill_workers=True)
    return {**row, "others_cores": max(others, 0.0) / (time.perf_counter() - begin)}


def _busy_seconds():
    """Processor seconds of the whole machine so far."""
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0)


def _own_seconds():
    """Processor seconds of this process and its workers so far."""
    here = psutil.Process()
    times = [p.cpu_times() for p in (here, *here.children(recursive=True))]
    return sum(t.user + t.system for t in times)
