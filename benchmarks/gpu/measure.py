"""Measurements on a GPU, part by part, reported by `emit(row, **figures)`."""

import gc
import platform
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.common.kept import source_digest
from benchmarks.common.report import environment, verdict
from benchmarks.device.measure import (
    QUICK,
    SEARCH_GOAL,
    STEPS_GOAL,
    Plan,
    by_hand,
    floor,
    going_on,
    ours,
    rates,
)
from benchmarks.gpu.boxes import attempt
from benchmarks.gpu.marked_tests import run_marked
from benchmarks.gpu.prepare import read_images, read_loans
from benchmarks.images.measure import GPU_EPOCHS, gpu_runs
from benchmarks.images.report import GOALS, gpu_figures, image_goals
from benchmarks.packed_search.measure import (
    WIDTHS,
    classifier,
    peak_memory,
    search_on,
    synthetic,
)
from benchmarks.packed_search.measure import Scale as SearchScale
from benchmarks.packed_search.report import in_words, summary
from sklimb import FTTransformerClassifier, TabularResNetClassifier
from sklimb.training.compiled import check_compiler

MEMBERS = 64  # of the goal for steps
GRAPHS = "reduce-overhead"
SEARCHES = {"PackedSearchCV": "cuda", "GridSearchCV": "cuda grid"}
NEEDED = ("skorch", "imbalanced-learn", "sklearn-compat", "rtdl_num_embeddings")
NEEDED += ("rtdl_revisiting_models", "tqdm", "safetensors", "triton")


@dataclass(frozen=True)
class Scale:
    """How much is measured; the defaults are the benchmark.

    Parameters
    ----------
    device : str
    members, batches : tuple of int
        What matters most first.
    rows, repeats : int
        Rows of an epoch of the steps, and epochs of which the median counts.
    plan : Plan
        Sizes of the products and of the copy that the floor is measured by.
    search : Scale of packed_search/measure.py
    stacked : tuple of int
        Members of the networks that are not packed by hand.
    backbone, image_epochs : str, int
    leave_out : tuple of str
        Words in the names of tests that are not run.
    """

    device: str = "cuda"
    members: tuple = (64, 1, 8, 512)
    batches: tuple = (256, 32)
    rows: int = 8192
    repeats: int = 3
    plan: Plan = field(default_factory=Plan)
    search: SearchScale = field(default_factory=lambda: SearchScale(rates=16))
    stacked: tuple = (1, 8)
    backbone: str = "resnet32"
    image_epochs: int = 6
    leave_out: tuple = ()


REHEARSAL = Scale(
    "cpu",
    (64, 1),
    (32,),
    32,
    1,
    QUICK,
    SearchScale(rates=1, splits=2, epochs=1),
    (1, 2),
    "resnet8",
    2,
    ("compiled",),
)


def machine(emit, scale):
    """The card, its driver and what is installed."""
    on_card = torch.device(scale.device).type == "cuda"
    torch.empty(1, device=scale.device)  # fails where a process cannot have the card
    packages = environment()["packages"]
    for name in NEEDED:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "missing"
    emit(
        "machine",
        card=torch.cuda.get_device_name() if on_card else "none",
        driver=_driver(),
        CUDA=str(torch.version.cuda),
        processor=environment()["machine"],
        python=platform.python_version(),
        **packages,
        sources=source_digest(),
    )


def _driver():
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=20)
        if found.returncode == 0:
            return found.stdout.strip()
    except OSError:
        pass
    path = Path("/proc/driver/nvidia/version")
    return path.read_text().splitlines()[0] if path.exists() else "unknown"


def first_look(emit, scale, data):
    """A fit on the machine's CPU, then the tests marked `gpu`."""
    X, y = read_loans(data)
    begin = time.perf_counter()
    clf = classifier(**WIDTHS["small"], max_epochs=3).fit(X, y)
    seconds = time.perf_counter() - begin
    auc = roc_auc_score(y, clf.predict_proba(X)[:, 1])
    emit("fit on the CPU", state="done", seconds=seconds, training_AUC=auc)
    run_marked(emit, scale.leave_out)


def steps(emit, scale):
    """Steps per second against the floor: eager first, what compiles slowly last."""
    device = scale.device
    dtypes = ("float32", "bfloat16")
    measured = rates(device, dtypes, scale.plan)
    products = measured["operations_a_second"]
    emit(
        "rates of the device",
        **{f"{dtype}_TFLOP/s": rate / 1e12 for dtype, rate in products.items()},
        **{"copy_GB/s": measured["bytes_a_second"] / 1e9},
        tiny_operation_us=1e6 * measured["tiny_operation_seconds"],
    )
    kinds = [(batch, dtype) for batch in scale.batches for dtype in dtypes]
    for how, params in (("eager", {}), ("compiled", {"compile": GRAPHS})):
        fails = _cannot_compile(device) if params else None
        for n_members in scale.members:
            for batch, dtype in kinds:
                row = step_name(n_members, batch, dtype, how)
                if fails:
                    emit(row, state=f"not run: {fails}")
                    continue
                least, bound = floor(measured, dtype, batch, n_members)
                given = (device, dtype, batch, n_members, scale.rows)
                make = partial(ours, *given, **params)
                attempt(emit, row, partial(_figures, make, scale, least, bound))
        if not params:
            for batch, dtype in kinds:
                make = partial(by_hand, device, dtype, batch, scale.rows)
                row = f"a loop by hand, 1 network, batch {batch}, {dtype}"
                attempt(emit, row, partial(_figures, make, scale))


def step_name(n_members, batch, dtype, how):
    return f"{n_members} members, batch {batch}, {dtype}, {how}"


def _figures(make, scale, least=None, bound=None):
    run = make()
    seconds = float(np.median([run() for _ in range(scale.repeats)]))
    figures = {"steps_a_second": 1 / seconds}
    if least is not None:
        figures |= {"floor_steps_a_second": 1 / least, "bound_by": bound}
        figures["time_over_floor"] = seconds / least
    return figures


def _cannot_compile(device):
    """Why nothing can be compiled, or None."""
    try:
        check_compiler(device)
    except ValueError as error:
        return " ".join(str(error).split())[:200]
    return None


def searches(emit, scale, data):
    """The loan search, packed and by GridSearchCV, on the same device."""
    X, y = read_loans(data)
    for title, name in SEARCHES.items():
        row = search_on(X, y, "small", name, scale.search, scale.device)
        found = summary([{**row, "others_cores": 0.0}])
        emit(
            title,
            seconds=found["seconds"],
            seconds_measured=row["seconds"],
            fits=row["fits"],
            epochs=found["member_epochs"],
            packs=in_words(found["packs"]),
            best_AUC=found["best_auc"],
        )


def image_passes(emit, scale, data):
    """Images per second of ours, of skorch and of the bare pass."""
    (images, y), _ = read_images(data)
    how = GRAPHS, scale.backbone, scale.device, scale.image_epochs
    for name, run in gpu_runs(images, y, *how).items():
        attempt(emit, name, partial(_image_figures, run, len(y)))


def _image_figures(run, n):
    rate = run()
    seconds = n / rate
    return {
        "images_a_second": rate,
        "seconds_of_an_epoch": seconds,
        f"seconds_of_{GPU_EPOCHS}_epochs": GPU_EPOCHS * seconds,
    }


def other_networks(emit, scale):
    """Steps of the networks that are not packed by hand."""
    for cls in (TabularResNetClassifier, FTTransformerClassifier):
        for n_members in scale.stacked:
            for dtype in ("float32", "bfloat16"):
                clf = cls(
                    n_members=n_members,
                    batch_size=scale.batches[0],
                    dtype=dtype,
                    device=scale.device,
                    random_state=0,
                )
                make = partial(going_on, clf, scale.rows)
                row = f"{cls.__name__}, {n_members} members, {dtype}"
                attempt(emit, row, partial(_figures, make, scale))


def memory(emit, scale):
    """Peak memory of a fit by members."""
    X, y = synthetic(scale.rows)
    for n_members in sorted(scale.members):
        clf = classifier(
            **WIDTHS["small"],
            n_members=n_members,
            batch_size=scale.batches[0],
            device=scale.device,
            max_epochs=1,
        )
        attempt(emit, f"{n_members} members", partial(_peak, clf, X, y))


def _peak(clf, X, y):
    """Megabytes on the GPU above what was there; on a CPU those of the process."""
    if clf.device == "cpu":
        clf.fit(X, y)
        return {"MB": peak_memory() / 1e6}
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    clf.fit(X, y)
    return {"MB": (torch.cuda.max_memory_allocated() - before) / 1e6}


def all_goals(rows):
    """Goals of the parts, {part: {row: figures}}."""
    rows = defaultdict(dict, rows)
    tests = {
        name: figures
        for name, figures in rows["first_look"].items()
        if name.startswith("test_")
    }
    failed = sum(figures["state"] == "failed" for figures in tests.values())
    what = f"tests marked gpu that fail, of {len(tests)} that ended"
    goals = [verdict(what, "0", failed if tests else None, failed == 0)]
    for batch in (256, 32):
        for dtype in ("float32", "bfloat16"):
            found = [
                rows["steps"][name]["time_over_floor"]
                for name in (
                    step_name(MEMBERS, batch, dtype, how)
                    for how in ("eager", "compiled")
                )
                if "time_over_floor" in rows["steps"].get(name, {})
            ]
            ratio = min(found, default=None)
            what = f"step of {MEMBERS} members within 2 x of the floor, eager or "
            what += f"compiled (batch {batch}, {dtype})"
            reached = ratio is not None and ratio <= STEPS_GOAL
            goals.append(verdict(what, f"<= {STEPS_GOAL:g}", ratio, reached))
    times = [rows["searches"].get(name, {}).get("seconds") for name in SEARCHES]
    ratio = None if None in times else times[1] / times[0]
    what = "search times faster than GridSearchCV on the same card"
    reached = ratio is not None and ratio >= SEARCH_GOAL
    goals.append(verdict(what, f">= {SEARCH_GOAL:g}", ratio, reached))
    rate = {
        name: figures["images_a_second"]
        for name, figures in rows["images"].items()
        if "images_a_second" in figures
    }
    none = dict.fromkeys(name for name in GOALS if name.startswith("cuda"))
    return goals + image_goals(none | gpu_figures(rate))
