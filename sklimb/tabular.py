"""Classifiers for tables: their parameters and the networks that they build."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch

from sklimb._compat import Interval, RealNotInt, StrOptions
from sklimb.base import BaseNeuralClassifier
from sklimb.nn import PackedMLP
from sklimb.nn.bins import weighted_edges
from sklimb.training.optimizers import one_value


class TabularMLPClassifier(BaseNeuralClassifier):
    """Multi-layer perceptron for class-imbalanced tables."""

    _parameter_constraints: ClassVar[dict] = {
        **BaseNeuralClassifier._parameter_constraints,
        "num_embeddings": [StrOptions({"ple", "plr", "plr-lite", "linear"}), None],
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "d_block": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "d_embedding": [Interval(Integral, 1, None, closed="left")],
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "frequency_scale": [Interval(Real, 0, None, closed="neither")],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "numeric_transform": [StrOptions({"quantile", "standard"}), None],
        "min_frequency": [
            Interval(RealNotInt, 0, 1, closed="left"),
            Interval(Integral, 1, None, closed="left"),
        ],
    }

    def __init__(
        self,
        *,
        loss="ce",
        class_weight=None,
        sampler="uniform",
        smoothing_eps=0.0,
        smoothing_scale="complement",
        smoothing_max=0.5,
        sam_asymmetric_rho=0.0,
        sam_scale="inverse",
        sam_scale_max=10.0,
        sam_norm="batch",
        target_prior="train",
        n_members=1,
        num_embeddings="plr",
        n_blocks=2,
        d_block=256,
        dropout=0.1,
        d_embedding=16,
        n_frequencies=16,
        frequency_scale=0.1,
        n_bins=32,
        categorical_features="from_dtype",
        numeric_transform="quantile",
        min_frequency=0.0005,
        optimizer="adamw",
        lr=1e-3,
        weight_decay=1e-4,
        lr_schedule="constant",
        warmup_epochs=0,
        max_epochs=200,
        batch_size="auto",
        ema_decay=0.0,
        clip_norm=None,
        early_stopping="auto",
        validation_fraction=0.15,
        validation_split=None,
        monitor="loss",
        n_iter_no_change=16,
        warm_start=False,
        merge_duplicates=True,
        dtype="float32",
        device="auto",
        random_state=None,
        verbose=0,
        callbacks=None,
        net_params=None,
    ):
        self.loss = loss
        self.class_weight = class_weight
        self.sampler = sampler
        self.smoothing_eps = smoothing_eps
        self.smoothing_scale = smoothing_scale
        self.smoothing_max = smoothing_max
        self.sam_asymmetric_rho = sam_asymmetric_rho
        self.sam_scale = sam_scale
        self.sam_scale_max = sam_scale_max
        self.sam_norm = sam_norm
        self.target_prior = target_prior
        self.n_members = n_members
        self.num_embeddings = num_embeddings
        self.n_blocks = n_blocks
        self.d_block = d_block
        self.dropout = dropout
        self.d_embedding = d_embedding
        self.n_frequencies = n_frequencies
        self.frequency_scale = frequency_scale
        self.n_bins = n_bins
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
        self.monitor = monitor
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.merge_duplicates = merge_duplicates
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.net_params = net_params

    def _make_members(self, plan, members):
        encoder = self.encoder_
        n = encoder.n_numeric_
        edges = None
        if self.num_embeddings == "ple" and n:
            edges = weighted_edges(plan.X[:, :n], plan.row_weight, self.n_bins)
        scale = one_value([m["frequency_scale"] for m in members])
        self.module_config_ = {
            "n_members": len(members),
            "n_numeric": n,
            "n_indicators": encoder.n_indicators_,
            "cardinalities": list(encoder.cardinalities_),
            "n_classes": len(self.classes_),
            "n_blocks": self.n_blocks,
            "d_block": self.d_block,
            "num_embeddings": self.num_embeddings,
            "d_embedding": self.d_embedding,
            "n_frequencies": self.n_frequencies,
            "frequency_scale": scale if isinstance(scale, float) else scale.tolist(),
            "n_edges": None if edges is None else edges.shape[1],
        }
        live = ~np.isin(encoder.numeric_columns_, encoder.constant_columns_)
        module = self._build_module(self.module_config_, edges, torch.from_numpy(live))
        module.reset_parameters([m["seed"] for m in members])
        return module

    @staticmethod
    def _build_module(config, edges=None, live=None):
        """The packed network of a `module_config_`; weights are not drawn yet."""
        config = dict(config)
        n_edges = config.pop("n_edges")
        if n_edges is not None and edges is None:
            edges = torch.zeros(config["n_numeric"], n_edges)
        return PackedMLP(**config, edges=edges, live=live)
