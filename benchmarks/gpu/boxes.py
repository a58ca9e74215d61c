"""Time boxes: parts of a run in processes of their own, each with a time limit."""

import os
import signal
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

DONE, FAILED, CUT_OFF, NOT_RUN = "done", "failed", "cut off", "not run"


@dataclass(frozen=True)
class Part:
    """One part of a run.

    Parameters
    ----------
    name, title : str
    box : float
        Seconds. What earlier parts have left of theirs is added.
    function : callable
        (emit, *args), where emit(row, **figures) hands over what is known of a row: all
        of it is kept, whatever happens later.
    args : tuple
    """

    name: str
    title: str
    box: float
    function: Callable
    args: tuple = ()


def run_parts(parts, seconds, report, context, at_once=1):
    """Run parts in their order until the seconds are over.

    Parameters
    ----------
    parts : list of Part
    seconds : float
        For all of them.
    report : object
        Its `row(part, row, figures)` and `state(part, state, detail, seconds)` are
        called as soon as there is something to tell.
    context : multiprocessing context
        How processes start; not "fork", which CUDA refuses.
    at_once : int, default=1
        Parts that run side by side.
    """
    begin = time.monotonic()
    ends = [sum(p.box for p in parts[: i + 1]) for i in range(len(parts))]

    def run(part, end):
        started = time.monotonic()
        left = begin + min(end, seconds) - started
        if left <= 0:
            report.state(part, NOT_RUN, "the time was up", 0.0)
            return
        try:
            state, detail = run_part(part, left, report, context)
        except Exception:  # of the part's start: the next ones may do better
            state, detail = FAILED, traceback.format_exc()
        report.state(part, state, detail, time.monotonic() - started)

    pairs = list(zip(parts, ends, strict=True))
    if at_once == 1:  # in this thread, which an interrupt ends at once
        for pair in pairs:
            run(*pair)
        return
    with ThreadPoolExecutor(at_once) as pool:
        for running in [pool.submit(run, *pair) for pair in pairs]:
            running.result()


def run_part(part, seconds, report, context):
    """How one part ended, and what there is to say of it; its process is gone then."""
    end = time.monotonic() + seconds
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_in_child, args=(sender, part))
    process.start()
    sender.close()
    try:
        while receiver.poll(max(0.0, end - time.monotonic())):
            kind, *content = receiver.recv()
            if kind != "row":
                return kind, *content
            report.row(part, *content)
        return CUT_OFF, f"{seconds:.0f} s were over"
    except EOFError:
        process.join()
        return FAILED, f"The process ended with exit code {process.exitcode}."
    finally:
        with suppress(ProcessLookupError):  # those that it has started too
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()


def _in_child(sender, part):
    os.setpgrp()

    def emit(row, **figures):
        sender.send(("row", row, figures))

    try:
        part.function(emit, *part.args)
    except BaseException:
        sender.send((FAILED, traceback.format_exc()))
    else:
        sender.send((DONE, ""))


def attempt(emit, row, run):
    """Emit what `run()` returns, a dict, or why there is nothing.

    For rows that may fail while the others of the part are fine.
    """
    try:
        figures = run()
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        emit(row, state=f"{NOT_RUN}: {type(error).__name__}: {text}")
    else:
        emit(row, **figures)
