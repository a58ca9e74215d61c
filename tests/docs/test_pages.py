"""The pages of docs/: their code runs, every public name has one, figures are kept."""

import importlib
import re
from pathlib import Path

import pytest
from helpers.public import public_modules, public_objects

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# sphinx-gallery writes a page of its own beside them.
PAGES = sorted(p for p in DOCS.glob("*.rst") if p.stem != "sg_execution_times")
BLOCK = re.compile(
    r"^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+?)(?=^\S|\Z)", re.MULTILINE
)


@pytest.fixture(scope="module")
def written():
    """The module that writes pages, as the settings of Sphinx import it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        yield importlib.import_module("written")


def blocks(path):
    return [re.sub("^   ", "", b, flags=re.M) for b in BLOCK.findall(path.read_text())]


@pytest.mark.parametrize(
    "path", [path for path in PAGES if blocks(path)], ids=lambda path: path.stem
)
def test_code_of_pages_runs(path, monkeypatch, tmp_path):
    """One page after another, its blocks in one namespace, as a reader types them."""
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for block in blocks(path):
        exec(compile(block, str(path), "exec"), namespace)


def test_code_of_pages_is_found():
    n_blocks = sum(len(blocks(path)) for path in PAGES)
    assert n_blocks == sum(p.read_text().count("block:: python") for p in PAGES) > 25


def test_every_public_name_has_a_page(written):
    pages = written.api_pages()
    listed = pages["api/index"]
    for name in public_objects():
        assert f"api/{name}" in pages
        assert f"<{name}>`" in listed, name
        module, _, own = name.rpartition(".")
        assert f"   {own} <{name}>\n" in pages[f"api/{module}"]
    for name in public_modules():
        assert f"\n{name}\n---" in listed and f"   {name}\n" in listed


def test_pages_of_classes_have_their_methods(written):
    page = written.api_pages()["api/sklimb.TabularMLPClassifier"]
    assert page.startswith("TabularMLPClassifier\n====")
    assert "autoclass:: sklimb.TabularMLPClassifier" in page
    for method in ("fit", "predict_proba", "explain", "save", "input_report"):
        assert f"   .. automethod:: {method}\n" in page


def test_every_public_name_is_told_where_one_reads():
    """Not in the API reference only: in the README or a page written by hand."""
    read = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
    told = set(re.findall(r"\w+", "\n".join(path.read_text() for path in read)))
    missing = {n for n in public_objects() if n.rpartition(".")[2] not in told}
    assert not missing


def test_all_pages_can_be_reached(written):
    """No page outside of every list of pages."""
    told = "\n".join(path.read_text() for path in PAGES)
    for path in PAGES:
        if path.stem != "index":
            assert re.search(rf"^   {path.stem}$", told, re.M), path
    for page in written.markdown_pages():
        assert page in told, page


def test_figures_of_pages_are_kept_ones():
    """Figures with four digits and means with errors stand in the kept results."""
    kept = "\n".join(
        path.read_text() for path in (ROOT / "benchmarks").rglob("*.md")
    ).replace(",", "")
    for path in PAGES:
        text = path.read_text()
        names = re.findall(r"``benchmarks/results/([\w.]+)``", text)
        assert all((ROOT / "benchmarks" / "results" / n).is_file() for n in names)
        table = re.findall(r"^     - (\d+\.\d+)$", text, re.M)
        for figure in [*table, *re.findall(r"\b0\.\d{3}\b(?! ±)", text)]:
            assert figure in kept or path.stem in {"strategies", "decisions"}, figure


def test_examples_have_titles(written):
    """sphinx-gallery wants one; the scripts begin with a sentence."""
    for name, text in written.examples().items():
        if name.endswith(".py") and not name.startswith("_"):
            title, line = text.removeprefix('"""').lstrip("\n").split("\n")[:2]
            assert title and line == "=" * len(title), name
            # An indented command is a quotation, unless "::" stands before it.
            intro = text.split('"""')[1]
            assert not re.search(r"[^:]\n\n    python ", intro), name


def test_examples_take_what_the_gallery_gives_them(written):
    """A parser that does not know `--out` ends the build; a cell has no `__file__`."""
    read = 0
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text()
        if not re.search(written.EXECUTED, str(path)):
            continue
        assert "__file__" not in text, path
        if "ArgumentParser(" in text:
            assert '("--out"' in text, path
            read += 1
    assert read >= 3


MARKDOWN = """
# Title

Text with `code`, **bold `code` text**, `n_` and a [link](https://a.example/b), a_ too
[file](../results/x.md).

| a | b |
| :-- | --: |
| `x` | 1 |
| y | |
| - | -0.5 |

- one
- two
  more

```sh
make docs
```

    python run.py

## Below
"""
RST = """
Title
=====


Text with ``code``, **bold** ``code`` **text**, ``n_`` and a \
`link <https://a.example/b>`__, a\\_ too
file.


.. list-table::
   :header-rows: 1

   * - a
     - b
   * - ``x``
     - 1
   * - y
     -
   * - \\-
     - -0.5


- one
- two
  more

.. code-block:: bash

   make docs



.. code-block:: text

   python run.py



Below
-----
"""


def test_markdown_becomes_restructured_text(written):
    to_rst = importlib.import_module("markdown_pages").to_rst
    words = str.split
    assert words(to_rst(MARKDOWN)) == words(RST)
    assert to_rst("## A\n\ntext\n", title="T").startswith("T\n=\n\n\nA\n-\n")
    assert to_rst("# B\n\n## A\n", title="T").split() == ["T", "=", "A", "-"]
    assert "header-rows" not in to_rst("| a |\n| :-- |\n")


def test_notebooks_link_to_pages_that_are_written(written):
    """The links that classes show in notebooks (tests/docs/test_packaging.py)."""
    from sklimb import TabularMLPClassifier

    page = TabularMLPClassifier()._get_doc_link().partition("html/")[2]
    assert page.removesuffix(".html") in written.api_pages()
