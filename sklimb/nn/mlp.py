"""The packed MLP: K networks over numbers, missing indicators and category codes."""

from contextlib import nullcontext
from itertools import pairwise

import torch
from torch import nn

from sklimb._random import stream_generator
from sklimb.nn.embeddings import (
    PERIODIC,
    PackedCategoryEmbeddings,
    PackedLinearEmbeddings,
    PackedPeriodicEmbeddings,
    PackedPiecewiseLinearEmbeddings,
)
from sklimb.nn.line import PackedLines
from sklimb.nn.packed import PackedCosineLinear, PackedLinear, draw_uniform

# The kinds of streams of initial weights; the position is part of the seed.
_NUMBER, _INDICATOR, _CATEGORY, _SHARED, _LAYER = range(5)


class PackedMLP(nn.Module):
    """K multi-layer perceptrons with embeddings, every parameter (K, ...).

    Parameters
    ----------
    n_members : int
        K.
    n_numeric, n_indicators : int
        The first columns of the input, numbers and 0/1 missing indicators.
    cardinalities : tuple of int
        Codes per category column; they are the last columns of the input.
    n_classes : int
        Logits per row.
    n_blocks, d_block : int
        Hidden layers and their width.
    num_embeddings : {None, "linear", "plr", "plr-lite", "plr-dense", "ple"}
        Embedding of numbers.
    d_embedding, n_frequencies : int
        Width of an embedding; cosines per number.
    frequency_scale : float or array of length K
        Standard deviation of the initial frequencies.
    edges : tensor of shape (n_numeric, n_edges) or None
        Bins for "ple".
    live : tensor of bool of shape (n_numeric,) or None
        Numeric columns that are used; the others send no signal. In a pack that
        was joined (`join_mlps`) each member has its own, (K, 1, n_numeric).
    crowded : sequence of bool of length n_numeric or None
        Numeric columns of which one value has half of the rows; every second initial
        frequency is 100 times as large there. None for none.
    cosine_head : bool
        The last layer gives cosines, for losses with margins.
    n_lines : int
        Features that are fixed linear functions of a row, in the place of the first
        units of the last hidden layer.

    **Shape**

    - Input: `(K, batch, columns)`, or `(1, batch, columns)` for the same rows
    - Output: `(K, batch, n_classes)`
    """

    live: torch.Tensor

    def __init__(
        self,
        n_members,
        n_numeric,
        n_indicators,
        cardinalities,
        n_classes,
        *,
        n_blocks=2,
        d_block=256,
        num_embeddings=None,
        d_embedding=24,
        n_frequencies=48,
        frequency_scale=0.1,
        edges=None,
        live=None,
        crowded=None,
        cosine_head=False,
        n_lines=0,
    ):
        super().__init__()
        self.n_members = n_members
        self.per_member = ()  # buffers with a leading member axis
        self.n_numeric, self.n_indicators = n_numeric, n_indicators
        self.n_blocks, self.d_block = n_blocks, d_block
        self.num_embeddings = num_embeddings
        self.numbers = None
        if n_numeric and num_embeddings == "linear":
            self.numbers = PackedLinearEmbeddings(n_members, n_numeric, d_embedding)
        elif n_numeric and num_embeddings in PERIODIC:
            self.numbers = PackedPeriodicEmbeddings(
                n_members,
                n_numeric,
                d_embedding,
                n_frequencies,
                frequency_scale,
                lite=num_embeddings == "plr-lite",
                dense=num_embeddings == "plr-dense",
                crowded=crowded,
            )
        elif n_numeric and num_embeddings == "ple":
            self.numbers = PackedPiecewiseLinearEmbeddings(
                n_members, edges, d_embedding
            )
        self.categories = None
        if cardinalities:
            self.categories = PackedCategoryEmbeddings(
                n_members, cardinalities, d_embedding
            )
        self.cardinalities, self.n_lines, self.lines = tuple(cardinalities), 0, None
        if n_lines:
            self.add_lines(n_lines)
        # Inputs of the first layer that each column of X feeds.
        d_number = 1 if self.numbers is None else d_embedding
        self.widths = (
            [d_number] * n_numeric
            + [1] * n_indicators
            + [d_embedding] * len(cardinalities)
        )
        if live is None:
            live = torch.ones(n_numeric, dtype=torch.bool)
        self.register_buffer("live", live.to(torch.get_default_dtype()))
        self.all_live = bool(live.all())
        dims = [sum(self.widths)] + [d_block] * n_blocks
        self.blocks = nn.ModuleList(
            PackedLinear(n_members, d_in, d_out) for d_in, d_out in pairwise(dims)
        )
        last = PackedCosineLinear if cosine_head else PackedLinear
        self.cosine_head, self.head = cosine_head, last(n_members, dims[-1], n_classes)

    # What StackedMembers may have: no BatchNorm, always packed, any block of rows.
    needs_two_rows = False
    reason = ""
    block_rows: int | None = None
    # Blocks of rows are predicted in threads (`_threads`).
    short_products = True

    @property
    def row_work(self):
        """Multiplications of one member per row."""
        layers = [*self.blocks, self.head]
        layers += [] if self.numbers is None else [self.numbers]
        return sum(layer.weight[0].numel() for layer in layers)

    def frozen_statistics(self):
        """There are no running statistics."""
        return nullcontext()

    def add_lines(self, n_lines):
        """Let lines, all of them 0, take the place of the last layer's first inputs."""
        self.n_lines = n_lines
        n_continuous = self.n_numeric + self.n_indicators
        self.lines = PackedLines(
            self.n_members, n_continuous, self.cardinalities, n_lines
        )

    def member_tensors(self):
        """Every tensor with a leading member axis that training changes."""
        return list(self.parameters())

    @torch.no_grad()
    def take_(self, members):
        """Keep only the given members, in place; parameters stay the same objects."""
        index = torch.as_tensor(members, device=self.head.weight.device)
        for p in self.parameters():
            p.data, p.grad = p.data[index], None
        for module in (self, self.numbers):
            for name in getattr(module, "per_member", ()):
                setattr(module, name, getattr(module, name)[index])
        if self.categories is not None:
            self.categories.take_(len(index))
        if self.lines is not None:
            self.lines.take_(len(index))
        self.n_members = len(index)
        return self

    @torch.no_grad()
    def reset_parameters(self, seeds):
        """Draw the initial weights of member k from `seeds[k]`, column by column."""
        n_kinds = (self.n_numeric, self.n_indicators)
        fan_in = sum(self.widths) - int((1 - self.live).sum()) * (
            self.widths[0] if self.n_numeric else 0
        )
        for k, seed in enumerate(seeds):
            begin = 0
            for column, width in enumerate(self.widths):
                kind, j = _NUMBER, column
                if column >= sum(n_kinds):
                    kind, j = _CATEGORY, column - sum(n_kinds)
                elif column >= n_kinds[0]:
                    kind, j = _INDICATOR, column - n_kinds[0]
                generator = stream_generator(seed, "init", kind, j)
                table = {_NUMBER: self.numbers, _CATEGORY: self.categories}.get(kind)
                if table is not None:
                    table.reset_column(k, j, generator)
                weight = draw_uniform(
                    (width, self.blocks[0].weight.shape[-1]),
                    max(fan_in, 1) ** -0.5,
                    generator,
                )
                self.blocks[0].weight[k, begin : begin + width] = weight
                begin += width
            generator = stream_generator(seed, "init", _SHARED)
            if isinstance(self.numbers, PackedPeriodicEmbeddings):
                self.numbers.reset_shared(k, generator)
            bias = self.blocks[0].bias
            bound = max(fan_in, 1) ** -0.5
            bias[k] = draw_uniform(bias.shape[1:], bound, generator)
            for i, layer in enumerate([*self.blocks[1:], self.head]):
                layer.reset_member(k, stream_generator(seed, "init", _LAYER, i))

    def mask_widths(self):
        """Widths of the dropout masks that `forward` takes, in order."""
        return [self.d_block] * self.n_blocks

    def _of_all(self, x):
        """Rows of every member."""
        return x if x.shape[0] == self.n_members else x.expand(self.n_members, -1, -1)

    def inputs(self, x):
        """What the first layer sees, (K, batch, sum of widths)."""
        x = self._of_all(x)
        if self.numbers is None and self.categories is None:
            return x
        parts = []
        n, m = self.n_numeric, self.n_numeric + self.n_indicators
        if self.numbers is None:
            parts.append(x[..., :m])
        else:
            vectors = self.numbers(x[..., :n])
            if not self.all_live:
                vectors = vectors * self.live.unsqueeze(-1)
            parts.append(vectors.flatten(-2))
            if m > n:
                parts.append(x[..., n:m])
        if self.categories is not None:
            parts.append(self.categories(x[..., m:].long()).flatten(-2))
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def embed(self, x, masks=None):
        """Penultimate features, (K, batch, d_block)."""
        h = self.inputs(x)
        for i, block in enumerate(self.blocks):
            h = torch.relu(block(h))
            if masks is not None:
                h = h * masks[i]
        return self.with_lines(x, h)

    def with_lines(self, x, h):
        """The last layer's input: units (K, batch, d_block), the first ones lines."""
        if self.lines is None:
            return h
        return torch.cat([self.lines(self._of_all(x)), h[..., self.n_lines :]], -1)

    def forward(self, x, masks=None):
        return self.head(self.embed(x, masks))
