"""One fit on a large table: seconds, peak memory, scores beside the true chances."""

import gc
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from benchmarks.common import CORES
from benchmarks.large.models import MODELS, as_rows
from benchmarks.large.simulated import N_COLUMNS, table

TEST_ROWS = 200_000
TRAIN_SEED, TEST_SEED = 0, 1
_BYTES = 4  # of an encoded number


def regret(proba, p):
    """Log loss that is expected above that of the true chances."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    gain = proba * np.log(proba / p) + (1 - proba) * np.log((1 - proba) / (1 - p))
    return float(gain.mean())


def peak_megabytes():
    """Largest memory of this process since `reset_peak`, on Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")


def reset_peak():
    """From here on peaks are counted; memory that is held now, in megabytes."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return peak_megabytes()


def run(name, n_rows, test_rows):
    """Fit one model to so many rows; the line that is kept."""
    warnings.simplefilter("ignore")  # of boosters' own
    X, y, _ = table(n_rows, TRAIN_SEED)
    X_test, y_test, proba = table(test_rows, TEST_SEED)
    X, X_test = as_rows(X), as_rows(X_test)
    model = MODELS[name]()
    with threadpool_limits(CORES):
        held = reset_peak()
        wall, processor = time.perf_counter(), time.process_time()
        model.fit(X, y)
        wall = time.perf_counter() - wall
        processor = time.process_time() - processor
        peak = peak_megabytes() - held
        begin = time.perf_counter()
        p = model.predict_proba(X_test)[:, 1]
        predict = time.perf_counter() - begin
    encoded = n_rows * N_COLUMNS * _BYTES / 2**20
    return {
        "model": name,
        "n_rows": n_rows,
        "fit_seconds": wall,
        "fit_cpu_seconds": processor,
        "peak_megabytes": peak,
        "peak_over_encoded": peak / encoded,
        "predict_seconds_per_million": 1e6 * predict / test_rows,
        "n_iter": int(np.max(getattr(model, "n_iter_", 0))),
        "average_precision": float(average_precision_score(y_test, p)),
        "best_average_precision": float(average_precision_score(y_test, proba)),
        "regret": regret(proba, p),
    }
