"""A candidate on a fold: its sklimb classifier, and what candidates share.

A candidate is a sklimb classifier or a pipeline that ends in one. The steps before it
and the encoded rows are made once per fold for all candidates that agree on them.
"""

import math

from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from sklimb._compat import _num_samples, _safe_split
from sklimb._digest import digest
from sklimb._messages import short
from sklimb.base import BaseNeuralClassifier
from sklimb.fitting.jobs import make_job
from sklimb.fitting.prepare import ROW_PARAMETERS, prepare, ready
from sklimb.fitting.schedule import is_short

# May differ inside one pack, beside what the members' settings hold: the rows that a
# member sees and what its classes weigh.
_FREE = {*ROW_PARAMETERS, "class_weight", "decision", "target_prior", "n_members"}
_FREE |= {"temperature_scaling"}  # comes after training
_FREE -= {"dtype", "device", "early_stopping"}
# The budget of one network, for any number of rows.
_ONE = ((math.inf, 1),)


def classifier_of(estimator, caller="PackedSearchCV"):
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
        why = {
            "PackedSearchCV": "which cannot be trained in one program with others. Use "
            "sklearn.model_selection.GridSearchCV for it."
        }.get(caller, "which is none.")
        raise ValueError(
            f"{caller} needs a sklimb classifier or a pipeline that ends in one, got "
            f"{short(final)}, {why}"
        )
    return final


def make_candidate(estimator, params):
    """A clone with `params`."""
    return clone(estimator).set_params(**clone(params, safe=False))


def fresh(candidate, seed):
    """A clone to fit; a random_state of None becomes the search's `seed`.

    Where the number of networks is "auto" it has one: candidates are compared with each
    other, and only the best one is worth the whole budget.
    """
    candidate = clone(candidate)
    final = classifier_of(candidate)
    if final.random_state is None:
        final.random_state = seed
    final._networks = _ONE  # what the parameters say stays
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
    return digest((type(final), climbs, fixed))


def groups_of(candidates):
    """Lists of the numbers of candidates that may share a pack."""
    groups = {}
    for c, candidate in enumerate(candidates):
        groups.setdefault(pack_key(candidate), []).append(c)
    return list(groups.values())


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

    def __sizeof__(self):
        # What joblib asks to decide whether dask's workers get a thing once or anew
        # with each call: of an object without this it sees 48 bytes.
        held = (self.X, self.y, *(part for split in self.splits for part in split))
        return 48 + sum(_bytes_of(part) for part in held)

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
            head_key = digest(head)
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
        row_key = {name: parameters.get(name) for name in ROW_PARAMETERS}
        if row_key.get("numeric_transform") == "auto":
            row_key["short"] = is_short(final)
        row_key = digest(row_key)
        key = (split, head_key, type(final).__qualname__, row_key)
        if key not in self._prepared:
            self._prepared[key] = prepare(final, X, y, **own)
        prepared = self._prepared[key]
        vars(final).update(prepared.fitted)
        return make_job(final, prepared)


def _bytes_of(rows):
    """Bytes of a frame, an array or anything; 8 an entry where it does not tell."""
    if rows is None:
        return 0
    if hasattr(rows, "memory_usage"):
        return int(rows.memory_usage(index=False).sum())
    return getattr(rows, "nbytes", 8 * _num_samples(rows))


class _LastStep(BaseEstimator):
    """Stands where the classifier stands and keeps what it would be fitted to."""

    def __init__(self, classifier):
        self.classifier = classifier

    def fit(self, X, y=None, **params):
        self.given_ = X, y, params
        return self

    def get_metadata_routing(self):
        return self.classifier.get_metadata_routing()


def _fit_head(pipeline, X, y, fit_params):
    """Fit all steps but the last; (X, y) after them, the steps, the last one's params.

    The pipeline itself does it, so that routing, `transform_input`, `memory` and steps
    that re-sample (imbalanced-learn) mean what they mean there.
    """
    head = clone(pipeline)
    name, classifier = head.steps[-1]
    last = _LastStep(classifier)
    head.steps[-1] = name, last
    head.fit(X, y, **fit_params)
    X, y, own = last.given_
    return X, y, head.steps[:-1], own
