"""What does the exported graph cost, next to predict_proba?

    python benchmarks/export/run.py [--rows 1000000] [--repeats 5]

One thread, both sides fed from the same pandas frame: what turns its columns into
inputs is counted. One row is the median of 300 calls; many rows are fed in blocks of
4,096, in turn with predict_proba, and ratios are medians over repeats. Writes
results/export.json and .md.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import onnxruntime
import pandas as pd
import torch

from benchmarks.common.report import (
    RESULTS,
    environment,
    goals_table,
    markdown,
    verdict,
    write_json,
)
from sklimb import (
    FTTransformerClassifier,
    TabularMLPClassifier,
    TabularResNetClassifier,
)
from sklimb.datasets import load_table, make_transactions

BLOCK = 4096
KINDS = {"tensor(double)": float, "tensor(int64)": int, "tensor(string)": object}
CASES = {
    "fraud, MLP": ("fraud", TabularMLPClassifier),
    "loan, MLP": ("loan", TabularMLPClassifier),
    "fraud, ResNet": ("fraud", TabularResNetClassifier),
    "fraud, FT-Transformer": ("fraud", FTTransformerClassifier),
}
# Rows of an FT-Transformer cost a hundred times as much.
FEWER = {"fraud, ResNet": 5, "fraud, FT-Transformer": 50}


def table_of(name):
    if name == "fraud":
        data = make_transactions(20000, fraud_rate=0.02, random_state=0)
    else:
        data = load_table(name)
    return data.X, data.y


def inputs_of(session, X):
    """One array per input, as a service would make it of a frame."""
    return {i.name: X[i.name].to_numpy(KINDS[i.type]) for i in session.get_inputs()}


def by_graph(session, X):
    """Probabilities of all rows, block by block."""
    inputs = inputs_of(session, X)
    parts = [
        session.run(["probabilities"], {k: v[i : i + BLOCK] for k, v in inputs.items()})
        for i in range(0, len(X), BLOCK)
    ]
    return np.concatenate([part for (part,) in parts])


def seconds(function, *arguments):
    begin = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - begin, result


def measure(name, cls, n_rows, repeats):
    """Milliseconds of one row, and the ratio of many, with the gap between both."""
    X, y = table_of(name)
    clf = cls(max_epochs=1, n_members=1, random_state=0).fit(X, y)
    path = os.path.join(tempfile.mkdtemp(), "graph.onnx")
    clf.to_onnx(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    one = {key: value[:1] for key, value in inputs_of(session, X).items()}
    for _ in range(20):
        session.run(None, one)
    ms = [1e3 * seconds(session.run, None, one)[0] for _ in range(300)]
    many = pd.concat([X] * -(-n_rows // len(X)), ignore_index=True).iloc[:n_rows]
    ratios, times = [], []
    for _ in range(repeats):
        wanted, p = seconds(clf.predict_proba, many)
        own, q = seconds(by_graph, session, many)
        ratios.append(own / wanted)
        times.append(own)
    return {
        "columns": X.shape[1],
        "one row, ms": statistics.median(ms),
        "rows": n_rows,
        "many rows, s": statistics.median(times),
        "many rows, ratio": statistics.median(ratios),
        "largest gap": float(abs(p - q).max()),
        "bytes": os.path.getsize(path),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    result = {"environment": environment(), "repeats": args.repeats, "cases": {}}
    lines, goals = [], []
    for title, (name, cls) in CASES.items():
        n_rows = args.rows // FEWER.get(title, 1)
        case = result["cases"][title] = measure(name, cls, n_rows, args.repeats)
        ms, ratio = case["one row, ms"], case["many rows, ratio"]
        line = [title, f"{ms:.3f}", f"{n_rows:,}"]
        line += [f"{ratio:.2f}", f"{case['largest gap']:.1e}"]
        lines.append(line)
        print(*lines[-1], sep="  ", flush=True)
        goals.append(verdict(f"one row, {title}", "1 ms", ms, ms <= 1))
        goals.append(verdict(f"many rows, {title}", "1.2 x", ratio, ratio <= 1.2))
    result["goals"] = goals
    header = ["case", "one row, ms", "many rows", "graph / predict_proba"]
    header += ["largest gap"]
    text = [
        f"# {__doc__.splitlines()[0]}\n",
        goals_table(goals),
        "",
        markdown(header, lines),
        f"\nMedians, one thread ({result['environment']['machine']}); many rows in "
        f"blocks of {BLOCK:,}, {args.repeats} repeats in turn.",
    ]
    write_json(RESULTS / "export.json", result)
    (RESULTS / "export.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
