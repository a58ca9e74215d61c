"""The plan of a fit: encoded rows, class shares, draws and loss weights."""

from dataclasses import dataclass

import numpy as np

from sklimb._random import stream_seed
from sklimb.fitting.class_weights import ROWS_AT_ONCE, class_share_of
from sklimb.training.samplers import (
    UniformOrder,
    WeightedOrder,
    class_share,
    draw_of,
    is_uniform,
    resample,
)


@dataclass
class Plan:
    """Training rows of one member, their draws and their class shares.

    Attributes
    ----------
    X, y, weight : arrays
        Encoded rows after re-sampling; loss weights divided by their mean under the
        draw.
    row_weight : array
        Sample weights of the same rows.
    order : callable
        generator -> row numbers of one epoch.
    prior : array of shape (classes,)
        Class shares of the given rows, by sample weight, before `sampler` and without
        `class_weight`.
    drawn_prior : array of shape (classes,)
        Class shares under the sampler's draw and the loss's own weights, without
        `class_weight`.
    late : Plan or None
        The plan that replaces this one at `drw_start`.
    support : Plan or None
        The support rows of MetaBalance; this plan's are then the query's.
    pseudo : bool array or None
        Rows labelled by a model: `row_weighting` never keeps them as balanced rows.
    """

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    row_weight: np.ndarray
    order: object
    prior: np.ndarray
    drawn_prior: np.ndarray
    late: "Plan | None" = None
    support: "Plan | None" = None
    pseudo: np.ndarray | None = None

    def accumulate(self, prior, sampler, device_factor):
        """Replace the prior of these rows by `prior`, that of all partial_fit calls."""
        if draw_of(sampler) is not None:
            drawn = class_share(sampler, prior) * device_factor
        else:
            drawn = prior * self.shift
        self.prior, self.drawn_prior = prior, drawn / drawn.sum()

    @property
    def last(self):
        """The plan that training ends with."""
        return self if self.late is None else self.late

    @property
    def shift(self):
        """Factor by which the draw changed the share of each class."""
        known = (self.prior > 0) & (self.drawn_prior > 0)
        return np.where(known, self.drawn_prior / np.where(known, self.prior, 1), 1.0)


def make_plan(
    X,
    y,
    weight,
    *,
    sampler,
    class_factor,
    device_factor,
    classes,
    layout,
    seed,
    group=None,
):
    """Class shares, re-sampling and draws for the encoded training rows.

    Parameters
    ----------
    X, y, weight : arrays
        Encoded rows, label codes, sample weights.
    sampler : str, object with `share` or imbalanced-learn object
    class_factor : array of shape (classes,)
        From `class_weight_vector`.
    device_factor : array of shape (classes,)
        Class weights of the loss itself, which `shift` counts as it does the sampler.
    classes : array
        The labels, for messages.
    layout : pair of int
        Numeric and indicator columns of X, which come first.
    seed : int
        Root seed of the fit.
    group : array or None
        Code of the value that a sampler balances, per row.
    """
    n_classes = len(classes)
    prior = class_share_of(y, weight, n_classes)
    if draw_of(sampler) is None:
        X, y, weight = resample(
            sampler,
            X,
            y,
            weight,
            classes=classes,
            n_numeric=layout[0],
            n_indicators=layout[1],
            seed=stream_seed(seed, "resampling"),
        )
        sampler = "uniform"
    drawn = class_share_of(y, weight, n_classes)
    factor = class_factor * device_factor
    if is_uniform(sampler):
        order = UniformOrder(len(y))
        loss_weight, mean = _loss_weight(X, y, weight, factor)
    else:
        factor = factor[y]
        # Draws take a class by its share, then a row by its sample weight, which the
        # loss must not count again: only class_weight is left for it.
        if group is None:
            share = class_share(sampler, drawn)
            total = np.bincount(y, weights=weight, minlength=n_classes)
            probability = weight * (share / np.where(total > 0, total, 1))[y]
        else:
            probability = weight / np.bincount(group, weights=weight)[group]
            share = class_share_of(y, probability, n_classes)
        order = WeightedOrder(probability)
        loss_weight = factor
        mean = float((probability * factor).sum() / probability.sum())
        drawn = share
    drawn = drawn * device_factor
    drawn = drawn / drawn.sum()
    if not mean > 0:
        raise ValueError(
            "class_weight leaves no training row with a positive weight. Give at least "
            "one class that occurs a weight above 0."
        )
    return Plan(X, y, _over(loss_weight, mean), weight, order, prior, drawn)


def _loss_weight(X, y, weight, factor):
    """Weights of the rows times the factors of their classes, and the mean of these.

    Many weights are in the precision of X, and those that are all equal take no memory.
    """
    if weight.strides == (0,) and (factor == factor[0]).all():
        own = weight[:1] * factor[:1]
        return np.broadcast_to(own, len(y)), float(own[0])
    if len(y) <= ROWS_AT_ONCE:
        own = weight * factor[y]
        return own, own.mean()
    own = np.empty(len(y), np.result_type(X.dtype, np.float32))
    total = 0.0
    for begin in range(0, len(y), ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        values = weight[part] * factor[y[part]]
        own[part], total = values, total + float(values.sum())
    return own, total / len(y)


def _over(loss_weight, mean):
    """Loss weights over their mean; many of them are divided in place."""
    if loss_weight.strides == (0,):
        return np.broadcast_to(loss_weight[:1] / mean, len(loss_weight))
    if len(loss_weight) <= ROWS_AT_ONCE:
        return loss_weight / mean
    return np.divide(loss_weight, mean, out=loss_weight)
