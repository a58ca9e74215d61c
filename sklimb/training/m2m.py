"""M2m: rows of frequent classes that are moved until they count as rare ones.

`translate` moves any rows, of a table or of pixels: which entries may move, and between
which bounds, are arguments, which m2m_batches.py computes.
"""

from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import torch

from sklimb._messages import short
from sklimb.training.registry import Registry

# Parameters that the guide is trained without; it gets the same rows in the same order.
GUIDE_PARAMETERS = {
    "loss": "ce",
    "class_weight": None,
    "drw_start": None,
    "sampler": "uniform",
    "smoothing_eps": 0.0,
    "sam_asymmetric_rho": 0.0,
    "mix": None,
    "joint_ssl": None,
    "row_weighting": None,
    "step": None,
    "m2m": None,
    "metabalance_sampler": None,
    "target_prior": None,
    "temperature_scaling": False,
    "portfolio": None,
    "validation_folds": None,
    "callbacks": None,
}


@dataclass(frozen=True)
class M2m:
    """Major-to-minor translation (Kim et al., 2020).

    A plain network, the guide, is trained first on the same rows. The classifier then
    starts anew; from `start` on its batches draw classes equally, and a row of a rare
    class k, which would be a repetition, is replaced by a row of a more frequent class
    k0 that was moved until the guide predicts k and the classifier no longer k0.
    Labels and weights of the batch stay as they were drawn.

    Parameters
    ----------
    start : float in [0, 1), default=0.8
        Share of `max_epochs` after which batches are balanced and translated. Only
        validation scores from then on count.
    beta : float in [0, 1], default=0.999
        A row of a class with n0 rows is taken for a class with n rows with probability
        1 - beta^max(n0 - n, 0), rows counted by sample weight. 0 takes any more
        frequent class, 1 takes none: balanced draws alone.
    lam : float, default=0.5
        Weight of the classifier's logit of the class that a row is moved from.
    gamma : float in [0, 1], default=0.9
        The guide's probability of the class, from which a translated row is used. Where
        classes overlap, no row reaches 0.9 for the rare one and none is translated:
        `history_[-1]` holds the shares of rows that were "tried" and "translated".
    step_size : float, default=0.1
        Length of a step, for tables in the root mean square over the numeric columns:
        columns that the encoder standardised move by this many standard deviations.
    n_steps : int, default=10
        Steps of a translation.
    noise : float, default=0.5
        Length of the random start, as `step_size`.

    Raises
    ------
    ValueError
        A value out of range.

    Notes
    -----
    Of images all pixels move, in [0, 1], and lengths are Euclidean, as in the paper.
    Distances between rows of a standardised table grow with the root of the number of
    columns, and so do lengths. Only numbers move, within the range of the training
    rows; categories, missing indicators and numbers that are missing are those of the
    row that is moved. `mix` mixes rows as they are after the translation, and with them
    the labels as they were drawn. The classifier's logits are its last layer's output:
    cosines with loss="ldam", as in the authors' code.

    References
    ----------
    Kim, Jeong, Shin, "M2m: Imbalanced Classification via Major-to-minor Translation",
    2020, section 3 and algorithm 1.

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.datasets import make_transactions
    >>> from sklimb.strategies import M2m
    >>> data = make_transactions(1000, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(m2m=M2m(gamma=0.1), max_epochs=5, random_state=0)
    >>> clf.fit(data.X, data.y).history_[-1]["translated"] > 0
    True
    """

    # NOTE[DIFF]: the authors mark rows by n_k / n_0, class 0 taken for the largest, and
    # shorten the noise of a channel over the whole batch instead of each row's.

    excludes: ClassVar[dict] = {
        "sampler": "m2m draws classes equally from its start on",
        "drw_start": "each has a start of its own; M2m(start=...) sets that of m2m",
        "metabalance_sampler": "each chooses the rows of a batch",
        "warm_start": "the share of epochs would begin anew",
    }

    start: float = 0.8
    beta: float = 0.999
    lam: float = 0.5
    gamma: float = 0.9
    step_size: float = 0.1
    n_steps: int = 10
    noise: float = 0.5

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            kind, low, high, text = _RANGES[field.name]
            fine = isinstance(value, kind) and not isinstance(value, bool)
            if not (fine and low <= value <= high):
                raise ValueError(
                    f"{field.name} of M2m must be {text}, got {short(value)}."
                )


_BELOW_ONE = float(np.nextafter(1, 0))
_LARGEST = float(np.finfo(np.float32).max)
_RANGES = {
    "start": (Real, 0, _BELOW_ONE, "a number in [0, 1)"),
    "beta": (Real, 0, 1, "a number in [0, 1]"),
    "lam": (Real, 0, _LARGEST, "a non-negative number"),
    "gamma": (Real, 0, 1, "a number in [0, 1]"),
    "step_size": (Real, 0, _LARGEST, "a non-negative number"),
    "n_steps": (Integral, 1, _LARGEST, "a positive integer"),
    "noise": (Real, 0, _LARGEST, "a non-negative number"),
}


M2MS = Registry("m2m", {"default": M2m()})


def make_m2m(m2m):
    """The settings of a parameter that is "default", an M2m or None."""
    return M2MS.make(m2m)


def translate(x, target, origin, guide, model, *, noise, step, n_steps, lam, low, high):
    """Rows moved down the gradient of CE(guide(x), target) + lam * model(x)[origin].

    Parameters
    ----------
    x : tensor of shape (K, rows, ...)
    target, origin : integer tensors of shape (K, rows)
        Classes that rows are moved to and from.
    guide, model : callables
        x -> logits (K, rows, classes), rows independent of each other.
    noise : tensor like x
        Added at the start.
    step : tensor that broadcasts to x
        Length of a step where an entry may move, 0 where it may not.
    n_steps : int
    lam : float
    low, high : tensors that broadcast to x
        Bounds.

    Returns
    -------
    x : tensor of the same shape
    p : tensor of shape (K, rows)
        The guide's probability of `target`.
    """
    x = (x + noise).clamp(low, high)
    toward = away = None
    for _ in range(n_steps):
        x.requires_grad_(True)
        says, keeps = guide(x), model(x)
        if toward is None:
            eye = torch.eye(says.shape[-1], dtype=x.dtype, device=x.device)
            toward, away = eye[target], lam * eye[origin]
        # By the logits: as from softmax and cross-entropy, in a third of the time.
        slopes = [torch.softmax(says.detach(), -1) - toward, away]
        (gradient,) = torch.autograd.grad([says, keeps], x, slopes)
        x = (x.detach() - step * direction(gradient * (step > 0))).clamp(low, high)
    with torch.no_grad():
        p = torch.softmax(guide(x), -1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return x, p


def direction(vectors):
    """Each row of (K, rows, ...) divided by its Euclidean length; zeros stay zeros."""
    axes = tuple(range(2, vectors.ndim))
    length = torch.linalg.vector_norm(vectors, dim=axes, keepdim=True)
    return vectors / length.clamp_min(torch.finfo(vectors.dtype).tiny)


class Translation:
    """Replaces rows of rare classes in a balanced batch by translated ones.

    Parameters
    ----------
    settings : M2m
    guide, model : modules
        Packed networks of K members: the guide, and the one that is trained.
    counts : array of shape (K, classes)
        Training rows per class, by weight.
    free : bool tensor of shape (K, 1, ...)
        Entries of a row that may move.
    low, high : tensors of the same shape
        Bounds, infinite for the others.
    flags, owners : integer tensors or None
        Where column `flags[i]` is not 0, that of `owners[i]` stays (a missing number).
    euclidean : bool
        Lengths are those of a row, instead of root mean squares over what may move.
    """

    def __init__(
        self,
        settings,
        guide,
        model,
        counts,
        free,
        low,
        high,
        flags=None,
        owners=None,
        euclidean=False,
    ):
        self.settings, self.guide, self.model = settings, guide, model
        self.euclidean = euclidean
        self.free, self.low, self.high = free, low, high
        self.flags, self.owners = flags, owners
        counts = np.asarray(counts, dtype=np.float64)
        excess = (counts[:, None, :] - counts[:, :, None]).clip(0)
        mark = 1 - counts / counts.max(1, keepdims=True)
        # Chance of (target, origin).
        chance = 1 - np.float64(settings.beta) ** excess
        self.mark, self.chance = (torch.from_numpy(t).to(low) for t in (mark, chance))

    def take_(self, members):
        """Keep only what belongs to the given members."""
        self.guide.take_(members)
        for name in ("free", "low", "high", "mark", "chance"):
            setattr(self, name, getattr(self, name)[members])

    def __call__(self, x, y, real, u, noise):
        """The batch's rows, which of them were to be replaced, and which were.

        Parameters
        ----------
        x : tensor of shape (K, rows, ...)
        y : integer tensor of shape (K, rows)
        real : bool tensor of shape (K, rows)
            Rows that are no padding.
        u : tensor of shape (K, rows, 3)
            Uniform draws: whether a row is marked, from which seed, whether accepted.
        noise : tensor like x
            Uniform on [-1/2, 1/2].
        """
        replaced = torch.zeros_like(real)
        seed, chance = self._seeds(y, real, u[..., 1])
        wanted = real & (u[..., 0] < self.mark.gather(1, y)) & (u[..., 2] < chance)
        n = int(wanted.sum(1).max())
        if n == 0:
            return x, wanted, replaced
        # Rows to be replaced come first: only these are moved.
        rows = wanted.byte().argsort(dim=1, descending=True, stable=True)[:, :n]
        seed = seed.gather(1, rows)
        moved, p = self._moved(
            _rows(x, seed), y.gather(1, rows), y.gather(1, seed), _rows(noise, rows)
        )
        fine = wanted.gather(1, rows) & (p >= self.settings.gamma)
        replaced.scatter_(1, rows, fine)
        fine = fine.view(*fine.shape, *[1] * (x.ndim - 2))
        moved = torch.where(fine, moved, _rows(x, rows))
        return x.scatter(1, _index(rows, x), moved), wanted, replaced

    def _seeds(self, y, real, u):
        """A row of the batch for each row, and its chance; 0 where there is none."""
        member = torch.arange(len(y), device=y.device).view(-1, 1, 1)
        chance = self.chance[member, y.unsqueeze(2), y.unsqueeze(1)]
        total = (chance * real.unsqueeze(1)).cumsum(2)
        point = u.unsqueeze(2) * total[..., -1:]
        seed = torch.searchsorted(total, point, right=True).clamp_max(y.shape[1] - 1)
        return seed.squeeze(2), chance.gather(2, seed).squeeze(2)

    def _moved(self, x, target, origin, noise):
        """Translated rows and the guide's probability of their class."""
        free = self.free.expand_as(x)
        if self.flags is not None:
            free = free.clone()
            free[..., self.owners] &= x[..., self.flags] == 0
        settings = self.settings
        axes = tuple(range(2, x.ndim))
        root = 1.0
        if not self.euclidean:
            root = self.free.sum(axes, keepdim=True).to(x.dtype).sqrt()
        training = self.model.training
        self.model.eval()  # no dropout, and running statistics do not change
        try:
            return translate(
                x,
                target,
                origin,
                self.guide,
                self.model,
                noise=settings.noise * root * direction(noise * free),
                step=settings.step_size * root * free,
                n_steps=settings.n_steps,
                lam=settings.lam,
                low=self.low,
                high=self.high,
            )
        finally:
            self.model.train(training)


def _index(rows, x):
    return rows.view(*rows.shape, *[1] * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])


def _rows(x, rows):
    return x.gather(1, _index(rows, x))
