"""What the second stage gets from the first: rows, features and the last layer."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sklimb._messages import short
from sklimb._random import stream_generator
from sklimb._wrapped import SPLITTING, unwrap
from sklimb.fitting.checks import check_fit_arguments
from sklimb.fitting.class_weights import class_weight_vector
from sklimb.fitting.plan import make_plan
from sklimb.inputs.splits import split_default
from sklimb.nn.resnets import CosineLinear


def first_stage(estimator):
    """A clone to fit; `validation_folds="auto"` takes none, so that rows are held out.

    The second stage chooses on rows that the first has not seen.
    """
    estimator = clone(estimator)
    _, classifier, _ = unwrap(estimator, "ClassifierRetrainer")
    frozen = hasattr(classifier, "net_")  # a clone of it would not be
    if classifier.validation_folds == "auto" and not frozen:
        classifier.validation_folds = None
    return estimator


@dataclass
class Backbone:
    """A trained network without its last layer.

    Attributes
    ----------
    net : skorch net of the first stage
    module : nn.Module
        The network, or a copy with other running statistics.
    length : float or None
        Of the features, when the last layer gives cosines: then that layer is linear
        in unit features times the scale of the loss.
    """

    net: object
    module: nn.Module
    length: float | None

    @classmethod
    def of(cls, classifier):
        """That of a fitted classifier."""
        net = classifier.net_
        length = None
        head = _head(net.module_)
        if getattr(net.module_, "cosine_head", isinstance(head, CosineLinear)):
            loss = net.criterion_.loss_function
            length = float(getattr(getattr(loss, "unbound", loss), "s", 1.0))
        return cls(net, net.module_, length)

    def block(self, x):
        """Features (K, rows, d) of a block (1, rows, columns)."""
        h = self.module.embed(x)
        return h if self.length is None else F.normalize(h, dim=-1) * self.length

    def __call__(self, X, then=None):
        """Features of all rows of X, (K, rows, d), or what `then` makes of them."""
        if then is None:
            return self.net._blocks(X, self.block)
        return self.net._blocks(X, lambda x: then(self.block(x)))

    @torch.no_grad()
    def last_layer(self):
        """Copies of weight (K, d, classes) and bias (K, 1, classes) after `block`."""
        head = _head(self.module)
        weight = head.weight.mT if hasattr(self.module, "members") else head.weight
        if self.length is not None:
            weight = F.normalize(weight, dim=1)
        bias = getattr(head, "bias", None)
        if bias is None:
            bias = weight.new_zeros(len(weight), 1, weight.shape[-1])
        shape = len(weight), 1, weight.shape[-1]
        return weight.contiguous().clone(), bias.reshape(shape).clone()

    @torch.no_grad()
    def shifted(self, X, batches):
        """A copy whose BatchNorm statistics have drifted to the rows of `batches`."""
        if not any(isinstance(m, _BatchNorm) for m in self.module.modules()):
            raise ValueError(
                "shift_statistics=True needs a network with BatchNorm, such as "
                "TabularResNetClassifier's: this one keeps no statistics of the rows "
                "that it has seen. Set shift_statistics=False."
            )
        module = copy.deepcopy(self.module)
        for part in module.modules():  # `train()` leaves a frozen backbone as it is
            part.training = True
        for rows in batches:
            if rows.shape[1] > 1:  # one row has no variance
                # Without masks nothing is dropped.
                module(X[rows])
        return Backbone(self.net, module.eval(), self.length)


def _head(module):
    """The last layer of a packed or stacked network."""
    return getattr(module, "members", module).head


@dataclass
class Rows:
    """Encoded rows on the CPU; weights hold sample_weight and class_weight."""

    X: torch.Tensor
    y: np.ndarray
    weight: np.ndarray


@dataclass
class StageRows:
    """The rows of the second stage.

    Attributes
    ----------
    train : Rows
    held_out : Rows or None
        What the first stage held out of these rows.
    foreign : bool
        The held-out rows were given by the caller and are not of the training prior.
    prior : array of shape (classes,)
        Class shares of `train`, by sample weight.
    counts : array of shape (classes,)
        Rows per class of `train`, by sample weight.
    plan : Plan
        Draws and loss weights.
    """

    train: Rows
    held_out: Rows | None
    foreign: bool
    prior: np.ndarray
    counts: np.ndarray
    plan: object


def read_stage(classifier, X, y, given, *, sampler, own_fraction):
    """The rows of the second stage, split as the first stage would split them.

    With the parameters and the seed of a first stage that was fitted on these rows its
    held-out rows come out again. `own_fraction`, if not None, is held out when it held
    nothing out.
    """
    groups, X_val, y_val, weight_val = (given.get(name) for name in SPLITTING)
    check_is_fitted(classifier, "net_")
    check_fit_arguments(X_val, y_val, weight_val, groups, classifier)
    rows = classifier._read_rows(X, y, given.get("sample_weight"), groups)
    seed = int(classifier.member_seeds_[0])  # member 0 keeps the seed of the fit
    train, held_out = classifier._split_rows(rows, X_val, y_val, weight_val)
    if held_out is None and own_fraction is not None:
        first, second = split_default(train, own_fraction, seed)
        if len(second):
            train, held_out = train.take(first), train.take(second)
    classes = classifier.classes_
    factor = class_weight_vector(
        classifier.class_weight, train.y, train.weight, classes
    )
    counts = np.bincount(train.y, weights=train.weight, minlength=len(classes))
    empty = np.flatnonzero(counts * factor <= 0)
    if len(empty):
        raise ValueError(
            "the second stage needs rows with a positive weight of every class of the "
            f"first, got none of class {short(classes.tolist()[empty[0]])}."
        )
    plan = make_plan(
        train.y[:, None],  # draws look at labels and weights only
        train.y,
        train.weight,
        sampler=sampler,
        class_factor=factor,
        device_factor=np.ones(len(classes)),
        classes=classes,
        layout=(0, 0),
        seed=seed,
    )

    def encoded(part):
        X = classifier._encode_table(part.table)
        return Rows(X, part.y, part.weight * factor[part.y])

    held_out = None if held_out is None else encoded(held_out)
    return StageRows(
        encoded(train), held_out, X_val is not None, plan.prior, counts, plan
    )


def draws(order, seeds, index, n_epochs, batch_size):
    """Row numbers of each epoch's batches, a list of (K, batch) tensors per epoch."""
    generators = [stream_generator(seed, "retrain", index) for seed in seeds]
    for _ in range(n_epochs):
        rows = torch.stack([order(generator) for generator in generators])
        yield rows.split(batch_size, dim=1)
