"""Checks of a search's grid, `refit` and weights, before any fold is trained."""

from collections.abc import Iterable, Mapping

from sklimb._compat import _num_samples
from sklimb.inputs.weights import check_weights


def check_weights_of(X, params):
    """The arguments of `fit` with weights as one number per row, as scorers need."""
    return {
        name: check_weights(value, _num_samples(X))
        if name.split("__")[-1] == "sample_weight" and value is not None
        else value
        for name, value in params.items()
    }


def check_grid(grid):
    """scikit-learn's ParameterGrid says what is wrong, but for an empty list."""
    if isinstance(grid, Iterable) and not isinstance(grid, Mapping) and not list(grid):
        raise ValueError("param_grid must hold at least one dict, got an empty list.")


def check_refit(refit):
    """Refuse a class: it is callable, and what it returns is no index."""
    if isinstance(refit, type):
        raise ValueError(
            "refit must be a bool, the name of a score or a function that returns "
            f"best_index_, got the class {refit.__name__}."
        )
