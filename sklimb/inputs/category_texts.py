"""The text of category values, by which values of different types are the same.

A code that was the number 10115 in training is often the text "10115" when it is
served, or the float 10115.0 beside a missing value. Texts are never changed: "010" is
not 10, and "1.0" is not "1".
"""

from decimal import Decimal
from math import isfinite

import numpy as np

# Whole floats beyond it stand for several integers.
_LARGEST_EXACT = 2**53
# No text of a number has more digits.
_LONGEST = 330
_LARGEST = 10**_LONGEST


def texts_of(value):
    """Texts of a number or boolean, the plain one first; none of other values.

    >>> texts_of(10115.0), texts_of(True), texts_of(0.5), texts_of("x")
    (('10115', '10115.0'), ('True',), ('0.5',), ())
    """
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool):
        return (str(value),)
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > _LONGEST:
            return ()
        if value != value.to_integral_value():
            return tuple(dict.fromkeys([f"{value.normalize():f}", str(value)]))
        value = int(value)
    if isinstance(value, float):
        if not value.is_integer():
            return (repr(value),) if isfinite(value) else ()
        value = int(value)
    if not isinstance(value, int):
        return ()
    if abs(value) < _LARGEST_EXACT:
        return str(value), repr(float(value))
    return (str(value),) if abs(value) < _LARGEST else ()


def twins_of(value):
    """Values of other types whose text is that of a value."""
    if not isinstance(value, str):
        return texts_of(value)
    if value in ("True", "False"):
        return (value == "True",)
    if not value.isascii() or len(value) > _LONGEST:
        return ()
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        if value in texts_of(number):
            return (number,)
    return ()


def add_texts_to_numbers(values, sums):
    """Add the weight of each text to that of the number with this text, in place."""
    numbers = {}
    for i, value in enumerate(values):
        for text in texts_of(value)[:1]:
            numbers[text] = i
    if not numbers:
        return
    for i, value in enumerate(values):
        j = numbers.get(value) if isinstance(value, str) else None
        if j is not None and sums[i] > 0 and sums[j] > 0:
            sums[j] += sums[i]
            sums[i] = 0


class CodesByText:
    """Codes of values by their text, for values that equal no category."""

    __slots__ = ("codes", "texts")

    def __init__(self, codes):
        self.codes = codes
        self.texts = {}
        own = [(texts_of(value), code) for value, code in codes.items()]
        for rank in (0, 1):  # "10" is rather 10 than what is also written so
            for texts, code in own:
                for text in texts[rank : rank + 1]:
                    self.texts.setdefault(text, code)

    def find(self, value):
        """The code of the category with the text of a value, or 0."""
        if isinstance(value, str):
            return self.texts.get(value, 0)
        for text in texts_of(value):
            code = self.codes.get(text) or self.texts.get(text)
            if code:
                return code
        return 0
