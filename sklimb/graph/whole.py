"""All parts of an estimator as one torch module: raw columns to label positions."""

from typing import Any

import torch
from torch import nn

from sklimb.graph.encoders import Columns, Pixels


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
        self.is_table = hasattr(parts.encoders[0], "categories_")
        if self.is_table:
            self.first = Columns(parts.encoders[0], types)
        else:
            self.first = Pixels(parts.encoders[0])
        self.later = nn.ModuleList(
            Columns(encoder, ["float64"] * encoder.n_features_in_)
            for encoder in parts.encoders[1:]
        )
        self.network, self.decision = parts.make_module(), parts.decision
        self.numbers = next(self.network.parameters()).dtype
        self.to("cpu").eval()

    def example(self):
        """Raw input of a few rows, by which it is traced, and its shapes."""
        rows = torch.export.Dim("rows")
        raw, shapes = {}, {}
        if not self.is_table:
            channels, *size = self.first.shape
            grey = channels == 1
            size = tuple(size) if grey else (*size, channels)
            kind = torch.uint8 if self.first.of_bytes else torch.float64
            return {"images": torch.zeros(4, *size, dtype=kind)}, {"images": {0: rows}}
        if self.first.n_numbers:
            raw["numbers"] = torch.zeros(self.first.n_numbers, 4, dtype=torch.float64)
            shapes["numbers"] = {1: rows}
        if self.first.n_codes:
            raw["codes"] = torch.zeros(self.first.n_codes, 4, dtype=torch.int64)
            shapes["codes"] = {1: rows}
        return raw, shapes

    def forward(self, raw):
        if self.is_table:
            x = self.first(raw.get("numbers"), raw.get("codes"))
        else:
            x = self.first(raw["images"])
        for encoder in self.later:
            x = encoder(x.double().T, None)
        p = self.network.mixture(x if x.dtype == torch.uint8 else x.to(self.numbers))
        return p.to(self.numbers), self.decision(p)
