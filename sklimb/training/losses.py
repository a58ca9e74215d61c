"""Losses: pure functions (logits, target) -> one loss per row.

To add a loss, write a function or a frozen dataclass with `__call__(logits, target)` of
shapes (K, batch, classes) x 2 -> (K, batch), and name it in LOSSES. `target` holds
probabilities (smoothed or mixed labels). A loss whose optimal softmax is not P(y | x)
also has `log_probability(logits)`; one that depends on the number of rows
per class has `bind(counts)`, one that only weights classes `class_factor(counts)`. A
temperature divides log probabilities, unless there is `tempered(logits, scale)`. With
`one_class = True` the loss of a mixed row is that of its two rows, each with a target
of its own, by their shares; else it is the loss of their mixed target.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from sklimb.training.registry import Registry


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy with soft targets, `-sum_c target_c log p_c`.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import CrossEntropy
    >>> logits, target = torch.zeros(1, 1, 2), torch.tensor([[[0.0, 1.0]]])
    >>> CrossEntropy()(logits, target)
    tensor([[0.6931]])
    """

    def __call__(self, logits, target):
        return -(target * torch.log_softmax(logits, -1)).sum(-1)


@dataclass(frozen=True)
class FocalLoss:
    """Focal loss, `-sum_c target_c (1 - p_c)^gamma log p_c` (Lin et al., 2017).

    Its minimiser is not P(y | x) but can be solved for it (Charoenphakdee et al., "On
    Focal Loss for Class-Posterior Probability Estimation", 2021, Theorem 11), so
    probabilities stay usable.

    Parameters
    ----------
    gamma : float, default=2.0
        0 is cross-entropy; larger values weight rows less that are already right.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import FocalLoss
    >>> logits, target = torch.zeros(1, 1, 2), torch.tensor([[[0.0, 1.0]]])
    >>> FocalLoss(gamma=1.0)(logits, target)
    tensor([[0.3466]])
    """

    gamma: float = 2.0

    def __call__(self, logits, target):
        log_p = torch.log_softmax(logits, -1)
        rest = -torch.expm1(log_p)
        if self.gamma < 1:  # an infinite slope at p = 1, where the loss is 0
            rest = rest.clamp_min(torch.finfo(rest.dtype).eps)
        return -(target * rest.pow(self.gamma) * log_p).sum(-1)

    def log_probability(self, logits):
        """Logarithm of P(y | x) when `logits` minimise the focal loss.

        Parameters
        ----------
        logits : tensor of shape (..., classes)
            The network's output.

        Returns
        -------
        log_p : tensor of shape (..., classes)
            In float64.
        """
        log_p = torch.log_softmax(logits.double(), -1)
        return torch.log_softmax(log_p - focal_slope(log_p, self.gamma), -1)


def focal_slope(log_p, gamma):
    """Logarithm of the factor by which the focal loss changes the slopes of a row."""
    rest = (-torch.expm1(log_p)).clamp_min(1e-30)
    return (rest.pow(gamma - 1) * (rest - gamma * log_p.exp() * log_p)).log()


class _Bound:
    """A loss with the class statistics of each member, (K or 1, 1, classes)."""

    def __init__(self, unbound, *statistics):
        self.unbound, self.statistics = unbound, statistics

    def take_(self, members):
        """Keep only the statistics of the given members."""
        self.statistics = [s[members] if len(s) > 1 else s for s in self.statistics]

    def __call__(self, logits, target):
        return self.unbound._of(logits, target, *self.statistics)

    def log_probability(self, logits):
        """log P(y | x) under the draw when `logits` minimise the loss."""
        statistics = [s.double() for s in self.statistics]
        adjusted = self.unbound._posterior(logits.double(), *statistics)
        return torch.log_softmax(adjusted, -1)


class _BoundMargins(_Bound):
    """A bound loss with margins, whose posterior is no power of a softmax."""

    def tempered(self, logits, scale):
        """log P at the temperature 1 / scale: logits and margins times `scale`."""
        statistics = [s.double() * scale for s in self.statistics]
        adjusted = self.unbound._posterior(logits.double() * scale, *statistics)
        return torch.log_softmax(adjusted, -1)


class _NeedsCounts:
    """A loss that depends on the rows per class, which `bind` takes."""

    bound: ClassVar[type] = _Bound

    def bind(self, counts):
        """The loss for the rows per class of each member.

        Parameters
        ----------
        counts : tensor of shape (K or 1, classes)
            Training rows per class, by weight; 1 if all K members share them.

        Returns
        -------
        loss : callable
            Takes logits and soft targets, and has `log_probability(logits)`.
        """
        return self.bound(self, *(t.unsqueeze(1) for t in self._statistics(counts)))


def _shares(counts):
    # A class without training rows has no loss to adjust; 0 would only make a NaN.
    return (counts / counts.sum(-1, keepdim=True)).clamp_min(1e-12)


@dataclass(frozen=True)
class VSLoss(_NeedsCounts):
    """Vector scaling, cross-entropy of `z_c / Delta_c + tau log p_c`.

    `Delta_c = (n_max / n_c)^gamma` (Kini et al., "Label-Imbalanced and Group-Sensitive
    Classification under Overparameterization", 2021). The posterior is learned by
    the adjusted logits, so probabilities are computed from them.

    Parameters
    ----------
    gamma : float, default=0.3
        0 is logit adjustment.
    tau : float, default=1.0
        Factor of the logarithms of the class shares; 0 does not use them.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import VSLoss
    >>> loss = VSLoss(gamma=0.0).bind(torch.tensor([[90.0, 10.0]]))
    >>> loss(torch.zeros(1, 1, 2), torch.tensor([[[0.0, 1.0]]]))
    tensor([[2.3026]])
    """

    gamma: float = 0.3
    tau: float = 1.0

    def _statistics(self, counts):
        """1 / Delta and tau log p of each class."""
        share = _shares(counts)
        delta = (share.amax(-1, keepdim=True) / share).pow(self.gamma)
        return 1 / delta, self.tau * share.log()

    @staticmethod
    def _posterior(logits, scale, shift):
        """The adjusted logits."""
        return logits * scale + shift

    def _of(self, logits, target, scale, shift):
        """One loss per row."""
        return CrossEntropy()(self._posterior(logits, scale, shift), target)


@dataclass(frozen=True)
class LogitAdjustedLoss(VSLoss):
    """Cross-entropy of `z_c + tau log p_c` (Menon et al., 2021).

    The raw logits are those of equal class shares; balanced softmax (Ren et al., 2020)
    is tau=1. With target_prior="train" probabilities are those of the class shares in
    training, with target_prior="uniform" those that the paper predicts by.

    Parameters
    ----------
    gamma : float, default=0.0
        As of `VSLoss`, of which this is the case of 0.
    tau : float, default=1.0
        0 is cross-entropy.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import LogitAdjustedLoss
    >>> loss = LogitAdjustedLoss().bind(torch.tensor([[90.0, 10.0]]))
    >>> loss(torch.zeros(1, 1, 2), torch.tensor([[[0.0, 1.0]]]))
    tensor([[2.3026]])
    """

    gamma: float = 0.0


@dataclass(frozen=True)
class LDAMLoss(_NeedsCounts):
    """Margins that grow for rare classes (Cao et al., 2019, equation 12).

    Cross-entropy of `s (z_c - m_c [c = y])` with `m_c = max_m (n_min / n_c)^(1/4)`. The
    logits are cosines: the network gets a normalised last layer without bias. Rows'
    classes are those of the largest target. A row that `mix` made of two has the loss
    of both classes, each with its margin, by their shares.

    At the minimum P, the posterior of the rows drawn, is the stationary distribution of
    `Q[y, k] = softmax_k(s (z_k - m_y [k = y]))`, since the slope by `z_k` is 0:
    `sum_y P_y (Q[y, k] - [k = y]) = 0`. With `a_k = exp(s z_k)` and
    `b_k = exp(s (z_k - m_k))` it is `P_k ~ a_k (sum_j a_j - a_k + b_k)`, so
    probabilities are computed from that; softmax(s z) would be far too confident. The
    largest P is not always at the largest z, which the authors predict.

    Parameters
    ----------
    max_m : float, default=0.5
        Margin of the rarest class; 0 is cross-entropy.
    s : float, default=30.0
        Scale of the cosines.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import LDAMLoss
    >>> loss = LDAMLoss(s=1.0).bind(torch.tensor([[90.0, 10.0]]))
    >>> loss(torch.zeros(1, 1, 2), torch.tensor([[[0.0, 1.0]]]))
    tensor([[0.9741]])
    """

    max_m: float = 0.5
    s: float = 30.0

    # The network's last layer: cosines.
    cosine_head = True
    # A margin is that of one class.
    one_class = True
    bound: ClassVar[type] = _BoundMargins

    def _statistics(self, counts):
        """Margin of each class."""
        share = _shares(counts)
        rarest = share.masked_fill(counts <= 0, torch.inf).amin(-1, keepdim=True)
        return (self.max_m * (rarest / share).pow(0.25).clamp_max(1.0),)

    def _posterior(self, logits, margin):
        """Logarithms of the stationary distribution, up to a constant."""
        log_p, total, _ = self._masses(logits, margin)
        return log_p + total

    def _masses(self, logits, margin):
        """Logarithms of a_k, b_k + sum_{j != k} a_j and b_k, of a that sums to 1."""
        log_p = torch.log_softmax(self.s * logits, -1)
        # The weight of all the others: for the largest class by their sum, since
        # 1 - p would round to 0.
        top = log_p.argmax(-1, keepdim=True)
        of_top = log_p.scatter(-1, top, -torch.inf).logsumexp(-1, keepdim=True)
        rest = torch.log(-torch.expm1(log_p.scatter(-1, top, -1.0)))
        rest = rest.scatter(-1, top, of_top)
        own = log_p - self.s * margin
        return log_p, torch.logaddexp(rest, own), own

    def _of(self, logits, target, margin):
        """One loss per row."""
        y = torch.nn.functional.one_hot(target.argmax(-1), target.shape[-1])
        return self._plain()(self.s * (logits - margin * y), target)

    def _plain(self):
        """The loss without margins."""
        return CrossEntropy()


@dataclass(frozen=True)
class CosFaceLoss(LDAMLoss):
    """One margin for all classes (Wang et al., "CosFace", 2018, equation 4).

    Cross-entropy, or the focal loss (Bansal et al., "MetaBalance", 2021, section 4.2),
    of `s (z - m [c = y])` of cosines z; otherwise as `LDAMLoss`. The focal loss
    multiplies the slopes of a row by `f = q^(gamma - 1) (q - gamma p log p)` with
    p = Q[y, y] and q = 1 - p, so `P f` is what is stationary.

    Parameters
    ----------
    max_m : float, default=0.35
        The margin; 0 is cross-entropy.
    s : float, default=30.0
        Scale of the cosines.
    gamma : float, default=0.0
        Of the focal loss; 0 is cross-entropy.

    Examples
    --------
    >>> import torch
    >>> from sklimb.strategies import CosFaceLoss
    >>> loss = CosFaceLoss(s=1.0).bind(torch.tensor([[90.0, 10.0]]))
    >>> loss(torch.zeros(1, 1, 2), torch.tensor([[[0.0, 1.0]]]))
    tensor([[0.8834]])
    """

    max_m: float = 0.35
    gamma: float = 0.0

    def _statistics(self, counts):
        """The same margin for each class."""
        return (torch.full_like(counts, self.max_m),)

    def _plain(self):
        """The loss without margins."""
        return FocalLoss(self.gamma) if self.gamma else CrossEntropy()

    def _posterior(self, logits, margin):
        """Logarithms of the stationary distribution, up to a constant."""
        log_p, total, own = self._masses(logits, margin)
        if not self.gamma:
            return log_p + total
        return log_p + total - focal_slope(own - total, self.gamma)


@dataclass(frozen=True)
class ClassBalancedLoss(CrossEntropy):
    """Cross-entropy weighted by the effective number of rows (Cui et al., 2019).

    `w_c = (1 - beta) / (1 - beta^n_c)` changes training alone: target_prior="train"
    divides it out of the probabilities again, but not `class_weight`.

    Parameters
    ----------
    beta : float in [0, 1), default=0.9999
        0 is cross-entropy; towards 1 the weight is the inverse of the class's rows.

    Examples
    --------
    >>> from sklimb.strategies import ClassBalancedLoss
    >>> ClassBalancedLoss().class_factor([5000, 500, 50]).round(3).tolist()
    [0.034, 0.275, 2.691]
    """

    beta: float = 0.9999

    def class_factor(self, counts):
        """Weight of each class, with mean 1 over the classes that occur.

        Parameters
        ----------
        counts : array-like of shape (classes,)
            Training rows per class, by weight.

        Returns
        -------
        factor : array of shape (classes,)
            1 for a class that does not occur.
        """
        return effective_number_weights(counts, self.beta)


def effective_number_weights(counts, beta):
    """(1 - beta) / (1 - beta^n_c) for each class, with mean 1 over those that occur."""
    counts = np.asarray(counts, dtype=np.float64)
    if beta == 0:
        return np.ones(len(counts))
    there = counts > 0
    weight = (1 - beta) / -np.expm1(np.where(there, counts, 1) * np.log(beta))
    return np.where(there, weight / weight[there].mean(), 1.0)


LOSSES = Registry(
    "loss",
    {
        "ce": CrossEntropy(),
        "focal": FocalLoss(),
        "class_balanced": ClassBalancedLoss(),
        "logit_adjusted": LogitAdjustedLoss(),
        "balanced_softmax": LogitAdjustedLoss(tau=1.0),
        "vs": VSLoss(),
        "ldam": LDAMLoss(),
        "cosface": CosFaceLoss(),
    },
)


def make_loss(loss):
    """The loss of a name; a callable is returned as it is."""
    return LOSSES.make(loss)


def needs_one_class(loss):
    """Whether a mixed row's loss is that of its two rows by their shares."""
    return getattr(make_loss(loss), "one_class", False)


def needs_cosines(loss):
    """Whether a loss, or its name, needs a last layer of cosines."""
    return getattr(make_loss(loss), "cosine_head", False)


def bind(loss, counts, like):
    """The loss for the rows per class, (K or 1, classes), of each member."""
    if not hasattr(loss, "bind"):
        return loss
    return loss.bind(torch.as_tensor(counts, dtype=like.dtype, device=like.device))
