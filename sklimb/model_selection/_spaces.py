"""Search spaces of the classifiers: what is worth trying, and in which range.

Where a range comes from stands beside it; "study" is benchmarks/studies.
"""

from dataclasses import dataclass

from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sklimb._messages import short
from sklimb.fitting.compatibility import check_strategies
from sklimb.fitting.portfolio import is_set, settings_of, varied
from sklimb.fitting.schedule import is_short
from sklimb.ft_transformer import FTTransformerClassifier
from sklimb.image_resnet import ImageResNetClassifier
from sklimb.model_selection._candidates import classifier_of
from sklimb.nn.embeddings import PERIODIC
from sklimb.tabular_mlp import TabularMLPClassifier
from sklimb.tabular_network import TabularNetworkClassifier
from sklimb.tabular_resnet import TabularResNetClassifier

SIZES = ("small", "full")
LIBRARIES = ("sklearn", "optuna")


@dataclass(frozen=True)
class Between:
    """All numbers between two, drawn evenly or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False

    def ends(self):
        return [self.low, self.high]

    def sklearn(self):
        if self.log:
            return loguniform(self.low, self.high)
        return uniform(self.low, self.high - self.low)

    def optuna(self, distributions):
        return distributions.FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class OneOf:
    """A few values."""

    values: tuple

    def ends(self):
        return list(self.values)

    def sklearn(self):
        return list(self.values)

    def optuna(self, distributions):
        return distributions.CategoricalDistribution(self.values)


def _log(low, high):
    return Between(low, high, log=True)


def _of(*values):
    return OneOf(values)


# The values of studies/defaults and studies/portfolio that are best on some table: no
# setting is best on all. Scale 5 loses on most tables by far and wins on Adult; where
# halving is on it costs four epochs. Learning rate and weight decay moved the scores
# less than these three.
_MLP_SMALL = {
    "frequency_scale": _of("auto", 0.3, 1.0, 5.0),
    "dropout": _of(0.0, 0.1, 0.3),
    "smoothing_eps": _of(0.0, 0.02),
}
# Scale, rate and decay: Gorishniy et al. (2022), cut to what the study found useful.
# Sizes: around the defaults, because the studies found more no better; as few values,
# because each is a pack of its own. SAM only lost on tables and is left out.
_MLP_FULL = {
    "lr": _log(2e-4, 5e-3),
    "weight_decay": _log(1e-5, 1e-1),
    "dropout": Between(0.0, 0.5),
    "frequency_scale": _log(0.05, 5.0),
    "smoothing_eps": Between(0.0, 0.05),
    "num_embeddings": _of("plr", "plr-dense", "ple"),
    "n_blocks": _of(1, 2, 3),
    "d_block": _of(128, 256, 384),
}
# Gorishniy et al. (2021), tables of tuning spaces, cut to sizes that a processor
# trains; smoothing as in the study of the perceptron. Nothing was tuned on our tables.
_RESNET_SMALL = {
    "lr": _of(3e-4, 1e-3, 3e-3),
    "dropout1": _of(0.1, 0.3),
    "smoothing_eps": _of(0.0, 0.02),
}
_RESNET_FULL = {
    "lr": _log(1e-5, 1e-2),
    "weight_decay": _log(1e-6, 1e-3),
    "smoothing_eps": Between(0.0, 0.05),
    "n_blocks": _of(1, 2, 4),
    "d_block": _of(96, 192, 384),
    "d_hidden_multiplier": _of(1.0, 2.0, 4.0),
    "dropout1": _of(0.0, 0.1, 0.3, 0.5),
    "dropout2": _of(0.0, 0.1),
}
_TRANSFORMER_SMALL = {
    "lr": _of(1e-4, 3e-4, 1e-3),
    "weight_decay": _of(1e-5, 1e-3),
    "smoothing_eps": _of(0.0, 0.02),
}
_TRANSFORMER_FULL = {
    "lr": _log(3e-5, 1e-3),
    "weight_decay": _log(1e-6, 1e-3),
    "smoothing_eps": Between(0.0, 0.05),
    "n_blocks": _of(1, 2, 3, 4),
    "d_block": _of(64, 96, 192),
    "ffn_d_hidden_multiplier": _of(2 / 3, 4 / 3, 8 / 3),
    "attention_dropout": _of(0.0, 0.2, 0.4),
    "ffn_dropout": _of(0.0, 0.1, 0.3),
    "residual_dropout": _of(0.0, 0.1),
}
# Shwartz-Ziv et al. (2023), who tune these under imbalance, and their finding that
# smaller batches help; around the rate and decay of He et al. (2016).
_IMAGE_SMALL = {
    "lr": _of(0.03, 0.1),
    "weight_decay": _of(5e-4, 2e-3),
    "smoothing_eps": _of(0.0, 0.05),
    "sam_asymmetric_rho": _of(0.0, 0.05),
}
_IMAGE_FULL = {
    "lr": _log(0.01, 0.3),
    "weight_decay": _log(1e-4, 5e-3),
    "smoothing_eps": Between(0.0, 0.1),
    "sam_asymmetric_rho": _of(0.0, 0.02, 0.05, 0.1),
    "batch_size": _of(64, "auto"),  # 128
}
SPACES = {
    TabularMLPClassifier: {"small": _MLP_SMALL, "full": _MLP_FULL},
    TabularResNetClassifier: {"small": _RESNET_SMALL, "full": _RESNET_FULL},
    FTTransformerClassifier: {"small": _TRANSFORMER_SMALL, "full": _TRANSFORMER_FULL},
    ImageResNetClassifier: {"small": _IMAGE_SMALL, "full": _IMAGE_FULL},
}
# They mean something else with another optimiser.
_OF_OPTIMIZER = ("lr", "weight_decay")


class _OptunaSpace(dict):
    """Distributions by parameter, and a function from a trial to values."""

    def __call__(self, trial):
        from optuna.distributions import FloatDistribution

        values = {}
        for name, d in self.items():
            if isinstance(d, FloatDistribution):
                values[name] = trial.suggest_float(name, d.low, d.high, log=d.log)
            else:
                values[name] = trial.suggest_categorical(name, d.choices)
        return values


def search_space(estimator, size="small", library="sklearn"):
    """Parameters that are worth searching, with values or ranges.

    A parameter that you have set to another value than its default stays as it is and
    is left out, and so is what cannot be combined with it, what a `portfolio` varies,
    learning rate and weight decay beside an `optimizer` of your choice, and the rate of
    a short training (`max_epochs="auto"` with folds), which goes with its epochs.

    Parameters
    ----------
    estimator : classifier, or Pipeline that ends in one
        TabularMLPClassifier, TabularResNetClassifier, FTTransformerClassifier or
        ImageResNetClassifier. Names get the prefix of the step.
    size : {"small", "full"}, default="small"
        "small" is a grid of 12 to 24 candidates of one size of network, which train
        in one or two packs; "full" has ranges, and sizes too.
    library : {"sklearn", "optuna"}, default="sklearn"
        Whose objects the ranges are.

    Returns
    -------
    dict
        For scikit-learn of lists and, in the full space, scipy distributions:
        `param_grid` of `PackedSearchCV` and `GridSearchCV` (small) and
        `param_distributions` of `PackedSearchCV` and `RandomizedSearchCV`. For Optuna
        of its distributions, as `OptunaSearchCV` takes them; called with a trial it
        draws from them, `estimator.set_params(**space(trial))` in an objective.

    Raises
    ------
    ValueError
        Another estimator, size or library, parameters that exclude each other, or
        nothing that is left to vary.
    ImportError
        Optuna is not installed.

    Notes
    -----
    The spaces of the perceptron come from this library's benchmarks, those of the other
    tabular networks from the paper and those of images from the papers below; they have
    not been measured here.

    References
    ----------
    Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021.
    Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning",
    2022. Shwartz-Ziv et al., "Simplifying Neural Network Training Under Class
    Imbalance", 2023.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.model_selection import PackedSearchCV, search_space
    >>> clf = TabularMLPClassifier(random_state=0)
    >>> space = search_space(clf)
    >>> sorted(space)
    ['dropout', 'frequency_scale', 'smoothing_eps']
    >>> search = PackedSearchCV(clf, space, halving_factor=3, scoring="neg_log_loss")
    """
    for name, value, known in (("size", size, SIZES), ("library", library, LIBRARIES)):
        if value not in known:
            raise ValueError(
                f"{name} must be one of {list(known)}, got {short(value)}."
            )
    final = classifier_of(estimator, "search_space")
    _check(final)
    ranges = _left(final, _space_of(final, size))
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    if library == "sklearn":
        return {prefix + name: r.sklearn() for name, r in ranges.items()}
    distributions = _optuna_distributions()
    return _OptunaSpace(
        {prefix + name: r.optuna(distributions) for name, r in ranges.items()}
    )


def _space_of(final, size):
    for cls, spaces in SPACES.items():
        if isinstance(final, cls):
            return spaces[size]
    raise ValueError(
        f"search_space knows {', '.join(cls.__name__ for cls in SPACES)}, got "
        f"{type(final).__name__}: write down a dict of lists for it."
    )


def _left(final, space):
    """The ranges without what the caller has set, and values that cannot be combined.

    Raises
    ------
    ValueError
        Nothing is left.
    """
    fixed = [name for name in space if is_set(final, name)]
    fixed += varied(settings_of(final))
    if is_set(final, "optimizer"):
        fixed += _OF_OPTIMIZER
    if is_short(final):  # its rate goes with its epochs
        fixed += ["lr"]
    if getattr(final, "num_embeddings", "plr") not in ("auto", *PERIODIC):
        fixed += ["frequency_scale"]  # which is theirs
    left = {}
    for name, given in space.items():
        if name in fixed:
            continue
        fine = [value for value in given.ends() if _combines(final, name, value)]
        if len(fine) == len(given.ends()):
            left[name] = given
        elif isinstance(given, OneOf) and len(fine) > 1:
            left[name] = OneOf(tuple(fine))
    if not left:
        raise ValueError(
            f"search_space has nothing left to vary in {type(final).__name__}: its "
            f"parameters {', '.join(space)} are set by you or cannot be combined with "
            "what you have set. Leave some at their defaults."
        )
    return left


def _combines(final, name, value):
    """Whether a classifier takes a value beside its other parameters."""
    try:
        _check(clone(final).set_params(**{name: value}))
    except ValueError:
        return False
    return True


def _check(final):
    check_strategies(final)
    if isinstance(final, TabularNetworkClassifier):
        final.network_arguments()


def _optuna_distributions():
    try:
        from optuna import distributions
    except ImportError as error:
        raise ImportError(
            "search_space(library='optuna') needs Optuna, which is not installed. "
            "Install it with `pip install optuna`."
        ) from error
    return distributions
