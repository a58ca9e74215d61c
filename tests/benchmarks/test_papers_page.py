"""The page on the papers: its verdicts are of five words, and each figure is kept."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "papers"
COLUMNS = ["claim", "where", "verdict", "figure", "scale", "runs", "why", "results"]
VERDICTS = {"holds", "does not hold", "the opposite", "not shown", "not run"}
FIGURE = re.compile(r"[+-]\d+\.\d+ \[([+-]\d+\.\d+), ([+-]\d+\.\d+)\]")
COUNT = re.compile(r"(\d+) of (\d+) settings")


def read_rows(text):
    """The rows of all tables of claims, as dicts."""
    tables = text.partition("\n## Claims\n")[2].partition("\n## ")[0]
    lines = [line for line in tables.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    own = [c for c in cells if c[0] != "claim" and not set("".join(c)) <= set(":- ")]
    return [dict(zip(COLUMNS, c, strict=True)) for c in own]


ROWS = read_rows((FOLDER / "README.md").read_text())


@cache
def kept(path):
    """{figure: runs} of a result file, and (settings that hold, all) of its claims."""
    content = json.loads(path.with_suffix(".json").read_text())
    found, counts = {}, {}

    def walk(node):
        if isinstance(node, dict):
            if node.get("interval"):
                low, high = node["interval"]
                text = f"{node['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"
                found.setdefault(text, set()).add(node["runs"])
            node = list(node.values())
        if isinstance(node, list):
            for value in node:
                walk(value)

    walk(content)
    for claim in content["claims"]:
        counts.setdefault(claim["claim"], []).append(claim["holds"] == "yes")
    return found, {(sum(own), len(own)) for own in counts.values()}


def link_of(row):
    return re.search(r"\]\((.+)\)", row["results"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["claim"][:50])
def test_a_verdict_follows_from_figures_that_are_kept(row):
    verdict, figures = row["verdict"], list(FIGURE.finditer(row["figure"]))
    assert verdict in VERDICTS
    if verdict == "not run":
        assert row["figure"] == "-" and not row["results"]
        return
    path = FOLDER / link_of(row)[1]
    assert path.is_file()
    if path.suffix == ".py":  # shown by a test
        assert row["figure"] == "-" and verdict == "holds"
        return
    known, counts = kept(path)
    runs = set()
    for figure in figures:
        assert figure[0] in known, f"{figure[0]} is not in {path.name}"
        runs |= known[figure[0]]
    count = COUNT.search(row["figure"])
    if count:
        good, all_ = int(count[1]), int(count[2])
        assert (good, all_) in counts
        assert verdict == "holds" and good > all_ / 2
    assert figures or count
    numbers = {int(n) for n in re.findall(r"\d+", row["runs"])}
    # Equal figures may be kept of other rows with other runs (0 is often one of them).
    assert not figures or {min(numbers), max(numbers)} == numbers <= runs
    assert all(known[figure[0]] & numbers for figure in figures)
    signs = [(float(f[1]) > 0) - (float(f[2]) < 0) for f in figures]
    if verdict == "not shown":
        assert 0 in signs  # an interval that includes 0
    else:
        assert len(set(signs)) <= 1 and 0 not in signs
    if verdict == "the opposite":
        assert set(signs) == {-1}


def test_the_page_is_whole():
    text = (FOLDER / "README.md").read_text()
    assert len(ROWS) > 60
    for paper in ("S000", "S002", "S003", "S004"):
        assert f"\n### {paper}, " in text
    own = {row["verdict"] for row in ROWS}
    assert own == VERDICTS
    # Every script is named, with its command for one GPU.
    one_gpu = text.partition("\n### On one GPU\n")[2].partition("\n## ")[0]
    makefile = (FOLDER.parents[1] / "Makefile").read_text()
    for script in sorted(FOLDER.glob("*/run.py")):
        name = f"{script.parent.name}/run.py"
        assert f"`{name}`" in text
        assert name in one_gpu
        assert makefile.count(f"papers/{name}") == 2  # in full and quick
    assert len(text) < 40_000  # a page


def test_the_check_can_fail():
    row = dict(ROWS[0])
    for name, value in {
        "verdict": "seen",
        "figure": "+0.1320 [+0.1003, +0.1636]",
        "runs": "4 seeds",
        "results": "[table](../results/papers/absent.md)",
    }.items():
        with pytest.raises((AssertionError, FileNotFoundError)):
            test_a_verdict_follows_from_figures_that_are_kept({**row, name: value})
