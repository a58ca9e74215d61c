"""What the benchmarks on tables share: splits, scores, kept results, statistics.

Every model has one thread; `--jobs` says how many fits run side by side.
"""

import os

# Before numpy, torch and the boosters start their threads.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import hashlib
import json
import platform
import time
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import torch
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)
from tqdm import tqdm

import sklimb
from sklimb.datasets import load_table

torch.set_num_threads(1)

# The binary tasks in alphabetical order, one by one to either half.
CHOSEN = ("abalone_19", "adult", "ecoli_imU", "german", "phoneme", "thyroid")
CHOSEN += ("yeast_me2",)
CONFIRMED = ("abalone_7", "bank", "fraud", "loan", "taiwan", "wine")
ALL_TABLES = tuple(sorted(CHOSEN + CONFIRMED, key=str.lower))

# Sign of each score: +1 if more is better.
SCORES = {
    "average_precision": 1,
    "roc_auc": 1,
    "log_loss": -1,
    "brier": -1,
    "balanced_accuracy": 1,
}
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Unit:
    """One split of one table: rows that train, validate and test, and the seed."""

    table: str
    repeat: int
    fold: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def seed(self):
        """Seed of every model that is fitted on this split."""
        return 100 * self.repeat + self.fold

    @property
    def key(self):
        """What names the split in the kept results."""
        return self.table, self.repeat, self.fold


@lru_cache(maxsize=2)
def table(name, data_home=None):
    """`load_table`, kept for the next fit of the same process."""
    return load_table(name, data_home=data_home)


def folds(y, groups, n_splits, seed):
    """Stratified folds as (training rows, test rows); groups stay whole."""
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_splits, shuffle=True, random_state=seed)
    return splitter.split(np.zeros((len(y), 1)), y, groups)


def hold_out(y, groups, rows, seed):
    """Split `rows` into training and 15 % validation rows, stratified.

    With groups, validation is the first of seven folds that keep groups whole.
    """
    if groups is None:
        return train_test_split(
            rows, test_size=0.15, stratify=y[rows], random_state=seed
        )
    train, validation = next(folds(y[rows], groups[rows], 7, seed))
    return rows[train], rows[validation]


def score(y, p):
    """All `SCORES` of the probabilities of class 1."""
    return {
        "average_precision": average_precision_score(y, p),
        "roc_auc": roc_auc_score(y, p),
        "log_loss": log_loss(y, p, labels=[0, 1]),
        "brier": brier_score_loss(y, p),
        "balanced_accuracy": balanced_accuracy_score(y, p >= 0.5),
    }


def timed_fit(fit):
    """Run `fit`; its result, its wall-clock and its processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    model = fit()
    return (
        model,
        time.perf_counter() - wall,
        time.process_time() - processor,
    )


def digest(settings):
    """Ten characters that change when a model's configuration does."""
    text = json.dumps(settings, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@lru_cache(maxsize=1)
def source_digest():
    """Ten characters that change when any file of the package does."""
    folder = Path(sklimb.__file__).parent
    text = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.py")))
    return hashlib.sha256(text).hexdigest()[:10]


class Kept:
    """Results as JSON lines, one a fit, so that a run can go on where it stopped.

    Parameters
    ----------
    path : Path
        The file; a run adds lines and never changes one.
    key : tuple of str
        Entries of a result that name its fit.
    """

    def __init__(self, path, key):
        self.path, self.key = path, key
        self.rows = {}
        if path.exists():
            for line in path.read_text().splitlines():
                self._keep(json.loads(line))

    def _keep(self, row):
        self.rows[tuple(row[name] for name in self.key)] = row

    def __contains__(self, key):
        return key in self.rows

    def add(self, row):
        """Keep a result and write it."""
        self._keep(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def run_all(todo, kept, n_jobs):
    """Run calls (of `joblib.delayed`) and keep each result as soon as it is there.

    A call returns a result or a list of them.
    """
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for rows in tqdm(parallel(todo), total=len(todo)):
        for row in rows if isinstance(rows, list) else [rows]:
            kept.add(row)


def corrected_mean(values, test_share):
    """Mean and its standard error over folds that share training rows.

    The variance of the mean is var * (1 / J + n_test / n_train), after Nadeau and
    Bengio, "Inference for the Generalization Error" (2003); `test_share` is n_test /
    n_train, or 0 for independent values.
    """
    values = np.asarray(values, dtype=float)
    error = np.sqrt(values.var(ddof=1) * (1 / len(values) + test_share))
    return float(values.mean()), float(error)


def interval(mean, error, n):
    """95 % t interval of a mean of `n` values."""
    half = stats.t.ppf(0.975, n - 1) * error
    return [mean - half, mean + half]


def environment():
    """Versions, machine and date, for the records."""
    packages = ("torch", "scikit-learn", "numpy", "scipy", "pandas")
    installed = {name: version(name) for name in packages}
    return {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        # Its own word: it may be imported from a folder and not be installed.
        "packages": {"sklimb": sklimb.__version__, **installed},
        "machine": f"{_cpu()}, {joblib.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "threads_per_fit": torch.get_num_threads(),
    }


def _cpu():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def markdown(header, rows):
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [header, [":--"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def short(value):
    """Three digits of a number, or all before the point; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def verdict(what, bound, measured, reached):
    """One goal; `measured` is None if it was not run."""
    word = "not run" if measured is None else "met" if reached else "missed"
    return {"what": what, "goal": bound, "measured": measured, "verdict": word}


def goals_table(goals):
    """Markdown of what `verdict` returns."""
    rows = [[g["what"], g["goal"], short(g["measured"]), g["verdict"]] for g in goals]
    return markdown(["", "goal", "measured", ""], rows)


def rounded(content):
    """The same nested content with floats of at most 6 decimals."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return round(content, 6) if isinstance(content, float) else content


def write_json(path, content):
    """Write indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
