"""What one row costs: pure functions (logits, target) -> one loss a row.

To add a loss, write a function or a frozen dataclass with `__call__(logits, target)` of
shapes (K, batch, classes) x 2 -> (K, batch), and name it in LOSSES. `target` holds
probabilities (smoothed or mixed labels). A loss whose optimal softmax is not P(y | x)
also has `log_probability(logits)`.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy with soft targets, `-sum_c target_c log p_c`.

    Examples
    --------
    >>> import torch
    >>> from sklimb.training.losses import CrossEntropy
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
        0 is cross-entropy; larger values care less for rows that are already right.

    Examples
    --------
    >>> import torch
    >>> from sklimb.training.losses import FocalLoss
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
        """log P(y | x) when `logits` minimise the focal loss."""
        log_p = torch.log_softmax(logits.double(), -1)
        p = log_p.exp()
        rest = (-torch.expm1(log_p)).clamp_min(1e-30)
        slope = rest.pow(self.gamma - 1) * (rest - self.gamma * p * log_p)
        return torch.log_softmax(log_p - slope.log(), -1)


LOSSES = {"ce": CrossEntropy(), "focal": FocalLoss()}


def make_loss(loss):
    """The loss that a name stands for; a callable is itself."""
    return LOSSES[loss] if isinstance(loss, str) else loss
