"""Types and ranges of the parameters that every classifier shares."""

from numbers import Integral, Real

from sklimb._compat import HasMethods, Interval, RealNotInt, StrOptions
from sklimb.training.device import NUMBERS
from sklimb.training.losses import LOSSES
from sklimb.training.m2m import M2m
from sklimb.training.mixing import MIXES
from sklimb.training.monitor import MONITORS
from sklimb.training.optimizers import OPTIMIZERS
from sklimb.training.reweighting import ROW_WEIGHTINGS
from sklimb.training.samplers import SAMPLERS
from sklimb.training.scales import SCALES
from sklimb.training.terms import TERMS

PARAMETER_CONSTRAINTS = {
    "loss": [StrOptions(set(LOSSES)), callable, HasMethods("bind")],
    "drw_start": [Interval(Real, 0, 1, closed="left"), None],
    "class_weight": [StrOptions({"balanced"}), dict, None],
    "sampler": [StrOptions(set(SAMPLERS)), HasMethods("fit_resample")],
    "smoothing_eps": [Interval(Real, 0, 1, closed="left")],
    "smoothing_scale": [StrOptions(set(SCALES)), "array-like"],
    "smoothing_max": [Interval(Real, 0, 1, closed="left")],
    "sam_asymmetric_rho": [Interval(Real, 0, None, closed="left")],
    "sam_scale": [StrOptions(set(SCALES)), "array-like"],
    "sam_scale_max": [Interval(Real, 1, None, closed="left")],
    "sam_norm": [StrOptions({"batch", "weighted"})],
    "joint_ssl": [StrOptions(set(TERMS)), callable, None],
    "joint_ssl_weight": [Interval(Real, 0, None, closed="left")],
    "mix": [StrOptions(set(MIXES)), None],
    "mix_alpha": [Interval(Real, 0, None, closed="neither")],
    "m2m": [StrOptions({"default"}), M2m, None],
    "metabalance_sampler": [
        StrOptions({*SAMPLERS, "natural"}),
        HasMethods("fit_resample"),
        list,
        tuple,
        None,
    ],
    "metabalance_steps": [Interval(Integral, 1, None, closed="left")],
    "inner_lr": [Interval(Real, 0, None, closed="left")],
    "beta": [Interval(Real, 0, None, closed="left")],
    "second_order": ["boolean"],
    "support_batch_size": [Interval(Integral, 1, None, closed="left")],
    "query_batch_size": [Interval(Integral, 1, None, closed="left")],
    "row_weighting": [
        StrOptions(set(ROW_WEIGHTINGS)),
        HasMethods("make_step"),
        None,
    ],
    "row_weighting_rows": [Interval(Integral, 1, None, closed="left")],
    "target_prior": [StrOptions({"train", "uniform"}), "array-like", None],
    "temperature_scaling": ["boolean"],
    "n_members": [Interval(Integral, 1, None, closed="left")],
    "portfolio": [StrOptions({"default"}), list, tuple, None],
    "pretrained": [HasMethods(["fit", "transform"]), None],
    "validation_folds": [Interval(Integral, 2, None, closed="left"), None],
    "early_stopping": [StrOptions({"auto"}), "boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "validation_split": ["cv_object", None],
    "monitor": [StrOptions(set(MONITORS))],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [
        StrOptions({"auto"}),
        Interval(Integral, 1, None, closed="left"),
    ],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "numeric_transform": [StrOptions({"quantile", "standard"}), None],
    "min_frequency": [
        Interval(RealNotInt, 0, 1, closed="left"),
        Interval(Integral, 1, None, closed="left"),
    ],
    "optimizer": [StrOptions(set(OPTIMIZERS))],
    "lr": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    "weight_decay": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
    "lr_schedule": [StrOptions({"constant", "cosine"})],
    "warmup_epochs": [Interval(Integral, 0, None, closed="left")],
    "ema_decay": [Interval(Real, 0, 1, closed="left")],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "warm_start": ["boolean"],
    "merge_duplicates": ["boolean"],
    "dtype": [StrOptions(set(NUMBERS))],
    "device": [str],
    "compile": ["boolean", StrOptions({"reduce-overhead", "max-autotune"})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "callbacks": [list, tuple, None],
    "net_params": [dict, None],
}
