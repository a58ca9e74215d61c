"""Posterior covariances of weights: diagonal, Kronecker products, and the whole.

A curvature is the sum over rows of J^T L J (L: the Hessian of the loss by the logits),
in a basis in which it is diagonal; adding a prior precision there is exact.
"""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar

# The prior precisions that are looked at.
_LOWEST, _HIGHEST = 1e-6, 1e8


class Diagonal:
    """The diagonal of the matrix."""

    def __init__(self, weights):
        self.norm, self.shapes = squared_length(weights), [w.shape for w in weights]
        self.sums = [torch.zeros_like(w) for w in weights]

    def add(self, jacobian, root):
        """Add rows; `root` (rows, outputs, classes) is a root of their L."""
        for total, own in zip(self.sums, jacobian.squares(root), strict=True):
            total += own

    def finish(self):
        """Set `eigenvalues`, one per weight."""
        self.eigenvalues = torch.cat([s.flatten() for s in self.sums])
        return self

    def _parts(self, precision):
        sizes = [s.numel() for s in self.sums]
        variance = 1 / (self.eigenvalues + precision)
        shaped = zip(variance.split(sizes), self.shapes, strict=True)
        return [(None, None, v.reshape(shape)) for v, shape in shaped]

    def covariance(self, jacobian, precision):
        """Of the logits of rows, (rows, classes, classes)."""
        return jacobian.covariance(self._parts(precision))

    def draws(self, n, precision, generator):
        """Deviations of the weights, (n, a, b) of each part."""
        found = []
        for left, right, variance in self._parts(precision):
            noise = normal((n, *variance.shape), generator).to(variance)
            noise = noise * variance.sqrt()
            noise = noise if left is None else left @ noise
            found.append(noise if right is None else noise @ right.mT)
        return found


class Kronecker(Diagonal):
    """A Kronecker product for each part, with the partial traces of its block.

    Exact where the derivatives by inputs and by outputs of a layer are independent.
    """

    def __init__(self, weights):
        super().__init__(weights)
        self.sums = [
            (w.new_zeros(len(w), len(w)), w.new_zeros(w.shape[1], w.shape[1]))
            for w in weights
        ]

    def add(self, jacobian, root):
        """Add rows; `root` (rows, outputs, classes) is a root of their L."""
        for sums, own in zip(self.sums, jacobian.traces(root), strict=True):
            for total, part in zip(sums, own, strict=True):
                total += part

    def finish(self):
        """Set `eigenvalues`, one per weight, and the bases."""
        self.bases, values = [], []
        for left, right in self.sums:
            trace = left.trace().clamp_min(torch.finfo(left.dtype).tiny)
            (a, u), (b, v) = torch.linalg.eigh(left), torch.linalg.eigh(right)
            # Both partial traces have the trace of the block.
            values.append(torch.outer(a.clamp_min(0), b.clamp_min(0) / trace))
            self.bases.append((u, v))
        self.eigenvalues = torch.cat([value.flatten() for value in values])
        self.sums = values
        return self

    def _parts(self, precision):
        turns = zip(self.bases, super()._parts(precision), strict=True)
        return [(u, v, variance) for (u, v), (_, _, variance) in turns]


class Full(Diagonal):
    """The matrix itself."""

    def __init__(self, weights):
        super().__init__(weights)
        n = sum(w.numel() for w in weights)
        self.sums = [weights[0].new_zeros(n, n)]

    def add(self, jacobian, root):
        """Add rows; `root` (rows, outputs, classes) is a root of their L."""
        self.sums[0] += jacobian.products(root)

    def finish(self):
        """Set `eigenvalues`, one per weight, and the basis."""
        values, self.basis = torch.linalg.eigh(self.sums[0])
        self.eigenvalues, self.sums = values.clamp_min(0), []
        return self

    def _root(self, precision):
        return self.basis / (self.eigenvalues + precision).sqrt()

    def covariance(self, jacobian, precision):
        """Of the logits of rows, (rows, classes, classes)."""
        long = jacobian.times(self._root(precision))
        return long @ long.mT

    def draws(self, n, precision, generator):
        """Deviations of the weights, (n, a, b) of each part."""
        noise = normal((n, len(self.basis)), generator).to(self.basis)
        flat = noise @ self._root(precision).mT
        sizes = [math.prod(shape) for shape in self.shapes]
        parts = zip(flat.split(sizes, 1), self.shapes, strict=True)
        return [part.reshape(n, *shape) for part, shape in parts]


STRUCTURES = {"diag": Diagonal, "kron": Kronecker, "full": Full}


def normal(shape, generator):
    """Standard normal numbers in float64."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def squared_length(weights):
    """Sum of the squares of all weights."""
    return float(sum(w.square().sum() for w in weights))


def best_precision(curvature):
    """The prior precision d with the largest evidence of a normal approximation.

    Up to what does not depend on d, twice the negative logarithm of the evidence is
    d |w|^2 + sum log(1 + h / d), of the weights w and the curvature's eigenvalues h.
    """
    h = curvature.eigenvalues.cpu().numpy()

    def cost(log_d):
        d = np.exp(log_d)
        return d * curvature.norm + np.log1p(h / d).sum()

    bounds = math.log(_LOWEST), math.log(_HIGHEST)
    return float(np.exp(minimize_scalar(cost, bounds=bounds, method="bounded").x))
