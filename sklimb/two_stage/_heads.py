"""Last layers on fixed features, and the formulas of Kang et al. (2020)."""

from numbers import Real

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sklimb.nn.packed import PackedLinear, packed_linear
from sklimb.training.losses import CrossEntropy

TAUS = np.linspace(0, 2, 21)


class LinearHead(nn.Module):
    """The layer `scale * (h @ weight + bias)` of each member.

    **Shape**

    - weight: `(K, d, classes)`, bias and scale: `(K, 1, classes)`
    - Input: `(K, rows, d)`
    - Output: `(K, rows, classes)`
    """

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.scale = nn.Parameter(torch.ones_like(bias))

    @classmethod
    def drawn(cls, like, generators):
        """Newly drawn weights with the shape, dtype and device of `like`."""
        layer = PackedLinear(*like.shape)
        for k, generator in enumerate(generators):
            layer.reset_member(k, generator)
        layer.to(like)
        return cls(layer.weight.detach(), layer.bias.detach())

    def forward(self, h):
        return packed_linear(h, self.weight, self.bias) * self.scale

    def cost(self, h, y, target):
        """Cross-entropy of each row, (K, rows), with soft targets."""
        return CrossEntropy()(self(h), target)


class NearestMean(nn.Module):
    """Logits: negative squared distances to class means of centred, unit features.

    **Shape**

    - center: `(K, 1, d)`, means: `(K, classes, d)`
    - Input: `(K, rows, d)`
    - Output: `(K, rows, classes)`
    """

    center: torch.Tensor
    means: torch.Tensor

    def __init__(self, center, means):
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("means", means)

    @classmethod
    def of(cls, h, y, weight):
        """The head of rows h of classes y; means are not scaled to unit length."""
        total = weight.to(h) / weight.sum()
        center = torch.einsum("n,knd->kd", total, h).unsqueeze(1)
        return cls(center, class_means(F.normalize(h - center, dim=-1), y, weight))

    def forward(self, h):
        f = F.normalize(h - self.center, dim=-1)
        squares = f.square().sum(-1, keepdim=True)
        own = self.means.square().sum(-1).unsqueeze(1)
        return 2 * f @ self.means.mT - squares - own


def class_means(h, y, weight):
    """Weighted mean of the rows of each class, (K, classes, d)."""
    share = F.one_hot(y).to(h) * weight.to(h).unsqueeze(1)
    return torch.einsum("nc,knd->kcd", share / share.sum(0), h)


def tau_normalised(weight, tau):
    """w_c / |w_c|^tau; weight is (K, d, classes), tau (K,)."""
    # A column of zeros stays zero.
    length = weight.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return weight / length ** tau.to(weight)[:, None, None]


def best_tau(h, weight, y, row_weight):
    """The first of TAUS with the best balanced accuracy of each member, (K,)."""
    total = np.bincount(y, weights=row_weight)
    share = torch.from_numpy(row_weight / total[y]).to(h.device)
    y = torch.from_numpy(y).to(h.device)
    scores = []
    for tau in TAUS:
        logits = h @ tau_normalised(weight, torch.full((len(h),), tau))
        scores.append(((logits.argmax(-1) == y) * share).sum(-1))
    # Rounded, so that equal decisions tie.
    scores = torch.stack(scores).cpu().numpy().round(10)
    return torch.from_numpy(TAUS[scores.argmax(0)])


def label_aware_eps(counts, head, tail, shape):
    """Smoothing of each class between `tail` (rarest) and `head` (Zhong et al., 2021).

    Parameters
    ----------
    counts : array of shape (classes,)
        Rows per class.
    head, tail : float
        Smoothing of the most frequent and of the rarest class.
    shape : {"concave", "linear", "convex"} or float
        How smoothing grows with the rows; a number is a power of the linear position.

    Returns
    -------
    array of shape (classes,)
        `tail` for all classes if they have equally many rows.
    """
    counts = np.asarray(counts, dtype=np.float64)
    spread = counts.max() - counts.min()
    if spread == 0:
        return np.full(len(counts), float(tail))
    position = (counts - counts.min()) / spread
    if shape == "concave":
        position = np.sin(np.pi / 2 * position)
    elif shape == "convex":
        position = 1 - np.cos(np.pi / 2 * position)
    elif isinstance(shape, Real):
        position = position ** float(shape)
    return tail + (head - tail) * position
