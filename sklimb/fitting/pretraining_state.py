"""The state of a pre-training after an epoch, as tensors and JSON, and back.

All random numbers come from streams of seed and epoch: their state is the epoch.
"""

import numpy as np
import torch


def to_state(parts, optimizer, parameters, best, done, result):
    """Tensors and a JSON header from which a pre-training goes on, bit for bit.

    Parameters
    ----------
    parts : dict of torch module
        The network and the term.
    optimizer : PackedAdamW
    parameters : list of tensor
        What the optimiser trains.
    best : list of tensor
        The weights to keep.
    done : bool array of shape (K,)
    result : Pretraining
    """
    tensors = _tensors_of(parts)
    for i, p in enumerate(parameters):
        for name, value in optimizer.state[p].items():
            tensors[f"optimizer.{i}.{name}"] = value
    tensors |= {f"best.{i}": t for i, t in enumerate(best)}
    # A copy of each: a file holds no tensor twice.
    tensors = {
        name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()
    }
    for name, array in _arrays(done, result).items():
        tensors[name] = torch.from_numpy(array.copy())
    history = [{k: v.tolist() for k, v in row.items()} for row in result.history]
    return tensors, {"history": history}


@torch.no_grad()
def from_state(state, parts, optimizer, parameters, best, done, result):
    """Set everything that `to_state` took, in place."""
    tensors, header = state
    for name, tensor in _tensors_of(parts).items():
        tensor.copy_(tensors[name])
    for i, p in enumerate(parameters):
        prefix = f"optimizer.{i}."
        optimizer.state[p] = {
            name.removeprefix(prefix): _like(p, t)
            for name, t in tensors.items()
            if name.startswith(prefix)
        }
    for i, t in enumerate(best):
        t.copy_(tensors[f"best.{i}"])
    for name, array in _arrays(done, result).items():
        array[:] = tensors[name].numpy()
    result.history = [
        {k: np.array(v) for k, v in row.items()} for row in header["history"]
    ]


def _like(p, tensor):
    """A moment in the memory layout of its parameter, which fused steps need."""
    if tensor.shape != p.shape:
        return tensor.to(p.device)
    return torch.empty_like(p, dtype=tensor.dtype).copy_(tensor)


def _tensors_of(parts):
    return {
        f"{part}.{name}": tensor
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }


def _arrays(done, result):
    return {
        "done": done,
        "best_epoch": result.best_epoch,
        "best_score": result.best_score,
    }
