"""One fit on a large table: seconds, peak memory, scores beside the true chances."""

import gc
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from benchmarks.common import CORES
from benchmarks.large.models import IN_BLOCKS, MODELS, as_rows
from benchmarks.large.simulated import N_COLUMNS, blocks, table

TEST_ROWS = 200_000
TRAIN_SEED, TEST_SEED = 0, 1
_BYTES = 4  # of an encoded number


def regret(proba, p):
    """Log loss that is expected above that of the true chances.

    Chances are clipped to what float32, in which XGBoost gives its own, tells from 0
    and 1.
    """
    p = np.clip(np.asarray(p, dtype=float), 1e-7, 1 - 1e-7)
    gain = proba * np.log(proba / p) + (1 - proba) * np.log((1 - proba) / (1 - p))
    return float(gain.mean())


class Peak:
    """Largest memory of this process within it, beyond that at its begin, in megabytes.

    Mapped files are not counted, which the system drops as it likes. Linux only.
    """

    def __enter__(self):
        gc.collect()
        self.megabytes, self._begin = 0.0, _megabytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        while not self._ended.wait(0.02):
            self.megabytes = max(self.megabytes, _megabytes() - self._begin)


def _megabytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise OSError("no RssAnon in /proc/self/status")


def run(name, n_rows, test_rows):
    """Fit one model to so many rows; the line that is kept."""
    warnings.simplefilter("ignore")  # of boosters' own
    if name in IN_BLOCKS:
        rows = _frames(n_rows), "label"
    else:
        X, y, _ = table(n_rows, TRAIN_SEED)
        rows = as_rows(X), y
        del X
    X_test, y_test, proba = table(test_rows, TEST_SEED)
    X_test, model = as_rows(X_test), MODELS[name]()
    with threadpool_limits(CORES):
        wall, processor = time.perf_counter(), time.process_time()
        with Peak() as peak:
            model.fit(*rows)
        wall = time.perf_counter() - wall
        processor = time.process_time() - processor
        begin = time.perf_counter()
        p = model.predict_proba(X_test)[:, 1]
        predict = time.perf_counter() - begin
    encoded = n_rows * N_COLUMNS * _BYTES / 2**20
    return {
        "model": name,
        "n_rows": n_rows,
        "fit_seconds": wall,
        "fit_cpu_seconds": processor,
        "peak_megabytes": peak.megabytes,
        "peak_over_encoded": peak.megabytes / encoded,
        "predict_seconds_per_million": 1e6 * predict / test_rows,
        "n_iter": int(np.max(getattr(model, "n_iter_", 0))),
        "average_precision": float(average_precision_score(y_test, p)),
        "best_average_precision": float(average_precision_score(y_test, proba)),
        "regret": regret(proba, p),
    }


def _frames(n_rows):
    """What gives the rows in blocks, with their labels as a column."""

    def frames():
        for X, y, _ in blocks(n_rows, TRAIN_SEED):
            yield as_rows(X).assign(label=y)

    return frames
