"""A fitted classifier as one plain module: encoded rows in, probabilities out."""

import copy

import torch
from torch import nn

from sklimb.nn.batch_first import plain_members
from sklimb.training.objective import Objective, log_probability


class Posterior(nn.Module):
    """log P(y | x) of each member's outputs: loss, temperature, shift and intercept.

    Parameters
    ----------
    objective : Objective
        Of a fitted net; its numbers are copied.

    **Shape**

    - Input: `(K, batch, n_classes)`
    - Output: alike, in float64
    """

    def __init__(self, objective):
        super().__init__()
        self.loss = copy.deepcopy(objective.loss_function)
        numbers = {"temperature": objective.temperature, "shift": objective.log_shift}
        # A bound loss keeps tensors in a list, which `.to(device)` does not know.
        statistics = getattr(self.loss, "statistics", ())
        self.n_statistics = len(statistics)
        numbers |= {f"statistic_{i}": t for i, t in enumerate(statistics)}
        for name, tensor in numbers.items():
            copied = None if tensor is None else tensor.detach().clone()
            self.register_buffer(name, copied)

    def forward(self, logits):
        loss = self.loss
        if self.n_statistics:
            loss = copy.copy(loss)
            names = (f"statistic_{i}" for i in range(self.n_statistics))
            loss.statistics = [getattr(self, name) for name in names]
        return log_probability(logits, loss, self.temperature, self.shift)


class ProbabilityModule(nn.Module):
    """Encoded rows to probabilities, all that comes after the encoder inside.

    Parameters
    ----------
    members : torch.nn.ModuleList
        K networks, (batch, columns) -> (batch, n_classes).
    posterior : torch.nn.Module
        Outputs of all members (K, batch, n_classes) -> log P(y | x).
    weights : array of shape (K,)
        Of the members in the mixture.
    head : torch.nn.Module or None, default=None
        Features of all members (K, batch, d) to outputs, in the place of theirs.

    **Shape**

    - Input: `(batch, columns)`; of images also `(batch, channels, height, width)`
    - Output: `(batch, n_classes)`
    """

    weights: torch.Tensor

    def __init__(self, members, posterior, weights, head=None):
        super().__init__()
        self.members, self.posterior, self.new_head = members, posterior, head
        weights = torch.as_tensor(weights, dtype=torch.float64)
        self.register_buffer("weights", weights / weights.sum())
        self.eval()

    def log_probabilities(self, x):
        """log P(y | x) of each member in float64, (K, batch, n_classes)."""
        if self.new_head is None:
            return self.posterior(torch.stack([member(x) for member in self.members]))
        features = torch.stack([member.embed(x) for member in self.members])
        return self.posterior(self.new_head(features))

    def mixture(self, x):
        """Probabilities in float64, (batch, n_classes)."""
        p = self.log_probabilities(x).exp()
        if len(self.members) == 1:
            return p[0]
        return torch.einsum("k,kbc->bc", self.weights.to(p.dtype), p)

    def forward(self, x):
        numbers = next(self.parameters()).dtype
        # Bytes are pixels, which the network scales.
        x = x if x.dtype == torch.uint8 else x.to(numbers)
        return self.mixture(x.flatten(1)).to(numbers)


def plain_module(net, member_weights):
    """The ProbabilityModule of a fitted net; everything in it is a copy.

    Members of weight 0, which a portfolio has not chosen, are left out.
    """
    used = member_weights.nonzero()[0].tolist()
    members = nn.ModuleList(plain_members(net.module_)[k] for k in used)
    objective = Objective(nn.Identity(), copy.deepcopy(net.criterion_.loss_function))
    objective.log_shift = net.criterion_.log_shift
    objective.temperature = net.criterion_.temperature
    objective.take_(used)
    module = ProbabilityModule(members, Posterior(objective), member_weights[used])
    return module.to(net.device)
