"""MoCo's loss, and the slow copy of the network whose keys it compares with."""

import copy

import torch

from sklimb._random import stream_generator
from sklimb.training.terms import JointTerm, unit


class MomentumTerm(JointTerm):
    """A JointTerm that compares one view with keys of the other and of earlier rows.

    The slow network and its projector follow the trained ones after each step, running
    statistics included, by which it also normalises: the batch's own would show which
    keys are of the same batch.

    Parameters
    ----------
    term : MoCo
    module : packed module
        The slow network is a copy of it.
    d_in : int
        Width of the network's features.
    seeds : list of int
        Root seed of each member.
    n_rows : int
        Training rows.
    """

    queue: torch.Tensor

    def __init__(self, term, module, d_in, seeds, n_rows):
        super().__init__(term, 1.0, d_in, seeds)
        self.slow = copy.deepcopy(module).eval().requires_grad_(False)
        self.slow_layers = copy.deepcopy(self.layers).requires_grad_(False)
        n_keys = max(1, min(term.n_keys, n_rows // 4))
        shape = n_keys, term.d_projector
        keys = [
            torch.randn(shape, generator=stream_generator(seed, "projector", 2))
            for seed in seeds
        ]
        self.register_buffer("queue", unit(torch.stack(keys)))

    def judge(self, module, views, masks):
        """Loss (K,) of views; in training the slow network follows, keys are kept."""
        a, b = views["X"].chunk(2, 1)
        if isinstance(masks, list):
            masks = [mask.chunk(2, 1)[0] for mask in masks]
        query = unit(self._project(module.embed(a, masks), self.layers))
        with torch.no_grad():
            if module.training:
                self._follow(module)
            key = unit(self._project(self.slow.embed(b), self.slow_layers))
        own = (query * key).sum(-1, keepdim=True)
        similarity = torch.cat([own, query @ self.queue.mT], -1)
        log_p = torch.log_softmax(similarity / self.term.temperature, -1)
        if module.training:
            n_keys = self.queue.shape[1]
            self.queue = torch.cat([self.queue, key], 1)[:, -n_keys:]
        return -log_p[..., 0].mean(-1)

    def _follow(self, module):
        share = 1 - self.term.momentum
        pairs = [(self.slow, module), (self.slow_layers, self.layers)]
        for slow, quick in pairs:
            new = quick.state_dict()
            for name, old in slow.state_dict().items():
                if old.is_floating_point():
                    old.lerp_(new[name], share)


def make_pretraining_term(term, module, d_in, seeds, n_rows):
    """The term of pre-training; arguments as those of MomentumTerm."""
    if hasattr(term, "n_keys"):
        return MomentumTerm(term, module, d_in, seeds, n_rows)
    return JointTerm(term, 1.0, d_in, seeds)
