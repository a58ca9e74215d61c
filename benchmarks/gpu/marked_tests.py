"""The tests marked `gpu`, by pytest, or without it where there is none."""

import importlib
import inspect
import itertools
import sys
import tempfile
import time
import traceback
import types
from pathlib import Path
from unittest import mock

try:
    import pytest
except ImportError:
    pytest = None

FOLDER = Path(__file__).resolve().parents[2] / "tests"


def run_marked(emit, leave_out=()):
    """One row for each test; names that hold a word of `leave_out` are not run."""
    if pytest is None:
        _without_pytest(emit, leave_out)
    else:
        _by_pytest(emit, leave_out)


class _Reporter:
    """A plugin that emits how each test ended."""

    def __init__(self, emit):
        self.emit = emit

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome == "failed":
            detail = {} if report.passed else {"detail": str(report.longrepr)[-1500:]}
            name = report.nodeid.partition("::")[2]
            self.emit(name, state=report.outcome, seconds=report.duration, **detail)


def _by_pytest(emit, leave_out):
    words = " and ".join(f"not {word}" for word in leave_out)
    options = ["-q", "-m", "gpu", "-p", "no:cacheprovider", "-k", words]
    code = pytest.main(
        [str(FOLDER / "estimators" / "test_gpu.py"), *options], [_Reporter(emit)]
    )
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {code!r}.")


def _without_pytest(emit, leave_out):
    sys.path[:0] = str(FOLDER / "estimators"), str(FOLDER)
    sys.modules["pytest"] = _stand_in()
    try:
        module = importlib.import_module("test_gpu")
    finally:  # scikit-learn and others look for a whole pytest
        del sys.modules["pytest"]
    for name, function in vars(module).items():
        if name.startswith("test_") and not any(word in name for word in leave_out):
            for params in _cases(function):
                title = name + (f"[{_short(params)}]" if params else "")
                begin = time.perf_counter()
                outcome = _call(function, params)
                emit(title, **outcome, seconds=time.perf_counter() - begin)


def _stand_in():
    """As much of pytest as the tests marked `gpu` use: marks and parameters."""

    def parametrize(names, values, **_):
        def mark(function):
            names_ = [name.strip() for name in names.split(",")]
            rows = [value if len(names_) > 1 else (value,) for value in values]
            cases = [dict(zip(names_, row, strict=True)) for row in rows]
            function.parameters = [*getattr(function, "parameters", []), cases]
            return function

        return mark

    marks = types.SimpleNamespace(parametrize=parametrize, gpu=None)
    module = types.ModuleType("pytest")
    module.mark = marks
    return module


def _cases(function):
    """Every combination of a test's parameters."""
    for parts in itertools.product(*getattr(function, "parameters", [])):
        yield {name: value for part in parts for name, value in part.items()}


def _short(params):
    return "-".join(getattr(v, "__name__", str(v)) for v in params.values())


def _call(function, params):
    with tempfile.TemporaryDirectory() as folder, _MonkeyPatch() as patch:
        given = {"tmp_path": Path(folder), "monkeypatch": patch}
        wanted = inspect.signature(function).parameters
        fixtures = {name: given[name] for name in wanted if name not in params}
        try:
            function(**params, **fixtures)
        except Exception:
            return {"state": "failed", "detail": traceback.format_exc()[-1500:]}
    return {"state": "passed"}


class _MonkeyPatch:
    """`setattr` of pytest's fixture, undone at the end."""

    def __enter__(self):
        self.patches = []
        return self

    def setattr(self, target, *rest):
        """(target, name, value), or (dotted name, value)."""
        if isinstance(target, str):
            patch = mock.patch(target, *rest)
        else:
            patch = mock.patch.object(target, *rest)
        patch.start()
        self.patches.append(patch)

    def __exit__(self, *_):
        for patch in reversed(self.patches):
            patch.stop()
