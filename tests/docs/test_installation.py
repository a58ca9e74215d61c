"""What sklimb asks of the packages around it, and what it leaves as it was."""

import pickle
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from sklimb import TabularMLPClassifier
from sklimb._random import stream_seed

CACHE_DIR = "TORCHINDUCTOR_CACHE_DIR"
PREPARED = """
import os
import pickle
import numpy as np
from sklearn.frozen import FrozenEstimator
import sklimb
from sklimb.two_stage import ClassifierRetrainer

rng = np.random.default_rng(0)
X, y = rng.normal(size=(40, 3)), np.tile([0, 1], 20)
before = dict(os.environ)
{fit}
after = dict(os.environ)
changed = {{k for k in before | after if before.get(k) != after.get(k)}}
assert not changed, changed
"""


def run_first(fit):
    code = PREPARED.format(fit=fit)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    clf = TabularMLPClassifier(max_epochs=1, random_state=0)
    return clf.fit(rng.normal(size=(40, 3)), np.tile([0, 1], 20))


def test_a_first_fit_leaves_the_environment(monkeypatch):
    # torch's optimisers import its compiler, which names its cache folder there.
    monkeypatch.delenv(CACHE_DIR, raising=False)
    run_first(
        "clf = sklimb.FTTransformerClassifier("
        "max_epochs=1, n_members=2, joint_ssl='vicreg').fit(X, y)"
    )


def test_a_first_load_leaves_the_environment(fitted, monkeypatch, tmp_path):
    monkeypatch.delenv(CACHE_DIR, raising=False)
    fitted.save(tmp_path / "clf.safetensors")
    run_first(f"sklimb.load({str(tmp_path / 'clf.safetensors')!r})")


def test_a_first_second_stage_leaves_the_environment(fitted, monkeypatch, tmp_path):
    monkeypatch.delenv(CACHE_DIR, raising=False)
    (tmp_path / "clf.pickle").write_bytes(pickle.dumps(fitted))
    run_first(
        f"with open({str(tmp_path / 'clf.pickle')!r}, 'rb') as file:\n"
        "    clf = FrozenEstimator(pickle.load(file))\n"
        "ClassifierRetrainer(clf, method='oltr').fit(X, y)"
    )


def test_a_cache_folder_that_is_set_stays(monkeypatch):
    # torch would write its absolute path.
    monkeypatch.setenv(CACHE_DIR, "/tmp/../tmp/of_the_caller")
    run_first("sklimb.TabularMLPClassifier(max_epochs=1).fit(X, y)")


def test_seeds_do_not_depend_on_numpy():
    # Recorded with numpy 2.4; numpy 1.26 raised TypeError here.
    assert stream_seed(0, "init", 1, 2) == 8494160947022706839
    assert stream_seed(7, "split") == 1693125408465869867


def lower_bounds():
    """Name -> the lowest version that pyproject.toml allows."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    found = {}
    for line in tomllib.loads(text)["project"]["dependencies"]:
        requirement = Requirement(line)
        [low] = [s.version for s in requirement.specifier if s.operator == ">="]
        found[canonicalize_name(requirement.name)] = Version(low)
    return found


def test_lower_bounds_can_be_installed_together():
    """A package whose oldest version is the tested one asks for no more than we do."""
    bounds, n_checked = lower_bounds(), 0
    for name, low in bounds.items():
        if Version(version(name)) != low:
            continue
        for line in requires(name) or []:
            needed = Requirement(line)
            other = canonicalize_name(needed.name)
            if needed.marker is None and other in bounds:
                n_checked += 1
                assert needed.specifier.contains(bounds[other]), (name, line)
    assert n_checked > 5
