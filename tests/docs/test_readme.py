"""The README's blocks run, one after another, as a reader would type them."""

import inspect
import re
from pathlib import Path

from helpers.one_network import OF_USERS

from sklimb import TabularMLPClassifier

README = Path(__file__).resolve().parents[2] / "README.md"


def test_blocks_run(capsys, monkeypatch):
    monkeypatch.setattr(TabularMLPClassifier, "_networks", OF_USERS)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 5
    namespace = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)
    out = capsys.readouterr().out
    predicted, observed = map(float, re.findall(r"0\.\d+", out)[:2])
    assert abs(predicted - observed) < 0.1 * observed + 0.001  # printed to 3 digits
    at_half, there, called, found = map(
        int, re.search(r"(\d+) called at 0.5, of (\d+)\n(\d+) .* (\d+)\n", out).groups()
    )
    # What the text below says. Eight seeds called 0 to 3 at 0.5, and 24 to 42, of which
    # 8 to 12 were frauds; another processor is as another seed.
    assert at_half <= 3 and there == 26 and called < 60 and found >= 7
    assert "clf__sampler" in out and "packs: {" in out


def test_first_result_is_on_the_first_screen():
    lines = README.read_text().splitlines()
    fence = [i for i, line in enumerate(lines) if line == "```"]
    assert fence[1] < 30 and len(lines) < 260


def test_strategy_table_names_real_parameters():
    table = README.read_text().partition("\n## Strategies\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    names = {n for row in rows for n in re.findall(r"`(\w+)", row)} - {"sample_weight"}
    assert names <= set(TabularMLPClassifier().get_params())
    assert {"sam_asymmetric_rho", "smoothing_eps", "sampler", "loss"} <= names


def test_capabilities_name_what_there_is():
    """Every name that the table calls is public, and every parameter is one."""
    from helpers.public import methods_of, public_objects
    from sklearn import model_selection

    import sklimb

    table = README.read_text().partition("\n## One line each\n")[2]
    table = table.partition("\n## ")[0]
    public = {
        name.rpartition(".")[2]: thing for name, thing in public_objects().items()
    }
    methods = methods_of(sklimb.TabularMLPClassifier)
    taken = {"min_recall", "method", "cv", "X_unlabeled", "k", "as_frame"}
    for thing in public.values():
        if isinstance(thing, type):
            taken |= set(inspect.signature(thing).parameters)
    for name in re.findall(r"(?<![.\w])(\w+)\(", table):
        assert name in public or hasattr(model_selection, name), name
    for name in re.findall(r"(?:clf|sklimb|Display)\.(\w+)", table):
        assert name in methods or hasattr(sklimb, name) or name.startswith("from_")
    assert set(re.findall(r"(\w+)=", table)) <= taken
