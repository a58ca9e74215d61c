"""Fixed linear functions of encoded rows, beside which a network learns the rest."""

import torch
from torch import nn

from sklimb.nn.embeddings import PackedCategoryEmbeddings


class PackedLineCategories(PackedCategoryEmbeddings):
    """What each code adds to a line."""


class PackedLines(nn.Module):
    """K linear functions of numbers, indicators and categories, which do not train.

    All are 0 until `set_` gives a member its own.

    **Shape**

    - Input: `(K, batch, columns)`
    - Output: `(K, batch, d_out)`
    """

    def __init__(self, n_members, n_continuous, cardinalities, d_out):
        super().__init__()
        self.n_continuous = n_continuous
        weight = torch.zeros(n_members, n_continuous, d_out)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.categories = None
        if cardinalities:
            self.categories = PackedLineCategories(n_members, cardinalities, d_out)
            self.categories.requires_grad_(False)
            nn.init.zeros_(self.categories.weight)

    @torch.no_grad()
    def set_(self, weight):
        """Give all members these weights: of numbers, indicators, then of each code."""
        self.weight.copy_(weight[: self.n_continuous])
        if self.categories is not None:
            self.categories.weight.copy_(weight[self.n_continuous :])

    def take_(self, n_members):
        """Room for the first `n_members` tables of categories."""
        if self.categories is not None:
            self.categories.take_(n_members)

    def forward(self, x):
        out = torch.bmm(x[..., : self.n_continuous], self.weight)
        if self.categories is not None:
            codes = x[..., self.n_continuous :].long()
            out = out + self.categories(codes).sum(-2)
        return out
