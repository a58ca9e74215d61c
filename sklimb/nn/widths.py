"""The count of numbers that a network holds for one row, from its layers."""

import torch


def numbers_held(network, n_columns):
    """Count of the numbers in the outputs of a plain network's layers for one row.

    Parameters
    ----------
    network : nn.Module
        (batch, columns) -> (batch, classes).
    n_columns : int

    Returns
    -------
    int
    """
    held, hooks = [], []
    for part in network.modules():
        if not list(part.children()):
            hook = part.register_forward_hook(
                lambda _, __, out: held.append(out.numel())
            )
            hooks.append(hook)
    with torch.no_grad():
        network.eval()(torch.zeros(1, n_columns))
    for hook in hooks:
        hook.remove()
    return sum(held)
