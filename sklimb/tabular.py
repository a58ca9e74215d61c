"""Classifiers for tables: their parameters and the networks that they build."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch

from sklimb._compat import Interval, StrOptions
from sklimb.base import BaseNeuralClassifier
from sklimb.nn import PackedMLP
from sklimb.nn.bins import weighted_edges
from sklimb.training.losses import make_loss
from sklimb.training.optimizers import one_value
from sklimb.training.portfolio import resolved


class TabularMLPClassifier(BaseNeuralClassifier):
    """Multi-layer perceptron for class-imbalanced tables.

    Numbers are made Gaussian and embedded (Gorishniy et al., 2022), categories get
    learned embeddings, missing values an indicator. Imbalance strategies are
    parameters; each has an off value and they may be combined.

    Parameters
    ----------
    loss : {"ce", "focal", "class_balanced", "logit_adjusted", "balanced_softmax", \
            "vs", "ldam", "cosface"} or callable, default="ce"
        Loss of a row; see `sklimb.training.losses`. What a loss does to the class
        shares is a device of training, which `target_prior` divides out: "train" gives
        the probabilities of the rows at hand, "uniform" those that favour no class. A
        callable takes logits and soft targets, both of shape (members, rows, classes),
        and returns (members, rows). `FocalLoss(gamma)` sets gamma. Probabilities are
        P(y | x) under every loss: those of "focal" and of the margins, "ldam" and
        "cosface", are converted from the logits. Margins are learned by small
        differences of cosines, which `dropout` blurs: for probabilities of theirs set
        it to 0.0 and `temperature_scaling`.
    class_weight : None, "balanced" or dict, default=None
        Factor of each class in the loss. A statement of yours: probabilities follow it.
    drw_start : float in [0, 1) or None, default=None
        Share of `max_epochs` after which `sampler` or the weights of
        loss="class_balanced" begin; with neither, the weights of rare classes (deferred
        re-weighting, Cao et al., 2019). Validation counts from then on.
    sampler : str or imbalanced-learn object, default="uniform"
        Which rows make an epoch. "balanced" and "sqrt" draw classes equally or by the
        square root of their share; "over", "under", "smote" and objects re-sample the
        encoded training rows once, after the internal split. An object keeps its own
        `random_state`; None follows that of the fit. A sampler as a step of a Pipeline
        before this classifier puts synthetic twins on both sides of that split and
        shifts probabilities that nobody can correct: prefer this parameter.
    smoothing_eps : float in [0, 1), default=0.0
        Label smoothing of a class with factor 1 (S002 A.7); 0 is off.
    smoothing_scale : str or array of shape (n_classes,), default="complement"
        How smoothing differs by class: `eps_c = min(smoothing_max, eps * r_c)`.
        "complement" r = (1 - p) K / (K - 1) and "inverse" r = 1 / (K p) smooth rare
        classes more, "head" r = K p smooths frequent ones more (MiSLAS), "uniform" is
        plain smoothing, "max_ratio" r = max(p) / p is the authors' code, "printed"
        r = 1 / (1 - p) is equation 6 of S002, which contradicts its text.
    smoothing_max : float in [0, 1), default=0.5
        Largest eps of a class.
    sam_asymmetric_rho : float, default=0.0
        Radius of sharpness-aware minimisation (Foret et al., 2021) with a larger ascent
        for rare classes (SAM-A, S002 3.2); 0 is off. One more forward and backward pass
        a step.
    sam_scale : str or array of shape (n_classes,), default="inverse"
        How the ascent differs by class, as `smoothing_scale`; "uniform" is plain SAM.
    sam_scale_max : float, default=10.0
        Largest factor of a class.
    sam_norm : {"batch", "weighted"}, default="batch"
        Length of the perturbation: rho times the batch's mean factor, or always rho
        (the authors' code). A batch without a rare row climbs less with "batch".
    joint_ssl : {"vicreg", "simclr", "scarf"}, object or None, default=None
        Self-supervised term beside the supervised loss, which stays on the clean rows:
        some columns of each row are replaced by those of other rows, twice, and a
        projector of the features of both views is trained to agree ("vicreg") or to be
        found again ("simclr", "scarf"). An object sets more, such as
        `SCARF(corruption=0.4)`; see `sklimb.training.terms`. A step costs three to four
        times as much, in small networks up to eight. `fit` takes rows without labels
        as X_unlabeled.
    joint_ssl_weight : float, default=0.1
        Factor of the term. "vicreg" is of the order of 20, "simclr" and "scarf" are of
        the size of the supervised loss and take 0.1 to 1.
    mix : {"mixup", "cutmix"} or None, default=None
        Mix each row of a batch with another one, and their labels. "mixup" averages
        numbers and draws categories, "cutmix" takes each column from one of the two.
    mix_alpha : float, default=1.0
        Shares are from Beta(mix_alpha, mix_alpha): 1 is uniform, towards 0 rows stay
        as they are.
    m2m : None, "default" or M2m, default=None
        Major-to-minor translation (Kim et al., 2020): after 0.8 of `max_epochs` classes
        are drawn equally, and rows of frequent classes are moved until a plain network,
        trained first on the same rows, takes them for the rare class that they stand
        for. "default" is `sklimb.training.translation.M2m()`, which says what each
        setting does. Costs a second fit, and in the last epochs many passes a step.
    metabalance_sampler : None, str, imbalanced-learn object or pair, default=None
        MetaBalance (Bansal et al., S003): each task takes a step on support rows and is
        judged on query rows; weights follow what makes that judgement better. A pair
        gives the samplers of both; one alone is the query's, with natural support.
        "natural" or any name or object that `sampler` takes; None is off.
    metabalance_steps : int, default=80
        Tasks an update.
    inner_lr : float, default=0.01
        Rate of a task's step.
    beta : float, default=0.0
        Share of the support loss in the update.
    second_order : bool, default=False
        Differentiate through the inner step, as printed; the authors' code does not.
    support_batch_size, query_batch_size : int, default=24, 16
        Rows a task; `batch_size` is not used then. An epoch is one pass over the query
        rows.
    row_weighting : {"l2rw", "meta_weight_net"}, object or None, default=None
        Learn the weight of each row of a batch from what it does for a few balanced
        rows: in closed form ("l2rw", Ren et al., 2018) or by a small network of the
        row's loss ("meta_weight_net", Shu et al., 2019). Weights sum to 1 over a batch;
        sample and class weights multiply them. See `sklimb.training.reweighting` for
        `MetaWeightNet(hidden, lr)` and for ways of your own; None is off. What weights
        do to the class shares is not known in advance, so `prior_shift_` does not hold
        it, but the solved output bias gives the mean probabilities back (with
        target_prior=None nothing does). Validation is by probabilities before that:
        a `monitor` of ranks, such as "roc_auc", looks past the shift.
    row_weighting_rows : int, default=10
        Rows of each class that each member keeps apart as balanced rows, drawn evenly
        from its training rows (sample weights do not matter); it never trains on them
        otherwise.
    target_prior : {"train", "uniform"}, array of shape (n_classes,) or None, \
            default="train"
        Class shares that probabilities assume. "train" divides out what `sampler` did
        and solves the output bias, so that mean probabilities equal the (weighted)
        class shares of the rows given, held-out ones with them (not those of X_val).
        "uniform" and an array are these probabilities times the ratio of the shares,
        so the array of the shares themselves is "train". In `partial_fit`, which
        solves no bias, the shares are those of all calls. None leaves the network's
        output alone.
    temperature_scaling : bool, default=False
        Divide each member's log probabilities by the one number that gives them the
        least log loss on its held-out rows (Guo et al., 2017), with the output bias
        that `target_prior` then asks for. One member's order of two classes stays as it
        is. Rows of X_val serve too, and should have the class shares of X.
    n_members : int, default=1
        Independent networks trained as one; their probabilities are averaged.
    portfolio : None, "default" or list of dict, default=None
        Settings of members that are trained side by side and combined by greedy
        selection on the validation rows: one fit that tunes itself. Each dict sets
        some of lr, weight_decay, dropout, smoothing_eps, frequency_scale,
        sam_asymmetric_rho and joint_ssl_weight; a parameter that you set to another
        value than its default is held fixed over the list. `n_members` is then the
        number of networks a setting.
    pretrained : SelfSupervisedPretrainer or None, default=None
        Features to start from; all layers but the last, which is drawn as always. An
        unfitted one trains inside `fit`, each member by itself, on the training rows
        and X_unlabeled; a fitted one, wrapped in `sklearn.frozen.FrozenEstimator`,
        gives all members its weights, and its encoder.
    num_embeddings : {"plr", "plr-lite", "ple", "linear"} or None, default="plr"
        Embeddings of numbers: periodic, periodic with one shared layer, piecewise
        linear over quantile bins, linear with ReLU, or none.
    n_blocks : int, default=2
        Hidden layers.
    d_block : int, default=256
        Units of a hidden layer.
    dropout : float in [0, 1) or "auto", default="auto"
        Share of hidden units dropped in training. "auto" is 0.1, or what a portfolio
        says; likewise for the other "auto" parameters.
    d_embedding : int, default=16
        Width of the embedding of a number or a category.
    n_frequencies : int, default=16
        Frequencies a number ("plr", "plr-lite").
    frequency_scale : float or "auto", default="auto"
        Standard deviation of the initial frequencies, in periods per standard
        deviation of the column. The most influential knob of "plr": 0.05 to 5;
        "auto" is 0.1.
    n_bins : int, default=32
        Bins a number ("ple"), clamped to its distinct values.
    categorical_features : "from_dtype", list, mask or None, default="from_dtype"
        Categorical columns by dtype (category and strings), names, indices or mask.
    numeric_transform : {"quantile", "standard"} or None, default="quantile"
        What is done to numbers: see `TabularEncoder`.
    min_frequency : float or int, default=0.0005
        Categories with a smaller share of the weight (or weight, if int) share a code.
    optimizer : {"adamw", "sgd"}, default="adamw"
        "sgd" has Nesterov momentum 0.9; change it by `net_params`.
    lr : float or "auto", default="auto"
        Learning rate; "auto" is 0.001.
    weight_decay : float or "auto", default="auto"
        "auto" is 0.0001. Decoupled for "adamw", an L2 term for "sgd".
    lr_schedule : {"constant", "cosine"}, default="constant"
        Course of the learning rate over `max_epochs`.
    warmup_epochs : int, default=0
        Epochs in which the learning rate rises.
    max_epochs : int, default=200
        Most passes over the training rows.
    batch_size : int or "auto", default="auto"
        Rows a step; "auto" is 256, or all rows if there are fewer.
    ema_decay : float in [0, 1), default=0.0
        Decay of the average of weights, and of running statistics (BatchNorm), that
        predicts; 0 is off.
    clip_norm : float or None, default=None
        Largest norm of each member's gradient.
    early_stopping : "auto" or bool, default="auto"
        Hold rows out, keep each member's best weights, stop when none gets better.
        "auto" does so unless no class has two different rows.
    validation_fraction : float in (0, 1), default=0.15
        Share of each class that is held out.
    validation_split : int, splitter, iterable or None, default=None
        A scikit-learn splitter whose last split is taken instead (for `TimeSeriesSplit`
        the latest rows validate).
    validation_folds : int or None, default=None
        Folds instead of one split: each member is trained once a fold and stopped on
        the rows that its fold holds out, and all of them predict. For few rows.
    monitor : {"loss", "average_precision", "roc_auc", "balanced_accuracy"}, \
            default="loss"
        What the held-out rows measure.
    n_iter_no_change : int, default=16
        Epochs without a better score after which a member is done.
    warm_start : bool, default=False
        Go on from the last fit, with its encoder and classes.
    merge_duplicates : bool, default=True
        Identical rows become one with the summed weight, before the internal split.
    dtype : {"float32", "float64", "bfloat16"}, default="float32"
        Numbers of the network. "bfloat16" trains with products in bfloat16 and weights
        in float32, for GPUs; it predicts in float32.
    device : str, default="auto"
        "auto" takes a CUDA device if there is one.
    compile : bool or {"reduce-overhead", "max-autotune"}, default=False
        Train through `torch.compile`; a name is its mode, and both take CUDA graphs on
        a GPU. Sums are rounded in another order than without it; prediction and
        pre-training are not compiled. The first batches take seconds to minutes, once a
        shape. On a CPU it pays for convolutions, and small MLPs get slower.
    random_state : int, RandomState instance or None, default=None
        Equal seed, device, versions and thread count give equal bits.
    verbose : int, default=0
        1 shows one progress bar.
    callbacks : list of skorch callbacks or None, default=None
    net_params : dict or None, default=None
        Further arguments of the optimiser, such as
        `{"optimizer__betas": (0.9, 0.99)}`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,)
        Only if X has string column names.
    encoder_ : TabularEncoder
        Fitted on the training rows.
    net_ : skorch net
        `net_.module_` is the packed network.
    n_iter_ : int
        Epochs trained.
    best_epoch_, best_score_ : arrays of shape (n_members,)
        Epoch whose weights each member keeps, and its validation score.
    history_ : list of dict
        By epoch; names that end in `_members` hold one value a member.
    member_seeds_ : array of shape (n_members,)
        `random_state` of the single fit that equals each member, if it is given the
        same rows: those of an internal split and of re-sampling before training follow
        `random_state`, so that only member 0 meets them again. Hold out by `X_val`, a
        `validation_split` or not at all, and give a sampler object its own seed.
    member_weights_ : array of shape (n_members,)
        Share of each member in predict_proba.
    portfolio_ : data frame
        Settings, validation score and weight of each member; only with a portfolio.
    class_prior_ : array of shape (n_classes,)
        Class shares of the rows that were trained on, those left after the internal
        split, by sample weight: what strategies count by.
    prior_shift_ : array of shape (n_classes,)
        Factor of each class that is divided out: what the sampler and the loss did to
        `class_prior_`, times the share of the rows that the bias is solved on over the
        share that `target_prior` asks for.
    intercept_ : array of shape (n_members, n_classes)
        Solved output biases, the same for every `target_prior` but None.
    baseline_ : array of shape (n_encoded_columns,)
        Encoded class-balanced median row, which `explain` compares rows with.
    temperature_ : array of shape (n_members,)
        What each member's log probabilities are divided by (with "ldam" and "cosface"
        the scaled logits and margins), 0.1 to 30; 1 without `temperature_scaling`.

    References
    ----------
    Shwartz-Ziv et al., "Simplifying Neural Network Training Under Class Imbalance",
    2023 (S002). Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep
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
    _parameter_constraints: ClassVar[dict] = {
        **BaseNeuralClassifier._parameter_constraints,
        "num_embeddings": [StrOptions({"ple", "plr", "plr-lite", "linear"}), None],
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "d_block": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "d_embedding": [Interval(Integral, 1, None, closed="left")],
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "frequency_scale": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"auto"}),
        ],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
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
        num_embeddings="plr",
        n_blocks=2,
        d_block=256,
        dropout="auto",
        d_embedding=16,
        n_frequencies=16,
        frequency_scale="auto",
        n_bins=32,
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

    def _member_settings(self, seed):
        return {
            **super()._member_settings(seed),
            "dropout": resolved(self, "dropout"),
            "frequency_scale": resolved(self, "frequency_scale"),
        }

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
            "d_block": int(self.d_block),
            "num_embeddings": self.num_embeddings,
            "d_embedding": int(self.d_embedding),
            "n_frequencies": int(self.n_frequencies),
            "frequency_scale": scale if isinstance(scale, float) else scale.tolist(),
            "cosine_head": getattr(make_loss(self.loss), "cosine_head", False),
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
