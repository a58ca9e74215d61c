"""to_onnx on every shared table, and where only numpy and onnxruntime are installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.graphs import check_graph, feed, session_of

from sklimb import FTTransformerClassifier, TabularMLPClassifier
from sklimb.datasets import TABLES, load_table, make_transactions

ROOT = Path(__file__).resolve().parents[2]
# The tables of studies of imbalance that have no name in `TABLES`.
KEEL = sorted(Path(os.environ["SKLIMB_DATA"], "keel").glob("*.parquet"))
BARE = """
import importlib.util, json, sys
import numpy as np, onnxruntime
for name in ("sklimb", "sklearn", "pandas", "torch", "scipy", "onnx"):
    assert importlib.util.find_spec(name) is None, name
session = onnxruntime.InferenceSession(sys.argv[1])
rows = json.load(open(sys.argv[2]))
kinds = {"tensor(double)": float, "tensor(int64)": int, "tensor(string)": object}
inputs = {
    i.name: np.array(rows[i.name], dtype=kinds[i.type]) for i in session.get_inputs()
}
labels, p = session.run(None, inputs)
print(json.dumps([labels.tolist(), p.tolist()]))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklimb.exceptions.InputWarning")
@pytest.mark.parametrize("name", TABLES)
def test_shared_tables(name, tmp_path):
    data = load_table(name)
    rows = np.random.default_rng(0).permutation(len(data.y))
    train, test = rows[:4000], rows[-2000:]
    clf = TabularMLPClassifier(max_epochs=2, random_state=0)
    clf.fit(data.X.iloc[train], data.y[train])
    _, p = check_graph(clf, data.X.iloc[test], tmp_path / "graph.onnx")
    assert np.ptp(p, axis=0).max() > 0.01


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklimb.exceptions.InputWarning")
@pytest.mark.parametrize("path", KEEL, ids=lambda path: path.stem)
def test_small_shared_tables(path, tmp_path):
    table = pd.read_parquet(path)
    X, y = table.drop(columns="target"), table["target"].to_numpy()
    rows = np.random.default_rng(0).permutation(len(y))
    train, test = rows[:1000], rows[-1000:]
    clf = TabularMLPClassifier(max_epochs=4, random_state=0, decision="balanced")
    clf.fit(X.iloc[train], y[train])
    labels, _ = check_graph(clf, X.iloc[test], tmp_path / "graph.onnx")
    assert len(set(labels)) == 2


@pytest.mark.slow
def test_small_shared_tables_are_found():
    assert len(KEEL) == 38


@pytest.mark.slow
@pytest.mark.parametrize("cls", [TabularMLPClassifier, FTTransformerClassifier])
def test_where_neither_sklimb_nor_scikit_learn_is_installed(cls, tmp_path):
    data = make_transactions(500, fraud_rate=0.1, random_state=0)
    clf = cls(max_epochs=1, random_state=0).fit(data.X, data.y)
    clf.to_onnx(tmp_path / "graph.onnx")
    inputs = feed(session_of(tmp_path / "graph.onnx"), data.X)
    rows = {name: values.tolist() for name, values in inputs.items()}
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "serve.py").write_text(BARE)
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", str(bare)], check=True)
    python = str(bare / "bin" / "python")
    wanted = ["-q", "-c", str(ROOT / "constraints.txt"), "numpy", "onnxruntime"]
    subprocess.run([python, "-m", "pip", "install", *wanted], check=True)
    ran = subprocess.run(
        [python, "-I", "serve.py", "graph.onnx", "rows.json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    labels, p = json.loads(ran.stdout)
    np.testing.assert_allclose(p, clf.predict_proba(data.X), rtol=0, atol=1e-5)
    assert labels == clf.predict(data.X).tolist()
