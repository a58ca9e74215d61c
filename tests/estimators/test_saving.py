"""save: what is at a path before and after it, and after a kill in the middle."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from helpers.packs import PLAIN, fixed_table

import sklimb
from sklimb import TabularMLPClassifier
from sklimb.persistence import paths, read, write

X, Y = fixed_table()
HIDDEN = re.compile(r"\.m\.[0-9a-f]{32}")


@pytest.fixture(scope="module")
def clf():
    return TabularMLPClassifier(**{**PLAIN, "max_epochs": 1}).fit(X, Y)


def test_what_is_no_file_is_not_replaced(clf, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path, what in {
        "/dev/null": "is a device, which would be lost",
        tmp_path / "pipe": "is a pipe",
        tmp_path / "link": "is a pipe",
        "a\0b": "null",
        "x" * 300: "too long",
        "x" * 230: "at most 221 bytes",
        "/" + "x/" * 3000: "too long",
        None: "must be a str or a path",
        3: "must be a str or a path",
    }.items():
        with pytest.raises(ValueError, match=what):
            clf.save(path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
        with pytest.raises(ValueError, match="is a socket"):
            clf.save(tmp_path / "s")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match="symbolic links"):
        clf.save(tmp_path / "loop")
    assert sorted(os.listdir(tmp_path)) == ["link", "loop", "pipe", "s"]
    assert not os.path.isfile("/dev/null")


def test_the_longest_name(clf, tmp_path):
    clf.save(tmp_path / ("x" * 221))
    sklimb.load(tmp_path / ("x" * 221))


def test_links_stay_and_what_they_lead_to_is_replaced(clf, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/m")
    for _ in range(2):  # nothing there yet, then a file
        clf.save(tmp_path / "link")
        assert os.readlink(tmp_path / "link") == "folder/m"
        assert os.listdir(tmp_path / "folder") == ["m"]
    sklimb.load(tmp_path / "link")


def test_labels_that_a_file_cannot_hold(clf, tmp_path):
    for labels in (np.array([b"no", b"yes"]), np.array(["1", "2"], "datetime64[Y]")):
        clf.classes_, before = labels, clf.classes_
        try:
            with pytest.raises(ValueError, match="none that a file can hold"):
                clf.save(tmp_path / "m")
        finally:
            clf.classes_ = before
    assert not os.listdir(tmp_path)


def test_the_mode_of_a_file_stays(clf, tmp_path):
    clf.save(tmp_path / "m")
    os.chmod(tmp_path / "m", 0o640)
    clf.save(tmp_path / "m")
    assert os.stat(tmp_path / "m").st_mode & 0o777 == 0o640


def test_a_full_disk_leaves_the_old_file(clf, tmp_path, monkeypatch):
    clf.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(paths.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        clf.save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before and os.listdir(tmp_path) == ["m"]


def test_a_limit_of_the_system_is_an_oserror(clf, tmp_path):
    """A real failure in the middle of writing: files of at most 1,000 bytes."""
    clf.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    code = (
        "import resource, signal, sys, sklimb\n"
        "clf = sklimb.load(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: clf.save(sys.argv[1])\n"
        "except OSError as error: print(error.strerror)"
    )
    out = _python(code, tmp_path / "m")
    assert out.stdout.strip() == os.strerror(errno.EFBIG), out.stderr
    assert (tmp_path / "m").read_bytes() == before and os.listdir(tmp_path) == ["m"]


def test_content_and_folder_are_flushed_around_the_replacement(
    clf, tmp_path, monkeypatch
):
    """In this order a power cut leaves the old or the new file."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        calls.append("file" if HIDDEN.fullmatch(name) else name)
        fsync(descriptor)

    def replaced(*args):
        calls.append("replace")
        replace(*args)

    monkeypatch.setattr(paths.os, "fsync", flushed)
    monkeypatch.setattr(paths.os, "replace", replaced)
    clf.save(tmp_path / "m")
    assert calls == ["file", "replace", tmp_path.name]


_SLOW = (
    "import os, sys, sklimb\n"
    "from sklimb.persistence import paths\n"
    "clf = sklimb.load(sys.argv[1])\n"
    "def stop(descriptor):\n"
    "    print('written', flush=True)\n"
    "    sys.stdin.readline()\n"
    "paths.os.fsync = stop\n"
    "clf.save(sys.argv[1])\n"
)


def test_a_killed_save_leaves_the_old_file_and_nothing_after_the_next(clf, tmp_path):
    clf.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    process = _begin(tmp_path / "m")
    hidden = [name for name in os.listdir(tmp_path) if HIDDEN.fullmatch(name)]
    assert len(hidden) == 1 and len(os.listdir(tmp_path)) == 2
    # It is being written: another save of the same name leaves it alone.
    clf.save(tmp_path / "m")
    assert hidden[0] in os.listdir(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "m").read_bytes() == before
    # Files of other names stay, however alike.
    others = [".m.x", ".m", f".mm.{'0' * 32}", f".m.{'0' * 31}", f".m.{'0' * 32}.x"]
    for name in others:
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / f".m.{'1' * 32}")
    (tmp_path / f".m.{'2' * 32}").symlink_to("m")
    kept = {*others, "m", f".m.{'1' * 32}", f".m.{'2' * 32}"}
    assert set(os.listdir(tmp_path)) == kept | set(hidden)
    clf.save(tmp_path / "m")
    assert set(os.listdir(tmp_path)) == kept


def test_a_save_goes_on_beside_another_one(clf, tmp_path):
    clf.save(tmp_path / "m")
    process = _begin(tmp_path / "m")
    clf.save(tmp_path / "m")
    process.communicate("go on\n\n")
    assert process.returncode == 0 and os.listdir(tmp_path) == ["m"]
    np.testing.assert_array_equal(
        sklimb.load(tmp_path / "m").predict_proba(X), clf.predict_proba(X)
    )


def test_threads_that_save_to_one_path(clf, tmp_path):
    errors = []

    def save():
        try:
            for _ in range(20):
                clf.save(tmp_path / "m")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and os.listdir(tmp_path) == ["m"]
    sklimb.load(tmp_path / "m")


def test_kills_at_any_time(clf, tmp_path):
    """The file is whole after each kill, and one save clears up after all of them."""
    clf.save(tmp_path / "m")
    code = (
        "import os, sys, sklimb\n"
        "clf = sklimb.load(sys.argv[1])\n"
        "print('begun', flush=True)\n"
        "for _ in range(12):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        while True: clf.save(sys.argv[1])\n"
        "    import random, signal, time\n"
        "    time.sleep(0.01 + 0.02 * random.random())\n"
        "    os.kill(child, signal.SIGKILL)\n"
        "    os.waitpid(child, 0)\n"
        "    assert (sklimb.load(sys.argv[1]).classes_ == clf.classes_).all()\n"
        "clf.save(sys.argv[1])\n"
        "print(os.listdir(os.path.dirname(sys.argv[1])))"
    )
    out = _python(code, tmp_path / "m")
    assert out.stdout.split("\n")[1] == "['m']", out.stderr


def test_a_checkpoint_is_written_the_same_way(tmp_path):
    (tmp_path / f".m.{'a' * 32}").touch()
    write(tmp_path / "m", {}, {"format": 2})
    assert os.listdir(tmp_path) == ["m"]
    header, tensors = read(tmp_path / "m")
    assert header["version"] == sklimb.__version__ and not tensors


def _python(code, path):
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def _begin(path):
    """A process that has written its hidden copy of `path`, and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "written\n"
    for _ in range(100):
        if any(HIDDEN.fullmatch(name) for name in os.listdir(path.parent)):
            break
        time.sleep(0.01)
    return process
