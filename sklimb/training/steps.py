"""Steps: each fills p.grad and returns the detached loss.

To add a step, write a frozen dataclass with `make(fits)` that returns a callable
(objective, batch) -> detached loss of each member, and name it in STEPS; the parameter
`step` takes the name or an object. What `make` returns may have `take_(members)`, to
keep only what belongs to these members, and `state_dict` and `load_state_dict`, for
partial_fit. A step does not depend on the loss. `excludes`, {parameter: reason}, names
what it cannot be combined with.

Steps that another parameter than `step` selects have its name, `parameter`, and
`asked_by(fits)`, whether it does.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.func import functional_call

from sklimb.training.optimizers import one_value
from sklimb.training.registry import Registry
from sklimb.training.scales import class_scale, one_if_equal


@dataclass(frozen=True)
class Fits:
    """The fits whose members train as one program, as far as a step needs them.

    Attributes
    ----------
    parameters : object
        The constructor parameters, as attributes; equal for all members except those
        in `members`.
    members : list of dict
        Settings that may differ from member to member, such as "seed" and "lr".
    priors : list of arrays of shape (classes,)
        Class shares of each member's training rows.
    optimizer : PackedAdamW or PackedSGD
        The optimiser of the network.
    dtype : torch.dtype
    device : torch.device
    """

    parameters: object
    members: list
    priors: list
    optimizer: object
    dtype: torch.dtype
    device: torch.device

    def of_members(self, name):
        """A setting: a float if all members share it, else a tensor of shape (K,)."""
        value = one_value([member[name] for member in self.members])
        if isinstance(value, torch.Tensor):
            value = value.to(self.device, self.dtype)
        return value


def make_step(fits):
    """The step that the parameters of `fits` select."""
    own = fits.parameters.step
    if own is None:
        asked = (
            name
            for name, step in STEPS.items()
            if hasattr(step, "asked_by") and step.asked_by(fits)
        )
        own = next(asked, "plain")
    return STEPS.make(own).make(fits)


def climbs_in_portfolio(parameters):
    """Why a portfolio that switches SAM on excludes another step, or None.

    None also if the parameter itself switches it on, which has its own reason.
    """
    given = parameters.portfolio
    if parameters.sam_asymmetric_rho or isinstance(given, str):
        return None
    climbs = any(setting.get("sam_asymmetric_rho", 0) > 0 for setting in given)
    return _REPLACES if climbs else None


_REPLACES = "each replaces the step"
# Other parameters that replace the step.
OTHER_STEPS = {
    "sam_asymmetric_rho": _REPLACES,
    "portfolio": climbs_in_portfolio,
    "metabalance_sampler": _REPLACES,
    "row_weighting": _REPLACES,
}


def backward(loss):
    """Gradient of the sum over members; each member's loss has its own weights.

    Parameters
    ----------
    loss : tensor of shape (K,) or ()
        Loss of each member; its graph is used up.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import backward
    >>> weights = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> backward(weights.square())
    >>> weights.grad
    tensor([2., 4.])
    """
    loss.backward(None if loss.ndim == 0 else torch.ones_like(loss))


def take_gradients(parameters):
    """The gradients that a backward pass has left; none are left behind.

    A backward pass and this are faster than torch.autograd.grad.
    """
    grads = [p.grad for p in parameters]
    for p in parameters:
        p.grad = None
    return grads


class PlainStep:
    """One forward and one backward pass."""

    def take_(self, members):
        """Keep only what belongs to the given members: nothing does."""

    def __call__(self, objective, batch):
        loss = objective(batch)
        backward(loss)
        return loss.detach()


class SAMStep:
    """Sharpness-aware minimisation; a larger ascent for rare classes is SAM-A.

    Foret et al. (2021); SAM-A: Shwartz-Ziv et al., "On Representation Learning Under
    Class Imbalance", 2023, section 7, and "Simplifying Neural Network Training Under
    Class Imbalance", 2023, section 3.2. The ascent direction is the gradient of the
    loss whose rows are multiplied by r_y; the descent gradient is that of the plain
    loss at the perturbed weights. A term of the objective enters both as it is, on the
    same views, and its projectors are perturbed too.

    Parameters
    ----------
    rho : float or tensor of shape (K,)
        Radius, the length of the perturbation in weight space.
    scale : tensor of shape (classes,) or (K, classes), or None
        Factor r_c; None is r = 1, plain SAM.
    norm : {"batch", "weighted"}
        Length of the perturbation: rho times the batch's weighted mean of r ("batch"),
        or rho whatever is in the batch ("weighted", the authors' code).
    """

    # NOTE[DIFF]: equation 3 of "Simplifying" multiplies by the gradient's norm: that is
    # no SAM (the step vanishes at a minimum); equation 5 grows with the class share.
    # Both contradict the text; scale="printed" keeps equation 5.

    def __init__(self, rho, scale=None, norm="batch"):
        self.rho, self.scale, self.norm = rho, scale, norm
        self.parameters, self.kept = None, None

    def take_(self, members):
        """Keep only what belongs to the given members."""
        if isinstance(self.rho, torch.Tensor):
            self.rho = self.rho[members]
        if self.scale is not None and self.scale.ndim == 2:
            self.scale = self.scale[members]
        self.parameters = None

    def _scale_of(self, y):
        if self.scale.ndim == 1:
            return self.scale[y]
        return self.scale.gather(1, y)

    def __call__(self, objective, batch):
        if self.parameters is None:
            self.parameters = [p for p in objective.parameters() if p.requires_grad]
            self.kept = [torch.empty_like(p) for p in self.parameters]
        logits = objective.logits(batch)
        radius = self.rho
        if self.scale is None:
            (loss,) = objective.with_term(batch, objective.loss(logits, batch))
            ascent = loss
        else:
            weight = batch["weight"]
            scaled = weight * self._scale_of(batch["y"])
            losses = objective.loss(logits, batch, scaled, weight)
            ascent, loss = objective.with_term(batch, *losses)
            if self.norm == "batch":
                # A member without rows in this step has weight 0 and is not perturbed.
                total = weight.sum(-1).clamp_min(torch.finfo(weight.dtype).tiny)
                radius = radius * (scaled.sum(-1) / total)
        backward(ascent)
        with torch.no_grad():
            torch._foreach_copy_(self.kept, self.parameters)
            _climb(self.parameters, radius)
        for p in self.parameters:
            p.grad = None
        # The masks are in the batch, so the second pass drops the same units. Running
        # statistics were updated in the first.
        with objective.frozen_statistics():
            backward(objective(batch))
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.kept)
        return loss.detach()


class MetaBalanceStep:
    """MetaBalance: weights that do well on balanced rows after a step on natural ones.

    Bansal et al. (2021), algorithm 1. For each task: theta' = theta - inner_lr * grad
    of the support loss; the update follows the mean over tasks of the query loss at
    theta' plus beta times the support loss at theta. Gradients of tasks are
    accumulated, so memory does not grow with their number.

    Parameters
    ----------
    inner_lr, beta : float
    second_order : bool
        Differentiate through the inner step.
    """

    # NOTE[DIFF]: the authors' code is first order, because it sets theta' through
    # `param.data`, and updates after metaStep + 1 tasks, carrying the rest over to the
    # next epoch. Printed is the second order and a sum over tasks; a mean keeps the
    # learning rate's meaning, and is what the code does.

    def __init__(self, inner_lr, beta, second_order=False):
        self.inner_lr, self.beta, self.second_order = inner_lr, beta, second_order

    def take_(self, members):
        """Keep only what belongs to the given members: nothing does."""

    def __call__(self, objective, batch):
        named = {n: p for n, p in objective.named_parameters() if p.requires_grad}
        parameters, tasks = list(named.values()), batch["tasks"]
        take_gradients(parameters)
        if self.second_order:
            total = sum(self._second(objective, named, *pair) for pair in tasks)
        else:
            total = self._first(objective, parameters, tasks)
        torch._foreach_div_([p.grad for p in parameters], len(tasks))
        return total / len(tasks)

    def _first(self, objective, parameters, tasks):
        """Sum of the tasks' losses; p.grad becomes the sum of their gradients."""
        weights = [p.detach() for p in parameters]
        kept = [w.clone() for w in weights]  # where every task starts
        total, gradient = 0.0, None
        for support, query in tasks:
            backward(objective(support))
            grads = take_gradients(parameters)
            _descend(weights, grads, self.inner_lr)
            if not self.beta:
                grads = None  # their memory serves the query pass
            loss = objective(query)
            backward(loss)
            torch._foreach_copy_(weights, kept)
            own = take_gradients(parameters)
            if self.beta:
                _descend(own, grads, -self.beta)
            # Faster than to let the backward pass add, tensor by tensor: between two
            # passes arithmetic costs less than code that left the cache.
            if gradient is None:
                gradient = own
            else:
                _descend(gradient, own, -1.0)
            total = total + loss.detach()
        for p, grad in zip(parameters, gradient, strict=True):
            p.grad = grad
        return total

    def _second(self, objective, named, support, query):
        """Loss of a task, whose gradient is added to p.grad."""
        before = objective(support)
        grads = torch.autograd.grad(
            before, list(named.values()), torch.ones_like(before), create_graph=True
        )
        moved = {
            name: p - self.inner_lr * g
            for (name, p), g in zip(named.items(), grads, strict=True)
        }
        loss = functional_call(objective, moved, (query,))
        try:
            backward(loss + self.beta * before)
        except RuntimeError as error:
            what = str(error).splitlines()[0]
            if "derivative" not in what and "differentiate twice" not in what:
                raise
            raise ValueError(
                "metabalance_second_order=True differentiates through a gradient, and "
                "the network holds an operation without a second derivative: "
                f"{what} Set metabalance_second_order=False, which is what the "
                "authors' code does."
            ) from error
        return loss.detach()


def _descend(tensors, grads, lr):
    """tensors -= lr * grads, on a CPU in half the time of one call per tensor."""
    torch._fused_sgd_(
        tensors,
        grads,
        [],
        weight_decay=0.0,
        momentum=0.0,
        lr=lr,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=True,
    )


def _climb(parameters, radius):
    """Add radius * gradient / |gradient|, the norm taken over each member's weights."""
    grads = [p.grad for p in parameters]
    if len(grads[0]) == 1 and not grads[0].is_cuda:
        # On a CPU a host read is free and saves a product per parameter.
        norm = torch.linalg.vector_norm(torch.cat([g.view(-1) for g in grads]))
        torch._foreach_add_(parameters, grads, alpha=float(radius / (norm + 1e-12)))
        return
    square = sum(g.flatten(1).square().sum(1) for g in grads)
    length = radius / (square.sqrt() + 1e-12)
    for p, g in zip(parameters, grads, strict=True):
        p.addcmul_(g, length.to(g.dtype).view(-1, *[1] * (g.ndim - 1)))


def clip_gradients(parameters, max_norm):
    """Scale each member's gradient to a norm of at most `max_norm`, in place."""
    grads = [p.grad for p in parameters if p.grad is not None]
    square = sum(g.flatten(1).square().sum(1) for g in grads)
    factor = (max_norm / (square.sqrt() + 1e-12)).clamp_max(1.0)
    for g in grads:
        g.mul_(factor.view(-1, *[1] * (g.ndim - 1)))


@dataclass(frozen=True)
class Plain:
    """One forward and one backward pass.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.strategies import Plain
    >>> TabularMLPClassifier(step=Plain())
    TabularMLPClassifier(step=Plain())
    """

    def make(self, fits):
        """The step of `fits`.

        Parameters
        ----------
        fits : Fits
            The fits whose members train as one program.

        Returns
        -------
        step : callable
            Takes the objective and a batch, and returns the loss of each member.
        """
        return PlainStep()


@dataclass(frozen=True)
class SAM:
    """Sharpness-aware minimisation, used with `sam_asymmetric_rho`."""

    parameter: ClassVar[str] = "sam_asymmetric_rho"

    def asked_by(self, fits):
        """Whether a member has a radius."""
        return any(member["sam_asymmetric_rho"] for member in fits.members)

    def make(self, fits):
        """The step of `fits`, with the radius of each member."""
        p, factor = fits.parameters, None
        scales = [class_scale(p.sam_scale, r, p.sam_scale_max) for r in fits.priors]
        if any((scale != 1.0).any() for scale in scales):
            factor = torch.tensor(
                one_if_equal(scales), dtype=fits.dtype, device=fits.device
            )
            factor = factor[0] if len(factor) == 1 else factor
        return SAMStep(fits.of_members("sam_asymmetric_rho"), factor, p.sam_norm)


@dataclass(frozen=True)
class MetaBalance:
    """Steps of MetaBalance, used with `metabalance_sampler`."""

    parameter: ClassVar[str] = "metabalance_sampler"
    excludes: ClassVar[dict] = {
        "sam_asymmetric_rho": _REPLACES,
        "portfolio": climbs_in_portfolio,
        "sampler": "each chooses the rows of a batch",
        "drw_start": "each chooses the rows of a batch",
    }

    def asked_by(self, fits):
        """Whether support and query rows are drawn for it."""
        return fits.parameters.metabalance_sampler is not None

    def make(self, fits):
        """The step of `fits`."""
        p = fits.parameters
        return MetaBalanceStep(
            p.metabalance_inner_lr, p.metabalance_beta, p.metabalance_second_order
        )


STEPS = Registry("step", {"plain": Plain(), "sam": SAM(), "metabalance": MetaBalance()})
