"""The published ResNet and FT-Transformer, as plain networks for `StackedMembers`.

The networks are those of rtdl_revisiting_models without their output layers; these are
built here, so that the input of the last layer can be returned. The package is imported
when the first network is built, because it takes time.
"""

from abc import ABC, abstractmethod

import torch
from torch import nn

from sklimb.nn.packed import draw_uniform


class _Backbone(nn.Module, ABC):
    """Columns in sklimb's order, `_trunk`, a normalisation, ReLU, `head`."""

    normalization: nn.Module
    head: nn.Linear

    def __init__(self, n_numeric, n_indicators, cardinalities):
        super().__init__()
        self.n_continuous = n_numeric + n_indicators
        self.cardinalities = tuple(cardinalities)
        if not self.n_continuous and not self.cardinalities:
            raise ValueError(
                "A network must have at least one column, got n_numeric=0, "
                "n_indicators=0 and no cardinalities."
            )

    @abstractmethod
    def _trunk(self, numbers, codes):
        """Features (batch, d_block) of columns, before the normalisation."""

    def embed(self, x):
        """Penultimate features, (batch, d_block)."""
        numbers, codes = x[:, : self.n_continuous], x[:, self.n_continuous :].long()
        return torch.relu(self.normalization(self._trunk(numbers, codes)))

    def forward(self, x):
        return self.head(self.embed(x))

    @torch.no_grad()
    def reset_parameters(self, generator):
        """Draw all weights from `generator`, distributed as rtdl's and torch's are.

        Until then they are undefined: the constructor draws nothing.
        """
        from rtdl_revisiting_models import MultiheadAttention

        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.LayerNorm):
                module.reset_parameters()  # constants
                continue
            for parameter in module.parameters(recurse=False):
                # rtdl's own parameters are vectors of a column: (..., width).
                width = parameter.shape[-1]
                if isinstance(module, nn.Linear):
                    width = module.in_features
                bound = width**-0.5
                parameter.copy_(draw_uniform(parameter.shape, bound, generator))
        for module in self.modules():
            if isinstance(module, MultiheadAttention):
                for layer in module.children():
                    if isinstance(layer, nn.Linear):
                        nn.init.zeros_(layer.bias)


class ResNetBackbone(_Backbone):
    """ResNet for tables (Gorishniy et al., 2021, section 3.2).

    Numbers and indicators enter as they are, categories as learned vectors. Weights are
    undefined until `reset_parameters`.

    Parameters
    ----------
    n_numeric, n_indicators : int
        The first columns of the input, numbers and 0/1 missing indicators.
    cardinalities : tuple of int
        Codes per category column; they are the last columns of the input.
    n_classes : int
        Logits per row.
    n_blocks, d_block : int
        Residual blocks and their width.
    d_hidden_multiplier : float
        Hidden width of a block over `d_block`.
    dropout1, dropout2 : float
        Dropout in a block, after the hidden layer and before the sum.
    d_embedding : int
        Width of a category's vector.

    **Shape**

    - Input: `(batch, columns)`
    - Output: `(batch, n_classes)`
    """

    def __init__(
        self,
        n_numeric,
        n_indicators,
        cardinalities,
        n_classes,
        *,
        n_blocks,
        d_block,
        d_hidden_multiplier,
        dropout1,
        dropout2,
        d_embedding,
    ):
        import rtdl_revisiting_models as rtdl

        super().__init__(n_numeric, n_indicators, cardinalities)
        # On "meta" the initial weights that these classes draw cost no random number.
        with torch.device("meta"):
            self.categories = None
            if self.cardinalities:
                self.categories = rtdl.CategoricalEmbeddings(
                    list(self.cardinalities), d_embedding, bias=False
                )
            self.resnet = rtdl.ResNet(
                d_in=self.n_continuous + d_embedding * len(self.cardinalities),
                d_out=None,
                n_blocks=n_blocks,
                d_block=d_block,
                d_hidden_multiplier=d_hidden_multiplier,
                dropout1=dropout1,
                dropout2=dropout2,
            )
            self.normalization = nn.BatchNorm1d(d_block)
            self.head = nn.Linear(d_block, n_classes)
        self.to_empty(device="cpu")

    def _trunk(self, numbers, codes):
        if self.categories is not None:
            numbers = torch.cat([numbers, self.categories(codes).flatten(-2)], -1)
        return self.resnet(numbers)


class FTTransformerBackbone(_Backbone):
    """FT-Transformer (Gorishniy et al., 2021, section 3.3).

    Each column becomes a vector, an indicator as a number does. Weights are undefined
    until `reset_parameters`.

    Parameters
    ----------
    n_numeric, n_indicators : int
        The first columns of the input, numbers and 0/1 missing indicators.
    cardinalities : tuple of int
        Codes per category column; they are the last columns of the input.
    n_classes : int
        Logits per row.
    n_blocks, d_block : int
        Transformer blocks and the width of a column's vector.
    attention_n_heads : int
        A divisor of `d_block`.
    attention_dropout, ffn_dropout, residual_dropout : float
        Dropout of attention probabilities, of hidden layers, and before each sum.
    ffn_d_hidden_multiplier : float
        Hidden width of a block over `d_block`.

    **Shape**

    - Input: `(batch, columns)`
    - Output: `(batch, n_classes)`
    """

    def __init__(
        self,
        n_numeric,
        n_indicators,
        cardinalities,
        n_classes,
        *,
        n_blocks,
        d_block,
        attention_n_heads,
        attention_dropout,
        ffn_d_hidden_multiplier,
        ffn_dropout,
        residual_dropout,
    ):
        import rtdl_revisiting_models as rtdl

        super().__init__(n_numeric, n_indicators, cardinalities)
        # On "meta" the initial weights that these classes draw cost no random number.
        with torch.device("meta"):
            self.transformer = rtdl.FTTransformer(
                n_cont_features=self.n_continuous,
                cat_cardinalities=list(self.cardinalities),
                d_out=None,
                n_blocks=n_blocks,
                d_block=d_block,
                attention_n_heads=attention_n_heads,
                attention_dropout=attention_dropout,
                ffn_d_hidden_multiplier=ffn_d_hidden_multiplier,
                ffn_dropout=ffn_dropout,
                residual_dropout=residual_dropout,
            )
            self.normalization = nn.LayerNorm(d_block)
            self.head = nn.Linear(d_block, n_classes)
        # Every weight meets every token, and every token each other.
        n_tokens = 1 + self.n_continuous + len(self.cardinalities)
        weights = sum(p.numel() for p in self.transformer.backbone.parameters())
        self.row_work = n_tokens * (weights + 2 * n_blocks * n_tokens * d_block)
        self.to_empty(device="cpu")

    def _trunk(self, numbers, codes):
        return self.transformer(
            numbers if self.n_continuous else None,
            codes if self.cardinalities else None,
        )
