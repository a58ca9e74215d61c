"""Searches, ensembles and packs that are timed, each in a fresh process."""

import gc
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit
from torch import nn

from benchmarks.common import CORES
from benchmarks.common.splits import table
from sklimb import TabularMLPClassifier
from sklimb.fitting.prepare import prepare
from sklimb.fitting.train import step_seconds, train
from sklimb.model_selection import PackedSearchCV
from sklimb.model_selection._candidates import Folds, fresh, make_candidate

BATCH, PATIENCE = 64, 16
WIDTHS = {"small": {"num_embeddings": None, "d_block": 64}, "default": {}}
# Wide and with large batches: each network fills the cores alone.
WIDE = {"num_embeddings": None, "d_block": 512, "batch_size": 1024}
COLUMNS = 29  # of the synthetic rows
MATRIX = 2048


@dataclass(frozen=True)
class Scale:
    """How much is measured; the defaults are the benchmark.

    Parameters
    ----------
    rows : int or None
        First rows of the loans; None takes all.
    rates : int
        Learning rates of the grid, times 2 x 2 for dropout and smoothing.
    splits : int
    epochs, wide_epochs : int
        Most epochs of a fit of the searches.
    synthetic_rows, timings : int
        Rows and repeats of the ensembles.
    ensembles, packs : tuple of int
        Numbers of members.
    steps : int
        Steps of one timing of a pack.
    """

    rows: int | None = None
    rates: int = 8
    splits: int = 5
    epochs: int = 200
    wide_epochs: int = 15
    synthetic_rows: int = 3200
    timings: int = 7
    ensembles: tuple[int, ...] = (1, 8, 32)
    packs: tuple[int, ...] = (8, 32, 128, 512)
    steps: int = 40


QUICK = Scale(1500, 2, 2, 3, 2, 320, 2, (1, 8, 32), (8, 32), 4)


def classifier(**params):
    """One network on the CPU, defaults but for the batch size and `params`."""
    fixed = {"batch_size": BATCH, "random_state": 0, "device": "cpu"}
    # A search trains one network per candidate, and GridSearchCV must too.
    one = {"n_members": 1, "validation_folds": None}
    return TabularMLPClassifier(**{**fixed, **one, **params})


class MLP(nn.Sequential):
    """The "small" network from torch's own parts."""

    def __init__(self, n_inputs, dropout=0.0):
        super().__init__(
            *(nn.Linear(n_inputs, 64), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(64, 2),
        )


def skorch_pipeline(X, epochs):
    """Scaled numbers, one-hot categories and skorch's net as it comes."""
    text = list(X.select_dtypes("category").columns)
    levels = [X[name].cat.categories for name in text]
    head = ColumnTransformer(
        [("text", OneHotEncoder(categories=levels, sparse_output=False), text)],
        remainder=StandardScaler(),
    )
    net = NeuralNetClassifier(
        MLP,
        module__n_inputs=X.shape[1] - len(text) + sum(map(len, levels)),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=1e-4,
        max_epochs=epochs,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=ValidSplit(0.15, stratified=True, random_state=0),
        callbacks=[EarlyStopping(patience=PATIENCE, threshold=0, load_best=True)],
        verbose=0,
    )
    cast = FunctionTransformer(np.asarray, kw_args={"dtype": np.float32})
    return Pipeline([("head", head), ("cast", cast), ("net", net)])


SKORCH_NAMES = {
    "lr": "net__lr",
    "dropout": "net__module__dropout",
    "smoothing_eps": "net__criterion__label_smoothing",
}


def auc_and_epochs(estimator, X, y):
    """A scorer that also tells how long a fit of GridSearchCV trained."""
    final = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    skorch = isinstance(final, NeuralNetClassifier)
    n_epochs = len(final.history) if skorch else final.n_iter_
    return {"score": get_scorer("roc_auc")(estimator, X, y), "n_epochs": n_epochs}


def by_grid(estimator, grid, cv, **how):
    return GridSearchCV(
        estimator, grid, cv=cv, scoring=auc_and_epochs, refit=False, **how
    )


def packed(estimator, grid, cv, **how):
    return PackedSearchCV(estimator, grid, cv=cv, scoring="roc_auc", refit=False, **how)


@dataclass(frozen=True)
class Method:
    """One way to search.

    Parameters
    ----------
    title : str
    make : callable
        (estimator, grid, cv, **how) -> search
    how : dict
    device : str, default="cpu"
    some : bool, default=False
        Two candidates only, because it is slow.
    """

    title: str
    make: Callable
    how: dict
    device: str = "cpu"
    some: bool = False


TWO = {"n_jobs": CORES}
METHODS = {
    "grid": Method("GridSearchCV(n_jobs=2)", by_grid, TWO),
    "packed": Method("PackedSearchCV(n_jobs=2)", packed, TWO),
    "threads": Method("PackedSearchCV(n_jobs=None), 2 threads", packed, {}),
    "halving": Method(
        "PackedSearchCV(n_jobs=2, halving_factor=3)",
        packed,
        {**TWO, "halving_factor": 3},
    ),
    "single": Method(
        "PackedSearchCV(n_jobs=2, max_members=1)", packed, {**TWO, "max_members": 1}
    ),
    "skorch": Method("skorch, GridSearchCV(n_jobs=2)", by_grid, TWO, some=True),
    "cuda": Method("PackedSearchCV(), GPU", packed, {}, "cuda"),
    "cuda halving": Method(
        "PackedSearchCV(halving_factor=3), GPU", packed, {"halving_factor": 3}, "cuda"
    ),
    "cuda grid": Method("GridSearchCV(), GPU", by_grid, {}, "cuda", some=True),
}
# skorch's network is like ours of one width only; the others show where time goes.
SMALL_ONLY = ("skorch", "threads", "single")


def candidates(scale, some=False):
    """The grid as a list of dicts, or two of its candidates."""
    rates = np.logspace(np.log10(3e-4), -2, scale.rates).round(6).tolist()
    if not some:
        return list(
            ParameterGrid(
                {"lr": rates, "dropout": [0.1, 0.3], "smoothing_eps": [0.0, 0.05]}
            )
        )
    third = (scale.rates - 1) // 3
    return [
        {"lr": rates[third], "dropout": 0.1, "smoothing_eps": 0.0},
        {"lr": rates[-1 - third], "dropout": 0.3, "smoothing_eps": 0.05},
    ]


def loans(scale, data_home):
    bunch = table("loan", data_home)
    return bunch.X.iloc[: scale.rows], bunch.y[: scale.rows]


def search(width, name, scale, data_home):
    """`search_on` the loans."""
    return search_on(*loans(scale, data_home), width, name, scale)


def search_on(X, y, width, name, scale, device=None):
    """One search from the data frame to the scores of all fits.

    `device` is that of the method unless given.
    """
    method = METHODS[name]
    if device is not None:
        method = replace(method, device=device)
    params = {**WIDTHS[width], "max_epochs": scale.epochs, "device": method.device}
    clf, grid = classifier(**params), candidates(scale, method.some)
    found = grid
    if name == "skorch":
        clf = skorch_pipeline(X, scale.epochs)
        found = [{SKORCH_NAMES[k]: v for k, v in p.items()} for p in grid]
    row = _timed_search(method, clf, found, X, y, scale)
    n_fits = len(candidates(scale)) * scale.splits
    return {"candidates": grid, "scaled_by": n_fits / row["fits"], **row}


def wide(name, scale, data_home):
    """A search of four candidates where packing loses."""
    method, (X, y) = METHODS[name], loans(scale, data_home)
    grid = [{"lr": lr} for lr in (3e-4, 1e-3, 3e-3, 1e-2)]
    clf = classifier(**WIDE, max_epochs=scale.wide_epochs)
    if len(y) < 2 * WIDE["batch_size"]:
        clf.set_params(batch_size=256)
    row = _timed_search(method, clf, grid, X, y, scale)
    return {"candidates": grid, "scaled_by": 1.0, **row}


def _timed_search(method, clf, grid, X, y, scale):
    cv = StratifiedKFold(scale.splits, shuffle=True, random_state=0)
    lists = [{name: [value] for name, value in params.items()} for params in grid]
    found = method.make(clf, lists, cv, error_score="raise", **method.how)
    n_jobs = method.how.get("n_jobs", 1)
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        # The workers' start and imports are not what is measured.
        warm_up = joblib.delayed(_warm_up)(method.device, n_jobs)
        joblib.Parallel(n_jobs)([warm_up] * (2 * n_jobs))
        begin = time.perf_counter()
        found.fit(X, y)
        seconds = time.perf_counter() - begin
    results = found.cv_results_
    scores = [results[f"split{i}_test_score"] for i in range(scale.splits)]
    mean = "n_epochs" if "n_epochs" in results else "mean_test_n_epochs"
    batch = clf.batch_size if isinstance(clf, TabularMLPClassifier) else BATCH
    n_rows = _training_rows(X, y, cv)
    return {
        "seconds": seconds,
        "fits": len(grid) * scale.splits,
        "member_epochs": float(np.sum(results[mean]) * scale.splits),
        "steps_an_epoch": -(-n_rows // min(batch, n_rows)),
        "packs": [len(pack) for pack in getattr(found, "packs_", [])],
        "scores": np.transpose(scores).round(6).tolist(),
    }


def _warm_up(device, n_jobs):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 3)), np.arange(100) % 2
    classifier(max_epochs=1, device=device).fit(X, y)
    if n_jobs > 1:
        time.sleep(1)  # so that each worker gets a call


def _training_rows(X, y, cv):
    """Rows of the first fold that train."""
    rows, _ = next(cv.split(X, y))
    return len(prepare(classifier(), X.iloc[rows], y[rows]).X)


def synthetic(n_rows):
    """Rows with a signal, 2 % positives."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, COLUMNS)).astype(np.float32)
    y = (X[:, :5].sum(1) + rng.normal(size=n_rows) > 5).astype(np.int64)
    return X, y


def ensemble(n_threads, scale):
    """Seconds of a step of `n_members` networks in turn, by members, one per repeat."""
    torch.set_num_threads(n_threads)
    X, y = synthetic(scale.synthetic_rows)
    clf = classifier(
        **WIDTHS["small"],
        n_blocks=2,
        batch_size=32,
        early_stopping=False,
        max_epochs=3,
    )
    n_steps = -(-len(X) // 32)
    seconds = {str(n): [] for n in scale.ensembles}
    for _ in range(scale.timings):
        for n in scale.ensembles:
            history = clone(clf).set_params(n_members=n).fit(X, y).history_
            epoch = np.median([row["dur"] for row in history[1:]])
            seconds[str(n)].append(float(epoch) / n_steps)
    return {"seconds": seconds}


def pack(n_members, scale, data_home):
    """Step and peak memory of one pack of a search, made as the search makes it."""
    import psutil  # not needed, and not there, where benchmarks/gpu runs

    X, y = loans(scale, data_home)
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    clf = classifier(**WIDTHS["small"], max_epochs=2)
    rates = np.logspace(np.log10(3e-4), -2, -(-n_members // 5))

    def make_jobs(n):
        folds = Folds(X, y, list(cv.split(X, y)), {})
        pairs = [({"lr": float(lr)}, i) for lr in rates for i in range(5)]
        candidates = [(fresh(make_candidate(clf, p), 0), i) for p, i in pairs[:n]]
        return [folds.job(candidate, i, {}) for candidate, i in candidates]

    train(make_jobs(2))  # buffers of the libraries
    before = psutil.Process().memory_info().rss
    train(make_jobs(n_members))
    peak = peak_memory() - before
    gc.collect()
    jobs = make_jobs(n_members)
    weights = sum(p.numel() for p in jobs[0].module.parameters())
    seconds = step_seconds(jobs, scale.steps)
    return {"seconds": seconds, "peak_bytes": peak, "weights": weights}


def peak_memory():
    """Peak resident bytes of this process.

    Not getrusage where it can be helped: a child inherits its parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
    # Not on Windows; bytes on macOS.
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def matrix_rate():
    """Operations per second of a plain product of matrices on all cores."""
    a, b = torch.randn(2, MATRIX, MATRIX).unbind()
    seconds = []
    for _ in range(9):
        begin = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - begin)
    return {"operations_a_second": 2 * MATRIX**3 / float(np.median(seconds[2:]))}
