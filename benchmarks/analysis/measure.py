"""Processor seconds of analysis beside passes of predict_proba over the same rows."""

import time

import numpy as np
import pandas as pd
from skorch.callbacks import Callback

from sklimb import TabularMLPClassifier
from sklimb.analysis import ClassCurves, hessian_eigenvalues, margins, neural_collapse
from sklimb.datasets import make_transactions

ROWS = 5600
# Networks: one, and what the default trains on so many rows.
NETWORKS = (1, 5)
# Most evaluation passes, and most seconds of the Hessian.
PASSES, HESSIAN_SECONDS = 3, 60


class _Watched(Callback):
    """Times of a ClassCurves."""

    def __init__(self):
        self.curves, self.seconds = ClassCurves(), []

    def on_epoch_end(self, net, **kwargs):
        begin = time.process_time()
        self.curves.on_epoch_end(net, **kwargs)
        self.seconds.append(time.process_time() - begin)


def fitted(epochs, networks):
    """The default network on ROWS rows, its rows, and times of its curves."""
    data = make_transactions(ROWS, fraud_rate=0.1, random_state=0)
    watched = _Watched()
    model = TabularMLPClassifier(
        n_members=networks,
        max_epochs=epochs,
        early_stopping=False,
        callbacks=[watched],
        random_state=0,
    )
    return model.fit(data.X, data.y), data.X, data.y, watched.seconds


def passes(model, X, y, repeats):
    """Median processor seconds of a pass, and of each function in passes, in turn."""
    calls = {
        "pass": lambda: model.predict_proba(X),
        "neural_collapse": lambda: neural_collapse(model, X, y),
        "margins": lambda: margins(model, X, y),
    }
    seconds = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():  # in turn: other load affects all
            begin = time.process_time()
            call()
            if repeat:  # the first call of each allocates
                seconds[name].append(time.process_time() - begin)
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    one = median.pop("pass")
    return one, {name: value / one for name, value in median.items()}


def hessian(model, X, y):
    """Seconds of the ten largest eigenvalues and the trace, and what was found."""
    begin = time.process_time()
    found = hessian_eigenvalues(model, X, pd.Series(y).to_numpy())
    return time.process_time() - begin, found
