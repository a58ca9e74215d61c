"""Networks that learn what a logistic regression leaves, where positives are few.

From a few positive rows a network learns less than a line does, and what it learns is
another thing each time. So of the folds of the short training every other one starts
from the logistic regression of its rows: a fixed linear function is the first unit of
the last hidden layer (one for each class, of more than two), and the last layer passes
on nothing else at the start. The other folds are as they always are, because a rule
that no line can tell is learned best without one; and with more positives all are
(benchmarks/studies/out_of_the_box/tried.md).
"""

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.exceptions import ConvergenceWarning

from sklimb.fitting.schedule import is_short
from sklimb.nn.mlp import PackedMLP
from sklimb.training.losses import CrossEntropy, make_loss
from sklimb.training.samplers import is_uniform

# Merged rows of the rarest class below which folds have lines.
FEW = 50
# Numbers of the regression's table, a column for each code, that are too many for it.
MANY = 10_000_000
_EVERY = 2
_MOST_STEPS = 1000


def has_lines(estimator, rows):
    """Whether the networks of a fit in folds have lines.

    Parameters
    ----------
    estimator : classifier
    rows : RowSet
        Merged rows of all folds.
    """
    if getattr(estimator, "linear_start", None) is None:
        return False  # or it is of another kind, which has none
    if not is_short(estimator) or estimator._pretrainer is not None:
        return False
    if not is_uniform(estimator.sampler):
        return False  # it draws other class shares than a line would see
    if not isinstance(make_loss(estimator.loss), CrossEntropy):
        return False
    encoder = estimator.encoder_
    n_columns = encoder.n_numeric_ + encoder.n_indicators_ + sum(encoder.cardinalities_)
    if len(rows) * n_columns > MANY:
        return False
    counts = np.bincount(rows.y if rows.pseudo is None else rows.y[~rows.pseudo])
    return counts[counts > 0].min() < FEW


def add_lines(module, plan, fold):
    """Add lines to the networks of a fold; those of every other fold start from one.

    Parameters
    ----------
    module : nn.Module
        Of other kinds than PackedMLP it stays as it is.
    plan : Plan
        The rows that train.
    fold : int

    Returns
    -------
    int
        Lines of a network.
    """
    if not isinstance(module, PackedMLP):
        return 0
    n_classes = module.head.weight.shape[-1]
    n_lines = 1 if n_classes == 2 else n_classes
    if n_lines > module.d_block:
        return 0
    module.add_lines(n_lines)
    if fold % _EVERY == 0 and len(np.unique(plan.y[plan.weight > 0])) == n_classes:
        _start(module, plan)
    return n_lines


@torch.no_grad()
def _start(module, plan):
    """Set the lines, and the last layer to what they say."""
    weight, bias = _regression(module, plan)
    module.lines.set_(torch.from_numpy(weight))
    n_lines = weight.shape[1]
    module.head.weight.zero_()
    passed = torch.tensor([[-0.5, 0.5]]) if n_lines == 1 else torch.eye(n_lines)
    module.head.weight[:, :n_lines] = passed
    module.head.bias.copy_(torch.from_numpy(bias) @ passed.double())


def _regression(module, plan):
    """Weights (columns, lines) and biases (lines,) of an L2 logistic regression."""
    # Here, because importing it takes longer than it does.
    from sklearn.linear_model import LogisticRegression

    columns = design(module, torch.from_numpy(np.ascontiguousarray(plan.X)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = LogisticRegression(max_iter=_MOST_STEPS).fit(
            columns.double().numpy(), plan.y, sample_weight=plan.weight
        )
    return found.coef_.T, found.intercept_


def design(module, X):
    """Encoded rows with a column for each code."""
    n = module.n_numeric + module.n_indicators
    parts, codes = [X[:, :n]], X[:, n:].long()
    for j, n_codes in enumerate(module.cardinalities):
        parts.append(F.one_hot(codes[:, j], n_codes).to(X))
    return torch.cat(parts, 1)
