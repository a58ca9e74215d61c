"""Constructor parameters of the loop: members, optimiser, validation, device."""

from numbers import Integral, Real
from typing import Any

from sklimb._compat import HasMethods, Interval, StrOptions
from sklimb.parameters.fields import Parameters, one_of, parameter
from sklimb.training.compiled import EXCLUDES
from sklimb.training.device import NUMBERS
from sklimb.training.monitor import MONITORS
from sklimb.training.optimizers import OPTIMIZERS


class LoopParameters(Parameters):
    """Parameters of members, optimiser, validation, device and stopping."""

    n_members: int | str = parameter(
        1,
        [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        'int or "auto"',
        """Independent networks trained as one; their probabilities are averaged.
        "auto" takes as many as a budget of work pays for: 5 networks below 50,000
        merged rows, 2 below 100,000, then 1, the networks of all `validation_folds`
        counted. That is of `TabularMLPClassifier`, where it is the default; it is 1 of
        the other classifiers, in `partial_fit`, of the candidates of a
        `PackedSearchCV`, and beside portfolio, pretrained, joint_ssl, m2m,
        metabalance_sampler and row_weighting, whose networks cost more.""",
    )
    portfolio: Any = parameter(
        None,
        [StrOptions({"default"}), list, tuple, None],
        'None, "default" or list of dict',
        """Settings of members that are trained side by side and combined by greedy
        selection on the validation rows. Each dict sets some of lr, weight_decay,
        dropout, smoothing_eps, frequency_scale, sam_asymmetric_rho and
        joint_ssl_weight; a parameter that you set to another value than its default
        is the same in all settings. `n_members` is then the number of networks per
        setting.""",
    )
    pretrained: Any = parameter(
        None,
        [HasMethods(["fit", "transform"]), None],
        "SelfSupervisedPretrainer or None",
        """Initial weights of all layers but the last, which is drawn as always. An
        unfitted one trains inside `fit`, each member by itself, on the training rows
        and X_unlabeled; with a fitted one, wrapped in
        `sklearn.frozen.FrozenEstimator`, all members start from its weights and use
        its encoder.""",
    )
    optimizer: str = parameter(
        "adamw",
        [StrOptions(set(OPTIMIZERS))],
        one_of(*OPTIMIZERS),
        """"sgd" has Nesterov momentum 0.9; change it by `net_params`.""",
    )
    lr: float | str = parameter(
        "auto",
        [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        'float or "auto"',
        """Learning rate; "auto" is 0.001.""",
    )
    weight_decay: float | str = parameter(
        "auto",
        [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        'float or "auto"',
        """"auto" is 0.0001. Decoupled for "adamw", an L2 term for "sgd".""",
    )
    lr_schedule: str = parameter(
        "constant",
        [StrOptions({"constant", "cosine"})],
        '{"constant", "cosine"}',
        "Schedule of the learning rate over `max_epochs`.",
    )
    warmup_epochs: int = parameter(
        0,
        [Interval(Integral, 0, None, closed="left")],
        "int",
        "Epochs in which the learning rate rises.",
    )
    max_epochs: int = parameter(
        200,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        "Largest number of passes over the training rows.",
    )
    max_seconds: float | None = parameter(
        None,
        [Interval(Real, 0, None, closed="neither"), None],
        "float or None",
        """Seconds after which `fit` ends training at the end of the epoch, with the
        best weights so far, whatever remains of `max_epochs`; at least one epoch is
        trained. Pre-training is not cut short, and schedules are not shortened. Results
        then depend on the speed of the machine.""",
    )
    batch_size: int | str = parameter(
        "auto",
        [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        'int or "auto"',
        """Rows per step; "auto" is 256, or all rows if there are fewer.""",
    )
    ema_decay: float = parameter(
        0.0,
        [Interval(Real, 0, 1, closed="left")],
        "float in [0, 1)",
        """Decay of the average of weights and running statistics (BatchNorm) with which
        the classifier predicts; 0 is off.""",
    )
    clip_norm: float | None = parameter(
        None,
        [Interval(Real, 0, None, closed="neither"), None],
        "float or None",
        "Largest norm of each member's gradient.",
    )
    early_stopping: Any = parameter(
        "auto",
        [StrOptions({"auto"}), "boolean"],
        '"auto" or bool',
        """Hold rows out, keep each member's best weights, stop when none improves.
        "auto" does so unless no class has two different rows.""",
    )
    validation_fraction: float = parameter(
        0.15,
        [Interval(Real, 0, 1, closed="neither")],
        "float in (0, 1)",
        "Share of each class that is held out.",
    )
    validation_split: Any = parameter(
        None,
        ["cv_object", None],
        "int, splitter, iterable or None",
        """A scikit-learn splitter whose last split is used instead (for
        `TimeSeriesSplit` the latest rows are the validation rows).""",
    )
    validation_folds: int | str | None = parameter(
        None,
        [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left"), None],
        'int, "auto" or None',
        """Folds instead of one split: each member is trained once per fold and stopped
        by the held-out rows of that fold, and predictions average all networks. For
        few rows. "auto", the default of `TabularMLPClassifier`, takes 5 where the
        budget of `n_members` pays for them, and one split where folds are not possible:
        with X_val, validation_split, validation_fraction, warm_start, callbacks or an
        imbalanced-learn object as sampler, and with groups or classes too few to be in
        each fold.""",
    )
    monitor: str = parameter(
        "loss",
        [StrOptions(set(MONITORS))],
        one_of(*MONITORS),
        "Score of the held-out rows by which training stops.",
    )
    n_iter_no_change: int = parameter(
        16,
        [Interval(Integral, 1, None, closed="left")],
        "int",
        "Epochs without a better score after which a member stops.",
    )
    warm_start: bool = parameter(
        False,
        ["boolean"],
        "bool",
        "Continue from the last fit, with its encoder and classes.",
        {
            "drw_start": "the share of epochs would begin anew. Set one of them to its "
            "default."
        },
    )
    merge_duplicates: bool = parameter(
        True,
        ["boolean"],
        "bool",
        "Identical rows become one with the summed weight, before the internal split.",
    )
    dtype: str = parameter(
        "float32",
        [StrOptions(set(NUMBERS))],
        one_of(*NUMBERS),
        """Number format of the network. "bfloat16" trains with products in bfloat16 and
        weights in float32, for GPUs; predictions are in float32.""",
    )
    device: str = parameter(
        "auto",
        [str],
        "str",
        """"auto" takes a CUDA device if there is one.""",
    )
    compile: Any = parameter(
        False,
        ["boolean", StrOptions({"auto", "reduce-overhead", "max-autotune"})],
        'bool or {"auto", "reduce-overhead", "max-autotune"}',
        """Train through `torch.compile`; "auto" does so where each step was measured to
        get faster, which is one network of convolutions on a CPU; another name is
        torch's mode, and both modes use CUDA graphs on a GPU. Sums are rounded in
        another order than without it; prediction and pre-training are not compiled.
        Compiling takes seconds to minutes per shape. On a CPU convolutions get faster
        and small MLPs slower.""",
        EXCLUDES,
    )
    random_state: Any = parameter(
        None,
        ["random_state"],
        "int, RandomState instance or None",
        "Equal seed, device, versions and thread count give equal bits.",
    )
    verbose: int = parameter(
        0,
        ["verbose"],
        "int",
        "1 shows one progress bar.",
    )
    callbacks: list | None = parameter(
        None,
        [list, tuple, None],
        "list of skorch callbacks or None",
        "Further callbacks of the loop; their figures are averaged over members.",
    )
    net_params: dict | None = parameter(
        None,
        [dict, None],
        "dict or None",
        """Further arguments of the optimiser, such as
        `{"optimizer__betas": (0.9, 0.99)}`.""",
    )
