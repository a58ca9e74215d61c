"""Warnings of columns that hardly say what their owner means.

Nothing is converted by guess: postcodes are text. A text that is a number to its owner
becomes a category, whose values are too rare to learn from; so `fit` says what such a
column looks like. Only distinct values are looked at.
"""

import re
import warnings

import numpy as np

from sklimb._messages import short
from sklimb.exceptions import InputWarning

# With fewer levels a column is a category, whatever they look like.
_MANY_LEVELS = 30
# From here on "nearly all" rows are lost, or values distinct.
_NEARLY_ALL = 0.8
# Of a column in which 3 values of 10 are new, 10 rows are all new once in 200,000
# times; one row alone is so 3 times of 10, and every service would be full of warnings.
_ENOUGH_ROWS = 10
_SAMPLE = 1000
_LONGEST = 40  # text of a number
_NAMED = 8
_NAME_WIDTH = 32
_LONGEST_WARNING = 600

_NUMBER = r"[-+]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][-+]?\d+)?"
_CURRENCY = (
    r"([$€£¥₹₽₩]|(kr|zł|fr|rs|usd|eur|gbp|chf|jpy|cny|inr|aud|cad|nzd|sek|nok|dkk|pln"
    r"|czk|huf|brl|mxn|zar|rub|try|krw|sgd|hkd)\.?)"
)
_DIGITS = r"[\d.,'’\u00a0\u202f ]*\d[\d.,'’\u00a0\u202f ]*"
_TIME = r"([T ]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?(Z|[-+]\d{2}:?\d{2})?)?"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
# What a column looks like, and what its values look like; the first match counts.
_FORMS = {
    "percent": rf"[-+]?{_DIGITS} ?%",
    "currency": (
        rf"[-+(]*{_CURRENCY} ?[-+(]*{_DIGITS}\)?|[-+(]*{_DIGITS}\)? ?{_CURRENCY}\)?"
    ),
    "date": (
        rf"(\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}"
        rf"|\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}|{_MONTH} \d{{1,2}},? \d{{4}}){_TIME}"
    ),
    "number as text": _NUMBER,
    "decimal comma": r"[-+]?(\d{1,3}([. ]\d{3})+|\d+)?(,\d+)?",
}
_FORMS = {form: re.compile(text, re.IGNORECASE) for form, text in _FORMS.items()}
_TO_NUMERIC = 'pd.to_numeric(..., errors="coerce")'
_STRIPPED = f"strip signs and separators, then {_TO_NUMERIC}"
_CURES = {
    "number as text": f"make numbers by {_TO_NUMERIC}",
    "currency": _STRIPPED,
    "percent": _STRIPPED,
    "decimal comma": _STRIPPED,
    "date": "read dates by pd.to_datetime and count days",
    "number": "leave numbers out of categorical_features",
    "identifier": "drop identifiers",
    "rare category": "lower min_frequency or group rare values",
}
_BLANK = re.compile(r"\W*|n/?a|nan|none|null|missing|unknown", re.IGNORECASE)
_CODE = re.compile(r"0\d+")


def warn_of_training_columns(table, columns, names):
    """Warn of the columns of a Table that are empty or of hardly any use as fitted.

    Parameters
    ----------
    table : Table
        The training rows, of which the columns that were given may have more.
    columns : list of NumericColumn and CategoricalColumn
        Fitted to it.
    names : list of str or None
    """
    empty, strange = [], {}
    for i, fitted in enumerate(columns):
        if fitted.is_empty:
            empty.append(i)
        elif table.is_categorical[i]:
            form = _strange_form(table.given(i), fitted.lost)
            if form:
                strange[i] = form
    if empty:
        _warn(
            "X has columns without a value in the training rows: {}. They are ignored, "
            "and so are values that they have later. Drop them.",
            [_name(i, names) for i in empty],
        )
    if strange:
        found = set(strange.values())
        cures = dict.fromkeys(cure for form, cure in _CURES.items() if form in found)
        _warn(
            "X has categorical columns with too many values to learn from: {}. Nothing "
            f"was converted: {'; '.join(cures)}. Otherwise drop them, or lower "
            "min_frequency.",
            [f"{_name(i, names)} ({form})" for i, form in strange.items()],
        )


def _warn(text, columns):
    """Warn of columns, of which as many are named as a readable text takes."""
    for n in range(min(len(columns), _NAMED), 0, -1):
        rest = f" and {len(columns) - n} more" if n < len(columns) else ""
        whole = text.format(", ".join(columns[:n]) + rest)
        if len(whole) < _LONGEST_WARNING:
            break
    warnings.warn(whole, InputWarning, stacklevel=3)


def _name(i, names):
    """The name of a column for a message that has many."""
    return f"column {i}" if names is None else short(names[i], _NAME_WIDTH)


def _strange_form(column, lost):
    """What Categories look like if they hardly teach anything, otherwise None.

    lost is the share of their rows without a code of their own.
    """
    if len(column.values) < _MANY_LEVELS:
        return None
    counts = np.bincount(column.codes.astype(np.intp) + 1)[1:]
    used = np.flatnonzero(counts)
    n_levels = len(used)
    if n_levels < _MANY_LEVELS:
        return None
    n_rows = counts.sum()
    distinct = n_levels >= _NEARLY_ALL * n_rows
    sample = used[:: -(-n_levels // _SAMPLE)]
    form, is_measured = _form_of([column.values[i] for i in sample])
    if distinct or lost >= _NEARLY_ALL:
        return form or ("identifier" if distinct else "rare category")
    return form if is_measured else None


def _form_of(values):
    """What values look like, or None, and whether such values are never names.

    A number without a fraction may be one, such as a postcode.
    """
    texts = [value.strip() for value in values if isinstance(value, str)]
    texts = [text for text in texts if not _BLANK.fullmatch(text)]
    if 2 * len(texts) < len(values):
        return (None if texts else "number"), False
    n = len(texts)
    short_texts = [text for text in texts if len(text) <= _LONGEST]
    for form, pattern in _FORMS.items():
        if sum(bool(pattern.fullmatch(text)) for text in short_texts) < 0.9 * n:
            continue
        if form == "number as text":
            if sum(bool(_CODE.fullmatch(text)) for text in texts) >= 0.05 * n:
                return None, False  # a code: numbers have no leading zeros
            return form, 2 * sum("." in text for text in texts) >= n
        if form != "decimal comma" or 2 * sum("," in text for text in texts) >= n:
            return form, True
    return None, False


def is_foreign(fitted, column, codes):
    """Whether Categories hold no value of training, in so many rows that it tells.

    It tells in fewer rows where numbers have become text, or texts numbers.

    Parameters
    ----------
    fitted : CategoricalColumn
    column : Categories
    codes : array
        Their codes.
    """
    present = column.codes >= 0
    n_present = np.count_nonzero(present)
    if not n_present or np.any(codes[present]):
        return False
    known = {isinstance(value, str) for value in fitted.kept if value is not None}
    if not known:
        return False  # no value changes anything
    values = [column.values[i] for i in np.unique(column.codes[present])]
    same_kind = known & {isinstance(value, str) for value in values}
    if n_present < _ENOUGH_ROWS and same_kind:
        return False
    return bool(np.all(fitted.unseen(values)))


def warn_of_foreign(rows, foreign, names):
    """Warn of columns of rows whose values training has not seen.

    Parameters
    ----------
    rows : str
        Their name: "X", "X_val".
    foreign : dict
        {index: (CategoricalColumn, Categories)}
    names : list of str or None
    """
    columns = []
    for i, (fitted, column) in foreign.items():
        given = column.values[column.codes[column.codes >= 0][0]]
        known = next(value for value in fitted.kept if value is not None)
        held = f"{short(given, _NAME_WIDTH)}, not {short(known, _NAME_WIDTH)}"
        columns.append(f"{_name(i, names)} ({held})")
    _warn(
        f"{rows} has columns of which training has seen no value, so that all rows "
        "count as unseen: {}. Give them values and types as in training; see "
        "input_report.",
        columns,
    )
