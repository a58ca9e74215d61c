"""scikit-learn's private imports and version differences, in one place."""

from sklearn.base import _fit_context
from sklearn.ensemble._base import _set_random_states
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    validate_data,
)

try:
    from sklearn import callback as _callback  # scikit-learn >= 1.9
except ImportError:
    _callback = None


class _NoCallbackSupport:
    """Stands in where scikit-learn has no callbacks yet."""

    def _init_callback_context(self, **kwargs):
        return None


def _no_callbacks(method):
    """No callbacks to tear down."""
    return method


CallbackSupportMixin = getattr(_callback, "CallbackSupportMixin", _NoCallbackSupport)
with_callbacks = getattr(_callback, "with_callbacks", _no_callbacks)

__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "_check_feature_names",
    "_check_n_features",
    "_check_sample_weight",
    "_fit_context",
    "_set_random_states",
    "validate_data",
    "with_callbacks",
]
