"""What of an estimator goes into a graph; estimators that are not ours are refused."""

from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklimb.graph.decisions import Factors, Threshold
from sklimb.preprocessing import TabularEncoder

_THRESHOLDS = FixedThresholdClassifier, TunedThresholdClassifierCV


@dataclass
class Features:
    """An encoder and the network whose features are what comes next.

    Attributes
    ----------
    encoder : TabularEncoder or ImageEncoder
    make_network : callable
        () -> a network with a method `embed`.
    """

    encoder: object
    make_network: object


@dataclass
class Parts:
    """The parts of a fitted estimator in the order in which rows pass them.

    Attributes
    ----------
    encoders : list
        TabularEncoders and Features; the first may be of images.
    make_module : callable or None
        () -> the ProbabilityModule; None before the classifier.
    classes : array of shape (n_classes,)
    decision : torch.nn.Module
        Probabilities (rows, n_classes) -> positions of the chosen classes.
    """

    encoders: list = field(default_factory=list)
    make_module: object = None
    classes: object = None
    decision: object = None

    @property
    def first_encoder(self):
        """What reads raw columns."""
        return getattr(self.encoders[0], "encoder", self.encoders[0])


def parts_of(model, where="the estimator"):
    """The Parts of a fitted estimator.

    Raises
    ------
    TypeError
        Something in it is neither of sklimb nor a known wrapper: told by its name.
    NotFittedError
        It, or a part of it, is not fitted.
    """
    if hasattr(type(model), "_graph_parts"):
        check_is_fitted(model)
        return model._graph_parts()
    if hasattr(type(model), "_graph_of"):
        check_is_fitted(model, model._graph_of)
        return parts_of(getattr(model, model._graph_of), f"the estimator of {where}")
    if isinstance(model, FrozenEstimator):
        return parts_of(model.estimator, where)
    if hasattr(model, "best_estimator_"):
        return parts_of(model.best_estimator_, where)
    if isinstance(model, Pipeline):
        return _of_pipeline(model)
    if isinstance(model, _THRESHOLDS):
        return _with_threshold(model, where)
    if isinstance(model, TabularEncoder):
        check_is_fitted(model)
        return Parts([model])
    if hasattr(model, "refit"):  # a search
        check_is_fitted(model)
    raise TypeError(
        f"{where} is a {type(model).__name__}, which cannot be written into a graph: "
        "only classifiers, second stages and encoders of sklimb can, in Pipelines, "
        "searches, FixedThresholdClassifier and TunedThresholdClassifierCV. Leave it "
        "out, or apply it before the graph."
    )


def chained(models, where):
    """Parts of models that rows pass one after another, the last not checked.

    Parameters
    ----------
    models : list of estimators
    where : list of str
        What each is called in messages.
    """
    parts = Parts()
    for model, name in zip(models, where, strict=True):
        if model is None or isinstance(model, str):  # "passthrough"
            continue
        own = parts_of(model, name)
        if parts.make_module is not None:
            raise TypeError(f"{name} comes after a classifier.")
        parts = replace(own, encoders=parts.encoders + own.encoders)
    return parts


def _of_pipeline(pipeline):
    check_is_fitted(pipeline)
    names, steps = zip(*pipeline.steps, strict=True)
    return chained(steps, [f"step {name!r} of the Pipeline" for name in names])


def _with_threshold(model, where):
    inner = getattr(model, "estimator_", model.estimator)
    parts = parts_of(inner, f"the estimator of {where}")
    if parts.classes is None or len(parts.classes) != 2:
        raise TypeError(f"{where} has no classifier of two classes.")
    is_odds = model.response_method == "decision_function"
    if isinstance(model, TunedThresholdClassifierCV):
        check_is_fitted(model, "estimator_")
        threshold = model.best_threshold_
        positive = model._curve_scorer._get_pos_label()
    else:
        positive, threshold = model.pos_label, model.threshold
        if isinstance(threshold, str):  # "auto"
            threshold = 0.0 if is_odds else 0.5
    position = 1
    if positive is not None:
        position = int(np.flatnonzero(parts.classes == positive)[0])
    values = parts.decision if is_odds else None
    if is_odds and not isinstance(values, Factors):
        raise TypeError(f"{where} is around another threshold classifier.")
    return replace(parts, decision=Threshold(threshold, position, values))
