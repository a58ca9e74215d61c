"""The public names with their signatures, as `public_api.txt` holds them.

A change of it is a change for users: it belongs into CHANGELOG.md. This rewrites it:

    python tests/docs/test_public_api.py
"""

import inspect
import sys
from pathlib import Path

if __name__ == "__main__":  # pytest finds the helpers by itself
    sys.path[:0] = map(str, (Path(__file__).parents[2], Path(__file__).parents[1]))

from helpers.public import methods_of, public_objects

RECORDED = Path(__file__).with_name("public_api.txt")


def listed(function):
    """`(a, *, b=1)` of a function, without types, which pyright checks."""
    own = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in own.parameters.values()]
    return str(inspect.Signature(parameters))


def described(name, thing):
    """The lines of one public object."""
    if inspect.isclass(thing):
        lines = [f"class {name}"]
        for parameter in inspect.signature(thing).parameters.values():
            lines.append(f"    {parameter.replace(annotation=parameter.empty)}")
        for method, function in methods_of(thing).items():
            is_property = isinstance(function, property)
            shown = " (property)" if is_property else listed(function)
            lines.append(f"    .{method}{shown}")
        return lines
    if callable(thing):
        return [f"{name}{listed(thing)}"]
    return [f"{name}: {', '.join(map(str, thing))}"]


def public_api():
    """The text of `public_api.txt`."""
    blocks = [described(*item) for item in sorted(public_objects().items())]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def test_public_api_is_the_recorded_one():
    assert public_api().splitlines() == RECORDED.read_text().splitlines(), (
        "the public API has changed: see the head of this file"
    )


if __name__ == "__main__":
    RECORDED.write_text(public_api())
