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
    """

    def __init__(self, kind, alpha, n_continuous, image_size=None):
        self.kind, self.alpha, self.n_continuous = kind, alpha, n_continuous
        self.image_size = image_size

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


def _outside(rng, share, size, n_columns):
    """Pixels outside of a rectangle of 1 - share of the image, cut at its edges."""
    side = np.sqrt(1 - share)
    inside = np.ones(1, dtype=bool)
    for n in size:
        center, half, at = rng.integers(n), side * n / 2, np.arange(n)
        own = (at >= round(center - half)) & (at < round(center + half))
        inside = np.logical_and.outer(inside, own)
    return ~np.tile(inside.ravel(), n_columns // np.prod(size))


def mix_labels(target, weight, partner, share):
    """Soft targets and weights of mixed rows: both rows' losses by their shares."""
    own = weight * share
    other = weight.gather(1, partner) * (1 - share)
    index = partner.unsqueeze(-1).expand_as(target)
    mass = target * own.unsqueeze(-1)
    mass = mass + target.gather(1, index) * other.unsqueeze(-1)
    total = own + other
    safe = total.clamp_min(torch.finfo(total.dtype).tiny)
    return torch.where(
        (total > 0).unsqueeze(-1), mass / safe.unsqueeze(-1), target
    ), total
