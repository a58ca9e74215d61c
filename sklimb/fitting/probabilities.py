"""Probabilities of a net: bound loss, temperature, prior shift and intercept."""

import copy

import numpy as np
import torch

from sklimb.fitting.intercept import solve_intercepts
from sklimb.fitting.temperature import divided, solve_temperature
from sklimb.training.losses import bind, make_loss
from sklimb.training.net import _Net
from sklimb.training.objective import Objective
from sklimb.training.optimizers import load_torch_optim
from sklimb.training.scales import one_if_equal


def make_net(loss, module, n_classes, device, term=None, **net_params):
    """A fresh, initialised net around a packed module."""
    objective = Objective(module, loss, term=term)
    load_torch_optim()  # skorch makes an optimiser even for a net that only predicts
    net = _Net(module, objective, device=str(device), verbose=0, **net_params)
    net.n_classes = n_classes
    return net.initialize()


def bound_loss(jobs, module):
    """The loss with each member's class statistics."""
    counts = [job.counts for job in jobs for _ in job.members]
    like = next(module.parameters())
    loss = make_loss(jobs[0].recipe.parameters.loss)
    return bind(loss, one_if_equal(counts), like)


def set_prior(net, prior_shift, intercept):
    """Set the objective's prior shift and each member's intercept."""
    total = np.log(prior_shift) - intercept[:, None, :]
    net.criterion_.log_shift = torch.tensor(total, device=net.device)


def solved_intercepts(net, drawn_shift, rows):
    """The intercept of each member, (K, classes), solved on rows.

    Parameters
    ----------
    net : skorch net, with its temperatures
    drawn_shift : array of shape (classes,)
        Factor by which the sampler changed each class's share.
    rows : list of tuples (X, y, weight)

    Raises
    ------
    ValueError
        The network's outputs are not finite.
    """
    net.criterion_.log_shift = log_shift(drawn_shift, net.device)
    log_p, y, weight = _read(net, rows)
    if np.isnan(log_p).any():
        raise ValueError(
            "The network's outputs on the training rows became NaN or infinite: its "
            "weights are too large. Lower lr, or set clip_norm=1.0."
        )
    return solve_intercepts(log_p, y, weight)


def _read(net, rows, function=None):
    """log P of each member (K, rows, classes), labels and weights of parts of rows.

    If `function` is given, its value of each block stands in the place of log P.
    """
    X, y, weight = zip(*rows, strict=True)
    function = function or net.blocks_log_probability
    parts = [function(torch.from_numpy(part)) for part in X]
    log_p = torch.cat(parts, 1).cpu().numpy()
    return log_p, np.concatenate(y), np.concatenate(weight)


def set_temperature(net, temperature):
    """Set each member's temperature in the objective; None if all are 1."""
    if (temperature != 1).any():
        temperature = torch.tensor(temperature, device=net.device)
        net.criterion_.temperature = temperature[:, None, None]


def temperatures(net, job):
    """The temperature of each member, found on the held-out rows of its job."""
    net.criterion_.log_shift = None
    loss, function = net.criterion_.loss_function, None
    tempered = [divided] * len(job.members)
    if hasattr(loss, "tempered"):
        function = net.blocks_logits
        tempered = [_tempered(loss, k) for k in range(len(job.members))]
    held_out, y, weight = _read(net, [job.validation], function)
    shift, everything = 0.0, [None] * len(held_out)
    if job.calibration is not None:
        shift = np.log(job.plan.last.shift)
        log_p, *rest = _read(net, job.calibration, function)
        everything = [(own, *rest) for own in log_p]
    return np.array(
        [
            solve_temperature(own, y, weight, shift, *member)
            for own, *member in zip(held_out, everything, tempered, strict=True)
        ]
    )


def _tempered(loss, member):
    """`tempered` of `solve_temperature` for one member, by the bound loss's method."""
    loss = copy.copy(loss)
    loss.take_([member])
    device = loss.statistics[0].device

    def tempered(logits, scale):
        # The caller may have switched gradients off. Two backward passes replace
        # torch.func.jvp, which warns of a deprecation inside torch.
        with torch.inference_mode(False), torch.enable_grad():
            z = torch.from_numpy(logits).to(device).unsqueeze(0)
            at = torch.tensor(
                float(scale), dtype=torch.float64, device=device, requires_grad=True
            )
            log_p = loss.tempered(z, at)
            along = torch.zeros_like(log_p, requires_grad=True)
            (slope,) = torch.autograd.grad(log_p, at, along, create_graph=True)
            (slope,) = torch.autograd.grad(slope, along)
        return log_p[0].detach().cpu().numpy(), slope[0].cpu().numpy()

    return tempered


def log_shift(shift, device):
    """Logarithms of class factors as a tensor, None if all factors are 1."""
    return None if (shift == 1).all() else torch.tensor(np.log(shift), device=device)
