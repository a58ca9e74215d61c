"""TabularResNetClassifier: the published ResNet for tables."""

from numbers import Integral, Real
from typing import ClassVar

from sklimb._compat import Interval
from sklimb.nn.tabular_backbones import ResNetBackbone
from sklimb.parameters.fields import parameter
from sklimb.tabular_network import TabularNetworkClassifier


class TabularResNetClassifier(TabularNetworkClassifier):
    """ResNet for class-imbalanced tables (Gorishniy et al., 2021).

    Numbers enter as they are, categories as learned vectors. All imbalance strategies
    of `TabularMLPClassifier` are parameters here too. Members of an ensemble train in
    one program by `torch.func.vmap`.

    Notes
    -----
    BatchNorm: SAM's second pass and the views of `joint_ssl` do not change the running
    statistics; views are normalised by the rows of both views, without the clean rows
    of the step. A row that would be alone in the last batch of an epoch is left out of
    that epoch.

    References
    ----------
    Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021.

    Examples
    --------
    >>> from sklimb import TabularResNetClassifier
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(1000, fraud_rate=0.1, random_state=0)
    >>> clf = TabularResNetClassifier(d_block=16, max_epochs=3, random_state=0)
    >>> clf.fit(data.X, data.y).predict_proba(data.X).shape
    (1000, 2)
    """

    _auto: ClassVar[dict] = {"lr": 1e-3, "weight_decay": 1e-4}

    _sizes: ClassVar[tuple] = (
        "n_blocks",
        "d_block",
        "d_hidden_multiplier",
        "d_embedding",
    )

    n_blocks: int = parameter(
        2,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        """Residual blocks.""",
    )
    d_block: int = parameter(
        192,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        """Width between blocks.""",
    )
    d_hidden_multiplier: float = parameter(
        2.0,
        [Interval(Real, 0, None, closed="neither")],
        "float",
        """Hidden width of a block over `d_block`.""",
    )
    dropout1: float = parameter(
        0.3,
        [Interval(Real, 0, 1, closed="left")],
        "float in [0, 1)",
        """Share dropped in a block, after the hidden layer.""",
    )
    dropout2: float = parameter(
        0.0,
        [Interval(Real, 0, 1, closed="left")],
        "float in [0, 1)",
        """Share dropped in a block, before the sum.""",
    )
    d_embedding: int = parameter(
        16,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        """Width of the embedding of a category.""",
    )

    def _count_weights(self, n_blocks, d_block, d_hidden_multiplier, d_embedding):
        encoder = self.encoder_
        width = encoder.n_numeric_ + d_embedding * len(encoder.cardinalities_)
        d_hidden = int(d_block * d_hidden_multiplier)
        n_weights = sum(encoder.cardinalities_) * d_embedding + width * d_block
        return n_weights + 2 * n_blocks * d_block * d_hidden

    @staticmethod
    def make_network(**arguments):
        """Build one network of the architecture, without drawing its weights.

        Parameters
        ----------
        **arguments : object
            Those of `sklimb.nn.tabular_backbones.ResNetBackbone`.

        Returns
        -------
        nn.Module
            That backbone.
        """
        return ResNetBackbone(**arguments)
