"""One candidate on one fold: which part of it is ours, and what it shares.

A candidate is a sklimb classifier or a pipeline that ends in one. The steps before it
and the encoded rows are made once a fold for all candidates that agree on them.
"""

import joblib
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing

from sklimb._compat import _routing_enabled, _safe_split
from sklimb._prepare import ROW_PARAMETERS, make_job, prepare, ready
from sklimb.base import BaseNeuralClassifier

# May differ inside one pack, beside what the members' settings hold: the rows that a
# member sees and what its classes weigh.
_FREE = {*ROW_PARAMETERS, "class_weight", "target_prior", "n_members"}
_FREE -= {"dtype", "device", "early_stopping"}


def classifier_of(estimator):
    """The sklimb classifier that an estimator is or ends in.

    Raises
    ------
    ValueError
        There is none.
    """
    final = estimator
    if isinstance(estimator, Pipeline):
        final = estimator.steps[-1][1]
    if not isinstance(final, BaseNeuralClassifier):
        raise ValueError(
            "PackedSearchCV needs a sklimb classifier or a pipeline that ends in one, "
            f"got {final!r}, which cannot be trained in one program with others. Use "
            "sklearn.model_selection.GridSearchCV for it."
        )
    return final


def make_candidate(estimator, params, seed):
    """A clone with `params`; a random_state of None becomes the search's `seed`."""
    candidate = clone(estimator).set_params(**clone(params, safe=False))
    final = classifier_of(candidate)
    if final.random_state is None:
        final.random_state = seed
    return candidate


def pack_key(candidate):
    """Equal for candidates that may train in one program."""
    final = classifier_of(candidate)
    settings = set(final._member_settings(0))
    fixed = {
        name: value
        for name, value in final.get_params(deep=False).items()
        if name not in _FREE and name not in settings
    }
    climbs = final.sam_asymmetric_rho > 0  # a second pass that others need not pay
    return joblib.hash((type(final).__qualname__, climbs, fixed))


class Folds:
    """The rows of each fold, prepared once for all candidates that share them.

    Parameters
    ----------
    X, y : the search's rows
    fit_params : dict
        What `fit` gets, cut to the training rows of each fold.
    """

    def __init__(self, X, y, splits, fit_params):
        self.X, self.y, self.splits, self.fit_params = X, y, splits, fit_params
        self._headed, self._prepared = {}, {}

    def __getstate__(self):
        return {**vars(self), "_headed": {}, "_prepared": {}}

    def rows(self, candidate, split, part):
        """X and y of the training (0) or test (1) rows of a split."""
        train, test = self.splits[split]
        if part == 0:
            return _safe_split(candidate, self.X, self.y, train)
        return _safe_split(candidate, self.X, self.y, test, train)

    def job(self, candidate, split, fit_params):
        """The fit of a candidate on a fold, ready to train, with its head in place."""
        final = classifier_of(candidate)
        own = fit_params
        head_key = None
        if isinstance(candidate, Pipeline):
            head = candidate.steps[:-1]
            head_key = joblib.hash([(name, step) for name, step in head])
        key = (split, head_key)
        if key not in self._headed:
            X, y = self.rows(candidate, split, 0)
            steps = []
            if head_key is not None:
                X, y, steps, own = _fit_head(candidate, X, y, fit_params)
            self._headed[key] = X, y, steps, own
        X, y, steps, own = self._headed[key]
        if head_key is not None:
            candidate.steps = [*steps, candidate.steps[-1]]
        ready(final, **own)
        parameters = final.get_params(deep=False)
        row_key = joblib.hash({name: parameters[name] for name in ROW_PARAMETERS})
        key = (split, head_key, type(final).__qualname__, row_key)
        if key not in self._prepared:
            self._prepared[key] = prepare(final, X, y, **own)
        prepared = self._prepared[key]
        vars(final).update(prepared.fitted)
        return make_job(final, prepared)


def _fit_head(pipeline, X, y, fit_params):
    """Fit all steps but the last; (X, y) after them, the steps, the last one's params.

    Steps that re-sample (imbalanced-learn) change the training rows only.
    """
    if _routing_enabled():
        routed = process_routing(pipeline, "fit", **fit_params)
        params = {name: dict(routed[name].fit) for name, _ in pipeline.steps}
    else:
        params = {name: {} for name, _ in pipeline.steps}
        for key, value in fit_params.items():
            name, _, key = key.partition("__")
            if name not in params or not key:
                raise ValueError(
                    f"Pipeline.fit takes parameters named step__parameter, got "
                    f"{name!r}. The steps are {sorted(params)}."
                )
            params[name][key] = value
    steps = []
    for name, step in pipeline.steps[:-1]:
        if step is not None and step != "passthrough":
            step = clone(step)
            if hasattr(step, "fit_resample"):
                X, y = step.fit_resample(X, y, **params[name])
            else:
                X = step.fit_transform(X, y, **params[name])
        steps.append((name, step))
    return X, y, steps, params[pipeline.steps[-1][0]]
