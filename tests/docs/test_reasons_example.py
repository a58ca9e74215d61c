"""Three reasons per refused loan: what the demo writes, with and without loans."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("xgboost")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(params=["loans", "nothing"])
def demo(request, tmp_path, monkeypatch):
    """The folder and the module of the example, run with and without the data."""
    monkeypatch.syspath_prepend(EXAMPLES)
    if request.param == "nothing":
        monkeypatch.setenv("SKLIMB_DATA", str(tmp_path / "nowhere"))
    module = importlib.import_module("loan_reasons")
    out = tmp_path / "out"
    module.main(["--quick", "--jobs", "1", "--out", str(out)])
    return out, module


def test_loan_reasons(demo):
    out, module = demo
    table = pd.read_csv(out / "loan_reasons.csv")
    counts = table.groupby("rank").size()
    # A tenth of 30 % of 2,000 rows.
    assert len(counts) == 60 and set(counts) <= set(range(1, module.REASONS + 1))
    assert counts.mean() > 2.5
    for _, own in table.groupby("rank"):
        assert own["reason"].is_unique
        assert (np.diff(own["log odds"].to_numpy()) <= 0).all()
    assert (table["log odds"].to_numpy() > 0).all()
    np.testing.assert_allclose(table["times the odds"], np.exp(table["log odds"]))
    # A column in which the applicant is in the middle is no reason.
    same = [str(a) == str(b) for a, b in table[["value", "in the middle"]].to_numpy()]
    assert not any(same)
    markdown = (out / "loan_reasons.md").read_text()
    assert markdown.count("\n|") >= module.EXPLAINED + 2
    assert (out / "loan_reasons.png").read_bytes().startswith(b"\x89PNG")
    said = (out / "loan_reasons.txt").read_text()
    assert "Of the refused" in said and said.count("%") > 4


def test_reasons_are_the_columns_that_add_most(demo):
    _, module = demo
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"], "c": 0.0, "d": np.nan})
    shares = np.array([[0.3, 1.0, -0.2, 0.5], [-0.1, 0.2, 0.0, -1.0]])
    middle = [0.0, "z", 0.0, 1.0]
    table = module.reasons(rows, np.array([0.9, 0.8]), shares, middle)
    assert table["reason"].tolist() == ["b", "d", "a", "b"]
    assert table["row"].tolist() == [0, 0, 0, 1]
    assert table["in the middle"].tolist() == ["z", 1.0, 0.0, "z"]
    assert [module.in_words(v) for v in table["value"]] == ["x", "missing", "1", "y"]
