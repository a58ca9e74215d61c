"""Torch modules whose parameters carry a leading member axis."""

from sklimb.nn.embeddings import (
    PackedCategoryEmbeddings,
    PackedLinearEmbeddings,
    PackedPeriodicEmbeddings,
    PackedPiecewiseLinearEmbeddings,
)
from sklimb.nn.mlp import PackedMLP
from sklimb.nn.packed import PackedLinear

__all__ = [
    "PackedCategoryEmbeddings",
    "PackedLinear",
    "PackedLinearEmbeddings",
    "PackedMLP",
    "PackedPeriodicEmbeddings",
    "PackedPiecewiseLinearEmbeddings",
]
