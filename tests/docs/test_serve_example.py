"""The example that serves a graph: another process answers as the classifier does."""

import importlib
import re
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_serve_onnx(monkeypatch, capsys, tmp_path):
    monkeypatch.syspath_prepend(EXAMPLES)
    importlib.import_module("serve_onnx").main(["--quick", "--out", str(tmp_path)])
    out = capsys.readouterr().out
    assert "| rows answered | 500 |" in out
    assert float(re.search(r"predict_proba \| (\S+) ", out)[1]) < 1e-5
    assert "| labels equal to predict | 100.0% |" in out
    assert "in the server | none |" in out
    assert (tmp_path / "fraud.onnx").stat().st_size > 1e4
