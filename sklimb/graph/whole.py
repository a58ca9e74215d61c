"""All parts of an estimator as one torch module: raw columns to label positions."""

from typing import Any

import torch
from torch import nn

from sklimb.graph.encoders import Columns, Pixels


class Encoding(nn.Module):
    """A fitted encoder, and the network after it whose features are taken.

    Parameters
    ----------
    step : encoder or Features
    types : list of str
        Types of the raw columns; empty for a matrix.
    """

    read: Any

    def __init__(self, step, types):
        super().__init__()
        encoder = getattr(step, "encoder", step)
        if not hasattr(encoder, "categories_"):
            self.read = Pixels(encoder)
        else:
            of_matrix = ["float64"] * len(encoder._columns)
            self.read = Columns(encoder, types or of_matrix)
        self.network = step.make_network() if hasattr(step, "make_network") else None

    def forward(self, *raw):
        x = self.read(*raw)
        if self.network is None:
            return x
        return self.network.embed(_numbers(x, next(self.network.parameters()).dtype))


def _numbers(x, dtype):
    """Encoded rows as a network reads them: bytes are pixels, which it scales."""
    return x if x.dtype == torch.uint8 else x.to(dtype)


class Whole(nn.Module):
    """Encoders, network and decision.

    Parameters
    ----------
    parts : Parts
    types : list of str
        Types of the raw columns; of images one.

    **Shape**

    - raw: a dict of "numbers" `(n, rows)`, float64, and "codes" `(m, rows)`, int64,
      where there are any; or of "images"
    - Output: probabilities `(rows, n_classes)`, positions of classes `(rows,)`
    """

    first: Any

    def __init__(self, parts, types):
        super().__init__()
        self.is_table = hasattr(parts.first_encoder, "categories_")
        first, *later = (
            Encoding(step, [] if i else types) for i, step in enumerate(parts.encoders)
        )
        self.first, self.later = first, nn.ModuleList(later)
        self.network, self.decision = parts.make_module(), parts.decision
        self.numbers = next(self.network.parameters()).dtype
        self.to("cpu").eval()

    def example(self):
        """Raw input of a few rows, by which it is traced, and its shapes."""
        rows = torch.export.Dim("rows")
        raw, shapes = {}, {}
        read = self.first.read
        if not self.is_table:
            channels, *size = read.shape
            grey = channels == 1
            size = tuple(size) if grey else (*size, channels)
            kind = torch.uint8 if read.of_bytes else torch.float64
            return {"images": torch.zeros(4, *size, dtype=kind)}, {"images": {0: rows}}
        if read.n_numbers:
            raw["numbers"] = torch.zeros(read.n_numbers, 4, dtype=torch.float64)
            shapes["numbers"] = {1: rows}
        if read.n_codes:
            raw["codes"] = torch.zeros(read.n_codes, 4, dtype=torch.int64)
            shapes["codes"] = {1: rows}
        return raw, shapes

    def forward(self, raw):
        if self.is_table:
            x = self.first(raw.get("numbers"), raw.get("codes"))
        else:
            x = self.first(raw["images"])
        for encoder in self.later:
            x = encoder(x.double().T, None)
        p = self.network.mixture(_numbers(x, self.numbers))
        return p.to(self.numbers), self.decision(p)
