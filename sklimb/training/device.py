"""The device and dtype of a fit, what fits on it, and padded blocks of rows."""

from functools import cache

import numpy as np
import torch

# Parameter `dtype` -> dtype of the weights and encoded rows.
NUMBERS = {"float32": "float32", "float64": "float64", "bfloat16": "float32"}
# Rows per inference block: few enough that one row costs little, enough that a million
# rows cost little more than the arithmetic.
BLOCK_ROWS = {"cpu": 256, "cuda": 4096}
# Multiplications per block from which on fewer rows keep a CPU as busy (measured on 300
# columns and 2.4 million weights: one row takes 40 ms in a block of 256 and 2.3 in one
# of 16, and 1024 rows take 220 in either).
_BLOCK_WORK = 2**26
_FEWEST_ROWS = 8


def resolve_device(device):
    """The torch device of a `device` parameter.

    Raises
    ------
    ValueError
        The name is no device, or the machine has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].split(". ")[0].rstrip(".")[:120]
        raise ValueError(
            f"device must be 'auto', 'cpu' or a device of this machine, got "
            f"{device!r}: {reason}. Use device='auto' to take what is there."
        ) from error
    return resolved


@cache
def keep_freed_memory():
    """Let the C library keep what steps free, once per process.

    glibc gives memory back to the system when as much is free at the heap's end as
    twice the largest block that a program has freed so far, 128 kB at first. A pack of
    64 members frees 20 MB in each step: then every step takes its pages anew, up to
    900 of them, a sixth of its time, in some processes and not in others, as chance has
    placed what is freed. A block of nearly the 32 MB up to which glibc follows, never
    written to and thus never in memory, ends that. Other libraries do not mind.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def fits(n_bytes, device):
    """Whether rows may stay on the device: they may fill half of its free memory."""
    if device.type != "cuda":
        return True
    return n_bytes < torch.cuda.mem_get_info(device)[0] / 2


def as_numbers(X, dtype):
    """Bytes as floats in [0, 1], as networks read images; others as they are."""
    return X.to(dtype) / 255 if X.dtype == torch.uint8 else X


def array_as_numbers(X):
    """`as_numbers` of an array, as samplers and pools need: bytes would overflow."""
    return X / np.float32(255) if X.dtype == np.uint8 else X


def block_rows(kind, row_work):
    """Rows per inference block on a kind of device.

    It depends on nothing but the network, so that all its predictions have one shape.

    Parameters
    ----------
    kind : str
        Type of the device.
    row_work : int
        Multiplications of one member per row, 0 if unknown.
    """
    rows = BLOCK_ROWS.get(kind, BLOCK_ROWS["cuda"])
    while kind == "cpu" and rows > _FEWEST_ROWS and rows * row_work > _BLOCK_WORK:
        rows //= 2
    return rows


def padded_blocks(X, size):
    """Blocks of exactly `size` rows of X (sets, rows, columns), padded with zeros.

    Products of one row and of many rows differ in float32; with one shape they do not,
    so a prediction does not depend on its neighbours.
    """
    for begin in range(0, X.shape[1], size):
        block = X[:, begin : begin + size]
        n = block.shape[1]
        if n < size:
            rest = block.new_zeros(len(block), size - n, block.shape[2])
            block = torch.cat([block, rest], 1)
        yield begin, n, block


def to_device(tensor, device):
    """A copy on a device, without waiting for it."""
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
