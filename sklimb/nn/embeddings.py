"""Packed embeddings: layers that turn a number or a category into a vector.

Numbers follow Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep
Learning" (2022); the tests compare with the package rtdl_num_embeddings. Weights
are drawn column by column, so that a column's weights do not depend on which other
columns a table has.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from sklimb.nn.packed import draw_trunc_normal, draw_uniform

# The kinds of PackedPeriodicEmbeddings.
PERIODIC = ("plr", "plr-lite", "plr-dense")
# Of crowded columns, half of the frequencies are drawn so many times as large.
CROWDED_FACTOR = 100.0


class PackedLinearEmbeddings(nn.Module):
    """`relu(x * weight + bias)` for each number (rtdl: LinearReLUEmbeddings).

    **Shape**

    - Input: `(K, batch, n)`
    - Output: `(K, batch, n, d_embedding)`
    """

    def __init__(self, n_members, n_features, d_embedding):
        super().__init__()
        self.d_embedding = d_embedding
        self.weight = nn.Parameter(torch.empty(n_members, 1, n_features, d_embedding))
        self.bias = nn.Parameter(torch.empty(n_members, 1, n_features, d_embedding))

    @torch.no_grad()
    def reset_column(self, k, j, generator):
        bound = self.d_embedding**-0.5
        self.weight[k, 0, j] = draw_uniform((self.d_embedding,), bound, generator)
        self.bias[k, 0, j] = draw_uniform((self.d_embedding,), bound, generator)

    def forward(self, x):
        return torch.relu(torch.addcmul(self.bias, self.weight, x.unsqueeze(-1)))


class PackedPeriodicEmbeddings(nn.Module):
    """`relu(linear([cos(2 pi c x), sin(2 pi c x)]))` (rtdl: PeriodicEmbeddings).

    `lite=True` shares the linear layer between the columns. With `dense=True` the
    number itself takes the place of the first entry (the D of PBLD in Holzmueller et
    al., "Better by Default", 2024).

    A column is crowded if one value has half of the rows, such as an amount that is
    mostly 0: what is left of the normal scale to all other values is too little for
    frequencies that suit other columns to tell them apart. There every second
    frequency is drawn 100 times as large.

    **Shape**

    - Input: `(K, batch, n)`
    - Output: `(K, batch, n, d_embedding)`
    """

    def __init__(
        self,
        n_members,
        n_features,
        d_embedding,
        n_frequencies,
        frequency_scale,
        lite,
        dense=False,
        crowded=None,
    ):
        super().__init__()
        self.d_embedding, self.n_frequencies = d_embedding, n_frequencies
        # Whether columns are crowded; None: none is. Only the draw of weights reads it.
        self.crowded = crowded
        # A number, or one per member.
        self.frequency_scale = frequency_scale
        self.lite, self.dense = lite, dense
        n_linear = 1 if lite else n_features
        shape = (n_members, n_features, 1, n_frequencies)
        self.frequency = nn.Parameter(torch.empty(shape))
        # Also if `dense`: a layer of 16 units is twice as fast as one of 15.
        shape = (n_members, n_linear, 2 * n_frequencies, d_embedding)
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(n_members, n_linear, 1, d_embedding))

    @torch.no_grad()
    def reset_column(self, k, j, generator):
        scale = self.frequency_scale
        scale = scale if isinstance(scale, float) else scale[k]
        self.frequency[k, j, 0] = draw_trunc_normal(
            (self.n_frequencies,), scale, generator
        )
        if self.crowded is not None and self.crowded[j]:
            self.frequency[k, j, 0, 1::2] *= CROWDED_FACTOR
        if not self.lite:
            self._reset_linear(k, j, generator)

    @torch.no_grad()
    def reset_shared(self, k, generator):
        if self.lite:
            self._reset_linear(k, 0, generator)

    def _reset_linear(self, k, j, generator):
        bound = self.weight.shape[-2] ** -0.5
        self.weight[k, j] = draw_uniform(self.weight.shape[2:], bound, generator)
        self.bias[k, j] = draw_uniform(self.bias.shape[2:], bound, generator)

    def forward(self, x):
        n_members, n_rows, n = x.shape
        angle = (2 * math.pi * self.frequency) * x.transpose(1, 2).unsqueeze(-1)
        waves = torch.cat([torch.cos(angle), torch.sin(angle)], -1)
        if self.lite:
            waves = waves.flatten(1, 2)
            out = torch.baddbmm(self.bias[:, 0], waves, self.weight[:, 0])
        else:
            out = torch.baddbmm(
                self.bias.flatten(0, 1), waves.flatten(0, 1), self.weight.flatten(0, 1)
            )
        out = torch.relu(out).view(n_members, n, n_rows, self.d_embedding)
        out = out.transpose(1, 2)
        return torch.cat([x.unsqueeze(-1), out[..., 1:]], -1) if self.dense else out


class PackedPiecewiseLinearEmbeddings(nn.Module):
    """Position within quantile bins, then linear (rtdl: version "B", no activation).

    Parameters
    ----------
    edges : tensor of shape (n, n_edges)
        Increasing edges; a column with fewer bins repeats its last edge.

    **Shape**

    - Input: `(K, batch, n)`
    - Output: `(K, batch, n, d_embedding)`
    """

    def __init__(self, n_members, edges, d_embedding):
        super().__init__()
        self.d_embedding = d_embedding
        n, n_edges = edges.shape
        width = edges.diff(dim=1)
        real = width > 0
        inverse = torch.where(real, 1 / torch.where(real, width, 1.0), 0.0)
        first = torch.zeros_like(real)
        first[:, 0] = True
        last = torch.zeros_like(real)
        last[torch.arange(n), (real.sum(1) - 1).clamp_min(0)] = True
        infinity = torch.tensor(torch.inf, dtype=edges.dtype)
        # Shapes (1, n, 1, bins): the same bins for every member, unless joined.
        self.per_member = ()
        self.register_buffer("slope", inverse[None, :, None])
        self.register_buffer("offset", (-edges[:, :-1] * inverse)[None, :, None])
        low = torch.where(first, -infinity, torch.zeros_like(infinity))
        high = torch.where(last, infinity, torch.ones_like(infinity))
        self.register_buffer("low", low[None, :, None])
        self.register_buffer("high", high[None, :, None])
        self.weight0 = nn.Parameter(torch.empty(n_members, 1, n, d_embedding))
        self.bias0 = nn.Parameter(torch.empty(n_members, 1, n, d_embedding))
        self.weight = nn.Parameter(torch.empty(n_members, n, n_edges - 1, d_embedding))

    @torch.no_grad()
    def reset_column(self, k, j, generator):
        bound = self.d_embedding**-0.5
        self.weight0[k, 0, j] = draw_uniform((self.d_embedding,), bound, generator)
        self.bias0[k, 0, j] = draw_uniform((self.d_embedding,), bound, generator)
        self.weight[k, j] = 0.0

    def forward(self, x):
        n_members, n_rows, n = x.shape
        position = x.transpose(1, 2).unsqueeze(-1)
        position = torch.addcmul(self.offset, self.slope, position)
        position = position.clamp(self.low, self.high)
        out = torch.bmm(position.flatten(0, 1), self.weight.flatten(0, 1))
        out = out.view(n_members, n, n_rows, self.d_embedding).transpose(1, 2)
        linear = torch.addcmul(self.bias0, self.weight0, x.unsqueeze(-1))
        return linear + out


class PackedCategoryEmbeddings(nn.Module):
    """One learned vector per category; code 0 (rare, unseen) starts at zero.

    **Shape**

    - Input: `(K, batch, n)`, integers
    - Output: `(K, batch, n, d_embedding)`
    """

    def __init__(self, n_members, cardinalities, d_embedding):
        super().__init__()
        self.cardinalities = tuple(cardinalities)
        self.d_embedding = d_embedding
        total = sum(self.cardinalities)
        self.weight = nn.Parameter(torch.empty(n_members, total, d_embedding))
        start = torch.tensor([0, *self.cardinalities[:-1]]).cumsum(0)
        member = torch.arange(n_members).view(-1, 1, 1) * total
        self.register_buffer("start", start + member)

    @torch.no_grad()
    def reset_column(self, k, j, generator):
        begin = sum(self.cardinalities[:j])
        shape = (self.cardinalities[j], self.d_embedding)
        table = draw_uniform(shape, self.d_embedding**-0.5, generator)
        table[0] = 0.0
        self.weight[k, begin : begin + shape[0]] = table

    def take_(self, n_members):
        """Room for the first `n_members` tables."""
        self.start = self.start[:n_members]

    def forward(self, codes):
        return F.embedding(codes + self.start, self.weight.flatten(0, 1))
