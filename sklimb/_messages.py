"""Values and names of the user in messages, shortened."""

from itertools import islice

import numpy as np

_WIDTH = 40


def short(value, width=_WIDTH):
    """`repr(value)` in one line of at most `width` characters."""
    if isinstance(value, np.generic):
        value = value.item()  # 1, not np.int64(1)
    if isinstance(value, str) and len(value) > 2 * width:
        value = value[:width] + value[-width:]
    if isinstance(value, bytes) and len(value) > 2 * width:
        value = value[:width] + value[-width:]
    text = " ".join(repr(value).split())
    if len(text) <= width:
        return text
    end = (width - 3) // 3
    return f"{text[: width - 3 - end]}...{text[-end:]}"


def listed(values, most=5, width=_WIDTH):
    """The first values of a list as `['a', 'b', ... 97 more]`."""
    shown = [short(value, width) for value in islice(values, most)]
    rest = len(values) - len(shown)
    return f"[{', '.join(shown)}{f', ... {rest} more' if rest else ''}]"


def told(error, width=160):
    """The text of an error of others, in one line of at most `width` characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= width else f"{text[: width - 3]}..."
