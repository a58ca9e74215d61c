"""Which kept results count, and which fits are run again after a change."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(path.parent.relative_to(FOLDER) for path in FOLDER.rglob("run.py"))
MODULE = '''"""What is measured."""

import math

RATE = 0.1


def fit(x):
    """A fit."""
    # Why.
    return math.exp(RATE * x)
'''
# Digests of lines of metabalance-full.jsonl, a run of days that began before the
# parameters of MetaBalance were renamed.
LINES = {
    ("paper", "loan", "naive", 0): "f1a9649f05",
    ("paper", "loan", "metabalance", 0): "b785c4e18d",
    ("modern", "loan", "metabalance", 0): "fb426aeeb2",
}


@pytest.fixture
def load(monkeypatch):
    """Imports a module of benchmarks; undoes what the import sets."""
    threads = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield lambda name: importlib.import_module(f"benchmarks.{name}")
    torch.set_num_threads(threads)


@pytest.fixture
def kept(load):
    return load("common.kept")


@pytest.fixture
def digest_of(kept, monkeypatch, tmp_path):
    """Digest of the code of a module of this text, in a folder and file."""
    monkeypatch.syspath_prepend(tmp_path)

    def digest_of(text, name):
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        return kept.code_digest(name)

    yield digest_of
    for name in [
        n for n in sys.modules if n.partition(".")[0] in ("measure_a", "folder")
    ]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Why.", "# Another reason, in more words."),
        ('"""A fit."""', '"""A fit in\n\n    better words."""'),
        ("import math\n", "import math\nimport cmath\n"),
        ("import math\n", "import math\nfrom pathlib import Path\n"),
        ("\n\n\ndef", "\n\n\n\n\ndef"),
        ("RATE * x", "(RATE  *  x)"),
    ],
)
def test_words_imports_and_layout_do_not_change_the_code(digest_of, old, new):
    assert old in MODULE
    changed = MODULE.replace(old, new)
    assert digest_of(changed, "measure_b") == digest_of(MODULE, "measure_a")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RATE * x", "RATE + x"),
        ("RATE = 0.1", "RATE = 0.2"),
        ("RATE = 0.1", "RATE = None"),
        ("fit(x)", "fit(x, y=1)"),
        ("return math", "x += 1\n    return math"),
        ("exp", "expm1"),
    ],
)
def test_a_changed_function_or_constant_changes_the_code(digest_of, old, new):
    assert old in MODULE
    changed = MODULE.replace(old, new)
    assert digest_of(changed, "measure_b") != digest_of(MODULE, "measure_a")


def test_the_place_of_code_does_not_matter(digest_of, kept):
    here, there = digest_of(MODULE, "measure_a"), digest_of(MODULE, "folder.measure_b")
    assert here == there
    # A package stands for all of its modules, wherever they lie in it.
    before = kept.code_digest("folder")
    digest_of("x = 1", "folder.other")
    assert kept.code_digest("folder") != before
    functions = [
        importlib.import_module(n).fit for n in ("measure_a", "folder.measure_b")
    ]
    assert kept.code_digest(functions[0]) == kept.code_digest(functions[1])
    assert kept.code_digest(functions[0]) != here
    with pytest.raises(ModuleNotFoundError, match="'measure_c'"):
        kept.code_digest("measure_c")


def test_a_changed_setting_or_version_is_another_key(load, monkeypatch):
    fits = load("papers.common.fits")
    settings = {"epochs": 3, "parameters": {"lr": 0.1, "dropout": 0.2}}
    same = {"parameters": {"dropout": 0.2, "lr": 0.1}, "epochs": 3}
    key = fits.key_of(("loan", 0), settings)
    assert key[:2] == ("loan", 0) and key == fits.key_of(("loan", 0), same)
    for other in (
        {**settings, "epochs": 4},
        {**settings, "parameters": {"lr": 0.1, "dropout": 0.3}},
        {**settings, "parameters": {"lr": 0.1, "momentum": 0.2}},
    ):
        assert fits.key_of(("loan", 0), other) != key
    monkeypatch.setattr(fits, "SAME_SINCE", "99.0")
    assert fits.key_of(("loan", 0), settings) != key


def test_renamed_parameters_leave_keys_as_they_are(load):
    fits = load("papers.common.fits")
    names = ("inner_lr", "beta", "second_order", "support_batch_size")
    for name in (*names, "query_batch_size"):
        old, new = (
            {"rates": (0.1, {n: 1}), "parameters": {n: 2}}
            for n in (name, f"metabalance_{name}")
        )
        assert fits.key_of((0,), old) == fits.key_of((0,), new)
        other = {"rates": (0.1, {name: 1}), "parameters": {name: 3}}
        assert fits.key_of((0,), old) != fits.key_of((0,), other)


def test_lines_of_long_runs_keep_their_keys(load):
    fits, script = load("papers.common.fits"), load("papers.metabalance.run")
    jobs = script.all_jobs(script.SCALES["full"], ["loan"], ["paper", "modern"])
    keys = {names: fits.key_of(names, settings)[-1] for names, settings in jobs}
    assert {names: keys[names] for names in LINES} == LINES


def test_a_line_is_compact_and_tells_where_it_comes_from(kept, tmp_path):
    path = tmp_path / "partial" / "fits.jsonl"
    fits = kept.Kept(path, ("table", "digest"), lambda line: "code of " + line["table"])
    fits.add({"table": "loan", "digest": "d", "scores": [0.5, 0.25]})
    fits.add({"table": "fraud", "digest": "d", "scores": [1.0]})
    lines = path.read_text().splitlines()
    assert [json.loads(line)["code"] for line in lines] == [
        "code of loan",
        "code of fraud",
    ]
    assert '"scores":[0.5,0.25]' in lines[0] and ": " not in lines[0]
    for line in map(json.loads, lines):
        assert line["version"] and line["commit"] == kept.commit()
    assert kept.Kept(path, fits.key, fits.code).rows == fits.rows


def test_lines_of_other_code_are_void(kept, tmp_path, capsys):
    path, key = tmp_path / "fits.jsonl", ("model", "digest")
    old = kept.Kept(path, key, lambda line: "old")
    old.add({"model": "ours", "digest": "d", "score": 1})
    old.add({"model": "boosted", "digest": "d", "score": 2})
    # As lines were before they told their code.
    with path.open("a") as file:
        file.write('{"model": "bare", "digest": "d", "score": 3}\n')
    code = {"ours": "new", "boosted": "old", "bare": "new"}
    fits = kept.Kept(path, key, lambda line: code[line["model"]])
    assert set(fits.rows) == {("boosted", "d"), ("bare", "d")}
    assert "the code of 1 lines has changed" in capsys.readouterr().out
    assert ("ours", "d") not in fits and ("bare", "other settings") not in fits
    fits.add({"model": "ours", "digest": "d", "score": 4})
    again = kept.Kept(path, key, fits.code)
    assert again.rows["ours", "d"]["score"] == 4
    # What fitted once counts again where its code is back; a report takes all.
    assert kept.Kept(path, key, old.code).rows["ours", "d"]["score"] == 1
    assert len(kept.Kept(path, key).rows) == 3


TORN_KEY = ("model", "digest")
TORN_ROWS = [
    {"model": m, "digest": "d", "scores": {"model": 1}} for m in ("a", "b", "c")
]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.97])
def test_a_torn_last_line_counts_for_nothing(kept, tmp_path, capsys, share):
    """A kill in the middle of a write, at any place of the line."""
    path = tmp_path / "fits.jsonl"
    fits = kept.Kept(path, TORN_KEY, lambda line: "code")
    for row in TORN_ROWS[:2]:
        fits.add(row)
    content = path.read_bytes()
    whole = content.index(b"\n") + 1
    path.write_bytes(content[: whole + int(share * (len(content) - whole))])
    again = kept.Kept(path, TORN_KEY, fits.code)
    assert set(again.rows) == {("a", "d")}
    assert "1 lines are torn" in capsys.readouterr().out
    # The next line is not joined to it.
    again.add(TORN_ROWS[1])
    again.add(TORN_ROWS[2])
    assert kept.Kept(path, TORN_KEY, fits.code).rows == again.rows
    assert set(again.rows) == {("a", "d"), ("b", "d"), ("c", "d")}


def test_a_whole_last_line_without_its_end_counts(kept, tmp_path, capsys):
    path = tmp_path / "fits.jsonl"
    fits = kept.Kept(path, TORN_KEY)
    fits.add(TORN_ROWS[0])
    path.write_bytes(path.read_bytes()[:-1])
    again = kept.Kept(path, TORN_KEY)
    again.add(TORN_ROWS[1])
    assert set(kept.Kept(path, TORN_KEY).rows) == {("a", "d"), ("b", "d")}
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    "torn",
    [
        b'{"model":"a","dig{"model":"b","digest":"d"}\n',  # joined to the next one
        b"\x00\x00\x00\xff\xfe\n",  # a power cut
        b'{"digest":"d"}\n',
        b"[1]\n1\n",
    ],
)
def test_torn_lines_in_the_middle_count_for_nothing(kept, tmp_path, torn):
    path = tmp_path / "fits.jsonl"
    kept.Kept(path, TORN_KEY).add(TORN_ROWS[0])
    path.write_bytes(torn + path.read_bytes() + torn + b"\n")
    fits = kept.Kept(path, TORN_KEY)
    assert set(fits.rows) == {("a", "d")}
    fits.add(TORN_ROWS[2])
    assert kept.Kept(path, TORN_KEY).rows == fits.rows


KILLED = """
import os, signal, sys
from pathlib import Path
from benchmarks.common.kept import Kept
fits = Kept(Path(sys.argv[1]), ("model",))
fits.add({"model": "a"})
pid = os.fork()
if not pid:
    import resource
    size = fits.path.stat().st_size
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # a write beyond it kills
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, size + 5))
    fits.add({"model": "b"})
    fits.add({"model": "c"})
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) < 0
fits.add({"model": "d"})
"""


def test_a_run_that_is_killed_in_a_write_loses_that_line_alone(kept, tmp_path):
    path = tmp_path / "fits.jsonl"
    command = [sys.executable, "-c", KILLED, str(path)]
    subprocess.run(command, check=True, cwd=FOLDER.parent)
    assert path.read_bytes().count(b"\n") == 3
    assert set(kept.Kept(path, ("model",)).rows) == {("a",), ("d",)}


def test_changed_code_of_the_package_voids_our_models_only(load, kept, monkeypatch):
    script, models = load("tables.run"), load("tables.models").MODELS
    code_of = script.code_of_model.__wrapped__
    before = {name: code_of(name) for name in models}
    sources = kept._sources

    def changed(part):
        more = ["def new(): return 1"] if part == "sklimb" else []
        return sources(part) + more

    monkeypatch.setattr(kept, "_sources", changed)
    void = {name for name in models if code_of(name) != before[name]}
    assert void == {"sklimb", "sklimb_4"}
    assert before["xgboost"] != before["lightgbm"] and code_of("no model") is None


def test_the_commit_says_whether_its_code_was_changed(kept, monkeypatch, tmp_path):
    def git(*args):
        name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *name, *args]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    commit = kept.commit.__wrapped__
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    assert commit() == "unknown"
    for name in ("sklimb/a.py", "benchmarks/b.py", "benchmarks/results/c.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    head = git("rev-parse", "--short", "HEAD")
    assert commit() == head
    (tmp_path / "benchmarks/results/c.md").write_text("2")
    assert commit() == head
    (tmp_path / "sklimb/a.py").write_text("2")
    assert commit() == head + "+"


@pytest.mark.parametrize("folder", SCRIPTS, ids=str)
def test_every_script_can_be_imported_and_has_a_question(load, folder):
    script = load(".".join([*folder.parts, "run"]))
    assert callable(script.main)
    assert script.__doc__.partition("\n")[0].endswith(("?", "."))
