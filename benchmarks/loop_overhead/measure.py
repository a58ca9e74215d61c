"""Measurements of training loops, predictions and the memory of a fit."""

import re
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import torch
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sklimb import TabularMLPClassifier

WIDTH, CLASSES = 64, 2
# Epochs of one timing by batch size: about a second each.
EPOCHS = {32: 3, 256: 9, 2048: 21}


def make_data(n_rows):
    """Rows with a signal, 2 % positives."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 29)).astype(np.float32)
    y = (X[:, :5].sum(1) + rng.normal(size=n_rows) > 5).astype(np.int64)
    return X, y


def make_mlp():
    """The same network from torch's own parts."""
    return nn.Sequential(
        nn.Linear(29, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, CLASSES),
    )


def hand_loop(X, y, batch_size):
    """Seconds of an epoch: rows permuted once, slices, fused AdamW."""
    torch.manual_seed(0)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    model, loss_function = make_mlp(), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    seconds = []
    for _ in range(EPOCHS[batch_size]):
        begin = time.perf_counter()
        order = torch.randperm(len(X))
        X_epoch, y_epoch = X[order], y[order]
        total = torch.zeros(())
        for i in range(0, len(X), batch_size):
            optimizer.zero_grad()
            loss = loss_function(
                model(X_epoch[i : i + batch_size]), y_epoch[i : i + batch_size]
            )
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()
        seconds.append(time.perf_counter() - begin)
    return np.median(seconds[1:])


def dataloader_loop(X, y, batch_size):
    """Seconds of one epoch with torch's DataLoader."""
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    loader = DataLoader(data, batch_size=batch_size, shuffle=True)
    model, loss_function = make_mlp(), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    begin = time.perf_counter()
    for X_batch, y_batch in loader:
        optimizer.zero_grad()
        loss = loss_function(model(X_batch), y_batch)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - begin


def skorch_loop(X, y, batch_size):
    """Seconds of one epoch of skorch as it comes, without its validation split."""
    net = NeuralNetClassifier(
        make_mlp(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=1e-3,
        max_epochs=1,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).initialize()
    begin = time.perf_counter()
    net.partial_fit(X, y)
    return time.perf_counter() - begin


def ours(X, y, batch_size, **params):
    """Seconds of an epoch of our fit, the first left out."""
    clf = TabularMLPClassifier(
        num_embeddings=None,
        numeric_transform=None,
        d_block=WIDTH,
        dropout=0.0,
        batch_size=batch_size,
        max_epochs=EPOCHS[batch_size],
        early_stopping=False,
        random_state=0,
        **params,
    ).fit(X, y)
    return np.median([row["dur"] for row in clf.history_[1:]])


LOOPS = {
    "hand loop": hand_loop,
    "DataLoader": dataloader_loop,
    "skorch": skorch_loop,
    "sklimb": ours,
}
KNOBS = {
    "plain": {},
    "smoothing": {"smoothing_eps": 0.1},
    "class_weight": {"class_weight": "balanced"},
    "SAM-A": {"sam_asymmetric_rho": 0.05},
}


def median_microseconds(runs, X, y, batch_size, repeats):
    """Microseconds per step of each named run, medians over interleaved repeats."""
    steps = -(-len(X) // batch_size)
    seconds = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(run())
    return {
        name: {
            "us_per_step": 1e6 * float(np.median(s)) / steps,
            "all_us_per_step": (1e6 * np.array(s) / steps).round(1).tolist(),
        }
        for name, s in seconds.items()
    }


def predict_costs(repeats):
    """Encoding and forward pass of many rows, and one row of a frame, in seconds."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(1_000_000, 30)).astype(np.float32))
    frame.columns = [f"x{i}" for i in range(30)]
    frame["kind"] = pd.Categorical(rng.choice(list("abcdef"), len(frame)))
    y = (frame["x0"] + rng.normal(size=len(frame)) > 2).astype(int)
    clf = TabularMLPClassifier(max_epochs=1, early_stopping=False, random_state=0)
    clf.fit(frame.iloc[:20_000], y[:20_000])
    big, one = frame.iloc[:200_000], frame.iloc[[0]]
    encoded = clf._encode(big)
    block = clf.net_._block_rows()
    module = clf.net_.module_

    def bare():
        with torch.no_grad():
            return [module(part.unsqueeze(0)) for part in encoded.split(block)]

    def timed(function):
        begin = time.perf_counter()
        function()
        return time.perf_counter() - begin

    runs = {
        "bare_forward_200k": bare,
        "from_encoded_200k": lambda: clf.net_.blocks_log_probability(encoded).exp_(),
        "encode_200k": lambda: clf._encode(big),
        "from_frame_200k": lambda: clf.predict_proba(big),
    }
    seconds = {name: [] for name in [*runs, "one_row"]}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(timed(run))
        ten = [timed(lambda: clf.predict_proba(one)) for _ in range(10)]
        seconds["one_row"].append(np.median(ten))
    out = {name: float(np.median(s)) for name, s in seconds.items()}
    out["from_frame_1M"] = timed(lambda: clf.predict_proba(frame))
    out["ratio_encoded_to_bare"] = out["from_encoded_200k"] / out["bare_forward_200k"]
    out["ratio_encode_to_bare"] = out["encode_200k"] / out["bare_forward_200k"]
    return out


def memory_of_fit(n_rows=300_000):
    """Peak resident memory of one fit above the level before, in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_of_fit, n_rows).result()


def _peak_of_fit(n_rows):
    X, y = make_data(n_rows)
    clf = TabularMLPClassifier(max_epochs=1, random_state=0)
    clf.fit(X[:2000], y[:2000])  # imports and buffers of the libraries
    before = psutil.Process().memory_info().rss
    clf.fit(X, y)
    # Not getrusage, whose peak a child process inherits from its parent.
    status = Path("/proc/self/status").read_text()
    peak = 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
    model = sum(p.nbytes for p in clf.net_.module_.parameters())
    return {
        "rows": n_rows,
        "encoded_bytes": X.nbytes,
        "model_bytes": model,
        "peak_above_before_bytes": peak - before,
        "ratio_to_encoded": (peak - before - model) / X.nbytes,
    }
