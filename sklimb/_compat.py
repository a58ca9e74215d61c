"""Private imports and version differences of scikit-learn and pandas."""

import numpy as np
from sklearn.base import _fit_context
from sklearn.ensemble._base import _set_random_states
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._search import (
    BaseSearchCV,
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.model_selection._validation import _score
from sklearn.utils import _safe_indexing
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    HasMethods,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import (
    _check_feature_names,
    _check_method_params,
    _check_n_features,
    _check_sample_weight,
    _num_samples,
    validate_data,
)

try:
    from sklearn import callback as _callback  # scikit-learn >= 1.9
except ImportError:
    _callback = None


class _NoCallbackSupport:
    """Base class for versions of scikit-learn without callbacks."""

    def _init_callback_context(self, **kwargs):
        return None


def _no_callbacks(method):
    """The method itself, for versions of scikit-learn without callbacks."""
    return method


class Interval(_Interval):
    """The constraint of a range. Fractions and Decimals are in none."""

    def is_satisfied_by(self, val):
        """Whether a value is a number of Python or numpy in the range."""
        return isinstance(val, int | float | np.number) and super().is_satisfied_by(val)


def names_of(registry):
    """The constraint that a value is a name of a registry when it is checked.

    StrOptions of a set of its names would lack those registered later.
    """
    return StrOptions(registry.keys())


def pandas_column(X, i):
    """The array of column i of a pandas frame, without a series around it."""
    if hasattr(X, "_get_column_array"):  # 20 times faster
        return X._get_column_array(i)
    return X.iloc[:, i].array


CallbackSupportMixin = getattr(_callback, "CallbackSupportMixin", _NoCallbackSupport)
with_callbacks = getattr(_callback, "with_callbacks", _no_callbacks)

__all__ = [
    "BaseSearchCV",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "_MultimetricScorer",
    "_check_feature_names",
    "_check_method_params",
    "_check_n_features",
    "_check_sample_weight",
    "_fit_context",
    "_insert_error_scores",
    "_num_samples",
    "_routing_enabled",
    "_safe_indexing",
    "_safe_split",
    "_score",
    "_set_random_states",
    "_warn_or_raise_about_fit_failures",
    "check_matplotlib_support",
    "names_of",
    "pandas_column",
    "validate_data",
    "validate_parameter_constraints",
    "with_callbacks",
]
