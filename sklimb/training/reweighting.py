"""Row weights by the effect on the loss of balanced rows: L2RW and Meta-Weight-Net.

Both compute for each row of a batch by how much a step on it lowers the loss of the
balanced rows: the product of the gradients of both losses. All products of a batch are
one forward-mode derivative of the logits along the gradient of the balanced loss, so no
graph of a gradient is ever built.

To add a way of weighting, write a frozen dataclass with `make_step(seeds, optimizer)`
that returns a step (see steps.py), and name it in ROW_WEIGHTINGS. A batch of the step
also holds "balanced", a batch of the rows held back.
"""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import torch
from torch.autograd import forward_ad

from sklimb._messages import told
from sklimb.training.device import as_numbers, to_device
from sklimb.training.registry import Registry
from sklimb.training.samplers import draw_names, draw_of
from sklimb.training.steps import (
    STEPS,
    backward,
    climbs_in_portfolio,
    take_gradients,
)
from sklimb.training.weight_net import WeightNet


@dataclass(frozen=True)
class L2RW:
    """Weights of a batch in closed form (Ren et al., "Learning to Reweight", 2018).

    `w_i = max(<grad l_i, grad L>, 0)`, divided by their sum over the batch; l_i is the
    loss of row i, L that of the balanced rows, both at the weights of the step. It is
    what the published virtual step and its derivative give: their learning rate cancels
    in the sum. A batch in which no row lowers L gives a gradient of 0: the optimiser's
    momentum and weight decay go on, as after any gradient of 0.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklimb import TabularMLPClassifier
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> clf = TabularMLPClassifier(row_weighting="l2rw", max_epochs=3, random_state=0)
    >>> clf.fit(X, y).predict_proba(X).shape
    (500, 2)
    """

    def make_step(self, seeds, optimizer):
        """The step of a fit; nothing is kept from one step to the next.

        Parameters
        ----------
        seeds : list of int
            One per member; not used.
        optimizer : PackedAdamW or PackedSGD
            The network's; not used.

        Returns
        -------
        step : callable
            Takes the objective and a batch, and returns the loss of each member.
        """
        return L2RWStep()


@dataclass(frozen=True)
class MetaWeightNet:
    """Weights by a small network from a row's loss (Shu et al., 2019).

    `v_i = V(l_i)`, V an MLP 1-hidden-1 with ReLU and sigmoid, and weights v divided by
    their sum over the batch. Each step: a virtual step of plain gradient descent with
    the current learning rate; the gradient of the balanced loss after it, with respect
    to V, updates V by Adam; then the weights of the new V make the real step. Each
    member has its own V, which begins anew with each `fit`.

    Parameters
    ----------
    hidden : int, default=100
        Hidden units of V.
    lr : float, default=1e-3
        Learning rate of V.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.strategies import MetaWeightNet
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> clf = TabularMLPClassifier(
    ...     row_weighting=MetaWeightNet(hidden=20), max_epochs=3, random_state=0
    ... )
    >>> clf.fit(X, y).predict_proba(X).shape
    (500, 2)
    """

    hidden: int = 100
    lr: float = 1e-3

    def __post_init__(self):
        if not isinstance(self.hidden, Integral) or self.hidden < 1:
            raise ValueError(
                f"hidden must be an integer of at least 1, got {self.hidden!r}."
            )
        if not isinstance(self.lr, Real) or not 0 < self.lr < float("inf"):
            raise ValueError(f"lr must be a positive number, got {self.lr!r}.")

    def make_step(self, seeds, optimizer):
        """The step of a fit.

        Parameters
        ----------
        seeds : list of int
            One per member.
        optimizer : PackedAdamW or PackedSGD
            The network's; its learning rate is that of the virtual step.

        Returns
        -------
        step : callable
            Takes the objective and a batch, and returns the loss of each member.
        """
        return MetaWeightNetStep(WeightNet(self.hidden, seeds), self.lr, optimizer)


class _WeighingStep:
    """Base of both steps: finds the trained parameters."""

    def __init__(self):
        self.places = None
        with warnings.catch_warnings(), forward_ad.dual_level():
            # torch compiles some formulas at the first use, by a deprecated function.
            warnings.simplefilter("ignore", DeprecationWarning)
            _still(torch.zeros(1))

    def take_(self, members):
        """Keep only what belongs to the given members: nothing does."""

    def _places(self, objective):
        """(dict that holds a parameter, name), the same for a whole fit."""
        if self.places is None:
            self.places = [
                (part._parameters, name)
                for part in objective.modules()
                for name, p in part._parameters.items()
                if p is not None and p.requires_grad
            ]
        return self.places


class L2RWStep(_WeighingStep):
    """Rows weighted by the product of gradients, then one step on them."""

    def __call__(self, objective, batch):
        places = self._places(objective)
        gradient = balanced_gradient(objective, places, batch["balanced"])
        along = tangent(objective, places, batch, gradient)
        logits = objective.logits(batch)
        losses, slope = objective.row_losses(logits, batch)
        helps = (slope * along).sum(-1).clamp_min_(0.0)
        weight = Shares(batch["weight"])(helps)
        logits.backward(slope * weight.unsqueeze(-1))
        return _total(losses, weight)


class MetaWeightNetStep(_WeighingStep):
    """Rows weighted by V, after V was updated by the effect of its weights.

    Parameters
    ----------
    net : WeightNet
    lr : float
        V's learning rate.
    optimizer : PackedAdamW or PackedSGD
        The network's.
    """

    # NOTE[DIFF]: the code for tables that Bansal et al. (2021) compare with computes
    # weights and does not use them; here they are used. The class-imbalance code also
    # divides by their sum but differentiates through V's input; the noisy-label code
    # does neither.

    def __init__(self, net, lr, optimizer):
        super().__init__()
        like = optimizer.param_groups[0]["params"][0]
        self.net, self.lr, self.optimizer = net.to_(like), lr, optimizer

    def take_(self, members):
        """Keep only the given members' V."""
        self.net.take_(members)

    def state_dict(self):
        """V and its moments."""
        return self.net.state_dict()

    def load_state_dict(self, state):
        """Go on from a `state_dict`."""
        self.net.load_state_dict(state)

    def __call__(self, objective, batch):
        places = self._places(objective)
        parameters = [owner[name] for owner, name in places]
        logits = objective.logits(batch)
        losses, slope = objective.row_losses(logits, batch)
        shares = Shares(batch["weight"])
        weight = shares(self.net(losses))
        # The virtual step; the graph serves the real one again.
        logits.backward(slope * weight.unsqueeze(-1), retain_graph=True)
        down = take_gradients(parameters)
        with put(places, self._moved(parameters, down)):
            gradient = balanced_gradient(objective, places, batch["balanced"])
        along = tangent(objective, places, batch, gradient)
        # By how much the balanced loss grows with each weight.
        growth = (slope * along).sum(-1) * -self._rate(losses, 1)
        self.net.step_(shares.backward(growth), self.lr, batch["active"])
        weight = shares(self.net(losses))
        logits.backward(slope * weight.unsqueeze(-1))
        return _total(losses, weight)

    def _rate(self, like, n_axes):
        """The current learning rate, one per member if they differ."""
        lr = self.optimizer.param_groups[0]["lr"]
        if isinstance(lr, torch.Tensor):
            lr = to_device(lr.to(like.dtype), like.device)
            return lr.view(-1, *[1] * n_axes)
        return lr

    @torch.no_grad()
    def _moved(self, parameters, down):
        """The weights of all members after the virtual step, ready for a gradient."""
        lr = self.optimizer.param_groups[0]["lr"]
        if isinstance(lr, torch.Tensor):
            pairs = zip(parameters, down, strict=True)
            moved = [p - self._rate(p, p.ndim - 1) * g for p, g in pairs]
        else:
            moved = torch._foreach_add(parameters, down, alpha=-lr)
        return [p.requires_grad_() for p in moved]


class Shares:
    """Weights of a batch's rows, with a row's share of the values instead of 1 / n.

    Rows of weight 0 (padding) have no share. So the shares sum to 1, equal values give
    the plain weights, and if all values are 0 so are the weights. Sample and class
    weights, in units of their mean over the training rows, multiply the shares.

    Parameters
    ----------
    weight : tensor of shape (K, batch)
        Weights of the batch.
    """

    def __init__(self, weight):
        self.there = (weight != 0).to(weight.dtype)
        self.scale = weight * self.there.sum(-1, keepdim=True)

    def __call__(self, values):
        total = (values * self.there).sum(-1, keepdim=True)
        total.clamp_min_(torch.finfo(values.dtype).tiny)
        self.values, self.total = values, total
        return self.scale * (values / total)

    def backward(self, growth):
        """Gradient by the last values, given the gradient `growth` by the weights."""
        pull = self.scale * growth
        mean = (pull * self.values).sum(-1, keepdim=True) / self.total
        return (pull - mean * self.there) / self.total


def _total(losses, weight):
    total = (losses * weight).sum(-1)
    return total[0] if len(total) == 1 else total


def balanced_gradient(objective, places, balanced):
    """Gradient of the balanced rows' mean loss, for each of `places`.

    Without dropout; running statistics do not change.
    """
    with objective.frozen_statistics():
        loss = objective.loss(objective.logits(balanced), balanced)
    backward(loss)
    return take_gradients([owner[name] for owner, name in places])


@torch.no_grad()
def tangent(objective, places, batch, direction):
    """Derivative of a batch's logits along `direction` in weight space.

    Raises
    ------
    ValueError
        An operation of the network has no forward-mode derivative.
    """
    masks = batch["masks"]
    with forward_ad.dual_level(), objective.frozen_statistics():
        # A product with a tensor without tangent costs torch 150 us, with a tangent of
        # zeros 5 us.
        X = as_numbers(batch["X"], batch["weight"].dtype)
        still = {"X": _still(X), "masks": masks}
        if isinstance(masks, list):
            still["masks"] = [_still(mask) for mask in masks]
        duals = [
            forward_ad.make_dual(owner[name], t)
            for (owner, name), t in zip(places, direction, strict=True)
        ]
        try:
            with put(places, duals):
                logits = objective.logits({**batch, **still})
        except NotImplementedError as error:
            raise ValueError(
                "row_weighting needs the forward-mode derivative of every operation of "
                f"the network: {told(error)} Use another network or row_weighting=None."
            ) from error
        return forward_ad.unpack_dual(logits).tangent


def _still(tensor):
    return forward_ad.make_dual(tensor, torch.zeros_like(tensor))


@contextmanager
def put(places, tensors):
    """Other tensors in the place of parameters, which are put back afterwards."""
    kept = [owner[name] for owner, name in places]
    try:
        for (owner, name), tensor in zip(places, tensors, strict=True):
            owner[name] = tensor
        yield
    finally:
        for (owner, name), parameter in zip(places, kept, strict=True):
            owner[name] = parameter


def _copies_rows(parameters):
    """Why a sampler cannot be combined with learned weights, or None."""
    if draw_of(parameters.sampler) is not None:
        return None
    return (
        "a re-sampled row may be a copy of one that is kept apart (only "
        f"{draw_names()} draw without copies)"
    )


# Parameters that learned weights cannot be combined with.
EXCLUDES = {
    "sam_asymmetric_rho": "each replaces the step",
    "portfolio": climbs_in_portfolio,
    "metabalance_sampler": "each replaces the step",
    "sampler": _copies_rows,
    "joint_ssl": "learned weights are found for the supervised loss alone",
    "m2m": "each says which rows count how much",
    "drw_start": (
        "each changes the weights of rare rows, the learned ones from the start"
    ),
}


@dataclass(frozen=True)
class RowWeighting:
    """The step of learned weights, used with `row_weighting`."""

    parameter: ClassVar[str] = "row_weighting"

    def asked_by(self, fits):
        """Whether rows are held back for it."""
        return fits.parameters.row_weighting is not None

    def make(self, fits):
        """The step of `fits`."""
        weighting = make_row_weighting(fits.parameters.row_weighting)
        return weighting.make_step([m["seed"] for m in fits.members], fits.optimizer)


STEPS.register("row_weighting", RowWeighting())


ROW_WEIGHTINGS = Registry(
    "row_weighting", {"l2rw": L2RW(), "meta_weight_net": MetaWeightNet()}
)


def make_row_weighting(value):
    """The row weighting of a name; an object is returned as it is."""
    return ROW_WEIGHTINGS.make(value)
