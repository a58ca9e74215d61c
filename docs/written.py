"""Pages that are made from the sources: the API, the Markdown files, the examples.

`conf.py` writes them before each build; none of them is in the repository.
"""

import inspect
import re
import sys
import tempfile
from pathlib import Path

from markdown_pages import to_rst

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers.public import methods_of, public_modules, public_objects

# Pages that are Markdown files of the repository.
FROM_MARKDOWN = {
    "papers": "benchmarks/papers/README.md",
    "how_it_is_built": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "results_tables": "benchmarks/results/tables.md",
    "results_defaults": "benchmarks/results/defaults.md",
    "results_decisions": "benchmarks/results/decisions.md",
    "results_out_of_the_box": "benchmarks/results/out_of_the_box.md",
    "results_packed_search": "benchmarks/results/packed_search.md",
    "results_portfolio": "benchmarks/results/portfolio.md",
    "results_prediction": "benchmarks/results/prediction.md",
    "results_large": "benchmarks/results/large.md",
    "results_images": "benchmarks/results/images.md",
    "results_step_costs": "benchmarks/results/step_costs.md",
    "results_metabalance": "benchmarks/results/papers/metabalance.md",
}
# What a page is called, where it is not the title of its Markdown.
TITLES = {
    "papers": "What the papers claim and what we found",
    "how_it_is_built": "How it is built",
    "results_tables": "Default fits on 13 tables",
    "results_defaults": "Which default settings",
    "results_out_of_the_box": "Out of the box",
    "results_packed_search": "Packed searches",
    "results_portfolio": "Portfolios",
    "results_metabalance": "MetaBalance, full scale",
}
GALLERY_SOURCE = "_examples"
# Where examples write. They are run as a user runs them, with these arguments.
OUT = Path(tempfile.gettempdir()) / "sklimb_docs"
ARGUMENTS = {"threshold_workflow.py": ["--quick"]}
# Not run: adapters, which are imported by others, and what starts processes that would
# import the builder of these pages.
NOT_EXECUTED = ["tabarena_model.py", "two_workers.py"]
EXECUTED = rf"/(?!{'|'.join(map(re.escape, NOT_EXECUTED))})\w+\.py$"
GALLERY_INTRODUCTION = """\
Examples
========

Each is a script of the repository's folder ``examples``, shown with what it printed and
drew. ``--quick`` runs most of them in seconds.
"""


def arguments(gallery_conf, script_vars):
    """Command line of an example in the gallery."""
    OUT.mkdir(exist_ok=True)
    for left in OUT.glob("*.png"):  # by a build that ended early: no picture of this
        left.unlink()
    name = Path(script_vars["src_file"]).name
    return [*ARGUMENTS.get(name, []), "--out", str(OUT)]


def write(path, text):
    """Write a page, unless it is there: Sphinx reads changed files again."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_all(folder):
    """Write all generated pages into the folder of the documentation."""
    for name, text in {**api_pages(), **markdown_pages()}.items():
        write(folder / f"{name}.rst", text)
    for name, text in examples().items():
        write(folder / GALLERY_SOURCE / name, text)


def markdown_pages():
    """{page: reStructuredText} of the repository's Markdown files."""
    pages = {}
    for page, source in FROM_MARKDOWN.items():
        text = to_rst((ROOT / source).read_text(), title=TITLES.get(page))
        pages[f"from_markdown/{page}"] = f":orphan:\n\n{text}"
    return pages


def examples():
    """{file: text} of the gallery; a first line may become the title."""
    files = {"GALLERY_HEADER.rst": GALLERY_INTRODUCTION}
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text()
        if not path.name.startswith("_"):
            text = re.sub(
                r'\A(r?""")(.+)\n', lambda m: f"{m[0]}{'=' * len(m[2])}\n", text
            )
            # A command as it is typed, no quotation.
            text = text.replace("\n\n    python ", "\n\n::\n\n    python ", 1)
        files[path.name] = text
    return files


def api_pages():
    """{page: reStructuredText}: one for each public name, and their list."""
    pages = {}
    modules = public_modules()
    for full, thing in public_objects().items():
        pages[f"api/{full}"] = object_page(full, thing)
    index = heading("API reference", "=")
    index += ["Every public name, by module.", "", ".. toctree::", "   :hidden:", ""]
    index += [*(f"   {name}" for name in modules), ""]
    for name, module in modules.items():
        told = [inspect.getdoc(module).partition("\n")[0], "", *names(name, module)]
        index += [*heading(name, "-"), *told]
        tree = [".. toctree::", "   :hidden:", ""]
        tree += [*(f"   {own} <{name}.{own}>" for own in module.__all__), ""]
        pages[f"api/{name}"] = "\n".join([*heading(name, "="), *tree, *told])
    pages["api/index"] = "\n".join(index)
    return pages


def names(name, module):
    """A table of the public names of a module."""
    lines = [".. list-table::", "   :widths: 35 65", ""]
    for own in module.__all__:
        lines.append(f"   * - :doc:`{own} <{name}.{own}>`")
        lines.append(f"     - {summary(getattr(module, own))}")
    return [*lines, ""]


def heading(text, line):
    """A title and the line below it."""
    return [text, line * len(text), ""]


def summary(thing):
    """The first line of the documentation of a public name."""
    if not callable(thing):
        return f"Names: {', '.join(f'``{name}``' for name in thing)}."
    return inspect.getdoc(thing).partition("\n")[0]


def object_page(full, thing):
    """The page of one public name."""
    name = full.rpartition(".")[2]
    lines = heading(name, "=")
    if inspect.isclass(thing):
        lines += [f".. autoclass:: {full}", ""]
        for method, function in methods_of(thing).items():
            kind = "property" if isinstance(function, property) else "method"
            lines += [f"   .. auto{kind}:: {method}", ""]
    elif callable(thing):
        lines += [f".. autofunction:: {full}", ""]
    else:
        lines += [f".. py:data:: {full}", "", "   Names and what they stand for:", ""]
        lines += ["   .. list-table::", "      :widths: 35 65", ""]
        for own, value in thing.items():
            lines += [f"      * - ``{own}``", f"        - ``{value!r}``"]
        lines.append("")
    return "\n".join(lines)
