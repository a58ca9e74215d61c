"""Shared parts of reports: the machine, Markdown, JSON, goals met or missed."""

import json
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import joblib
import torch

import sklimb

RESULTS = Path(__file__).resolve().parents[1] / "results"


def environment():
    """Versions, machine and date, for the records."""
    packages = ("torch", "scikit-learn", "numpy", "scipy", "pandas")
    installed = {name: version(name) for name in packages}
    return {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        # Its own word: it may be imported from a folder and not be installed.
        "packages": {"sklimb": sklimb.__version__, **installed},
        "machine": f"{_cpu()}, {joblib.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "threads_per_fit": torch.get_num_threads(),
    }


def _cpu():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def markdown(header, rows):
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [header, [":--"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def short(value):
    """Three digits of a number, or all before the point; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def verdict(what, bound, measured, reached):
    """One goal; `measured` is None if it was not run."""
    word = "not run" if measured is None else "met" if reached else "missed"
    return {"what": what, "goal": bound, "measured": measured, "verdict": word}


def goals_table(goals):
    """Markdown of what `verdict` returns."""
    rows = [[g["what"], g["goal"], short(g["measured"]), g["verdict"]] for g in goals]
    return markdown(["", "goal", "measured", ""], rows)


def rounded(content):
    """The same nested content with floats of at most 6 decimals."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return round(content, 6) if isinstance(content, float) else content


def write_json(path, content):
    """Write indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
