"""Self-supervised terms of the objective: losses of views of the rows.

To add a term, write a frozen dataclass with `__call__(a, b, real=None)`, shapes
(K, batch, d) x 2 -> (K,), and name it in TERMS. `real`, (K, batch) of 0 and 1, says
which rows are no padding; None means all. `rates` are the shares of the columns that
are corrupted in the two views, `d_projector` is d, the width that views are compared
in. Without real rows, and with one where a variance is needed, a term is 0.

A term with `n_views = 1` is a loss of one view, (K, batch, d) -> (K,), after a linear
layer instead of a projector. `of` restricts it to one kind of X: "columns" or "images".
"""

from collections import ChainMap
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from sklimb._random import stream_generator
from sklimb.nn.packed import PackedLinear
from sklimb.training.registry import Registry

# An exponent so low that padding has no share in a softmax, and yet no infinity.
_NEVER = -1e9


class _BothCorrupted:
    """Terms whose two views are corrupted alike."""

    corruption: float

    @property
    def rates(self):
        """Shares of the columns that are corrupted in the two views."""
        return self.corruption, self.corruption


@dataclass(frozen=True)
class VICReg(_BothCorrupted):
    """Variance, invariance and covariance (Bardes, Ponce and LeCun, 2022).

    `sim * mse(a, b) + std * hinge + cov * covariance`, where hinge is the mean over
    dimensions of max(0, 1 - standard deviation) and covariance the sum of the squared
    off-diagonal covariances over d; the first is the mean, the second the sum over both
    views. The coefficients are the published code's. A batch of one row has no variance
    and counts 0.

    Parameters
    ----------
    sim : float, default=25.0
        Coefficient of the invariance.
    std : float, default=25.0
        Coefficient of the variance.
    cov : float, default=1.0
        Coefficient of the covariance.
    d_projector : int, default=128
        Width of the projector's two layers, at most about four times the rows of a
        batch: beyond that the covariances are noise.
    corruption : float in [0, 1], default=0.3
        Share of the columns that are corrupted, in both views.
    views : str or list, default="auto"
        How views of images are made, see `ImageResNetClassifier`.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import VICReg
    >>> a = torch.tensor([[[2.0], [-2.0]]])
    >>> VICReg()(a, a), VICReg()(a, -a)
    (tensor([0.]), tensor([400.]))
    """

    # NOTE[DIFF]: Shwartz-Ziv et al., "Simplifying", 2023, A.5 prints one covariance of
    # both views, uses gamma for two things and divides the invariance by rows alone;
    # this is facebookresearch/vicreg.

    sim: float = 25.0
    std: float = 25.0
    cov: float = 1.0
    d_projector: int = 128
    corruption: float = 0.3
    views: object = "auto"

    def __call__(self, a, b, real=None):
        mask, n = _mask(a, real)
        d = a.shape[-1]
        square = ((a - b).square() * mask).sum((-2, -1))
        total = self.sim * square / (n.clamp_min(1) * d)
        for view in (a, b):
            mean = (view * mask).sum(-2, keepdim=True) / n.clamp_min(1).view(-1, 1, 1)
            centred = (view - mean) * mask
            free = (n - 1).clamp_min(1)
            variance = centred.square().sum(-2) / free.view(-1, 1)
            spread = (variance + 1e-4).sqrt()
            total = total + self.std / 2 * torch.relu(1 - spread).mean(-1)
            covariance = centred.mT @ centred / free.view(-1, 1, 1)
            off = covariance * (1 - torch.eye(d, dtype=a.dtype, device=a.device))
            total = total + self.cov * off.square().sum((-2, -1)) / d
        return total * (n > 1)


@dataclass(frozen=True)
class SimCLR(_BothCorrupted):
    """NT-Xent: each view is matched with its other view among all (Chen et al., 2020).

    Cross-entropy of the cosines over `temperature`, from each of the 2 B views to the
    2 B - 1 others, averaged.

    Parameters
    ----------
    temperature : float, default=0.5
        Divides the cosines; lower values weight the most similar rows more.
    d_projector : int, default=128
        Width of the projector's two layers.
    corruption : float in [0, 1], default=0.3
        Share of the columns that are corrupted, in both views.
    views : str or list, default="auto"
        How views of images are made, see `ImageResNetClassifier`.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import SimCLR
    >>> a = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> SimCLR()(a, a)
    tensor([0.2395])
    """

    temperature: float = 0.5
    d_projector: int = 128
    corruption: float = 0.3
    views: object = "auto"

    def __call__(self, a, b, real=None):
        mask, n = _mask(a, real)
        z = unit(torch.cat([a, b], -2))
        mask = torch.cat([mask, mask], -2)
        similarity = z @ z.mT / self.temperature
        same = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
        hidden = same | (mask.mT == 0)
        log_p = _log_softmax(similarity, hidden)
        n_rows = a.shape[-2]
        other = torch.cat(
            [
                log_p[:, :n_rows, n_rows:].diagonal(dim1=-2, dim2=-1),
                log_p[:, n_rows:, :n_rows].diagonal(dim1=-2, dim2=-1),
            ],
            -1,
        )
        return -(other * mask.squeeze(-1)).sum(-1) / (2 * n).clamp_min(1)


@dataclass(frozen=True)
class SCARF:
    """InfoNCE between a row and its corrupted view (Bahri et al., 2022).

    The clean row i is matched with its corrupted view among those of its batch:
    mean of `-log(exp(s_ii / t) / mean_k exp(s_ik / t))`, s the cosine.

    Parameters
    ----------
    temperature : float, default=1.0
        Divides the cosines; lower values weight the most similar rows more.
    d_projector : int, default=128
        Width of the projector's two layers.
    corruption : float in [0, 1], default=0.6
        Share of the columns that are corrupted, in the second view; the first is clean.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import SCARF
    >>> a = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> SCARF()(a, a)
    tensor([-0.3799])
    """

    of: ClassVar[str] = "columns"
    temperature: float = 1.0
    d_projector: int = 128
    corruption: float = 0.6

    @property
    def rates(self):
        """Shares of the columns that are corrupted in the two views."""
        return 0.0, self.corruption

    def __call__(self, a, b, real=None):
        mask, n = _mask(a, real)
        similarity = unit(a) @ unit(b).mT / self.temperature
        log_p = _log_softmax(similarity, mask.mT == 0)
        log_p = log_p.diagonal(dim1=-2, dim2=-1)
        rows = n.clamp_min(1)
        return -(log_p * mask.squeeze(-1)).sum(-1) / rows - rows.log() * (n > 0)


@dataclass(frozen=True)
class Rotation:
    """Prediction of the quarters that an image was turned by (Gidaris et al., 2018).

    Cross-entropy of four classes; each image is turned once, a quarter of the batch
    each way (Yang and Xu, 2020, section 4). The image at position i is turned i modulo
    4 times.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import Rotation
    >>> Rotation()(10 * torch.eye(4).unsqueeze(0))
    tensor([0.0001])
    """

    n_views: ClassVar[int] = 1
    of: ClassVar[str] = "images"
    d_projector: ClassVar[int] = 4
    rates: ClassVar[tuple] = (0.0,)

    def __call__(self, logits, real=None):
        mask, n = _mask(logits, real)
        turns = torch.arange(logits.shape[1], device=logits.device) % 4
        log_p = torch.log_softmax(logits, -1)
        own = log_p.gather(-1, turns.view(1, -1, 1).expand(len(log_p), -1, 1))
        return -(own * mask).sum((-2, -1)) / n.clamp_min(1)


TERMS = Registry(
    "term",
    {
        "vicreg": VICReg(),
        "simclr": SimCLR(),
        "scarf": SCARF(),
        "rotation": Rotation(),
    },
)


@dataclass(frozen=True)
class MoCo(_BothCorrupted):
    """InfoNCE between a view and a slow network's key of the other (He et al., 2020).

    Cross-entropy of the cosines over `temperature`, from a view to its key among keys
    of earlier rows, which a queue holds. For pre-training alone.

    Parameters
    ----------
    temperature : float, default=0.2
        As in MoCo v2.
    momentum : float, default=0.99
        Share of its weights that the slow network keeps per step. The paper's 0.999
        is for a hundred times as many steps.
    n_keys : int, default=1024
        Keys in the queue; at most a quarter of the training rows, so that few are of
        the row itself.
    d_projector : int, default=128
        Width of the projector's two layers.
    corruption : float in [0, 1], default=0.3
        Share of the columns that are corrupted, in both views.
    views : str or list, default="auto"
        How views of images are made, see `ImageResNetClassifier`.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.selfsup import SelfSupervisedPretrainer
    >>> from sklimb.strategies import MoCo
    >>> X = make_transactions(500, fraud_rate=0.1, random_state=0).X
    >>> small = TabularMLPClassifier(d_block=16, random_state=0)
    >>> pretrainer = SelfSupervisedPretrainer(small, MoCo(n_keys=64), max_epochs=2)
    >>> pretrainer.fit(X).transform(X).shape
    (500, 16)
    """

    temperature: float = 0.2
    momentum: float = 0.99
    n_keys: int = 1024
    d_projector: int = 128
    corruption: float = 0.3
    views: object = "auto"


# Terms for pre-training alone.
PRETRAINING_TERMS = Registry("term", {"moco": MoCo()})
ALL_TERMS = ChainMap(TERMS, PRETRAINING_TERMS)


def n_views(term):
    """Views that a term looks at: two, unless it says otherwise."""
    return getattr(term, "n_views", 2)


def make_term(term):
    """The term of a name; an object is returned as it is."""
    return ALL_TERMS[term] if isinstance(term, str) else term


def terms_for(of):
    """Names of the terms for an X of "columns" or "images"."""
    return [name for name, t in TERMS.items() if getattr(t, "of", of) == of]


def _mask(view, real):
    """(K, batch, 1) of 0 and 1, and its sums (K,)."""
    if real is None:
        mask = view.new_ones(1, view.shape[1], 1).expand(len(view), -1, -1)
        return mask, view.new_full((len(view),), view.shape[1])
    mask = real.to(view.dtype)
    return mask.unsqueeze(-1), mask.sum(-1)


def unit(z):
    """Vectors of length 1; zeros stay zeros."""
    return z * (z.square().sum(-1, keepdim=True) + 1e-12).rsqrt()


def _log_softmax(similarity, hidden):
    return torch.log_softmax(similarity.masked_fill(hidden, _NEVER), -1)


class JointTerm(nn.Module):
    """A term beside the supervised loss: projectors of all members, and its weight.

    A projector is linear, ReLU, linear, or linear alone for one view. It is
    used in training alone.

    Parameters
    ----------
    term : VICReg, SimCLR, SCARF or alike
    weight : float or tensor of shape (K,)
        Factor of the term.
    d_in : int
        Width of the network's features.
    seeds : list of int
        Root seed of each member.
    """

    # NOTE[DIFF]: published projectors have BatchNorm, whose statistics padded rows
    # would enter, and for images three layers of 8192; SCARF's has two.

    def __init__(self, term, weight, d_in, seeds):
        super().__init__()
        self.term, self.weight = term, weight
        d = term.d_projector
        self.n_views = n_views(term)
        sizes = ((d_in, d), (d, d))[: self.n_views]
        self.layers = nn.ModuleList(PackedLinear(len(seeds), *s) for s in sizes)
        for k, seed in enumerate(seeds):
            for i, layer in enumerate(self.layers):
                layer.reset_member(k, stream_generator(seed, "projector", i))

    @torch.no_grad()
    def take_(self, members):
        """Keep only what belongs to the given members."""
        index = torch.as_tensor(members, device=self.layers[0].weight.device)
        for p in self.parameters():
            p.data, p.grad = p.data[index], None
        if isinstance(self.weight, torch.Tensor):
            self.weight = self.weight[index]

    def forward(self, features, real=None):
        """Weighted term (K,) of the features of all views, (K, views * batch, d_in)."""
        z = self._project(features, self.layers)
        return self.weight * self.term(*z.chunk(self.n_views, 1), real)

    def judge(self, module, views, masks):
        """The weighted term of views, as batches hold them, by a packed network."""
        return self(module.embed(views["X"], masks), views["real"])

    @staticmethod
    def _project(features, layers):
        z = layers[0](features)
        for layer in layers[1:]:
            z = layer(torch.relu(z))
        return z
