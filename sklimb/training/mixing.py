"""Mixed rows of a batch: mixup and row CutMix."""

import numpy as np
import torch

from sklimb._random import stream_seed

MIXES = ("mixup", "cutmix")


class Mixer:
    """Each row of a batch is mixed with another one of it, and so are their labels.

    Shares are drawn from Beta(alpha, alpha), one per batch and draw.

    Parameters
    ----------
    kind : {"mixup", "cutmix"}
        "mixup" (Zhang et al., 2018): numbers and indicators are averaged by the share,
        a category is the first row's with that probability. "cutmix" (Yun et al., 2019;
        for rows of tables Somepalli et al., 2021): each column is one of the two rows',
        and the label follows the columns that were kept.
    alpha : float
    n_continuous : int
        Columns that can be averaged; the codes are behind them.
    image_size : (height, width) or None
        Where rows are images, "cutmix" takes a rectangle, one per batch.
    one_class : bool
        The loss needs one class per row: a mixed row keeps both rows' targets.
    """

    def __init__(self, kind, alpha, n_continuous, image_size=None, one_class=False):
        self.kind, self.alpha, self.n_continuous = kind, alpha, n_continuous
        self.image_size, self.one_class = image_size, one_class

    def start(self, draws, epoch):
        """Generators of an epoch, one per draw."""
        return [
            np.random.default_rng(stream_seed(draw.seed, "transform", epoch))
            for draw in draws
        ]

    def draw(self, generators, left, n, size, n_columns):
        """Partners (draws, n), shares (draws, n) and kept columns (draws, n, columns).

        `left` are the rows that each draw still has: padding is not mixed in.
        """
        shape = len(generators), n
        partner = np.tile(np.arange(n), (len(generators), 1))
        share = np.ones(shape)
        keep = np.ones((*shape, n_columns), dtype=bool)
        for d, rng in enumerate(generators):
            for begin in range(0, min(n, int(left[d])), size):
                rows = np.arange(begin, min(begin + size, n, int(left[d])))
                partner[d, rows] = rng.permutation(rows)
                share[d, rows] = rng.beta(self.alpha, self.alpha)
                if self.image_size is not None and self.kind == "cutmix":
                    keep[d, rows] = _outside(
                        rng, share[d, rows[0]], self.image_size, n_columns
                    )
                    continue
                keep[d, rows] = rng.random((len(rows), n_columns)) < share[d, rows[:1]]
        if self.kind == "cutmix":
            share = keep.mean(-1)
        return partner, share, keep

    def mix(self, X, partner, share, keep):
        """The mixed rows."""
        other = X.gather(1, partner.unsqueeze(-1).expand_as(X))
        mixed = torch.where(keep, X, other)
        if self.kind == "mixup":
            n = self.n_continuous
            part = share.unsqueeze(-1)
            mixed[..., :n] = part * X[..., :n] + (1 - part) * other[..., :n]
        return mixed

    def mix_labels(self, target, weight, partner, share):
        """Targets and weights of mixed rows, and their "other" targets or None."""
        labels = _both_labels if self.one_class else _soft_labels
        return labels(target, weight, partner, share)


def _outside(rng, share, size, n_columns):
    """Pixels outside of a rectangle of 1 - share of the image, cut at its edges."""
    side = np.sqrt(1 - share)
    inside = np.ones(1, dtype=bool)
    for n in size:
        center, half, at = rng.integers(n), side * n / 2, np.arange(n)
        own = (at >= round(center - half)) & (at < round(center + half))
        inside = np.logical_and.outer(inside, own)
    return ~np.tile(inside.ravel(), n_columns // np.prod(size))


def _soft_labels(target, weight, partner, share):
    """Soft targets: the loss of a mixed row is that of both rows by their shares."""
    own, other, other_target = _parts(target, weight, partner, share)
    mass = target * own.unsqueeze(-1)
    mass = mass + other_target * other.unsqueeze(-1)
    total = own + other
    safe = total.clamp_min(torch.finfo(total.dtype).tiny)
    soft = torch.where((total > 0).unsqueeze(-1), mass / safe.unsqueeze(-1), target)
    return soft, total, None


def _both_labels(target, weight, partner, share):
    """Both rows' targets, of which the objective mixes the losses: the same sum."""
    own, other, other_target = _parts(target, weight, partner, share)
    total = own + other
    safe = total.clamp_min(torch.finfo(total.dtype).tiny)
    return target, total, (other_target, other / safe)


def _parts(target, weight, partner, share):
    """Weights of a mixed row's two rows, and the other one's target."""
    index = partner.unsqueeze(-1).expand_as(target)
    other = weight.gather(1, partner) * (1 - share)
    return weight * share, other, target.gather(1, index)
