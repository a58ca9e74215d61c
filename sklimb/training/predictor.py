"""A net that predicts: what its logits mean, temperature, prior shift and intercept."""

import numpy as np
import torch

from sklimb.training.intercept import solve_intercept
from sklimb.training.losses import bind, make_loss
from sklimb.training.net import _Net
from sklimb.training.objective import Objective
from sklimb.training.optimizers import load_torch_optim
from sklimb.training.scales import one_if_equal
from sklimb.training.temperature import solve_temperature


def make_net(loss, module, n_classes, device, term=None, **net_params):
    """A fresh, initialised net around a packed module."""
    objective = Objective(module, loss, term=term)
    load_torch_optim()  # skorch makes an optimiser for a net that only predicts too
    net = _Net(module, objective, device=str(device), verbose=0, **net_params)
    net.n_classes = n_classes
    return net.initialize()


def bound_loss(jobs, module):
    """The loss with each member's class statistics."""
    counts = [job.estimator.class_weight_sum_ for job in jobs for _ in job.members]
    like = next(module.parameters())
    return bind(make_loss(jobs[0].estimator.loss), one_if_equal(counts), like)


def set_prior(estimator, net, drawn_shift=None, rows=None):
    """Give the objective the temperatures, prior shift and each member's intercept.

    With `rows`, parts (X, y, weight) of the training prior, the intercepts are solved
    on them; `drawn_shift` is what the sampler did to that prior.
    """
    objective, device = net.criterion_, estimator._device
    set_temperature(estimator, net)
    if rows is not None:
        objective.log_shift = log_shift(drawn_shift, device)
        log_p, y, weight = _read(net, rows)
        estimator.intercept_ = np.stack([solve_intercept(m, y, weight) for m in log_p])
    total = np.log(estimator.prior_shift_) - estimator.intercept_[:, None, :]
    objective.log_shift = torch.tensor(total, device=device)


def _read(net, rows):
    """log P of each member (K, rows, classes), labels and weights of parts of rows."""
    X, y, weight = zip(*rows, strict=True)
    parts = [net.blocks_log_probability(torch.from_numpy(part)) for part in X]
    log_p = torch.cat(parts, 1).cpu().numpy()
    return log_p, np.concatenate(y), np.concatenate(weight)


def set_temperature(estimator, net):
    """Give the objective each member's temperature; 1 for all of them is none."""
    if (estimator.temperature_ != 1).any():
        temperature = torch.tensor(estimator.temperature_, device=estimator._device)
        net.criterion_.temperature = temperature[:, None, None]


def temperatures(net, job):
    """The temperature of each member by its job's held-out rows."""
    net.criterion_.log_shift = None
    held_out, y, weight = _read(net, [job.validation])
    if job.calibration is None:
        return np.array([solve_temperature(own, y, weight) for own in held_out])
    all_log_p, *rest = _read(net, job.calibration)
    shift = np.log(job.plan.last.shift)
    return np.array(
        [
            solve_temperature(own, y, weight, shift, (log_p, *rest))
            for own, log_p in zip(held_out, all_log_p, strict=True)
        ]
    )


def log_shift(shift, device):
    """Logarithm of class factors as a tensor, None if they are all 1."""
    return None if (shift == 1).all() else torch.tensor(np.log(shift), device=device)
