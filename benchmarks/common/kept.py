"""Kept results, one JSON line per finished fit, and when such a line is still valid.

The rule: a kept line counts while its key and its code are those of today.

- The key names the fit and holds the digest of its settings and of the first version
  whose fits are the same (SAME_SINCE): a changed setting makes another key.
- "code" is the digest of the code that a fit uses, as the benchmark names it: modules,
  packages, functions. Comments, docstrings, imports, layout and the place of a file do
  not enter (`code_digest`), so moves and changes of words keep lines valid.
- Speed and `tables` name the whole package for fits of ours. The papers and the studies
  name their own `measure` modules only, because any new loss would void days of fits;
  there the version and the settings stand for the package, and each line records the
  "commit" and the "source" (a digest of the package's files) of its fit.
- An old line without "code" counts by its key.

A killed run may leave half a line. It counts for nothing, its fit runs again, and the
next one begins on a line of its own.

Lines are never changed: of lines with the same key the last one that counts is used. To
measure again in any case, delete the lines. They are committed with the results.
"""

import ast
import hashlib
import inspect
import json
import os
import subprocess
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import joblib
from tqdm import tqdm

import sklimb

ROOT = Path(__file__).resolve().parents[2]
# The first version whose fits are today's, bit for bit (tests/helpers/record.py). A
# change of what a fit computes makes it the version in which it comes.
SAME_SINCE = "0.1.0"


def digest(settings):
    """Ten characters that change when a model's configuration does."""
    return _short_hash(json.dumps(settings, sort_keys=True, default=repr))


def _short_hash(text):
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@lru_cache(maxsize=1)
def source_digest():
    """Ten characters that change when any file of the package does."""
    folder = Path(sklimb.__file__).parent
    text = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.py")))
    return hashlib.sha256(text).hexdigest()[:10]


def code_digest(*parts):
    """Ten characters that change when code does.

    Syntax trees are compared, without docstrings, imports and the place of the code.

    Parameters
    ----------
    *parts : str or function
        Names of modules and of packages, which stand for all their modules; functions.
    """
    trees = [_tree(text) for part in parts for text in _sources(part)]
    return _short_hash("\n".join(sorted(trees)))


def _sources(part):
    if not isinstance(part, str):
        return [dedent(inspect.getsource(part))]
    spec = find_spec(part)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {part!r}.")
    if spec.submodule_search_locations is None:
        return [Path(spec.origin).read_text()]
    folders = map(Path, spec.submodule_search_locations)
    return [path.read_text() for f in folders for path in f.rglob("*.py")]


def _tree(text):
    return repr(_plain(_Stripped().visit(ast.parse(text))))


class _Stripped(ast.NodeTransformer):
    """Leaves out imports, and text that is a statement: docstrings."""

    def visit_Import(self, node):
        return None

    def visit_ImportFrom(self, node):
        return None

    def visit_Expr(self, node):
        value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return None
        return self.generic_visit(node)


def _plain(node):
    """Nested tuples without empty fields, of which each Python version has others."""
    if isinstance(node, list):
        return tuple(map(_plain, node))
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, value) for name, value in ast.iter_fields(node)]
    kept = [(name, _plain(v)) for name, v in fields if v is not None and v != []]
    return type(node).__name__, *kept


@lru_cache(maxsize=1)
def commit():
    """Short hash of the commit that runs, "+" where code has changed; or "unknown"."""
    git = ["git", "-C", str(ROOT)]
    paths = ["sklimb", "benchmarks", ":!benchmarks/results"]
    try:
        head, changes = (
            subprocess.run([*git, *a], capture_output=True, text=True, check=True)
            for a in (
                ["rev-parse", "--short", "HEAD"],
                ["status", "--porcelain", "--", *paths],
            )
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return "unknown"
    return head.stdout.strip() + ("+" if changes.stdout else "")


class Kept:
    """Results as JSON lines, one per fit, so that a run can go on where it stopped.

    The module's docstring says which lines count.

    Parameters
    ----------
    path : Path
        The file; a run adds lines and never changes one.
    key : tuple of str
        Entries of a result that name its fit.
    code : callable or None, default=None
        From a line to the digest of the code that it depends on today. None takes the
        lines of any code, as a report of what is there does.

    Attributes
    ----------
    rows : dict
        Lines that count, by key.
    """

    def __init__(self, path, key, code=None):
        self.path, self.key, self.code = path, key, code
        self.rows = {}
        self._origin = {"version": sklimb.__version__, "commit": commit()}
        rows, torn = self._read()
        if torn:
            print(f"{path.name}: {torn} lines are torn and count for nothing.")
        counting = [row for row in rows if self._counts(row)]
        for row in counting:
            self._keep(row)
        if len(counting) < len(rows):
            void = len(rows) - len(counting)
            print(f"{path.name}: the code of {void} lines has changed.")

    def _read(self):
        """All whole lines, and the number of torn ones."""
        # Of bytes: a power cut may leave what is no text.
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        lines = [line for line in lines if line.strip()]
        rows = [row for row in map(self._parsed, lines) if row is not None]
        return rows, len(lines) - len(rows)

    def _parsed(self, line):
        """The row of a line, or None if it is not whole."""
        try:
            row = json.loads(line)
        except ValueError:
            return None
        whole = isinstance(row, dict) and all(name in row for name in self.key)
        return row if whole else None

    def _counts(self, row):
        if self.code is None or "code" not in row:
            return True
        return row["code"] == self.code(row)

    def _keep(self, row):
        self.rows[tuple(row[name] for name in self.key)] = row

    def __contains__(self, key):
        return key in self.rows

    def add(self, row):
        """Keep a result and write it, with the code, version and commit behind it."""
        row = {**row, **self._origin}
        if self.code is not None:
            row["code"] = self.code(row)
        self._keep(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        with self.path.open("ab+") as file:
            if file.tell():  # a killed run may have left half a line
                file.seek(-1, os.SEEK_END)
                line = line if file.read() == b"\n" else b"\n" + line
            file.write(line)


def origins(rows):
    """The sources and commits that some lines come from, for the records."""
    return {
        "source_digests": sorted({row["source"] for row in rows}),
        "commits": sorted({row.get("commit", "unknown") for row in rows}),
    }


def run_all(todo, kept, n_jobs):
    """Run calls (of `joblib.delayed`) and keep each result as soon as it is there.

    A call returns a result or a list of them.
    """
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for rows in tqdm(parallel(todo), total=len(todo)):
        for row in rows if isinstance(rows, list) else [rows]:
            kept.add(row)
