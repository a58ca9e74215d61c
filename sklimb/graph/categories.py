"""Categories as tables from raw values to codes: texts, whole numbers or numbers."""

from decimal import Decimal
from numbers import Real

import numpy as np
import torch
from torch import nn

from sklimb.graph.search import Search, entries
from sklimb.inputs.category_texts import twins_of
from sklimb.inputs.column_readers import Categories, to_float

# What programs make of a missing value where they must write a text.
MISSING_TEXTS = ("", "nan", "NaN", "None", "<NA>")


def default_type(column):
    """The type that a categorical column's input has unless one is asked for.

    "int64" where all categories are whole numbers and none was missing in training,
    "float64" where they are numbers, else "string".
    """
    kept = [value for value in column.kept if value is not None]
    if not kept or not all(isinstance(value, Real) for value in kept):
        return "string"
    whole = all(isinstance(value, int) and abs(value) < 2**63 for value in kept)
    return "int64" if whole and not column.missing else "float64"


def code_of(column, value):
    """The code of one value; None is a missing one."""
    codes = np.array([-1 if value is None else 0])
    return int(column.encode(Categories(codes, [value]))[0])


def text_table(column):
    """{text: code} of a CategoricalColumn, those of missing values among them.

    Values that have no text by which classifiers know them, such as the intervals of
    `pandas.cut`, are found by `str(value)`.
    """
    table = {text: code_of(column, text) for text in column.by_text.texts}
    for value, code in column.codes.items():
        if isinstance(value, str):
            table[value] = code
        elif value is not None:
            table.setdefault(str(value), code)
    missing = code_of(column, None)
    for text in MISSING_TEXTS:
        table.setdefault(text, missing)
    return table


def number_table(column, whole):
    """{number: code} of a CategoricalColumn, of integers or of floats."""
    candidates = list(column.codes)
    for text in [*column.by_text.texts, *filter(_is_text, column.codes)]:
        candidates += twins_of(text)
    table = {}
    for value in candidates:
        if not isinstance(value, Real | Decimal):
            continue
        number = to_float(value)
        if whole and not (number.is_integer() and abs(value) < 2**63):
            continue
        number = int(value) if whole else number
        table[number] = code_of(column, number)
    return table


def _is_text(value):
    return isinstance(value, str)


class NumberCodes(nn.Module):
    """Codes of categorical columns that come as numbers, NaN where missing.

    Parameters
    ----------
    columns : list of CategoricalColumn

    **Shape**

    - Input: `(n, rows)`, float64
    - Output: `(n, rows)`, int64
    """

    def __init__(self, columns):
        super().__init__()
        tables = [number_table(column, whole=False) or {0.0: 0} for column in columns]
        keys = [sorted(table) for table in tables]
        codes = [[t[key] for key in k] for t, k in zip(tables, keys, strict=True)]
        self.search = Search(keys)
        self.register_buffer("codes", self.search.flat(codes, 0.0).long())
        ends = [[code_of(c, None), int(c.is_empty)] for c in columns]
        missing, unseen = torch.tensor(ends).unsqueeze(-1).unbind(1)
        self.register_buffer("missing", missing)
        self.register_buffer("unseen", unseen)

    def forward(self, x):
        at = self.search(x)
        is_known = entries(self.search.table, at) == x
        codes = torch.where(is_known, entries(self.codes, at), self.unseen)
        return torch.where(x.isnan(), self.missing, codes)
