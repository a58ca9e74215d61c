"""The networks of Meta-Weight-Net, which weigh a row by its loss."""

import torch

from sklimb._random import stream_generator
from sklimb.nn.packed import draw_uniform
from sklimb.training.device import to_device


class WeightNet:
    """V of each member, with its own Adam: row losses (K, batch) -> values in (0, 1).

    Written out on one flat tensor, because autograd and torch's optimisers take five
    times as long for so small a network.

    Parameters
    ----------
    hidden : int
    seeds : list of int
        One a member, of its initial weights: those of torch.nn.Linear.
    """

    def __init__(self, hidden, seeds):
        # The weights and biases of both layers.
        self.sizes = [hidden, hidden, hidden, 1]
        bounds = [1.0, 1.0, hidden**-0.5, hidden**-0.5]
        rows = []
        for seed in seeds:
            generator = stream_generator(seed, "row_weighting", 0)
            pairs = zip(self.sizes, bounds, strict=True)
            rows.append(torch.cat([draw_uniform((n,), b, generator) for n, b in pairs]))
        self.flat = torch.stack(rows)
        self.first, self.second = (torch.zeros_like(self.flat) for _ in range(2))
        self.n_steps = [0] * len(seeds)

    _tensors = ("flat", "first", "second")

    def to_(self, like):
        """To the device and dtype of a tensor."""
        for name in self._tensors:
            setattr(self, name, getattr(self, name).to(like))
        return self

    def take_(self, members):
        """Keep only the given members."""
        for name in self._tensors:
            setattr(self, name, getattr(self, name)[members])
        self.n_steps = [self.n_steps[k] for k in members]

    def state_dict(self):
        """Weights, moments and updates so far."""
        tensors = {name: getattr(self, name).clone() for name in self._tensors}
        return {**tensors, "n_steps": list(self.n_steps)}

    def load_state_dict(self, state):
        """Go on from a `state_dict`."""
        for name in self._tensors:
            getattr(self, name).copy_(state[name])
        self.n_steps = list(state["n_steps"])

    def __call__(self, losses):
        w1, b1, w2, b2 = self.flat.unsqueeze(1).split(self.sizes, -1)
        self.x = losses.unsqueeze(-1)
        self.h = torch.relu_(torch.addcmul(b1, self.x, w1))
        self.values = torch.sigmoid_(torch.baddbmm(b2, self.h, w2.mT).squeeze(-1))
        return self.values

    def step_(self, slope, lr, active=None):
        """One step of Adam for a gradient `slope` by the values of the last call.

        `active` says which members take part; None is all.
        """
        v = self.values
        slope = (slope * v * (1 - v)).unsqueeze(1)
        w2 = self.flat[:, 2 * self.sizes[0] : 3 * self.sizes[0]].unsqueeze(1)
        back = slope.mT * w2 * (self.h > 0)
        parts = [torch.bmm(self.x.mT, back), back.sum(1, keepdim=True)]
        parts += [torch.bmm(slope, self.h), slope.sum(-1, keepdim=True)]
        gradient = torch.cat(parts, -1).squeeze(1)
        if active is None or all(active):
            self._adam_(gradient, lr)
            return
        before, counts = self.state_dict(), self.n_steps
        self._adam_(gradient, lr)
        for name in self._tensors:
            for k in (k for k, here in enumerate(active) if not here):
                getattr(self, name)[k] = before[name][k]
        pairs = zip(self.n_steps, counts, active, strict=True)
        self.n_steps = [new if here else old for new, old, here in pairs]

    def _adam_(self, gradient, lr, betas=(0.9, 0.999), eps=1e-8):
        self.n_steps = [n + 1 for n in self.n_steps]
        rate, square = (self._column([1 - b**n for n in self.n_steps]) for b in betas)
        self.first.lerp_(gradient, 1 - betas[0])
        self.second.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
        root = (self.second / square).sqrt_().add_(eps)
        self.flat -= (self.first * (lr / rate)).div_(root)

    def _column(self, values):
        """One number if all members share it, else a tensor (K, 1)."""
        if len(set(values)) == 1:
            return values[0]
        column = torch.tensor(values).to(self.flat.dtype)
        return to_device(column, self.flat.device).unsqueeze(1)
