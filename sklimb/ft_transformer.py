"""FTTransformerClassifier: the published transformer for tables."""

from numbers import Integral, Real
from typing import ClassVar

from sklimb._compat import Interval
from sklimb.nn.tabular_backbones import FTTransformerBackbone
from sklimb.parameters.fields import parameter
from sklimb.tabular_network import TabularNetworkClassifier


class FTTransformerClassifier(TabularNetworkClassifier):
    """FT-Transformer for class-imbalanced tables (Gorishniy et al., 2021).

    Each column becomes a token and attention mixes the tokens. All imbalance strategies
    of `TabularMLPClassifier` are parameters here too. Members of an ensemble train in
    one program by `torch.func.vmap`.

    Raises
    ------
    ValueError
        In `fit`: `attention_n_heads` does not divide `d_block`.

    References
    ----------
    Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021.

    Examples
    --------
    >>> from sklimb import FTTransformerClassifier
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> clf = FTTransformerClassifier(d_block=16, n_blocks=1, max_epochs=2)
    >>> clf.fit(data.X, data.y).predict_proba(data.X).shape
    (500, 2)
    """

    _auto: ClassVar[dict] = {"lr": 3e-4, "weight_decay": 1e-5}

    _sizes: ClassVar[tuple] = ("n_blocks", "d_block", "ffn_d_hidden_multiplier")

    n_blocks: int = parameter(
        3,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        """Transformer blocks.""",
    )
    d_block: int = parameter(
        96,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        """Width of a token.""",
    )
    attention_n_heads: int = parameter(
        8,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        """A divisor of `d_block`.""",
    )
    attention_dropout: float = parameter(
        0.2,
        [Interval(Real, 0, 1, closed="left")],
        "float in [0, 1)",
        """Share dropped of attention probabilities.""",
    )
    ffn_d_hidden_multiplier: float = parameter(
        4 / 3,
        [Interval(Real, 0, None, closed="neither")],
        "float",
        """Hidden width of a block over `d_block`.""",
    )
    ffn_dropout: float = parameter(
        0.1,
        [Interval(Real, 0, 1, closed="left")],
        "float in [0, 1)",
        """Share dropped of hidden layers.""",
    )
    residual_dropout: float = parameter(
        0.0,
        [Interval(Real, 0, 1, closed="left")],
        "float in [0, 1)",
        """Share dropped before each sum.""",
    )
    lr: float | str = parameter(
        "auto",
        doc="""Learning rate; "auto" is 0.0003.""",
    )
    weight_decay: float | str = parameter(
        "auto",
        doc=""""auto" is 0.00001. Decoupled for "adamw", an L2 term for "sgd".""",
    )

    def network_arguments(self):
        """Parameters of the class itself.

        Returns
        -------
        dict

        Raises
        ------
        ValueError
            `attention_n_heads` does not divide `d_block`.
        """
        if self.d_block % self.attention_n_heads:
            raise ValueError(
                f"attention_n_heads must divide d_block={self.d_block}, got "
                f"{self.attention_n_heads}: each head takes an equal share of a token."
            )
        return super().network_arguments()

    def _count_weights(self, n_blocks, d_block, ffn_d_hidden_multiplier):
        encoder = self.encoder_
        n_tokens = encoder.n_numeric_ + encoder.n_indicators_
        n_tokens += sum(encoder.cardinalities_)
        d_hidden = int(d_block * ffn_d_hidden_multiplier)
        return (n_tokens + n_blocks * (4 * d_block + 3 * d_hidden)) * d_block

    @staticmethod
    def make_network(**arguments):
        """Build one network of the architecture, without drawing its weights.

        Parameters
        ----------
        **arguments : object
            Those of `sklimb.nn.tabular_backbones.FTTransformerBackbone`.

        Returns
        -------
        nn.Module
            That backbone.
        """
        return FTTransformerBackbone(**arguments)
