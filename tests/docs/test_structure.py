"""Rules of the source tree: who imports whom, lengths, private names, no print."""

import ast
from functools import cache
from pathlib import Path

import pytest

from sklimb.training.losses import LOSSES
from sklimb.training.reweighting import ROW_WEIGHTINGS
from sklimb.training.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sklimb"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 420
# Longer ones that are known, and why. An entry that is no longer true is an error.
LONG = {}

# Room -> rooms that it may import; a room may always import itself. Files at the root
# are rooms of their own, but for the faces.
FACES = {
    "ft_transformer",
    "image_resnet",
    "tabular_mlp",
    "tabular_network",
    "tabular_resnet",
}
LOWEST = {
    "_compat",
    "_digest",
    "_documentation",
    "_folders",
    "_messages",
    "_progress",
    "_random",
    "_threads",
    "_version",
    "exceptions",
}
TRAINING = {"nn", "inputs", *LOWEST}
FITTING = {"training", "parameters", "metrics", *TRAINING}
BASE = {
    "_checkpoint",
    "_fit_checkpoint",
    "_decisions",
    "_deployment",
    "_estimator_callbacks",
    "_inner_face",
    "explanation",
    "fitting",
    "graph",
    "parameters",
    "persistence",
    "preprocessing",
    *FITTING,
}
FACE = {"base", *BASE}
META = {"_wrapped", "faces", *FACE}
ARROWS = {
    "_random": set(),
    "_compat": set(),
    "_checkpoint": {"persistence", *LOWEST},
    "_fit_checkpoint": {"_checkpoint", "training", *LOWEST},
    "_decisions": {"fitting"},
    "_deployment": {"fitting", "graph"},
    "graph": {"inputs", "persistence", "preprocessing", *LOWEST},
    "_digest": set(),
    "_documentation": set(),
    "_folders": set(),
    "_messages": set(),
    "_progress": set(),
    "_threads": set(),
    "_version": set(),
    "exceptions": set(),
    "_estimator_callbacks": {"training"},
    "_wrapped": {"base", "_messages"},
    "_inner_face": {"fitting", "preprocessing", *FITTING},
    "metrics": {"_random", "_messages"},
    # scikit-learn's own way to take rows of anything is in `_compat`.
    "datasets": LOWEST,
    "nn": {"_random", "_messages"},
    "inputs": {"exceptions", *LOWEST},
    "preprocessing": {"inputs", "persistence", *LOWEST},
    "explanation": {"nn", *LOWEST},
    "importances": LOWEST,
    "training": TRAINING,
    "parameters": {"training", "nn", *LOWEST},
    "strategies": {"training"},
    "distributed": {"training"},
    "fitting": FITTING,
    "persistence": {"_folders", "fitting", *FITTING},
    "base": BASE,
    "faces": FACE,
    "model_selection": META,
    "selfsup": META,
    "semisup": META,
    "two_stage": META,
    "bayes": META,
    "ensemble": META,
    "analysis": {"metrics", *META},
    "plots": {"metrics", "analysis", *META},
    "export": META,
    "__init__": {"selfsup", "semisup", "training", "two_stage", *META},
}
OUTERMOST = {"analysis", "plots", "export"}
# Outside of the package.
FOREIGN = {"examples", "benchmarks", "tests"}
# Arrows that point the wrong way today: (file, room) -> why.
KNOWN = {}


def room_of(relative):
    """The room of a path relative to the package: "nn/mlp.py" -> "nn"."""
    first = Path(relative).parts[0].removesuffix(".py")
    return "faces" if first in FACES else first


@cache
def imports(path):
    """(module, name or None, line) of all imports, those in functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, None, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [(module, alias.name, node.lineno) for alias in node.names]
    return found


def own_modules(path):
    """Paths of the package's modules that a module imports, relative to the package."""
    found = set()
    for module, name, _ in imports(path):
        if module.split(".")[0] != "sklimb":
            continue
        whole = module if name is None else f"{module}.{name}"
        parts = whole.split(".")[1:]
        while parts and not is_module(parts):
            parts.pop()  # the name of something in a module
        found.add("/".join(parts) or "__init__")
    return found


def is_module(parts):
    place = PACKAGE.joinpath(*parts)
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def relative(path):
    return path.relative_to(PACKAGE).as_posix()


def wrong_arrows(path):
    """{(file, room)}: what a file imports though its room may not."""
    room = room_of(relative(path))
    reached = {room_of(module) for module in own_modules(path)} - {room}
    return {(relative(path), other) for other in reached - ARROWS[room]}


def test_every_room_has_its_arrows():
    rooms = {room_of(relative(path)) for path in FILES}
    assert rooms <= set(ARROWS), "name the rooms that a new room may import"
    assert {"training", "fitting", "nn", "base", "faces"} <= rooms


def test_imports_run_one_way():
    assert set().union(*map(wrong_arrows, FILES)) == set(KNOWN)


def test_the_allowed_arrows_have_no_circle():
    left = {room: set(others) for room, others in ARROWS.items()}
    while left:
        free = [room for room, others in left.items() if not others & set(left)]
        assert free, left
        for room in free:
            del left[room]


def test_nothing_inside_imports_what_stands_outermost():
    for room in set(ARROWS) - OUTERMOST:
        assert not ARROWS[room] & OUTERMOST, room
    for path in FILES:
        tops = {module.split(".")[0] for module, _, _ in imports(path)}
        assert not tops & FOREIGN, path
        assert "" not in tops, f"{path} has relative imports, which are not followed"


def module_of(strategy):
    """Path, relative to the package, of the module of a class or an object."""
    cls = strategy if isinstance(strategy, type) else type(strategy)
    return "/".join(cls.__module__.split(".")[1:])


def test_steps_and_losses_do_not_know_each_other():
    """N steps and M losses are N + M files, never N x M."""
    steps = {module_of(s) for s in (*STEPS.values(), *ROW_WEIGHTINGS.values())}
    losses = {module_of(loss) for loss in LOSSES.values()}
    assert "training/steps" in steps and "training/losses" in losses
    for here, there in [(steps, losses), (losses, steps)]:
        for module in here:
            assert not own_modules(PACKAGE / f"{module}.py") & there, module


def private_names(path):
    """Private names and modules of scikit-learn that a file imports."""
    return [
        f"{module}.{name}:{line}"
        for module, name, line in imports(path)
        if module.split(".")[0] == "sklearn"
        and any(part.startswith("_") for part in [*module.split("."), name or ""])
    ]


def test_private_names_of_scikit_learn_are_in_one_file():
    found = {relative(path): private_names(path) for path in FILES}
    assert found.pop("_compat.py")
    assert not {file: names for file, names in found.items() if names}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_files_are_short(path):
    n_lines = len(path.read_text().splitlines())
    assert (n_lines > MAX_LINES) == (relative(path) in LONG), n_lines


def test_nothing_is_printed():
    """Messages go through `_progress.say`, which leaves a progress bar whole."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            printed = isinstance(node, ast.Name) and node.id == "print"
            assert not printed, f"{relative(path)}:{node.lineno}"
