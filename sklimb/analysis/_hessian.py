"""The curvature of the training loss: extreme eigenvalues of its Hessian, its trace."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sklimb._messages import short
from sklimb.analysis._fitted import codes_of, labelled, n_members, objective_of
from sklimb.analysis._loss import loss_weights, row_losses
from sklimb.explanation import check_count

ENDS = ("largest", "smallest", "both")
# Rows whose graph is in memory at once, and multiplications that lower them.
_BLOCK_ROWS, _BLOCK_WORK = 2048, 2**30
# Up to so many blocks stay in memory with their gradients: a product then takes one
# way back instead of three ways through the network.
_KEPT_BLOCKS = 4
# Up to so many parameters the whole matrix costs less than Lanczos.
_DENSE = 64


@dataclass(frozen=True)
class HessianSpectrum:
    """The result of `hessian_eigenvalues`, which tells what each field is."""

    largest: np.ndarray | None
    smallest: np.ndarray | None
    trace: np.ndarray
    trace_error: np.ndarray
    loss: np.ndarray
    gradient_norm: np.ndarray
    n_parameters: int
    n_rows: int
    n_products: int


def hessian_eigenvalues(
    clf,
    X,
    y,
    k=10,
    which="largest",
    classes=None,
    *,
    sample_weight=None,
    n_probes=10,
    tol=1e-3,
    random_state=0,
):
    """Extreme eigenvalues and trace of the Hessian of the training loss.

    The loss is that of the fit without its regularisation: the classifier's loss
    function with `sample_weight`, `class_weight` and the class weights of the loss, as
    a weighted mean over the given rows. Not in it are weight decay, label smoothing,
    dropout, augmentation, mixing, self-supervised terms, SAM, and what draws or
    re-weights rows in training (samplers, deferred re-weighting, meta-learned weights).
    BatchNorm normalises by its stored statistics. The Hessian is that of all trained
    weights of one member; it is never formed, only multiplied, block of rows by block.

    Parameters
    ----------
    clf : sklimb classifier
        Fitted.
    X : array-like or data frame of shape (n_samples, n_features)
        By rights the training rows.
    y : array-like of shape (n_samples,)
    k : int, default=10
        Eigenvalues at each end, at most as many as there are weights.
    which : {"largest", "smallest", "both"}, default="largest"
        The end of the spectrum, by value: a negative smallest one is a saddle.
    classes : label or list of labels, default=None
        Only the rows of these classes: the mean loss of one class has a Hessian of its
        own. By default all rows.
    sample_weight : array-like of shape (n_samples,), default=None
    n_probes : int, default=10
        Random vectors for the trace (Hutchinson), at least 2.
    tol : float, default=0.001
        Relative accuracy at which an eigenvalue has converged.
    random_state : int, RandomState instance or None, default=0
        Of the first vector and of the probes.

    Returns
    -------
    result : HessianSpectrum
        - largest: array of shape (n_members, k), descending, or None
        - smallest: array of shape (n_members, k), ascending, or None
        - trace: array of shape (n_members,), the estimated sum of all eigenvalues
        - trace_error: array of shape (n_members,), its standard error
        - loss, gradient_norm: arrays of shape (n_members,), at the weights
        - n_parameters: int, weights of a member
        - n_rows: int
        - n_products: int, products with the Hessian that were taken

    Raises
    ------
    ValueError
        `clf` is no fitted classifier of sklimb; rows of one class without `classes`; a
        class without rows; k above the number of weights.

    Warns
    -----
    ConvergenceWarning
        Not all eigenvalues converged; the others are NaN.

    References
    ----------
    Sagun et al., "Empirical Analysis of the Hessian of Over-Parametrized Neural
    Networks", 2017. Rangwani et al., "Escaping Saddle Points for Effective
    Generalization on Class-Imbalanced Data", 2022 (spectra by class).

    Examples
    --------
    >>> from sklimb import TabularMLPClassifier
    >>> from sklimb.analysis import hessian_eigenvalues
    >>> from sklimb.datasets import make_transactions
    >>> data = make_transactions(300, fraud_rate=0.1, random_state=0)
    >>> clf = TabularMLPClassifier(max_epochs=2, d_block=8, random_state=0)
    >>> hessian_eigenvalues(clf.fit(data.X, data.y), data.X, data.y, k=2).largest.shape
    (5, 2)
    """
    if which not in ENDS:
        raise ValueError(f"which must be one of {list(ENDS)}, got {short(which)}.")
    check_count("k", k)
    check_count("n_probes", n_probes)
    if n_probes < 2:
        raise ValueError("n_probes must be at least 2, for a standard error.")
    rows = labelled(
        clf,
        X,
        y,
        sample_weight,
        function="hessian_eigenvalues",
        two_classes=classes is None,
    )
    if classes is not None:
        rows = rows.take(np.isin(rows.y, codes_of(clf, classes, rows.y)))
    random = check_random_state(random_state)
    found = []
    for member in range(n_members(clf)):
        hessian = Hessian(clf, rows, member)
        if k > hessian.n:
            raise ValueError(
                f"k must be at most {hessian.n}, the number of weights, got {k}."
            )
        large, small = _ends(hessian, int(k), which, tol, random)
        trace, error = _trace(hessian, n_probes, random)
        loss, norm = hessian.at_weights()
        found.append((large, small, trace, error, loss, norm, hessian.n_products))
    large, small, trace, error, loss, norm, n_products = zip(*found, strict=True)
    return HessianSpectrum(
        None if which == "smallest" else np.stack(large),
        None if which == "largest" else np.stack(small),
        np.array(trace),
        np.array(error),
        np.array(loss),
        np.array(norm),
        hessian.n,
        len(rows),
        int(sum(n_products)),
    )


class Hessian:
    """Products with the Hessian of one member's loss on Encoded rows.

    Sums are in float64; the network computes in its own dtype.
    """

    def __init__(self, clf, rows, member=0):
        self.objective = objective_of(clf, [member])
        self.device = torch.device(clf.net_.device)
        model = self.objective.model
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.n = sum(p.numel() for p in self.parameters)
        self.n_products, self.kept = 0, None
        weight = loss_weights(clf, rows)
        size = max(1, min(_BLOCK_ROWS, _BLOCK_WORK // max(1, model.row_work)))
        self.blocks = []
        for begin in range(0, len(rows), size):
            part = slice(begin, begin + size)
            self.blocks.append(
                (
                    rows.X[part].unsqueeze(0),
                    torch.from_numpy(rows.y[part]),
                    torch.from_numpy(weight[part]),
                )
            )

    def _block_losses(self):
        for x, y, weight in self.blocks:
            logits = self.objective.model(x.to(self.device))
            losses = row_losses(self.objective, logits, y.to(self.device))[0]
            yield torch.dot(losses, weight.to(losses))

    def at_weights(self):
        """The loss and the length of its gradient."""
        total, gradient = 0.0, 0.0
        with torch.inference_mode(False), torch.enable_grad():
            for loss in self._block_losses():
                total += float(loss.detach())
                parts = torch.autograd.grad(
                    loss, self.parameters, materialize_grads=True
                )
                gradient = gradient + _flat(parts)
        return total, float(np.linalg.norm(gradient))

    def product(self, vector):
        """The Hessian times a vector of n numbers, in float64."""
        self.n_products += 1
        vector = np.ascontiguousarray(vector, dtype=np.float64).ravel()
        pieces, begin = [], 0
        for p in self.parameters:
            part = torch.from_numpy(vector[begin : begin + p.numel()])
            pieces.append(part.view_as(p).to(p))
            begin += p.numel()
        total = np.zeros(self.n)
        with torch.inference_mode(False), torch.enable_grad():
            for gradient in self._gradients():
                along = sum(
                    torch.dot(g.flatten(), v.flatten())
                    for g, v in zip(gradient, pieces, strict=True)
                )
                parts = torch.autograd.grad(
                    along,
                    self.parameters,
                    retain_graph=self.kept is not None,
                    materialize_grads=True,
                )
                total += _flat(parts)
        return total

    def _gradients(self):
        """The gradient of each block, with its graph."""
        if self.kept is not None:
            return self.kept
        found = (
            torch.autograd.grad(
                loss, self.parameters, create_graph=True, materialize_grads=True
            )
            for loss in self._block_losses()
        )
        if len(self.blocks) <= _KEPT_BLOCKS:
            found = self.kept = list(found)
        return found

    def matrix(self):
        """The whole Hessian, (n, n), for few weights."""
        columns = np.stack([self.product(e) for e in np.eye(self.n)])
        return (columns + columns.T) / 2


def _flat(parts):
    return torch.cat([p.detach().double().flatten() for p in parts]).cpu().numpy()


def _ends(hessian, k, which, tol, random):
    """The k largest eigenvalues, descending, and the k smallest, ascending, or None."""
    if hessian.n <= max(_DENSE, 2 * k + 1):
        values = np.linalg.eigvalsh(hessian.matrix())
        return values[::-1][:k], values[:k]
    large = small = None
    if which != "smallest":
        large = _lanczos(hessian, k, 1, tol, random)
    if which != "largest":
        small = -_lanczos(hessian, k, -1, tol, random)
    return large, small


def _lanczos(hessian, k, sign, tol, random):
    """The k largest eigenvalues of the Hessian times `sign`, descending."""
    operator = LinearOperator(
        (hessian.n, hessian.n),
        matvec=lambda v: sign * hessian.product(v),
        dtype=np.float64,
    )
    values = np.full(k, np.nan)
    try:
        found = eigsh(
            operator,
            k,
            which="LA",
            tol=tol,
            # More vectors than usual: products cost more than they do.
            ncv=min(hessian.n, max(2 * k + 1, 40)),
            v0=random.standard_normal(hessian.n),
            return_eigenvectors=False,
        )
    except ArpackNoConvergence as error:
        found = error.eigenvalues
        warnings.warn(
            f"Only {len(found)} of {k} eigenvalues of the Hessian converged; the "
            "others are NaN. A larger tol is easier to reach.",
            ConvergenceWarning,
            stacklevel=4,
        )
    values[: len(found)] = np.sort(found)[::-1]
    return values


def _trace(hessian, n_probes, random):
    """Hutchinson's estimate of the trace and its standard error."""
    draws = [random.choice([-1.0, 1.0], hessian.n) for _ in range(n_probes)]
    values = np.array([v @ hessian.product(v) for v in draws])
    return values.mean(), values.std(ddof=1) / np.sqrt(n_probes)
