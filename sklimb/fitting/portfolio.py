"""Portfolios: members with different settings, combined on the validation rows.

Data sets disagree about some settings, most of all about the scale of the frequencies.
One fit trains several of them side by side and then chooses: greedy selection with
replacement (Caruana et al., "Ensemble Selection from Libraries of Models", 2004).
"""

from inspect import signature

import numpy as np

from sklimb._compat import validate_parameter_constraints
from sklimb._messages import short
from sklimb.fitting.schedule import RATE, is_short

# What "auto" stands for unless a setting of the portfolio gives another value.
AUTO = {"lr": 1e-3, "weight_decay": 1e-4, "dropout": 0.1, "frequency_scale": 0.1}
# The best of 70 lists over 14 tables (benchmarks/studies/portfolio); it is chosen again
# when any one table is left out.
DEFAULT = (
    {"frequency_scale": 0.1, "dropout": 0.3},
    {"frequency_scale": 0.1, "lr": 3e-4},
    {"frequency_scale": 0.3, "dropout": 0.3},
    {"frequency_scale": 0.1, "smoothing_eps": 0.02, "dropout": 0.0},
)
# Rows of the rarest class below which a selection fits noise (benchmarks/studies/
# portfolio). A list of good settings does as well with 80; a list with bad ones needs
# the selection.
MIN_MINORITY_ROWS = 40
_ROUNDS = 40


def resolved(estimator, name):
    """A parameter's value, with "auto" resolved."""
    value = getattr(estimator, name)
    if not isinstance(value, str):
        return value
    if name == "lr" and is_short(estimator):
        return RATE
    return estimator._auto[name]


def is_set(estimator, name):
    """Whether the caller has set a parameter to another value than its default."""
    default = signature(type(estimator)).parameters[name].default
    return getattr(estimator, name) != default


def settings_of(estimator):
    """The settings of a portfolio without what the caller set; [{}] if there is none.

    Raises
    ------
    ValueError
        A name that cannot vary, a value out of range, or nothing left to vary.
    """
    given = estimator.portfolio
    if given is None:
        return [{}]
    if isinstance(given, str):
        if estimator._of != "columns":
            raise ValueError(
                "portfolio='default' was chosen for tables. Give a list of dicts, such "
                "as [{'lr': 0.1}, {'lr': 0.01}]."
            )
        given = DEFAULT
    names = list(estimator._varied)
    if not given:
        raise ValueError("portfolio must hold at least one dict, got an empty list.")
    for i, setting in enumerate(given):
        if not isinstance(setting, dict):
            raise ValueError(
                f"portfolio must hold dicts of settings, got {setting!r} at {i}."
            )
        unknown = [n for n in setting if n not in names]
        if unknown:
            raise ValueError(
                f"portfolio[{i}] names {short(unknown[0])}, which members of one pack "
                f"cannot differ in. They may differ in {names}."
            )
        validate_parameter_constraints(
            {n: estimator._parameter_constraints[n] for n in setting},
            setting,
            caller_name=f"portfolio[{i}]",
        )
    varied = sorted({n for setting in given for n in setting})
    if "joint_ssl_weight" in varied and estimator.joint_ssl is None:
        raise ValueError(
            "portfolio varies joint_ssl_weight, and joint_ssl=None leaves nothing to "
            "weigh. Set joint_ssl, or leave joint_ssl_weight out."
        )
    fixed = [n for n in varied if is_set(estimator, n)]
    kept = []
    for setting in given:
        setting = {
            n: estimator._auto[n] if isinstance(v, str) else v
            for n, v in setting.items()
            if n not in fixed
        }
        if setting not in kept:
            kept.append(setting)
    if len(kept) < 2 and len(given) > 1:
        raise ValueError(
            f"portfolio={short(estimator.portfolio)} has nothing left to vary: it "
            f"varies {', '.join(varied)}, and {', '.join(fixed)} set by you is held "
            f"fixed. Set {' or '.join(fixed)} back to its default, or portfolio=None "
            "with n_members for several networks of one setting."
        )
    return kept


def mixture_of(weights, p):
    """Probabilities (rows, classes) of a mixture of members, p (members, ...)."""
    used = np.flatnonzero(weights)
    return np.tensordot(weights[used], p[used], 1)


def mixed(weights, p):
    """`mixture_of` for predictions: a plain mean where all weights are equal."""
    if len(p) == 1:
        return p[0]
    return p.mean(0) if (weights == weights[0]).all() else mixture_of(weights, p)


def varied(settings):
    """Names of the parameters that some settings set, in order."""
    return sorted({name for setting in settings for name in setting})


def select(score, n_candidates, greater_is_better):
    """Weights of a greedy ensemble.

    Parameters
    ----------
    score : callable
        Weights of shape (n_candidates,), which sum to 1 -> the score of their mixture.
    n_candidates : int
    greater_is_better : bool

    Returns
    -------
    array of shape (n_candidates,)
        Sums to 1.
    """
    sign = 1.0 if greater_is_better else -1.0
    counts = np.zeros(n_candidates)
    best, best_counts = -np.inf, None
    for n in range(1, _ROUNDS + 1):
        trials = counts + np.eye(n_candidates)
        values = np.array([sign * score(trial / n) for trial in trials])
        chosen = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
        counts = trials[chosen]
        if values[chosen] > best + 1e-9:
            best, best_counts = values[chosen], counts.copy()
    if best_counts is None:
        best_counts = np.ones(n_candidates)
    return best_counts / best_counts.sum()
