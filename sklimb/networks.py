"""Classifiers for tables whose networks are not packed by hand: ResNet, transformer.

To use a network of your own, subclass `_NetworkClassifier` as these two do.
"""

from abc import abstractmethod
from numbers import Integral, Real
from typing import ClassVar

from sklimb._compat import Interval
from sklimb._random import stream_generator
from sklimb.base import BaseNeuralClassifier
from sklimb.nn.backbones import FTTransformerBackbone, ResNetBackbone
from sklimb.nn.stacked import StackedMembers
from sklimb.nn.widths import numbers_held


class _NetworkClassifier(BaseNeuralClassifier):
    """Members are copies of one plain network, stacked.

    `_network_arguments` says what the network is built with besides the table's layout,
    `_make_network` builds it; it has `reset_parameters(generator)`.
    """

    @abstractmethod
    def _network_arguments(self) -> dict:
        """Arguments that the parameters give."""

    @staticmethod
    @abstractmethod
    def _make_network(arguments):
        """A network (batch, columns) -> (batch, classes) with `embed`."""

    def _make_members(self, plan, members):
        encoder = self.encoder_
        arguments = {
            "n_numeric": encoder.n_numeric_,
            "n_indicators": encoder.n_indicators_,
            "cardinalities": list(encoder.cardinalities_),
            "n_classes": len(self.classes_),
            **self._network_arguments(),
        }
        self.module_config_ = {"n_members": len(members), "network": arguments}
        networks = []
        for member in members:
            network = self._make_network(arguments)
            network.reset_parameters(stream_generator(member["seed"], "init"))
            networks.append(network)
        return StackedMembers(networks)

    def _widest(self, module):
        network = self._make_network(self.module_config_["network"])
        encoder = self.encoder_
        n_columns = encoder.n_numeric_ + encoder.n_indicators_
        return numbers_held(network, n_columns + len(encoder.cardinalities_)) // 8

    @classmethod
    def _build_module(cls, config):
        """The stacked networks of a `module_config_`; weights are not drawn yet."""
        networks = [cls._make_network(config["network"])] * config["n_members"]
        return StackedMembers(networks)


class TabularResNetClassifier(_NetworkClassifier):
    """ResNet for class-imbalanced tables (Gorishniy et al., 2021).

    Numbers enter as they are, categories as learned vectors. All imbalance strategies
    of `TabularMLPClassifier` are parameters here too. Members of an ensemble train in
    one program by `torch.func.vmap`.

    Parameters
    ----------
    n_blocks : int, default=2
        Residual blocks.
    d_block : int, default=192
        Width between blocks.
    d_hidden_multiplier : float, default=2.0
        Hidden width of a block over `d_block`.
    dropout1, dropout2 : float in [0, 1), default=0.3, 0.0
        In a block, after the hidden layer and before the sum.
    d_embedding : int, default=16
        Width of the embedding of a category.
    lr : float or "auto", default="auto"
        "auto" is 0.001.
    weight_decay : float or "auto", default="auto"
        "auto" is 0.0001.
    loss, class_weight, drw_start, sampler, smoothing_eps, \
            smoothing_scale, smoothing_max, sam_asymmetric_rho, sam_scale, \
            sam_scale_max, sam_norm, joint_ssl, joint_ssl_weight, mix, mix_alpha, \
            m2m, metabalance_sampler, metabalance_steps, inner_lr, beta, \
            second_order, support_batch_size, query_batch_size, row_weighting, \
            row_weighting_rows, target_prior, temperature_scaling, n_members, \
            portfolio, pretrained, categorical_features, numeric_transform, \
            min_frequency, optimizer, lr_schedule, warmup_epochs, max_epochs, \
            batch_size, ema_decay, clip_norm, early_stopping, validation_fraction, \
            validation_split, validation_folds, monitor, n_iter_no_change, \
            warm_start, merge_duplicates, dtype, device, compile, random_state, \
            verbose, callbacks, net_params
        As in `TabularMLPClassifier`, with the same defaults and attributes.

    Notes
    -----
    BatchNorm: SAM's second pass and the views of `joint_ssl` leave the running
    statistics alone; views are normalised by the rows of both views, without the clean
    rows of the step. A row that would be alone in the last batch of an epoch is left
    out of that epoch.

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
    _parameter_constraints: ClassVar[dict] = {
        **BaseNeuralClassifier._parameter_constraints,
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "d_block": [Interval(Integral, 1, None, closed="left")],
        "d_hidden_multiplier": [Interval(Real, 0, None, closed="neither")],
        "dropout1": [Interval(Real, 0, 1, closed="left")],
        "dropout2": [Interval(Real, 0, 1, closed="left")],
        "d_embedding": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        loss="ce",
        class_weight=None,
        drw_start=None,
        sampler="uniform",
        smoothing_eps=0.0,
        smoothing_scale="complement",
        smoothing_max=0.5,
        sam_asymmetric_rho=0.0,
        sam_scale="inverse",
        sam_scale_max=10.0,
        sam_norm="batch",
        joint_ssl=None,
        joint_ssl_weight=0.1,
        mix=None,
        mix_alpha=1.0,
        m2m=None,
        metabalance_sampler=None,
        metabalance_steps=80,
        inner_lr=0.01,
        beta=0.0,
        second_order=False,
        support_batch_size=24,
        query_batch_size=16,
        row_weighting=None,
        row_weighting_rows=10,
        target_prior="train",
        temperature_scaling=False,
        n_members=1,
        portfolio=None,
        pretrained=None,
        n_blocks=2,
        d_block=192,
        d_hidden_multiplier=2.0,
        dropout1=0.3,
        dropout2=0.0,
        d_embedding=16,
        categorical_features="from_dtype",
        numeric_transform="quantile",
        min_frequency=0.0005,
        optimizer="adamw",
        lr="auto",
        weight_decay="auto",
        lr_schedule="constant",
        warmup_epochs=0,
        max_epochs=200,
        batch_size="auto",
        ema_decay=0.0,
        clip_norm=None,
        early_stopping="auto",
        validation_fraction=0.15,
        validation_split=None,
        validation_folds=None,
        monitor="loss",
        n_iter_no_change=16,
        warm_start=False,
        merge_duplicates=True,
        dtype="float32",
        device="auto",
        compile=False,
        random_state=None,
        verbose=0,
        callbacks=None,
        net_params=None,
    ):
        self.loss = loss
        self.class_weight = class_weight
        self.drw_start = drw_start
        self.sampler = sampler
        self.smoothing_eps = smoothing_eps
        self.smoothing_scale = smoothing_scale
        self.smoothing_max = smoothing_max
        self.sam_asymmetric_rho = sam_asymmetric_rho
        self.sam_scale = sam_scale
        self.sam_scale_max = sam_scale_max
        self.sam_norm = sam_norm
        self.joint_ssl = joint_ssl
        self.joint_ssl_weight = joint_ssl_weight
        self.mix = mix
        self.mix_alpha = mix_alpha
        self.m2m = m2m
        self.metabalance_sampler = metabalance_sampler
        self.metabalance_steps = metabalance_steps
        self.inner_lr = inner_lr
        self.beta = beta
        self.second_order = second_order
        self.support_batch_size = support_batch_size
        self.query_batch_size = query_batch_size
        self.row_weighting = row_weighting
        self.row_weighting_rows = row_weighting_rows
        self.target_prior = target_prior
        self.temperature_scaling = temperature_scaling
        self.n_members = n_members
        self.portfolio = portfolio
        self.pretrained = pretrained
        self.n_blocks = n_blocks
        self.d_block = d_block
        self.d_hidden_multiplier = d_hidden_multiplier
        self.dropout1 = dropout1
        self.dropout2 = dropout2
        self.d_embedding = d_embedding
        self.categorical_features = categorical_features
        self.numeric_transform = numeric_transform
        self.min_frequency = min_frequency
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.warmup_epochs = warmup_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.ema_decay = ema_decay
        self.clip_norm = clip_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.validation_folds = validation_folds
        self.monitor = monitor
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.merge_duplicates = merge_duplicates
        self.dtype = dtype
        self.device = device
        self.compile = compile
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.net_params = net_params

    def _network_arguments(self):
        return {
            "n_blocks": self.n_blocks,
            "d_block": self.d_block,
            "d_hidden_multiplier": self.d_hidden_multiplier,
            "dropout1": self.dropout1,
            "dropout2": self.dropout2,
            "d_embedding": self.d_embedding,
        }

    @staticmethod
    def _make_network(arguments):
        return ResNetBackbone(**arguments)


class FTTransformerClassifier(_NetworkClassifier):
    """FT-Transformer for class-imbalanced tables (Gorishniy et al., 2021).

    Each column becomes a token and attention mixes the tokens. All imbalance strategies
    of `TabularMLPClassifier` are parameters here too. Members of an ensemble train in
    one program by `torch.func.vmap`.

    Parameters
    ----------
    n_blocks : int, default=3
        Transformer blocks.
    d_block : int, default=96
        Width of a token.
    attention_n_heads : int, default=8
        A divisor of `d_block`.
    attention_dropout, ffn_dropout, residual_dropout : float in [0, 1), \
            default=0.2, 0.1, 0.0
        On attention probabilities, hidden layers, and before each sum.
    ffn_d_hidden_multiplier : float, default=4/3
        Hidden width of a block over `d_block`.
    lr : float or "auto", default="auto"
        "auto" is 0.0003.
    weight_decay : float or "auto", default="auto"
        "auto" is 0.00001.
    loss, class_weight, drw_start, sampler, smoothing_eps, \
            smoothing_scale, smoothing_max, sam_asymmetric_rho, sam_scale, \
            sam_scale_max, sam_norm, joint_ssl, joint_ssl_weight, mix, mix_alpha, \
            m2m, metabalance_sampler, metabalance_steps, inner_lr, beta, \
            second_order, support_batch_size, query_batch_size, row_weighting, \
            row_weighting_rows, target_prior, temperature_scaling, n_members, \
            portfolio, pretrained, categorical_features, numeric_transform, \
            min_frequency, optimizer, lr_schedule, warmup_epochs, max_epochs, \
            batch_size, ema_decay, clip_norm, early_stopping, validation_fraction, \
            validation_split, validation_folds, monitor, n_iter_no_change, \
            warm_start, merge_duplicates, dtype, device, compile, random_state, \
            verbose, callbacks, net_params
        As in `TabularMLPClassifier`, with the same defaults and attributes.

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
    _parameter_constraints: ClassVar[dict] = {
        **BaseNeuralClassifier._parameter_constraints,
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "d_block": [Interval(Integral, 1, None, closed="left")],
        "attention_n_heads": [Interval(Integral, 1, None, closed="left")],
        "attention_dropout": [Interval(Real, 0, 1, closed="left")],
        "ffn_d_hidden_multiplier": [Interval(Real, 0, None, closed="neither")],
        "ffn_dropout": [Interval(Real, 0, 1, closed="left")],
        "residual_dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        loss="ce",
        class_weight=None,
        drw_start=None,
        sampler="uniform",
        smoothing_eps=0.0,
        smoothing_scale="complement",
        smoothing_max=0.5,
        sam_asymmetric_rho=0.0,
        sam_scale="inverse",
        sam_scale_max=10.0,
        sam_norm="batch",
        joint_ssl=None,
        joint_ssl_weight=0.1,
        mix=None,
        mix_alpha=1.0,
        m2m=None,
        metabalance_sampler=None,
        metabalance_steps=80,
        inner_lr=0.01,
        beta=0.0,
        second_order=False,
        support_batch_size=24,
        query_batch_size=16,
        row_weighting=None,
        row_weighting_rows=10,
        target_prior="train",
        temperature_scaling=False,
        n_members=1,
        portfolio=None,
        pretrained=None,
        n_blocks=3,
        d_block=96,
        attention_n_heads=8,
        attention_dropout=0.2,
        ffn_d_hidden_multiplier=4 / 3,
        ffn_dropout=0.1,
        residual_dropout=0.0,
        categorical_features="from_dtype",
        numeric_transform="quantile",
        min_frequency=0.0005,
        optimizer="adamw",
        lr="auto",
        weight_decay="auto",
        lr_schedule="constant",
        warmup_epochs=0,
        max_epochs=200,
        batch_size="auto",
        ema_decay=0.0,
        clip_norm=None,
        early_stopping="auto",
        validation_fraction=0.15,
        validation_split=None,
        validation_folds=None,
        monitor="loss",
        n_iter_no_change=16,
        warm_start=False,
        merge_duplicates=True,
        dtype="float32",
        device="auto",
        compile=False,
        random_state=None,
        verbose=0,
        callbacks=None,
        net_params=None,
    ):
        self.loss = loss
        self.class_weight = class_weight
        self.drw_start = drw_start
        self.sampler = sampler
        self.smoothing_eps = smoothing_eps
        self.smoothing_scale = smoothing_scale
        self.smoothing_max = smoothing_max
        self.sam_asymmetric_rho = sam_asymmetric_rho
        self.sam_scale = sam_scale
        self.sam_scale_max = sam_scale_max
        self.sam_norm = sam_norm
        self.joint_ssl = joint_ssl
        self.joint_ssl_weight = joint_ssl_weight
        self.mix = mix
        self.mix_alpha = mix_alpha
        self.m2m = m2m
        self.metabalance_sampler = metabalance_sampler
        self.metabalance_steps = metabalance_steps
        self.inner_lr = inner_lr
        self.beta = beta
        self.second_order = second_order
        self.support_batch_size = support_batch_size
        self.query_batch_size = query_batch_size
        self.row_weighting = row_weighting
        self.row_weighting_rows = row_weighting_rows
        self.target_prior = target_prior
        self.temperature_scaling = temperature_scaling
        self.n_members = n_members
        self.portfolio = portfolio
        self.pretrained = pretrained
        self.n_blocks = n_blocks
        self.d_block = d_block
        self.attention_n_heads = attention_n_heads
        self.attention_dropout = attention_dropout
        self.ffn_d_hidden_multiplier = ffn_d_hidden_multiplier
        self.ffn_dropout = ffn_dropout
        self.residual_dropout = residual_dropout
        self.categorical_features = categorical_features
        self.numeric_transform = numeric_transform
        self.min_frequency = min_frequency
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.warmup_epochs = warmup_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.ema_decay = ema_decay
        self.clip_norm = clip_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.validation_folds = validation_folds
        self.monitor = monitor
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.merge_duplicates = merge_duplicates
        self.dtype = dtype
        self.device = device
        self.compile = compile
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.net_params = net_params

    def _network_arguments(self):
        if self.d_block % self.attention_n_heads:
            raise ValueError(
                f"attention_n_heads must divide d_block={self.d_block}, got "
                f"{self.attention_n_heads}: each head takes an equal share of a token."
            )
        return {
            "n_blocks": self.n_blocks,
            "d_block": self.d_block,
            "attention_n_heads": self.attention_n_heads,
            "attention_dropout": self.attention_dropout,
            "ffn_d_hidden_multiplier": self.ffn_d_hidden_multiplier,
            "ffn_dropout": self.ffn_dropout,
            "residual_dropout": self.residual_dropout,
        }

    @staticmethod
    def _make_network(arguments):
        return FTTransformerBackbone(**arguments)
