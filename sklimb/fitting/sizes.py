"""Sizes of networks before they are built: whether their weights fit into memory."""

import os
from math import inf

import torch

from sklimb.fitting.schedule import value_of
from sklimb.training.device import NUMBERS

# Weights, gradients, two moments and the best weights so far.
_COPIES = 5


def check_size(estimator, n_members):
    """Refuse a network whose weights would not fit, and name what makes it large.

    Parameters
    ----------
    estimator : classifier
        Its `_count_weights` estimates the weights of one member; its encoder is fitted.
    n_members : int
        Networks of this fit.

    Raises
    ------
    ValueError
        The parameter to lower, the bytes that are needed and those that there are.
    """
    sizes = {name: value_of(estimator, name) for name in estimator._sizes}
    n_weights = estimator._count_weights(**sizes)
    per_number = torch.empty(0, dtype=getattr(torch, NUMBERS[estimator.dtype]))
    n_bytes = n_members * n_weights * per_number.element_size() * _COPIES
    there = memory(estimator._device)
    if n_bytes <= there:
        return
    sizes["n_members"] = n_members
    default = {name: value_of(type(estimator), name) for name in estimator._sizes}
    default["n_members"] = 1
    name = max(sizes, key=lambda name: sizes[name] / default[name])
    value = n_members if name == "n_members" else sizes[name]
    raise ValueError(
        f"{name}={value!r} makes a network too large for the memory: weights, "
        f"gradients and moments need about {n_bytes:.2g} bytes, and there are "
        f"{there:.2g}. Lower {name}."
    )


def memory(device):
    """Bytes of memory of a device; infinite where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # as on Windows
        return inf
