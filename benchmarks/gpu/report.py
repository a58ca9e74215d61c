"""The record of a run: JSON and Markdown, written again with every row."""

import json
import threading
import time

from benchmarks.common.report import goals_table, markdown, rounded, short
from benchmarks.gpu import boxes


class Report:
    """What is known so far of a run.

    Parameters
    ----------
    folder : Path
    name : str
        NAME.json and NAME.md are written there.
    title : str
    parts : list of Part
    goals : callable
        {part: {row: figures}} -> list of goals, as `verdict` makes them.
    """

    def __init__(self, folder, name, title, parts, goals):
        self.folder, self.name, self.goals = folder, name, goals
        self._begin, self._lock = time.monotonic(), threading.Lock()
        # A process that is killed leaves what it had told; this says so.
        waiting = {"state": boxes.NOT_RUN, "detail": "the run ended before it"}
        self.content = {
            "title": title,
            "seconds": 0.0,
            "parts": {
                p.name: {"title": p.title, "box": p.box, **waiting, "rows": {}}
                for p in parts
            },
            "goals": [],
        }
        folder.mkdir(parents=True, exist_ok=True)
        self.write()

    def row(self, part, row, figures):
        """More of a row: what was known of it stays where nothing new is."""
        with self._lock:
            own = self.content["parts"][part.name]
            own["state"], own["detail"] = boxes.CUT_OFF, "with the whole run"
            own["rows"].setdefault(row, {}).update(figures)
            print(f"{part.name}: {row}: {_line(figures)}", flush=True)
            self.write()

    def state(self, part, state, detail, seconds):
        """How a part ended."""
        with self._lock:
            own = self.content["parts"][part.name]
            own |= {"state": state, "detail": detail, "seconds": seconds}
            print(f"{part.name}: {state} after {seconds:.1f} s. {detail}", flush=True)
            self.write()

    def write(self):
        """Both files, each replaced at once: a reader never sees half of one."""
        content = self.content
        content["seconds"] = time.monotonic() - self._begin
        rows = {name: part["rows"] for name, part in content["parts"].items()}
        content["goals"] = self.goals(rows)
        data = json.dumps(rounded(content), indent=1, default=float) + "\n"
        for suffix, text in (("json", data), ("md", as_markdown(content))):
            path = self.folder / f"{self.name}.{suffix}"
            scratch = path.with_suffix(f".{suffix}.part")
            scratch.write_text(text)
            scratch.replace(path)


def as_markdown(content):
    """The whole report, the goals first."""
    text = [f"# {content['title']}"]
    machine = content["parts"].get("machine", {"rows": {}})["rows"].get("machine", {})
    if machine:
        text.append("; ".join(f"{name} {value}" for name, value in machine.items()))
    text.append(f"{content['seconds']:.0f} s in all.")
    if content["goals"]:
        text += ["## Goals", goals_table(content["goals"])]
    for name, part in content["parts"].items():
        if name == "machine" and part["state"] == boxes.DONE:
            continue
        state = part["state"]
        if "seconds" in part:
            state += f" after {part['seconds']:.0f} s of {part['box']:.0f}"
        text += [f"## {part['title']}", f"{state[0].upper()}{state[1:]}."]
        if part["rows"]:
            text.append(_table(part["rows"]))
        details = {row: f["detail"] for row, f in part["rows"].items() if "detail" in f}
        for row, detail in (details | {"": part["detail"]}).items():
            if detail:
                text.append(f"{row}\n```\n{detail.strip()}\n```".strip())
    return "\n\n".join(text) + "\n"


def _table(rows):
    """Rows of unlike figures; a figure that a row has not is left empty."""
    names = dict.fromkeys(name for figures in rows.values() for name in figures)
    names.pop("detail", None)  # of several lines
    head = ["", *(name.replace("_", " ") for name in names)]
    return markdown(
        head, [[row, *(_shown(f.get(n, "")) for n in names)] for row, f in rows.items()]
    )


def _shown(value):
    if isinstance(value, bool | str):
        return str(value).replace("|", "/").replace("\n", " ")
    return short(value)


def _line(figures):
    return ", ".join(f"{name} {_shown(value)}" for name, value in figures.items())
