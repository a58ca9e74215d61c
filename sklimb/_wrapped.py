"""The classifier inside what a meta-estimator is given, and its way there."""

import copy

from sklearn.base import MetaEstimatorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from sklimb._messages import short
from sklimb.base import BaseNeuralClassifier

# Arguments of `fit` that say which rows are held out.
SPLITTING = ("groups", "X_val", "y_val", "sample_weight_val")


class Around(MetaEstimatorMixin):
    """A meta-estimator that takes what its `estimator` takes."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = copy.deepcopy(get_tags(self.estimator).input_tags)
        return tags

    def get_metadata_routing(self):
        """Metadata that are routed to the classifier's `fit`.

        Returns
        -------
        MetadataRouter
            As scikit-learn's meta-estimators return it.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=mapping)


def check_known(given, owner, known=SPLITTING):
    """Refuse arguments of `fit` that nobody reads when nothing inside is fitted."""
    for name in given:
        if name not in ("sample_weight", *known):
            raise TypeError(
                f"fit of a {owner} around a FrozenEstimator takes "
                f"{list(known)} besides sample_weight, got {short(name)}: what is "
                "inside is not fitted again. Leave it out."
            )


def unwrap(estimator, owner="what is fitted"):
    """(steps before, classifier, prefix of its fit parameters) of an estimator.

    Raises
    ------
    TypeError
        It does not end in a sklimb classifier.
    """
    before, prefix, last = [], "", estimator
    while isinstance(last, FrozenEstimator | Pipeline):
        if isinstance(last, FrozenEstimator):
            last = last.estimator
        else:
            before.append(last[:-1])
            name, last = last.steps[-1]
            prefix += f"{name}__"
    if not isinstance(last, BaseNeuralClassifier):
        hint = "."
        if hasattr(last, "best_estimator_"):
            hint = ". Give the best_estimator_ of the search."
        raise TypeError(
            "estimator must be a sklimb classifier, a Pipeline that ends in one, or a "
            f"FrozenEstimator around either, got {short(estimator)}: {owner} works on "
            f"the network inside{hint}"
        )
    return [steps for steps in before if len(steps)], last, prefix


def check_no_validation_rows(owner, before, given):
    """Refuse X_val beside steps of a Pipeline inside, which may have changed it."""
    if before and given.get("X_val") is not None:
        raise ValueError(
            f"X_val cannot be used with a Pipeline inside {owner}: it would not be "
            f"known whether its steps have been applied. Put the {owner} at the end of "
            "the Pipeline, or use validation_split of the classifier."
        )


def transformed(before, X):
    """X as it reaches the classifier."""
    for steps in before:
        X = steps.transform(X)
    return X
