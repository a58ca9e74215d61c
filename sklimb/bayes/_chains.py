"""Chains of stochastic gradient Hamiltonian Monte Carlo, one for each member."""

import copy
import math

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from sklimb._random import stream_generator
from sklimb.training.steps import backward

# The step size at the end of a cycle, over that at its beginning: at 0 a chain would
# stand still, and its last samples would be one.
LAST_STEP = 0.1


def step_sizes(lr, n_steps):
    """Step sizes of a cycle: a cosine from `lr` to a tenth of it."""
    along = np.arange(n_steps) / max(n_steps - 1, 1)
    cosine = (1 + np.cos(np.pi * along)) / 2
    return lr * (LAST_STEP + (1 - LAST_STEP) * cosine)


def sample_epochs(n_samples, cycles, n_epochs, burn_in):
    """(cycle, epoch) after which a sample is taken, evenly after the burn-in.

    The samples of a chain are spread over the cycles, the later ones taking more if
    they cannot be equal.
    """
    first = math.floor(burn_in * n_epochs)
    found = []
    for cycle in range(cycles):
        n = n_samples * (cycle + 1) // cycles - n_samples * cycle // cycles
        ends = first + np.ceil((n_epochs - first) * np.arange(1, n + 1) / n)
        found += [(cycle, int(end) - 1) for end in ends]
    return found


class Chains:
    """The members of a pack as chains.

    With step size l, friction a, temperature T and n rows by weight, a step is

        v <- (1 - a) v - l (gradient of the mean loss + precision / n * w) + noise
        w <- w + v

    with noise of variance 2 a l T / n: at T = 1 the posterior is stationary, up to
    terms of the order of l and the noise of the batches.

    Parameters
    ----------
    pack : Pack
    n_rows : list of float
        Weight of the training rows of each member.
    friction, temperature, prior_precision : float
    seeds : list of int
        Of each member's noise.
    """

    def __init__(self, pack, n_rows, friction, temperature, prior_precision, seeds):
        self.net, self.batches, self.module = pack.net, pack.batches, pack.module
        self.friction, self.temperature = friction, temperature
        self.weights = [p for p in self.module.parameters() if p.requires_grad]
        device = self.weights[0].device
        self.n_rows = torch.tensor(n_rows, dtype=self.weights[0].dtype, device=device)
        self.decay = self._by_member(prior_precision / self.n_rows)
        self.generators = [
            stream_generator(seed, "posterior", device=device) for seed in seeds
        ]
        sizes = [p[0].numel() for p in self.weights]
        self.noise = self.weights[0].new_empty(len(seeds), sum(sizes))
        parts = zip(self.noise.split(sizes, 1), self.weights, strict=True)
        self.noise_parts = [part.view(p.shape) for part, p in parts]

    def _by_member(self, values):
        """Numbers of each member, in the shape of each tensor of weights."""
        return [values.view(-1, *[1] * (p.ndim - 1)) for p in self.weights]

    def _draw(self):
        for row, generator in zip(self.noise, self.generators, strict=True):
            row.normal_(generator=generator)

    @torch.no_grad()
    def start_cycle(self, lr):
        """Draw the momenta anew, from their own stationary distribution."""
        self._draw()
        scale = self._by_member((self.temperature * lr / self.n_rows).sqrt())
        self.momenta = torch._foreach_mul(self.noise_parts, scale)

    def epoch(self, sizes):
        """One pass over the rows; the mean loss of each member."""
        self.net._set_training(True)
        total = 0.0
        for lr, batch in zip(sizes, self.batches, strict=True):
            for p in self.weights:
                p.grad = None
            # Without masks nothing is dropped: it is the whole network that is sampled.
            loss = self.net.criterion_({**batch, "masks": None})
            backward(loss)
            total = total + loss.detach().reshape(-1)
            self._move(float(lr))
        return (total / len(sizes)).cpu().numpy()

    @torch.no_grad()
    def _move(self, lr):
        gradients = torch._foreach_mul(self.decay, self.weights)
        torch._foreach_add_(gradients, [p.grad for p in self.weights])
        torch._foreach_mul_(self.momenta, 1 - self.friction)
        torch._foreach_add_(self.momenta, gradients, alpha=-lr)
        if self.temperature > 0:
            self._draw()
            scale = (2 * self.friction * lr * self.temperature / self.n_rows).sqrt()
            torch._foreach_mul_(self.noise_parts, self._by_member(scale))
            torch._foreach_add_(self.momenta, self.noise_parts)
        torch._foreach_add_(self.weights, self.momenta)

    def sample(self):
        """A copy of all members, in evaluation mode, with statistics of their own."""
        module = copy.deepcopy(self.module)
        for p in module.parameters():
            p.grad = None
        estimate_statistics(module, self.batches)
        return module.eval()


@torch.no_grad()
def estimate_statistics(module, batches):
    """Set the running statistics of BatchNorm to those of one pass over the rows."""
    layers = [m for m in module.train().modules() if isinstance(m, _BatchNorm)]
    layers = [m for m in layers if m.training and m.running_mean is not None]
    if not layers:
        return
    before = [m.momentum for m in layers]
    for m in layers:
        m.momentum = 1.0  # the statistics of the last batch alone
    count, sums = 0, None
    for batch in batches:
        module(batch["X"], None)
        n = batch["X"].shape[1]
        means = [m.running_mean.double() for m in layers]
        squares = [
            m.running_var.double() + mean.square()
            for m, mean in zip(layers, means, strict=True)
        ]
        own = [part * n for part in (*means, *squares)]
        sums = own if sums is None else torch._foreach_add(sums, own)
        count += n
    sums = [total / count for total in sums]
    for i, m in enumerate(layers):
        mean, square = sums[i], sums[len(layers) + i]
        m.running_mean.copy_(mean)
        m.running_var.copy_(square - mean.square())
        m.momentum = before[i]
