"""The import face, what notebooks show, versions and the interpreter of `make`."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tqdm.auto
from helpers.public import public_modules, public_objects
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

import sklimb
from sklimb import TabularMLPClassifier
from sklimb._documentation import BUILT, page_of
from sklimb._progress import finish
from sklimb.training.callbacks import EpochBar

ROOT = Path(__file__).resolve().parents[2]
ESTIMATORS = {
    name: thing
    for name, thing in public_objects().items()
    if isinstance(thing, type) and issubclass(thing, BaseEstimator)
}
NEEDS = {"estimator": LogisticRegression(), "param_grid": {"C": [1.0]}}


def python(code, *options):
    done = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def test_modules_are_imported_when_they_are_asked_for():
    python(
        "import sys, sklimb\n"
        "assert 'sklimb.datasets' not in sys.modules\n"
        "assert 'datasets' in dir(sklimb)\n"
        "assert sklimb.datasets.make_transactions\n"
        "assert sklimb.two_stage is sys.modules['sklimb.two_stage']\n"
        "assert not hasattr(sklimb, 'nothing') and not hasattr(sklimb, '_nothing')\n"
    )


def test_help_names_every_public_module_and_class():
    listed = sklimb.__doc__
    for name, module in public_modules().items():
        short = name.partition(".")[2]
        assert not short or f"\n{short}\n    " in listed, f"{name} is not in the help"
        assert module.__doc__ and module.__all__
    assert all(name in listed for name in sklimb.__all__)


# A notebook's kernel without ipywidgets, as tqdm sees it.
NOTEBOOK = """
import sys
from types import ModuleType, SimpleNamespace

for name in ("IPython", "IPython.display", "ipykernel", "ipykernel.zmqshell"):
    sys.modules[name] = ModuleType(name)
sys.modules["ipywidgets"] = None
sys.modules["IPython"].__path__ = []
shell = SimpleNamespace(config={"IPKernelApp": 1})
sys.modules["IPython"].get_ipython = lambda: shell
"""


def test_a_notebook_without_ipywidgets_gets_no_warning():
    warns = "from tqdm import TqdmWarning\nimport pytest\n"
    warns += "with pytest.warns(TqdmWarning, match='IProgress'):\n    import tqdm.auto"
    python(NOTEBOOK + warns)  # otherwise this test would say nothing
    fit = (
        "import numpy as np\nimport sklimb\n"
        "X, y = np.random.default_rng(0).normal(size=(40, 3)), np.tile([0, 1], 20)\n"
        "sklimb.TabularMLPClassifier(max_epochs=1, verbose=1).fit(X, y)\n"
    )
    assert "epochs: " in python(NOTEBOOK + fit, "-W", "error").stderr


@pytest.mark.parametrize(("interrupted", "total"), [(False, 1), (True, 9)])
def test_bars_end_complete_unless_interrupted(interrupted, total, monkeypatch):
    """A notebook's bar is red where it closes below its total."""
    totals = []
    monkeypatch.setattr(tqdm.auto.tqdm, "close", lambda bar: totals.append(bar.total))
    net = SimpleNamespace(
        max_epochs=9, history=[{"train_loss": 0.5}], interrupted_=interrupted
    )
    bar = EpochBar()
    bar.on_train_begin(net)
    bar.on_epoch_end(net)
    bar.on_train_end(net)
    assert totals[0] == total  # tqdm closes once more when it deletes a bar


def test_a_finished_bar_is_not_red():
    bar = SimpleNamespace(n=3, total=9, close=lambda: None)
    finish(bar)
    assert bar.total == 3


def shown(name):
    """An estimator of a public class as a notebook shows it, and its parameters."""
    cls = ESTIMATORS[name]
    needs = {k: v for k, v in NEEDS.items() if k in cls._get_param_names()}
    estimator = cls(**needs)
    return estimator._repr_html_inner(), estimator.get_params(deep=False)


@pytest.mark.parametrize(
    "name", [n for n in ESTIMATORS if n != "sklimb.TabularNetworkClassifier"]
)
def test_notebooks_show_the_documentation_of_all_parameters(name, monkeypatch):
    monkeypatch.setenv("SKLIMB_DOCS", "https://docs.example/sklimb/")
    html, parameters = shown(name)
    page = f"https://docs.example/sklimb/api/{name}.html"
    for parameter in parameters:
        link = rf'href="{re.escape(page)}#:~:text={parameter},-[^"]+">\s*{parameter}\s'
        assert re.search(link, html), parameter


def test_links_lead_to_the_pages_of_a_checkout(monkeypatch, tmp_path):
    monkeypatch.delenv("SKLIMB_DOCS", raising=False)
    monkeypatch.setattr(
        "sklimb._documentation.__file__", str(tmp_path / "sklimb" / "d.py")
    )
    page = "/api/sklimb.TabularMLPClassifier.html"
    assert TabularMLPClassifier()._get_doc_link() == f"docs/_build/html{page}"
    (tmp_path / BUILT).mkdir(parents=True)
    (tmp_path / BUILT / "index.html").touch()
    built = (tmp_path / BUILT).as_uri()
    assert TabularMLPClassifier()._get_doc_link() == f"{built}{page}"


def test_classes_of_users_have_no_page_here():
    class Own(TabularMLPClassifier):
        pass

    assert Own()._get_doc_link() == ""
    assert page_of(sklimb.TabularEncoder) == "sklimb.TabularEncoder"


def test_one_version():
    version = re.escape(sklimb.__version__)
    for file, pattern in [
        ("CITATION.cff", rf"^version: {version}$"),
        ("CHANGELOG.md", rf"^## \[{version}\]"),
    ]:
        assert re.search(pattern, (ROOT / file).read_text(), re.MULTILINE), file
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]


def test_downloads_are_those_of_scikit_learn():
    files = (ROOT / "sklimb" / "datasets").glob("*.py")
    assert not [f for f in files if re.search("urllib|requests", f.read_text())]


@pytest.mark.parametrize(
    ("there", "taken"),
    [(["3.12", "3.13"], "python3.12"), (["3.10", "3.11"], "python3.11"), ([], None)],
)
def test_make_takes_the_first_python_that_is_allowed(there, taken, tmp_path):
    for version in [*there, None]:
        file = tmp_path / (f"python{version}" if version else "python3")
        file.write_text("#!/bin/sh\nexit 0\n")
        file.chmod(0o755)
    for tool in ("make", "sh", "bash"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    own = ("PYTHON", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of the make that runs us
    environment = {k: v for k, v in os.environ.items() if k not in own}
    done = subprocess.run(
        ["make", "-n", "install", "VENV=nowhere"],
        cwd=ROOT,
        env={**environment, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(f"{taken or 'python3'} -m venv nowhere"), done.stderr


def test_requires_python_is_what_make_looks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [minors] = re.findall(r"foreach minor,([\d ]+),", (ROOT / "Makefile").read_text())
    assert project["requires-python"] == f">=3.{min(map(int, minors.split()))}"


def test_fitted_attributes_do_not_disturb_what_is_shown():
    X = np.random.default_rng(0).normal(size=(40, 3))
    clf = TabularMLPClassifier(max_epochs=1).fit(X, np.tile([0, 1], 20))
    assert 'class="param-doc-link"' in clf._repr_html_inner()
