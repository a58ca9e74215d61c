"""Category values as JSON, by a closed table of types, and back."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd


def tagged(value):
    """A category value as [type, JSON value].

    Raises
    ------
    TypeError
        It is of no type of the table.
    """
    if value is None:
        return ["none", None]
    value = value.item() if isinstance(value, np.generic) else value
    for tag, (kind, write, _) in _TYPES.items():
        if isinstance(value, kind):
            return [tag, write(value)]
    raise TypeError(f"{type(value).__name__} is not in the table")


def untagged(tag, content):
    """Inverse of `tagged`.

    Raises
    ------
    ValueError
        The tag is not in the table.
    """
    if tag == "none":
        return None
    if tag not in _TYPES:
        raise ValueError(f"a category of type {tag!r}, which this sklimb does not know")
    return _TYPES[tag][2](content)


def _ticks(value):
    """Timestamp or Timedelta as an integer and its unit."""
    ticks = value.asm8
    return [int(ticks.astype(np.int64)), np.datetime_data(ticks.dtype)[0]]


def _write_timestamp(value):
    zone = value.tzinfo
    if zone is not None:
        offset = value.utcoffset().total_seconds()
        zone = getattr(zone, "key", getattr(zone, "zone", None)) or offset
    return [*_ticks(value), zone]


def _read_timestamp(content):
    ticks, unit, zone = content
    value = pd.Timestamp(np.datetime64(ticks, unit))
    if zone is None:
        return value
    if not isinstance(zone, str):
        zone = datetime.timezone(datetime.timedelta(seconds=zone))
    return value.tz_localize("UTC").tz_convert(zone)


def _write_interval(value):
    return [tagged(value.left), tagged(value.right), value.closed]


def _read_interval(content):
    left, right, closed = content
    return pd.Interval(untagged(*left), untagged(*right), closed)


# Tag -> type, its JSON value and back; a subclass stands before its base.
_TYPES = {
    "bool": (bool, bool, bool),
    "int": (int, int, int),
    "str": (str, str, str),
    "float": (float, float.hex, float.fromhex),
    "decimal": (Decimal, str, Decimal),
    "timestamp": (pd.Timestamp, _write_timestamp, _read_timestamp),
    "timedelta": (
        pd.Timedelta,
        _ticks,
        lambda content: pd.Timedelta(np.timedelta64(*content)),
    ),
    "datetime": (
        datetime.datetime,
        datetime.datetime.isoformat,
        datetime.datetime.fromisoformat,
    ),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "period": (
        pd.Period,
        lambda value: [value.ordinal, value.freqstr],
        lambda content: pd.Period(ordinal=content[0], freq=content[1]),
    ),
    "interval": (pd.Interval, _write_interval, _read_interval),
}
