"""How do I serve a classifier where neither sklimb nor torch is? As one ONNX graph.

What it shows, with a small network on simulated transactions:

- `clf.to_onnx(path)` writes the whole classifier, from raw columns to labels: missing
  values, unseen categories, transforms, calibration and the decision are inside.
- A process that imports numpy, onnxruntime and the standard library alone answers HTTP
  requests with it: JSON rows in, labels and probabilities out.
- The answers are those of `predict` and `predict_proba`, for payments from merchants
  that training has not seen too. The last table says how far they are apart, how long a
  request takes, and which libraries the server has loaded.

Run it with

    python examples/serve_onnx.py --out demo_output

which leaves the graph there. `--quick` trains for two epochs on few rows.
"""

import argparse
import inspect
import json
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np

KINDS = {"tensor(double)": float, "tensor(int64)": int, "tensor(string)": object}
# None of them may be in the server.
ABSENT = ("sklimb", "sklearn", "torch", "pandas", "scipy")


def serve(path):
    """Answer requests by the graph at a path, for ever; prints its port first."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            inputs = {
                given.name: column(rows, given.name, KINDS[given.type])
                for given in session.get_inputs()
            }
            label, p = session.run(["label", "probabilities"], inputs)
            answer = {
                "labels": label.tolist(),
                "probabilities": p.tolist(),
                "classes": classes,
                "loaded": [name for name in ABSENT if name in sys.modules],
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def column(rows, name, kind):
    """One input of the graph: a missing number is NaN, a missing text is empty."""
    missing = "" if kind is object else float("nan")
    values = [row.get(name) for row in rows]
    return np.array([missing if v is None else v for v in values], dtype=kind)


def ask(port, rows):
    """The server's answer to some rows, and the milliseconds that it took."""
    body = json.dumps(rows).encode()
    begin = time.perf_counter()
    with urlopen(Request(f"http://127.0.0.1:{port}/", body)) as answer:
        content = json.load(answer)
    return content, 1e3 * (time.perf_counter() - begin)


def as_rows(X):
    """A frame as JSON-able rows, None where a value is missing."""
    return json.loads(X.to_json(orient="records", double_precision=15))


def run(quick, folder):
    """Train, export into a folder, serve and compare; returns the rows of the table."""
    from sklimb import TabularMLPClassifier
    from sklimb.datasets import make_transactions

    data = make_transactions(1000 if quick else 10000, fraud_rate=0.05, random_state=0)
    half = len(data.y) // 2
    clf = TabularMLPClassifier(
        decision="balanced", max_epochs=2 if quick else 30, random_state=0
    ).fit(data.X[:half], data.y[:half])
    later = data.X[half:].copy()
    later["merchant"] = later["merchant"].astype(object)
    later.loc[later.index[::7], "merchant"] = "opened yesterday"
    # What was written is what is compared: JSON has no more than 15 digits.
    rows = as_rows(later)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fraud.onnx"
    clf.to_onnx(path)
    command = [sys.executable, inspect.getsourcefile(serve), "--serve", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            answer, _ = ask(port, rows)
            one = [ask(port, rows[i : i + 1])[1] for i in range(50)]
        finally:
            server.terminate()
    gap = np.abs(answer["probabilities"] - clf.predict_proba(later)).max()
    same = (answer["labels"] == clf.predict(later)).mean()
    lines = [
        ("rows answered", f"{len(rows):,}"),
        ("largest gap to predict_proba", f"{gap:.1e}"),
        ("labels equal to predict", f"{same:.1%}"),
        ("milliseconds, request of one row", f"{np.median(one):.2f}"),
        ("size of the file", f"{path.stat().st_size / 1e6:.2f} MB"),
        ("sklimb, torch and the like in the server", str(answer["loaded"] or "none")),
    ]
    return lines


def main(argv=None):
    """Serve a graph, or show all of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("demo_output"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", metavar="PATH", help="answer requests by a graph")
    args = parser.parse_args(argv)
    if args.serve:
        serve(args.serve)
        return
    lines = run(args.quick, args.out)
    print("| | |\n| :-- | --: |")
    for line in lines:
        print(f"| {line[0]} | {line[1]} |")


if __name__ == "__main__":
    main()
