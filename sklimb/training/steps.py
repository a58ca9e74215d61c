"""HOW the gradient is made: a step fills p.grad and returns the detached loss.

To add a step, write a class with `__call__(objective, batch)`, name it in STEPS and
teach compatibility.py what it excludes. A step never knows the loss.
"""

from contextlib import nullcontext

import torch
from torch.func import functional_call


def backward(loss):
    """Gradient of the sum over members; each member's loss has its own weights."""
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

    Foret et al. (2021); asymmetric: S000 section 7, S002 section 3.2. The ascent
    direction is the gradient of the loss whose rows are multiplied by r_y; the descent
    gradient is that of the plain loss at the perturbed weights. A term of the
    objective enters both as it is, on the same views, and its projectors climb too.

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

    # NOTE[DIFF]: equation 3 of S002 multiplies by the gradient's norm, which is no SAM
    # (the step vanishes at a minimum); equation 5 grows with the class share. Both
    # contradict the text; scale="printed" keeps equation 5.

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
                # A member without rows in this step has weight 0 and climbs nowhere.
                total = weight.sum(-1).clamp_min(torch.finfo(weight.dtype).tiny)
                radius = radius * (scaled.sum(-1) / total)
        backward(ascent)
        with torch.no_grad():
            torch._foreach_copy_(self.kept, self.parameters)
            _climb(self.parameters, radius)
        for p in self.parameters:
            p.grad = None
        # The masks are in the batch, so the second pass drops the same units. Running
        # statistics have seen these rows.
        frozen = getattr(objective.model, "frozen_statistics", nullcontext)
        with frozen():
            backward(objective(batch))
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.kept)
        return loss.detach()


class MetaBalanceStep:
    """MetaBalance: weights that do well on balanced rows after a step on natural ones.

    S003, algorithm 1. For each task: theta' = theta - inner_lr * grad of the support
    loss; the update follows the mean over tasks of the query loss at theta' plus beta
    times the support loss at theta. Gradients of tasks are accumulated, so memory does
    not grow with their number.

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
            # passes it is not arithmetic that costs, but code out of the cache.
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
    """tensors -= lr * grads, in one call, on a CPU in half the time of one for each."""
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
        # On a CPU a host read is free and saves a product a parameter.
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


STEPS = {"plain": PlainStep, "sam": SAMStep, "metabalance": MetaBalanceStep}
