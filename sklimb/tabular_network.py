"""TabularNetworkClassifier: base class of tabular architectures of one's own."""

from abc import abstractmethod
from dataclasses import fields

from sklimb._random import stream_generator
from sklimb.base import BaseNeuralClassifier
from sklimb.nn.stacked import StackedMembers
from sklimb.nn.widths import numbers_held
from sklimb.parameters.columns import ColumnParameters


class TabularNetworkClassifier(ColumnParameters, BaseNeuralClassifier):
    """Base class for a tabular architecture of your own.

    A subclass declares its own parameters by `sklimb.parameters.parameter` and builds
    its network in `make_network`; it inherits all shared parameters and strategies,
    packs of members, searches and `save`.

    Examples
    --------
    >>> from torch import nn
    >>> from sklimb import TabularNetworkClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.parameters import parameter
    >>> class Linear(nn.Module):
    ...     def __init__(self, n_columns, n_classes):
    ...         super().__init__()
    ...         self.layer = nn.Linear(n_columns, n_classes)
    ...     def embed(self, x):
    ...         return x
    ...     def forward(self, x):
    ...         return self.layer(x)
    ...     def reset_parameters(self, generator):
    ...         nn.init.normal_(self.layer.weight, std=0.01, generator=generator)
    ...         nn.init.zeros_(self.layer.bias)
    >>> class LinearClassifier(TabularNetworkClassifier):
    ...     @staticmethod
    ...     def make_network(n_numeric, n_indicators, cardinalities, n_classes):
    ...         n_columns = n_numeric + n_indicators + len(cardinalities)
    ...         return Linear(n_columns, n_classes)
    >>> data = make_transactions(500, fraud_rate=0.1, random_state=0)
    >>> X = data.X.select_dtypes("number")
    >>> LinearClassifier(max_epochs=2, n_members=3).fit(X, data.y).predict(X).shape
    (500,)
    """

    @staticmethod
    @abstractmethod
    def make_network(n_numeric, n_indicators, cardinalities, n_classes, **own):
        """Build one network of the architecture, without drawing its weights.

        Parameters
        ----------
        n_numeric, n_indicators : int
            Columns of numbers and of missing indicators, which come first.
        cardinalities : list of int
            Codes of each category column; their integer codes, as numbers, come last.
        n_classes : int
            Number of logits.
        **own : object
            What `network_arguments` returns: by default the class's own parameters.

        Returns
        -------
        nn.Module
            (batch, columns) -> logits (batch, n_classes), with a method `embed` ->
            features (batch, d) that the last layer sees, and a method
            `reset_parameters(generator)` that draws all weights from a torch generator.
        """

    def network_arguments(self):
        """Arguments of `make_network` that are parameters, as JSON-able values.

        Returns
        -------
        dict
            The parameters that the class adds to those of all classifiers for tables.
        """
        shared = {f.name for f in fields(TabularNetworkClassifier)}
        names = [f.name for f in fields(self) if f.name not in shared]
        values = {name: getattr(self, name) for name in names}
        # True, which passes for an int, is no size of a tensor.
        sizes = {f.name for f in fields(self) if type(f.default) is int}
        return {k: int(v) if k in sizes else v for k, v in values.items()}

    def _make_members(self, plan, members):
        encoder = self.encoder_
        arguments = {
            "n_numeric": encoder.n_numeric_,
            "n_indicators": encoder.n_indicators_,
            "cardinalities": list(encoder.cardinalities_),
            "n_classes": len(self.classes_),
            **self.network_arguments(),
        }
        self.module_config_ = {"n_members": len(members), "network": arguments}
        networks = []
        for member in members:
            network = self.make_network(**arguments)
            network.reset_parameters(stream_generator(member["seed"], "init"))
            networks.append(network)
        return StackedMembers(networks)

    @classmethod
    def _widest(cls, module, config, n_columns):
        return numbers_held(cls.make_network(**config["network"]), n_columns) // 8

    @classmethod
    def _build_module(cls, config):
        """The stacked networks of a `module_config_`, before weights are drawn."""
        networks = [cls.make_network(**config["network"])] * config["n_members"]
        return StackedMembers(networks)
