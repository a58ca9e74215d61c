"""The README's blocks run, one after another, as a reader would type them."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def test_blocks_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 9
    namespace = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)
    out = capsys.readouterr().out
    predicted, observed = map(float, re.findall(r"0\.\d+", out)[:2])
    assert abs(predicted - observed) < 0.1 * observed + 0.001  # printed to 3 digits
    assert "clf__sampler" in out and "packs: {" in out


def test_strategy_table_names_real_parameters():
    from sklimb import TabularMLPClassifier

    rows = re.findall(r"^\| (`.*?) \|", README.read_text(), re.MULTILINE)
    names = {n for row in rows for n in re.findall(r"`(\w+)", row)} - {"sample_weight"}
    assert names <= set(TabularMLPClassifier().get_params())
    assert {"sam_asymmetric_rho", "smoothing_eps", "sampler", "loss"} <= names
