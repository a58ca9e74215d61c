"""Accuracy of ResNet-32 on long-tailed CIFAR-10 by method, beside published figures."""

import time

import numpy as np
from skorch.callbacks import Callback

from benchmarks.common.report import verdict
from benchmarks.gpu.prepare import read_images
from benchmarks.papers.cifar_lt.measure import classifier, drawn, fit_methods
from benchmarks.papers.cifar_lt.methods import METHODS
from benchmarks.papers.cifar_lt.run import SCALES
from benchmarks.papers.common.published import CIFAR_LT, CIFAR_LT_S002

# In the order of what is missed most if the time is up.
RUNS = (
    ("erm", "lt100"),
    ("ldam_drw", "lt100"),
    ("m2m", "lt100"),
    ("sam_a", "lt100"),
    ("joint_sam", "lt100"),
    ("metabalance", "severe"),
)
TITLES = {"lt100": "long tail, ratio 100", "severe": "severe, 5 images of nine classes"}
_TELLS = 15.0  # seconds between two words of how far a fit is


class _Tell(Callback):
    """Emits how far the fit is, so that one that is cut off says something."""

    def __init__(self, emit, row):
        self.emit, self.row, self.last = emit, row, time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        now = time.perf_counter()
        if now - self.last > _TELLS:
            self.last, last = now, net.history[-1]
            self.emit(self.row, epochs=len(net.history), train_loss=last["train_loss"])


def fit_one(emit, method, setup, scale, device, compiled, data):
    """Accuracy of one method on the test images that are in the file."""
    train, test = read_images(data)
    if setup == "severe":
        counts = np.full(10, 5)
        counts[np.bincount(train[1]).argmax()] = SCALES["full"]["n_max"]
        train = drawn(*train, counts, np.random.default_rng(0))
    settings = SCALES[scale]
    row = f"{METHODS[method][0]}, {TITLES[setup]}"
    network = classifier(method, settings, 0, device)
    network.set_params(
        callbacks=[_Tell(emit, row)], compile="reduce-overhead" if compiled else False
    )
    emit(row, published=CIFAR_LT[setup].get(method), images=len(train[1]))
    if setup == "lt100":
        emit(row, **{"S002_(WRN-28-10)": CIFAR_LT_S002.get(method)})
    (line,) = fit_methods([method], network, train, test)
    del line["processor_seconds"]
    emit(row, **line, epochs=len(network.history_), test_images=len(test[1]))


def all_goals(rows):
    """What the papers say that can be seen here, from one seed."""
    found = {
        name: next(iter(part.values()), {}).get("accuracy")
        for name, part in rows.items()
        if name != "machine"
    }
    goals = []
    for method, _ in RUNS[1:5]:
        both = found.get(method), found.get("erm")
        gain = None if None in both else both[0] - both[1]
        what = f"{METHODS[method][0]} - ERM, accuracy (one seed, a look)"
        goals.append(verdict(what, "> 0", gain, gain is not None and gain > 0))
    return goals
