"""Curvature of the training loss of each member, and its prior precision."""

import numpy as np
import torch
from scipy.special import log_softmax

from sklimb._messages import short
from sklimb.bayes._bias import posterior_bias
from sklimb.bayes._curvature import STRUCTURES, best_precision
from sklimb.bayes._jacobians import SUBSETS, head_of
from sklimb.bayes._predictive import probit
from sklimb.bayes._rows import row_weights
from sklimb.fitting.probabilities import bound_loss
from sklimb.training.losses import (
    ClassBalancedLoss,
    CrossEntropy,
    LogitAdjustedLoss,
    VSLoss,
    make_loss,
)

# Losses that are the cross-entropy of logits times a factor plus a term of each class.
LOSSES = (CrossEntropy, ClassBalancedLoss, VSLoss, LogitAdjustedLoss)
# Most weights of the whole matrix: its eigenvectors take seconds and 200 MB.
MOST_WEIGHTS = 5_000
# The prior precisions that are tried on held-out rows.
GRID = np.logspace(-4, 4, 41)


def check_loss_form(given):
    """Refuse a loss that is no negative log likelihood with a Gauss-Newton matrix."""
    if type(make_loss(given)) in LOSSES:
        return
    raise ValueError(
        f"loss={short(given)} has no Gauss-Newton form: LaplaceClassifier needs the "
        "cross-entropy of the logits, times a factor plus a term of each class. Use "
        "'ce', 'class_balanced', 'logit_adjusted', 'balanced_softmax' or 'vs'."
    )


def check_size(view, subset, structure):
    """Refuse a last layer that cannot be found, and a matrix that is too large."""
    if subset == "last_layer" and head_of(view.module) is None:
        raise ValueError(
            "subset='last_layer' needs a network whose last layer is a linear layer "
            "named head. Use subset='all', or name it so."
        )
    n_weights = sum(w.numel() for w in view.weights(0))
    if structure == "full" and n_weights > MOST_WEIGHTS:
        raise ValueError(
            f"structure='full' is for at most {MOST_WEIGHTS} weights of a member, and "
            f"subset={subset!r} has {n_weights}. Use 'kron' or 'diag'."
        )


def factors_of(loss):
    """Factor and term of the logits of each class, of each member or all: (K, C)."""
    if hasattr(loss, "statistics"):
        return [s.squeeze(1).double() for s in loss.statistics]
    return None


def curvatures(job, net, subset, structure):
    """The curvature of each member of a job, on its training rows.

    The training loss is that of the network, without what is divided out of its
    probabilities afterwards. Dropout is off and running statistics are used.
    """
    module = job.module.eval()
    view = SUBSETS[subset](net, module)
    check_size(view, subset, structure)
    found = [STRUCTURES[structure](view.weights(k)) for k in range(module.n_members)]
    plan, device = job.plan.last, net.device
    weight = torch.from_numpy(row_weights(job)).to(device).double()
    adjusted = factors_of(bound_loss([job], module))
    for k, rows, logits, jacobian in view.blocks(torch.from_numpy(plan.X)):
        own = None
        if adjusted is not None:
            own = [s[k % len(s)] for s in adjusted]
        found[k].add(jacobian, root_of(logits, weight[rows], own))
    return [curvature.finish() for curvature in found]


def root_of(logits, weight, adjusted=None):
    """A root of each row's Hessian of the loss by the logits, (rows, C, C).

    The Hessian diag(p) - p p^T of the cross-entropy is R^T R with
    R = diag(p)^(1/2) (1 - 1 p^T).
    """
    if adjusted is not None:
        logits = logits * adjusted[0] + adjusted[1]
    p = torch.softmax(logits, -1)
    eye = torch.eye(p.shape[-1], dtype=p.dtype, device=p.device)
    root = (p * weight.unsqueeze(-1)).sqrt().unsqueeze(-1) * (eye - p.unsqueeze(-2))
    return root if adjusted is None else root * adjusted[0]


def chosen_precisions(job, net, subset, found, log_p, scales):
    """The prior precision of each member with the least log loss on held-out rows.

    Parameters
    ----------
    job : Job
        With held-out rows.
    net : skorch net
    subset : str
    found : list
        Curvature of each member of the job.
    log_p : tensor of shape (members, rows, classes)
        Of the held-out rows, by the fitted weights.
    scales : list
        For each member the factors of its logits, (classes,), or None.
    """
    X, y, weight = job.validation
    view = SUBSETS[subset](net, job.module)
    log_mean = np.empty((len(found), len(GRID), *log_p.shape[1:]))
    for k, rows, _, jacobian in view.blocks(torch.from_numpy(X)):
        for i, precision in enumerate(GRID):
            covariance = found[k].covariance(jacobian, precision)
            p = probit(log_p[k, rows], scaled(covariance, scales[k]))
            log_mean[k, i, rows] = p.clamp_min(1e-300).log().cpu().numpy()
    solve = job.calibration is not None
    losses = [
        [_held_out_loss(own, y, weight, solve) for own in member] for member in log_mean
    ]
    return GRID[np.argmin(losses, 1)]


def _held_out_loss(log_p, y, weight, solve):
    """Log loss of the probabilities (rows, classes), once their bias is solved."""
    if solve:
        log_p = log_softmax(log_p + posterior_bias(log_p[None], y, weight)[0], 1)
    return -np.average(log_p[np.arange(len(y)), y], weights=weight)


def scaled(covariance, scale):
    """The covariance of logits times `scale`, (classes,) or None."""
    if scale is None:
        return covariance
    return covariance * scale.unsqueeze(-1) * scale.unsqueeze(-2)


def precisions(prior, job, net, subset, found, log_p, scales):
    """The prior precision of each member of a job, by the parameter `prior`.

    `log_p` is a function; without held-out rows the evidence chooses.
    """
    if not isinstance(prior, str):
        return np.full(len(found), float(prior))
    if prior == "validation" and job.validation is not None:
        return chosen_precisions(job, net, subset, found, log_p(), scales)
    return np.array([best_precision(curvature) for curvature in found])
