"""What a checkpoint folder survives: a second search, kills, flipped bits."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.searches import tiny, uneven_splits
from test_packed_search_faults import (
    HANGS,
    X,
    Y,
    same_bits,
    search,
    wait_for_packs,
)

from sklimb import _folders
from sklimb.model_selection import _packs

DAMAGED_PLAN = "ignore:.*has a damaged search.json:RuntimeWarning"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The undisturbed search, and its folder."""
    folder = tmp_path_factory.mktemp("finished")
    return search(checkpoint=folder).fit(X, Y), folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished folder, to be damaged."""
    return shutil.copytree(finished[1], tmp_path / "copy")


def quick(**settings):
    """Two packs of one fit of one epoch."""
    clf, grid = tiny(max_epochs=1), {"lr": [1e-3, 1e-2]}
    settings = {"cv": uneven_splits()[:1], "max_members": 1, **settings}
    return search(clf, grid, **settings)


@pytest.fixture
def trained(monkeypatch):
    """Sizes of the packs that were trained."""
    sizes, whole = [], _packs.train

    def train(jobs, **how):
        sizes.append(len(jobs))
        return whole(jobs, **how)

    monkeypatch.setattr(_packs, "train", train)
    return sizes


def hanging(folder):
    """A process that has finished two packs and hangs in the third."""
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    here = Path(__file__).parent
    folders = str(here), str(here.parent), str(folder)
    process = subprocess.Popen([sys.executable, "-c", HANGS, *folders], env=env)
    wait_for_packs(folder, 2)
    return process


# Two searches.


def test_a_second_search_is_refused_until_the_first_has_ended(
    tmp_path, trained, finished
):
    process = hanging(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    try:
        with pytest.raises(ValueError, match=r"is in use: .* give another folder"):
            search(checkpoint=tmp_path).fit(X, Y)
    finally:
        process.kill()
        process.wait()
    assert not trained
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}
    # The lock of a killed process is none.
    same_bits(search(checkpoint=tmp_path).fit(X, Y), finished[0])
    assert trained == [3, 3]


def test_of_two_that_start_at_once_one_is_refused(tmp_path, finished):
    """Threads too, and a search without a seed: its result is that of one search."""
    clf = search().estimator.set_params(random_state=None)
    start, ends = threading.Barrier(4), []

    def run():
        start.wait()
        try:
            ends.append(search(clf, checkpoint=tmp_path).fit(X, Y))
        except ValueError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [end for end in ends if isinstance(end, str)]
    # One that starts after another has ended goes on with what is there.
    fitted = [end for end in ends if not isinstance(end, str)]
    assert fitted and all("is in use" in message for message in refused)
    again = search(clf, checkpoint=tmp_path).fit(X, Y)
    for one in fitted:
        same_bits(one, again)


def test_a_failed_search_lets_go_of_its_folder(tmp_path, copied):
    failing = search(checkpoint=tmp_path / "a", error_score="raise")
    for _ in range(2):
        with pytest.raises(ValueError, match="NaN or infinite"):
            failing.set_params(param_grid={"lr": [1e300]}).fit(X, Y)
    # Nor does a folder that is refused stay locked.
    with pytest.raises(ValueError, match="holds another search"):
        search(checkpoint=copied, cv=2).fit(X, Y)
    search(checkpoint=copied).fit(X, Y)


def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch, finished):
    def acquire(self, *args, **kwargs):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(_folders.FileLock, "acquire", acquire)
    with pytest.warns(RuntimeWarning, match="no second search uses it"):
        same_bits(search(checkpoint=tmp_path).fit(X, Y), finished[0])


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="checkpoint must be a folder"):
        search(checkpoint=tmp_path / "file").fit(X, Y)


# Kills in the middle of a write.


def test_what_kills_leave_is_removed(copied, trained, finished):
    left = [".search.json.new", ".pack-00001.safetensors.0f" + 30 * "0"]
    for name in left:
        (copied / name).write_bytes(b"half a fi")
    same_bits(search(checkpoint=copied).fit(X, Y), finished[0])
    assert not trained
    names = {path.name for path in copied.iterdir()}
    assert names == {
        ".lock",
        "search.json",
        *(f"pack-0000{i}.safetensors" for i in range(4)),
    }


KILLED_IN_A_WRITE = """
import itertools, os, signal, sys
sys.path[:0] = sys.argv[1], sys.argv[2]
import test_packed_search_faults as t
whole, calls = os.replace, itertools.count()
def replace(old, new):
    if next(calls) == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
    whole(old, new)
os.replace = replace
t.search(checkpoint=sys.argv[3]).fit(t.X, t.Y)
"""


@pytest.mark.parametrize("write", [0, 2])
def test_a_search_that_is_killed_in_a_write_goes_on(tmp_path, trained, finished, write):
    env = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    here = Path(__file__).parent
    given = str(here), str(here.parent), str(tmp_path), str(write)
    command = [sys.executable, "-c", KILLED_IN_A_WRITE, *given]
    assert subprocess.run(command, env=env).returncode < 0
    same_bits(search(checkpoint=tmp_path).fit(X, Y), finished[0])
    assert trained == [3] * (4 - max(write - 1, 0))
    assert len(list(tmp_path.iterdir())) == 6


def test_bytes_reach_the_disk_before_names(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        whole = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, n=name, f=whole: calls.append(n) or f(*a)
        )
    search(checkpoint=tmp_path).fit(X, Y)
    assert calls == ["fsync", "replace", "fsync"] * 5


# Damaged files.


@pytest.mark.filterwarnings(DAMAGED_PLAN)
@pytest.mark.parametrize(
    ("name", "again"), [("search.json", 2), ("pack-00000.safetensors", 1)]
)
def test_a_flipped_bit_does_not_change_the_result(tmp_path, trained, name, again):
    """Each of 60 bits of a file; all is trained again without a plan, else the pack."""
    want = quick(checkpoint=tmp_path).fit(X, Y)
    whole = {p: p.read_bytes() for p in tmp_path.iterdir()}
    path = tmp_path / name
    rng = np.random.default_rng(0)
    for place in rng.choice(8 * len(whole[path]), 60, replace=False):
        for p, content in whole.items():
            p.write_bytes(content)
        flipped = bytearray(whole[path])
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        trained.clear()
        same_bits(quick(checkpoint=tmp_path).fit(X, Y), want)
        assert trained == [1] * again, place


@pytest.mark.filterwarnings(DAMAGED_PLAN)
def test_60_flipped_bits_in_every_file_do_not_change_the_result(
    copied, trained, finished
):
    rng = np.random.default_rng(1)
    for path in copied.iterdir():
        content = bytearray(path.read_bytes())
        for place in rng.permutation(8 * len(content))[:60]:
            content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
    same_bits(search(checkpoint=copied).fit(X, Y), finished[0])
    assert trained == [3] * 4


@pytest.mark.filterwarnings(DAMAGED_PLAN)
@pytest.mark.parametrize("name", ["search.json", "pack-00002.safetensors"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_truncated_files_do_not_change_the_result(
    copied, trained, finished, name, share
):
    path = copied / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    same_bits(search(checkpoint=copied).fit(X, Y), finished[0])
    assert trained == [3] * (4 if name == "search.json" else 1)


def test_a_pack_of_another_search_is_trained_again(copied, trained, finished, tmp_path):
    other = tmp_path / "other"
    search(search().estimator.set_params(lr=1e-4), checkpoint=other).fit(X, 1 - Y)
    trained.clear()
    # The same name, place, candidates and shape, but other rows.
    for path in copied.glob("pack-*"):
        shutil.copyfile(other / path.name, path)
    same_bits(search(checkpoint=copied).fit(X, Y), finished[0])
    assert trained == [3] * 4


def test_packs_that_have_changed_places_are_trained_again(copied, trained, finished):
    a, b = (copied / f"pack-0000{i}.safetensors" for i in (0, 3))
    first = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(first)
    same_bits(search(checkpoint=copied).fit(X, Y), finished[0])
    assert trained == [3, 3]


def test_a_file_of_something_else_in_place_of_a_pack(copied, trained, finished):
    from safetensors.torch import save_file

    path = copied / "pack-00001.safetensors"
    for metadata in (None, {"sklimb": '{"format": "new"}'}, {"sklimb": "[] 3"}):
        tensors = {"a": torch.zeros(2, dtype=torch.bfloat16)}
        save_file(tensors, path, metadata=metadata)
        trained.clear()
        same_bits(search(checkpoint=copied).fit(X, Y), finished[0])
        assert trained == [3]


def test_a_damaged_plan_is_told_of(copied, finished):
    path = copied / "search.json"
    plan = json.loads(path.read_text())
    path.write_text(json.dumps({**plan, "seed": plan["seed"] + 1}))
    with pytest.warns(RuntimeWarning, match="the search begins anew"):
        same_bits(search(checkpoint=copied).fit(X, Y), finished[0])


def test_a_plan_of_an_earlier_format_is_refused(copied):
    path = copied / "search.json"
    plan = json.loads(path.read_text())
    del plan["checksum"]
    path.write_text(json.dumps({**plan, "format": 2}))
    with pytest.raises(ValueError, match="holds another search: the file format"):
        search(checkpoint=copied).fit(X, Y)
