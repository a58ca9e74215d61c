"""The objective: the model, the loss and the probabilities that follow from them."""

from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from sklimb.training.losses import CrossEntropy


class Objective(nn.Module):
    """Weighted mean loss of a batch, one per member; skorch's criterion.

    With `autocast`, the model's products of a training batch are in bfloat16; weights,
    gradients and everything else stay as they are. With `compiled`, a Compiled, the
    model's passes are programs of torch.compile.

    `objective(batch)` has shape (K,), or () for one member. A batch's weights already
    hold 1 / (rows * w_bar), so the loss is their plain dot product. With a `term`, a
    JointTerm, its value on the batch's views is added; its projectors are parameters of
    the objective, not of the model.
    """

    log_shift: torch.Tensor | None
    temperature: torch.Tensor | None
    processes: Any  # that share the rows of a batch, see processes.py

    def __init__(self, model, loss, log_shift=None, autocast=False, term=None):
        super().__init__()
        self.model, self.autocast = model, autocast
        self.loss_function, self.term, self.compiled = loss, term, None
        self.processes = None
        # Subtracted from log probabilities, (classes,) or (K, 1, classes): the prior
        # shift of the training strategies, less the solved intercept.
        self.register_buffer("log_shift", log_shift)
        # Divides log probabilities, or the logits of a loss with `tempered`, before
        # that, (K, 1, 1); None is 1.
        self.register_buffer("temperature", None)

    def take_(self, members):
        """Keep only what belongs to the given members."""
        if self.log_shift is not None and self.log_shift.ndim == 3:
            self.log_shift = self.log_shift[members]
        if self.temperature is not None:
            self.temperature = self.temperature[members]
        if hasattr(self.loss_function, "take_"):
            self.loss_function.take_(members)
        if self.term is not None:
            self.term.take_(members)

    def logits(self, batch):
        return self._run("forward", batch)

    def _run(self, name, batch):
        x, masks = batch["X"], batch["masks"]
        if self.processes is not None:
            x, masks = self.processes.own(x), self.processes.own_masks(masks)
        if not self.autocast:
            return self._pass(name, x, masks)
        with torch.autocast(x.device.type, torch.bfloat16):
            out = self._pass(name, x, masks)
        return out.to(next(self.model.parameters()).dtype)

    def _pass(self, name, x, masks):
        if self.compiled is not None and self.model.training:
            return self.compiled(name, x, masks)
        # Not model.forward: hooks of a user run only when the module is called.
        function = self.model if name == "forward" else getattr(self.model, name)
        return function(x, masks)

    def frozen_statistics(self):
        """A context in which passes leave running statistics as they are.

        A plain module without any need not say so.
        """
        return getattr(self.model, "frozen_statistics", nullcontext)()

    def with_term(self, batch, *losses):
        """Each loss plus the term's value on the batch's views, if there is a term."""
        if self.term is None:
            return losses
        # BatchNorm normalises views by themselves; its running statistics stay those of
        # the clean rows, by which it predicts.
        with self.frozen_statistics():
            features = self._run("embed", batch["views"])
        value = _scalar_if_one(self.term(features, batch["views"]["real"]))
        return [loss + value for loss in losses]

    def loss(self, logits, batch, *weights):
        """Loss of each member from its logits.

        With `weights`, tensors like batch["weight"], a list of one loss for each.
        """
        given = weights or (batch["weight"],)
        if self.processes is not None:
            batch, given = self.processes.own_rows(batch, given)
        if self._is_linear(batch):
            # The same sum in one product: 30 us of a 240 us step.
            log_p = torch.log_softmax(logits, -1)
            totals = [
                _negative_dot(log_p, batch["target"] * w.unsqueeze(-1)) for w in given
            ]
        else:
            losses = self._losses(logits, batch)
            if losses.shape != batch["y"].shape:
                raise ValueError(
                    "loss must return one value a row, shape "
                    f"{tuple(batch['y'].shape)}, got {tuple(losses.shape)}. Do not "
                    "average in it: weights are applied afterwards."
                )
            totals = [_scalar_if_one((losses * w).sum(-1)) for w in given]
        return totals if weights else totals[0]

    def _is_linear(self, batch):
        """Whether losses are cross-entropies of the batch's targets."""
        is_entropy = isinstance(self.loss_function, CrossEntropy)
        return is_entropy and batch.get("other") is None

    def _losses(self, logits, batch):
        """Loss of each row; of a mixed one with two classes that of both, by share."""
        losses = self.loss_function(logits, batch["target"])
        if batch.get("other") is None:
            return losses
        target, share = batch["other"]
        return (1 - share) * losses + share * self.loss_function(logits, target)

    def row_losses(self, logits, batch):
        """Loss of each row (K, batch), unweighted, and its slope by the row's logits.

        Both detached; the slope has the logits' shape.
        """
        z, target = logits.detach(), batch["target"]
        if self._is_linear(batch):
            log_p = torch.log_softmax(z, -1)
            slope = log_p.exp().mul_(target.sum(-1, keepdim=True)).sub_(target)
            return -(target * log_p).sum(-1), slope
        losses = self._losses(z.requires_grad_(), batch)
        (slope,) = torch.autograd.grad(losses, z, torch.ones_like(losses))
        return losses.detach(), slope

    def forward(self, batch):
        return self.with_term(batch, self.loss(self.logits(batch), batch))[0]

    def log_probability(self, logits):
        """log P(y | x) in float64, the prior shift of training divided out.

        **Shape**

        - logits: `(K, batch, classes)`, output alike
        """
        return log_probability(
            logits, self.loss_function, self.temperature, self.log_shift
        )


def log_probability(logits, loss, temperature=None, log_shift=None):
    """log P(y | x) in float64 of logits (K, batch, classes); see `Objective`."""
    own = getattr(loss, "log_probability", None)
    tempered = getattr(loss, "tempered", None)
    if temperature is not None and tempered is not None:
        log_p = tempered(logits, 1 / temperature)
    else:
        log_p = logits.double() if own is None else own(logits)
        if own is None:
            log_p = torch.log_softmax(log_p, -1)
        if temperature is not None:
            log_p = torch.log_softmax(log_p / temperature, -1)
    if log_shift is not None:
        log_p = torch.log_softmax(log_p - log_shift, -1)
    return log_p


def _negative_dot(log_p, mass):
    if log_p.shape[0] == 1:
        return -torch.dot(log_p.flatten(), mass.flatten())
    return -(log_p * mass).sum((-2, -1))


def _scalar_if_one(total):
    return total[0] if len(total) == 1 else total
