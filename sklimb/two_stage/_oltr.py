"""OLTR: a head with a memory of class centroids (Liu et al., 2019)."""

import torch
import torch.nn.functional as F
from torch import nn

from sklimb.nn.packed import PackedLinear, draw_uniform
from sklimb.training.losses import CrossEntropy

SCALE = 16.0  # of the cosines
REACH = 10.0  # over the distance to the nearest centroid
MARGIN = 10.0  # mean squared distance to other classes beyond which nothing repels
REPEL_WEIGHT = 0.01
CENTROID_WEIGHT = 0.01
MEMORY_LR = 0.01
EPS = 1e-6


class ModulatedHead(nn.Module):
    """Features enriched by a memory of centroids, then cosines (Liu et al., 2019).

    `m = 10 / d_min (v + tanh(S v) * sum_c softmax(H v)_c centroid_c)` with d_min the
    distance to the nearest centroid, logits `16 m / (1 + |m|) . w / |w|`.

    Parameters
    ----------
    weight, bias : tensors (K, d, classes) and (K, 1, classes)
        Last layer of the first stage, from which the hallucinator H starts.
    centroids : tensor (K, classes, d)
        Initial memory.
    generators : list of torch.Generator
        One per member, for the initial selector and cosines.

    **Shape**

    - Input: `(K, rows, d)`
    - Output: `(K, rows, classes)`
    """

    def __init__(self, weight, bias, centroids, generators):
        super().__init__()
        n_members, width, n_classes = weight.shape
        self.centroids = nn.Parameter(centroids)
        self.hallucinator = PackedLinear(n_members, width, n_classes)
        self.selector = PackedLinear(n_members, width, width)
        self.weight = nn.Parameter(torch.empty_like(weight))
        with torch.no_grad():
            for k, generator in enumerate(generators):
                self.selector.reset_member(k, generator)
                drawn = draw_uniform((width, n_classes), width**-0.5, generator)
                self.weight[k] = drawn.to(weight)
            self.to(weight)
            self.hallucinator.weight.copy_(weight)
            self.hallucinator.bias.copy_(bias)

    def forward(self, v):
        # Only the centroid loss trains the memory, as in the authors' code.
        centroids = self.centroids.detach()
        with torch.no_grad():
            distance = _distances(v, centroids).amin(-1, keepdim=True)
        called = self.hallucinator(v)
        memory = called.softmax(-1) @ centroids
        selected = self.selector(v).tanh()
        # NOTE[DIFF]: the authors divide by d_min alone, which is 0 at a centroid.
        m = REACH / (distance + EPS) * (v + selected * memory)
        m = m / (1 + m.norm(dim=-1, keepdim=True))
        return SCALE * m @ F.normalize(self.weight, dim=1)

    def cost(self, v, y, target):
        """Cross-entropy and centroid loss of each row, (K, rows)."""
        loss = CrossEntropy()(self(v), target)
        return loss + CENTROID_WEIGHT * self.centroid_loss(v, y).unsqueeze(1)

    def centroid_loss(self, v, y):
        """Loss that attracts to own and repels from other centroids, per member (K,).

        `mean_i |v_i - c_y|^2 / 2 + 0.01 max(10 - mean_{i,c} d_ic, 0)` with d_ic the
        squared distance to another class's centroid and 0 for the own.
        """
        squares = (v.unsqueeze(2) - self.centroids.unsqueeze(1)).square().sum(-1)
        own = F.one_hot(y, squares.shape[-1]).bool()
        # NOTE[DIFF]: the authors' backward pass divides a centroid's gradient by its
        # rows in the batch + 1 and omits the loss's weight; this is the gradient of the
        # loss as printed.
        attract = squares.masked_fill(~own, 0).sum((1, 2)) / (2 * v.shape[1])
        others = squares.masked_fill(own, 0).mean((1, 2))
        return attract + REPEL_WEIGHT * (MARGIN - others).clamp_min(0)


def _distances(v, centroids):
    """Euclidean distances (K, rows, classes)."""
    if torch.compiler.is_compiling():  # ONNX has no such operator
        return (v.unsqueeze(2) - centroids.unsqueeze(1)).square().sum(-1).sqrt()
    return torch.cdist(v, centroids, compute_mode="donot_use_mm_for_euclid_dist")
