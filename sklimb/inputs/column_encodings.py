"""Encodings of table columns, learned from the training rows."""

from decimal import Decimal
from numbers import Integral, Real

import numpy as np

from sklimb._messages import short
from sklimb.inputs.category_texts import CodesByText, add_texts_to_numbers, twins_of
from sklimb.inputs.category_values import tagged, untagged
from sklimb.inputs.number_scales import (
    PLAIN_EXPONENT,
    distinct_values,
    gaussian_knots,
    has_plain_slopes,
    interpolate,
    mean_and_scale,
    middle_and_spread,
    out_of_reach,
    within_reach,
)
from sklimb.inputs.table import column_label, hash_values

# Others that a value needs beside it to crowd them.
_CROWD = 5
_SMALLEST_FLOAT = np.nextafter(0.0, 1.0)


class NumericColumn:
    """Range, mean, scale, knots and share of missing values of a numeric column.

    A scale of 0 marks a column that becomes zeros. knots has the shape (2, n_knots),
    with n_knots = 0 where the transform needs none. `is_plain` says that no arithmetic
    with its numbers overflows or vanishes. `crowded` is the mean share that the other
    values have of a column of which one value has half of the weight, such as amounts
    that are mostly 0; it is 0 if there are fewer than 5 others, of all other columns,
    and of those that were read from a file.
    """

    __slots__ = (
        "center",
        "crowded",
        "high",
        "is_plain",
        "knots",
        "low",
        "missing",
        "scale",
    )

    def __init__(self, stats, knots, crowded=0.0):
        self.low, self.high, self.center, self.scale, self.missing = map(float, stats)
        self.knots, self.crowded = knots, crowded
        fits = max(-self.low, self.high) < 2.0**PLAIN_EXPONENT
        self.is_plain = fits and (knots.size == 0 or has_plain_slopes(knots[0]))

    @classmethod
    def fit(cls, values, weights, total, transform, n_quantiles):
        """Learn from training values with weights (None: all 1) of the given total."""
        knots = np.zeros((2, 0))
        is_missing = np.isnan(values)
        missing = 0.0
        if is_missing.any():
            lost = is_missing if weights is None else weights[is_missing]
            missing = lost.sum() / total
            values = values[~is_missing]
            weights = None if weights is None else weights[~is_missing]
        if len(values) == 0:
            return cls((np.inf, -np.inf, 0.0, 0.0, 1.0), knots)
        values, sums = distinct_values(values, weights)
        centre_of = middle_and_spread if transform == "robust" else mean_and_scale
        center, scale = centre_of(values, sums)
        # 0 is for constant columns, however small the differences of others are.
        scale = 0.0 if len(values) == 1 else max(scale, _SMALLEST_FLOAT)
        if len(values) > 1 and transform == "quantile":
            knots = gaussian_knots(values, sums, n_quantiles)
        stats = values[0], values[-1], center, scale, missing
        return cls(stats, knots, _share_of_others(sums))

    @property
    def stats(self):
        """The numbers that, with the knots, restore the column."""
        return self.low, self.high, self.center, self.scale, self.missing

    @property
    def is_empty(self):
        """Whether all values were missing in training."""
        return self.low > self.high

    @property
    def has_indicator(self):
        """Whether training had both missing and other values."""
        return self.missing > 0 and not self.is_empty

    def encode(self, values, is_missing, transform, limit):
        """Encode float64 values, which may be overwritten, within +-limit."""
        if self.scale == 0:
            return 0.0
        if transform == "quantile":
            values = interpolate(values, *self.knots)
            values[is_missing] = 0.0
            return values
        if transform in ("standard", "robust"):
            values = self._standardised(values)
            values[is_missing] = 0.0
            if transform == "robust":
                return within_reach(values)
        else:
            values[is_missing] = self.center
        return np.clip(values, -limit, limit, out=values)

    def _standardised(self, values):
        center, scale = self.center, self.scale
        if max(-self.low, self.high) > 2.0**1000:  # differences would overflow
            values, center, scale = (t * 2.0**-10 for t in (values, center, scale))
        with np.errstate(over="ignore"):
            values -= center
            values /= scale
        return values

    def decode(self, z, transform):
        """The number that is encoded as z, in the units of X."""
        if self.scale == 0:
            return np.nan if self.is_empty else self.low
        if transform == "quantile":
            x, knots = self.knots
            nearest = np.abs(knots - z).argmin()
            if abs(knots[nearest] - z) < 1e-6:  # a training value, in float32
                return float(x[nearest])
            return float(np.interp(z, knots, x * 0.25) * 4)
        if transform == "robust":
            # Rounding of the last digits would take it far out.
            value = out_of_reach(z) * self.scale + self.center
            return float(np.clip(value, self.low, self.high))
        return z * self.scale + self.center if transform == "standard" else float(z)

    def compare(self, values):
        """The column's row of TabularEncoder.input_report."""
        return {
            "kind": "numeric",
            "unseen": np.nan,
            "missing": np.isnan(values).mean(),
            "missing_train": self.missing,
            "out_of_range": ((values < self.low) | (values > self.high)).mean(),
        }


class CategoricalColumn:
    """The values with codes 1, 2, ... and the hashes of the rarer training values.

    A value has the code of the category that equals it or, if there is none, of the
    one with its text. `lost` is the share of the training weight of present values
    that are rare.
    """

    __slots__ = ("by_text", "codes", "kept", "lost", "missing", "rare")

    def __init__(self, kept, rare, missing, lost=0.0):
        self.kept = kept
        self.rare = rare
        self.missing = float(missing)
        self.lost = float(lost)
        self.codes = {value: code for code, value in enumerate(kept, start=1)}
        self.by_text = CodesByText(self.codes)

    @property
    def is_empty(self):
        """Whether all values were missing in training."""
        return self.kept == [None] and not len(self.rare)

    @classmethod
    def fit(cls, column, weights, total, min_frequency):
        """Learn from training Categories with weights of the given total."""
        codes = column.codes.astype(np.intp) + 1
        sums = np.bincount(codes, weights, minlength=len(column.values) + 1)
        add_texts_to_numbers(column.values, sums[1:])
        limit = min_frequency
        if not isinstance(limit, Integral):
            limit = limit * total
        kept, rare, lost = [], [], 0.0
        for value, weight in zip(column.values, sums[1:], strict=True):
            if weight >= limit and weight > 0:
                kept.append(value)
            elif weight > 0:
                rare.append(value)
                lost += weight
        kept = sorted_values(kept)
        if sums[0] > 0 and sums[0] >= limit:
            kept.append(None)
        present = max(total - sums[0], lost, np.finfo(float).tiny)
        return cls(kept, np.sort(hash_values(rare)), sums[0] / total, lost / present)

    def encode(self, column):
        """The codes of Categories: 0 for rare and unseen values."""
        if self.is_empty:
            # The network has learned nothing but what a missing value is.
            return np.ones(len(column), dtype=np.intp)
        column = column.used()
        codes = [self.codes.get(value) for value in column.values]
        if None in codes:
            codes = [
                self.by_text.find(value) if code is None else code
                for value, code in zip(column.values, codes, strict=True)
            ]
        return np.array([*codes, self.codes.get(None, 0)])[column.codes]

    def unseen(self, values):
        """Which category values no training row had."""
        unseen = np.ones(len(values), dtype=bool)
        for i, value in enumerate(values):
            if value in self.codes or self.by_text.find(value):
                unseen[i] = False
        left = np.flatnonzero(unseen)
        if len(self.rare) and len(left):
            alike = [[values[i], *twins_of(values[i])] for i in left]
            owner = np.repeat(left, [len(twins) for twins in alike])
            is_rare = np.isin(hash_values([v for a in alike for v in a]), self.rare)
            unseen[owner[is_rare]] = False
        return unseen

    def compare(self, column):
        """The column's row of TabularEncoder.input_report."""
        column = column.used()
        return {
            "kind": "categorical",
            "unseen": np.append(self.unseen(column.values), False)[column.codes].mean(),
            "missing": (column.codes < 0).mean(),
            "missing_train": self.missing,
            "out_of_range": np.nan,
        }


def _share_of_others(sums):
    """Mean share of the others where one value has half of the weight, else 0."""
    largest, total = sums.max(), sums.sum()
    if len(sums) <= _CROWD or largest < 0.5 * total:
        return 0.0
    return float((total - largest) / (len(sums) - 1) / total)


def sorted_values(values):
    """Category values in an order that depends on the values only."""
    values = [_plain_value(value) for value in values]

    def kind(value):
        return "" if isinstance(value, Real | Decimal) else type(value).__name__

    try:
        return sorted(values, key=lambda value: (kind(value), value))
    except TypeError:
        return sorted(values, key=lambda value: (kind(value), repr(value)))


def _plain_value(value):
    """Python's own type for numpy's scalars, int for whole floats."""
    value = value.item() if isinstance(value, np.generic) else value
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def output_names(columns, names, encoding):
    """Names of encoded columns, with underscores appended to what would occur twice."""
    numeric, indicators, codes = [], [], []
    for column, name in zip(columns, names, strict=True):
        if isinstance(column, NumericColumn):
            numeric.append(name)
            indicators += [f"{name}_missing"] * column.has_indicator
        elif encoding == "ordinal":
            codes.append(name)
        else:
            values = ("missing" if value is None else value for value in column.kept)
            codes += [f"{name}_{value}" for value in ("infrequent", *values)]
    seen, unique = set(), []
    for name in numeric + indicators + codes:
        while name in seen:
            name += "_"
        seen.add(name)
        unique.append(name)
    return unique


def columns_to_state(columns, names):
    """Fitted columns as JSON-able categories and a dict of arrays."""
    numeric = [c for c in columns if isinstance(c, NumericColumn)]
    categorical = [c for c in columns if isinstance(c, CategoricalColumn)]
    knots, knot_counts = _pack([c.knots for c in numeric], np.zeros((2, 0)))
    rare, rare_counts = _pack([c.rare for c in categorical], np.zeros(0, np.uint64))
    categories = [
        [_tag(value, column_label(names, i)) for value in column.kept]
        for i, column in enumerate(columns)
        if isinstance(column, CategoricalColumn)
    ]
    return categories, {
        "is_categorical": np.array([isinstance(c, CategoricalColumn) for c in columns]),
        "stats": np.array([c.stats for c in numeric]).reshape(-1, 5),
        "knots": knots,
        "knot_counts": knot_counts,
        "missing": np.array([c.missing for c in categorical]),
        # Not every tensor format has unsigned integers.
        "rare": rare.view(np.int64),
        "rare_counts": rare_counts,
    }


def columns_from_state(categories, arrays):
    """Inverse of columns_to_state."""
    knots = _unpack(arrays["knots"], arrays["knot_counts"])
    numeric = map(NumericColumn, arrays["stats"], knots)
    kept = [[untagged(*pair) for pair in pairs] for pairs in categories]
    rare = _unpack(arrays["rare"].view(np.uint64), arrays["rare_counts"])
    categorical = map(CategoricalColumn, kept, rare, arrays["missing"])
    return [next(categorical if flag else numeric) for flag in arrays["is_categorical"]]


def _tag(value, label):
    """A category value as [type, JSON value]."""
    try:
        return tagged(value)
    except TypeError as error:
        raise ValueError(
            f"Cannot save {label}: its category {short(value)} is a "
            f"{type(value).__name__}, and only text, numbers, booleans, dates, periods "
            "and intervals can be saved. Convert the column to strings."
        ) from error


def _pack(arrays, empty):
    """Arrays joined along the last axis, and their lengths."""
    lengths = np.array([array.shape[-1] for array in arrays], dtype=np.int64)
    return np.concatenate([empty, *arrays], axis=-1), lengths


def _unpack(joined, lengths):
    """Inverse of _pack."""
    ends = np.cumsum(lengths)
    return [
        np.array(joined[..., end - length : end])
        for end, length in zip(ends, lengths, strict=True)
    ]
