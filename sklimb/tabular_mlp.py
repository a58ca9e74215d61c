"""TabularMLPClassifier: a packed multi-layer perceptron over embedded columns."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch

from sklimb._compat import Interval, StrOptions
from sklimb.base import BaseNeuralClassifier
from sklimb.fitting.budget import NETWORKS
from sklimb.fitting.schedule import value_of
from sklimb.nn import PackedMLP
from sklimb.nn.bins import weighted_edges
from sklimb.nn.embeddings import PERIODIC
from sklimb.parameters.columns import ColumnParameters
from sklimb.parameters.fields import one_of, parameter
from sklimb.training.losses import needs_cosines
from sklimb.training.optimizers import one_value

# Rows that each other value of a crowded column needs on average, or the finer
# frequencies learn single rows by heart (benchmarks/studies/out_of_the_box).
_ROWS_OF_OTHERS = 10


class TabularMLPClassifier(ColumnParameters, BaseNeuralClassifier):
    """Multi-layer perceptron for class-imbalanced tables.

    Numbers are made Gaussian (those of few rows: scaled by quartiles) and embedded
    (Gorishniy et al., 2022), categories get learned embeddings, missing values an
    indicator. Imbalance strategies are parameters; each has an off value, and most can
    be combined.

    References
    ----------
    Shwartz-Ziv et al., "Simplifying Neural Network Training Under Class Imbalance",
    2023. Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep
    Learning", 2022.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(4000, fraud_rate=0.05, random_state=0)
    >>> train, test, y_train, y_test = train_test_split(
    ...     data.X, data.y, stratify=data.y, random_state=0
    ... )
    >>> clf = TabularMLPClassifier(sam_asymmetric_rho=0.05, random_state=0)
    >>> p = clf.fit(train, y_train).predict_proba(test)[:, 1]
    >>> roc_auc_score(y_test, p) > 0.8
    True
    """

    _offers_cosine_head: ClassVar[bool] = True
    _networks: ClassVar[tuple] = NETWORKS
    _varied: ClassVar[tuple] = (
        *BaseNeuralClassifier._varied,
        "dropout",
        "frequency_scale",
    )

    _sizes: ClassVar[tuple] = (
        "n_blocks",
        "d_block",
        "d_embedding",
        "n_frequencies",
    )

    numeric_transform: str | None = parameter(
        "auto",
        [StrOptions({"auto", "quantile", "standard", "robust"}), None],
        '{"auto", "quantile", "standard", "robust"} or None',
        """What is done to numbers: see `TabularEncoder`. "auto" is "quantile", and
        "robust" in the short training of `max_epochs` below 2,000 merged rows: of few
        values, quantiles are noise.""",
    )
    num_embeddings: str | None = parameter(
        "auto",
        [StrOptions({"auto", "ple", "plr", "plr-lite", "plr-dense", "linear"}), None],
        '{"auto", "plr", "plr-dense", "plr-lite", "ple", "linear"} or None',
        """Embeddings of numbers: periodic, periodic beside the number itself, periodic
        with one shared layer, piecewise linear over quantile bins, linear with ReLU,
        or none. "auto" is "plr", and "plr-dense" where `d_block="auto"` is 128.""",
    )
    n_blocks: int = parameter(
        2,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        "Hidden layers.",
    )
    d_block: int | str = parameter(
        "auto",
        [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        'int or "auto"',
        """Units of a hidden layer; "auto" is 256, and 128 where `max_epochs="auto"` is
        beside `validation_folds`.""",
    )
    dropout: float | str = parameter(
        "auto",
        [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        'float in [0, 1) or "auto"',
        """Share of hidden units dropped in training. "auto" is 0.1, or what a portfolio
        says; likewise for the other "auto" parameters.""",
    )
    d_embedding: int = parameter(
        16,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        "Width of the embedding of a number or a category.",
    )
    n_frequencies: int = parameter(
        16,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        """Frequencies a number ("plr", "plr-dense", "plr-lite").""",
    )
    frequency_scale: float | str = parameter(
        "auto",
        [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        'float or "auto"',
        """Standard deviation of the initial frequencies, in periods per standard
        deviation of the column. The most influential knob of "plr": 0.05 to 5;
        "auto" is 0.1, and without a portfolio half of the frequencies are 100 times as
        large in columns of which one value has half of the rows, and five or more other
        values ten rows each on average: amounts that are mostly 0, or counts.""",
    )
    linear_start: str | None = parameter(
        "auto",
        [StrOptions({"auto"}), None],
        '"auto" or None',
        """With "auto" every other fold of the short training of `max_epochs` learns
        what a logistic regression of its rows leaves, where the rarest class has fewer
        than 50 merged rows: a fixed linear function is its first unit of the last
        hidden layer, and the last layer starts from it. That is with the cross-entropy
        and without sampler or pretrained. None: no fold does.""",
    )
    n_members: int | str = parameter("auto")
    validation_folds: int | str | None = parameter("auto")
    max_epochs: int | str = parameter(
        "auto",
        [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        'int or "auto"',
        """Largest number of passes over the training rows. "auto" is 200, and with
        `validation_folds` a short training of a narrower network: 20 epochs of 16 to 96
        steps, and 2, 4, 8, ... times as many where that is less than some 1,000 steps,
        in which the learning rate falls by a cosine from 0.005; from 400,000 rows on as
        many epochs as see 8 million rows, at least 4, and 50,000 rows validate at most.
        What you set beside it is taken as it is. It stays 200 with
        `lr_schedule="constant"`, another optimizer than "adamw", warm_start, portfolio,
        joint_ssl, m2m, metabalance_sampler, row_weighting or drw_start.""",
    )
    lr_schedule: str = parameter(
        "auto",
        [StrOptions({"auto", "constant", "cosine"})],
        one_of("auto", "constant", "cosine"),
        """Schedule of the learning rate over `max_epochs`; "auto" is "constant", and
        "cosine" in the short training of `max_epochs`.""",
    )
    lr: float | str = parameter(
        "auto",
        doc="""Learning rate; "auto" is 0.001, and 0.005 in the short training of
        `max_epochs`.""",
    )
    batch_size: int | str = parameter(
        "auto",
        doc="""Rows per step; "auto" is 256, or all rows if there are fewer, and in the
        short training of `max_epochs` 32 or 64 below some 8,000 rows and then
        as many as make 96 steps, to a power of 2, up to 4096.""",
    )
    n_bins: int = parameter(
        32,
        [Interval(Integral, 2, None, closed="left")],
        "int",
        """Bins a number ("ple"), clamped to its distinct values.""",
    )

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
            "n_blocks": int(self.n_blocks),
            "d_block": int(value_of(self, "d_block")),
            "num_embeddings": value_of(self, "num_embeddings"),
            "d_embedding": int(self.d_embedding),
            "n_frequencies": int(self.n_frequencies),
            "frequency_scale": scale if isinstance(scale, float) else scale.tolist(),
            "cosine_head": needs_cosines(self.loss),
            "n_edges": None if edges is None else edges.shape[1],
        }
        live = ~np.isin(encoder.numeric_columns_, encoder.constant_columns_)
        crowded = None
        if self.frequency_scale == "auto" and self.portfolio is None:
            crowded = encoder._crowded * len(plan.X) >= _ROWS_OF_OTHERS
        module = self._build_module(
            self.module_config_, edges, torch.from_numpy(live), crowded
        )
        module.reset_parameters([m["seed"] for m in members])
        return module

    def _count_weights(self, n_blocks, d_block, d_embedding, n_frequencies):
        encoder, kind = self.encoder_, value_of(self, "num_embeddings")
        width = encoder.n_indicators_ + d_embedding * len(encoder.cardinalities_)
        width += encoder.n_numeric_ * (d_embedding if kind else 1)
        n_weights = sum(encoder.cardinalities_) * d_embedding
        if kind in PERIODIC:  # "plr-lite" shares the layer
            n_layers = 1 if kind == "plr-lite" else encoder.n_numeric_
            n_weights += n_frequencies * encoder.n_numeric_
            n_weights += 2 * n_frequencies * d_embedding * n_layers
        layers = width + (n_blocks - 1) * d_block + len(self.classes_)
        return n_weights + layers * d_block

    @staticmethod
    def _build_module(config, edges=None, live=None, crowded=None):
        """The packed network of a `module_config_`, before weights are drawn."""
        config = dict(config)
        n_edges = config.pop("n_edges")
        if n_edges is not None and edges is None:
            edges = torch.zeros(config["n_numeric"], n_edges)
        return PackedMLP(**config, edges=edges, live=live, crowded=crowded)
