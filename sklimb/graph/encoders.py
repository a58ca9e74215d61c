"""Fitted encoders as torch modules: raw columns, or pixels, to encoded rows."""

import torch
from torch import nn

from sklimb.graph.categories import NumberCodes, default_type
from sklimb.graph.numbers import Numbers

# Pixels farther out are clamped, as ImageEncoder does.
_FARTHEST = 1e6


class Columns(nn.Module):
    """A fitted TabularEncoder.

    Parameters
    ----------
    encoder : TabularEncoder
    types : list of str
        Type of each input column. Numbers, and categories of type "float64", come in
        one matrix; other categories as codes.

    **Shape**

    - numbers: `(n, rows)`, float64, in the order of the columns
    - codes: `(m, rows)`, int64, likewise
    - Output: `(rows, n_encoded_columns)`
    """

    def __init__(self, encoder, types):
        super().__init__()
        columns, numeric = encoder._columns, set(encoder.numeric_columns_.tolist())
        self.dtype = getattr(torch, encoder.dtype)
        in_matrix = [
            i for i in range(len(types)) if i in numeric or is_number(types[i])
        ]
        own = [in_matrix.index(i) for i in encoder.numeric_columns_]
        self.register_buffer("own", torch.tensor(own, dtype=torch.long))
        self.all_own = len(own) == len(in_matrix)
        self.numbers = None
        if own:
            numeric = [columns[i] for i in encoder.numeric_columns_]
            self.numbers = Numbers(numeric, encoder.numeric_transform, encoder.dtype)
        # Categories: those that come as numbers, then the others, in their own order.
        categorical = encoder.categorical_columns_.tolist()
        as_numbers = [i for i in categorical if is_number(types[i])]
        as_codes = [i for i in categorical if not is_number(types[i])]
        places = torch.tensor([in_matrix.index(i) for i in as_numbers])
        self.register_buffer("places", places.long())
        self.lookup = None
        if as_numbers:
            self.lookup = NumberCodes([columns[i] for i in as_numbers])
        order = [[*as_numbers, *as_codes].index(i) for i in categorical]
        self.order = order if order != sorted(order) else None
        self.widths = None
        if encoder.category_encoding == "onehot":
            self.widths = list(encoder.cardinalities_)
        self.n_numbers, self.n_codes = len(in_matrix), len(as_codes)

    def forward(self, numbers, codes):
        parts = []
        if self.numbers is not None:
            own = numbers if self.all_own else numbers.index_select(0, self.own)
            parts += self.numbers(own)
        found = []
        if self.lookup is not None:
            found.append(self.lookup(numbers.index_select(0, self.places)))
        if self.n_codes:
            found.append(codes)
        if found:
            found = found[0] if len(found) == 1 else torch.cat(found)
            if self.order is not None:
                found = found[self.order]
            parts += self._written(found)
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def _written(self, codes):
        """Codes as they stand in an encoded row."""
        if self.widths is None:
            return [codes.to(self.dtype).T]
        return [
            (own.unsqueeze(1) == torch.arange(width)).to(self.dtype)
            for own, width in zip(codes, self.widths, strict=True)
        ]


def is_number(kind):
    """Whether a column of this type comes in the matrix of numbers."""
    return kind in ("float32", "float64")


def column_types(encoder, given, names):
    """Type of each input column of a TabularEncoder.

    Parameters
    ----------
    encoder : TabularEncoder
    given : dict
        Types that are asked for, by column name.
    names : list of str
    """
    numeric = set(encoder.numeric_columns_.tolist())
    return [
        given.get(name, "float64" if i in numeric else default_type(column))
        for i, (name, column) in enumerate(zip(names, encoder._columns, strict=True))
    ]


class Pixels(nn.Module):
    """A fitted ImageEncoder.

    **Shape**

    - Input: `(rows, height, width)` of one channel, else `(rows, height, width,
      channels)`; uint8, or floats of the range of training
    - Output: `(rows, channels * height * width)`
    """

    def __init__(self, encoder):
        super().__init__()
        self.dtype = getattr(torch, encoder.dtype)
        self.shape = encoder.image_shape_
        self.low, self.high = encoder.low_, encoder.high_
        self.of_bytes = (self.low, self.high) == (0.0, 255.0)

    def forward(self, images):
        if images.ndim == 4:
            images = images.permute(0, 3, 1, 2)
        x = images.flatten(1)
        if self.of_bytes:
            return x
        low, span = self.low / 8, self.high / 8 - self.low / 8  # no overflow
        x = (x.double() / 8 - low) / (span if span > 0 else 1.0)
        return x.clamp(-_FARTHEST, _FARTHEST).to(self.dtype)
