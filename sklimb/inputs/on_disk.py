"""Temporary files of pixels, for images that do not fit memory.

An array of such a file is an `np.memmap`, which all other code uses as an array. The
file has no name, so the system deletes it with the last array that maps it, even after
a crash; it caches as much of the file as memory allows.
"""

import mmap
import shutil
import tempfile

import numpy as np
from sklearn import get_config

# Bytes that are read, decoded or copied at once.
BLOCK_BYTES = 2**25


def are_many(n_bytes):
    """Whether rows take more than scikit-learn's `working_memory`."""
    return n_bytes > get_config()["working_memory"] * 2**20


def spans(n_rows, row_bytes):
    """Slices of consecutive rows, one block each."""
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    return [slice(i, min(i + step, n_rows)) for i in range(0, n_rows, step)]


def filled(blocks, shape, dtype, in_file):
    """The rows of all blocks as one array, in memory or in a file.

    Parameters
    ----------
    blocks : iterable of arrays
        Consecutive rows.
    shape : tuple of int
        (rows, columns) of all of them.
    dtype : dtype
    in_file : bool

    Raises
    ------
    OSError
        The folder of temporary files has too little space.
    """
    if not in_file:
        out, begin = np.empty(shape, dtype), 0
        for block in blocks:
            out[begin : begin + len(block)] = block
            begin += len(block)
        return out
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise OSError(
            f"{shape[0]} images of {shape[1]} numbers take {n_bytes / 1e9:.1f} GB, "
            "more than scikit-learn's working_memory, so they are put into a temporary "
            f"file, and {folder} has {free / 1e9:.1f} GB left. Point TMPDIR to a "
            "folder on a larger disk, or set a smaller image_shape."
        )
    with tempfile.TemporaryFile(prefix="sklimb-") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype))
        file.flush()
        # Open for writing, though nothing is written: torch warns of read-only arrays.
        return np.memmap(file, dtype, "r+", shape=shape)


def forget(X):
    """Let the system have the memory of a mapped file's pages, which stay in the file.

    It would take them back itself, but until then they count as this process's.
    """
    advice, mapped = getattr(mmap, "MADV_DONTNEED", None), getattr(X, "_mmap", None)
    if advice is not None and mapped is not None:
        mapped.madvise(advice)


def take_rows(X, rows):
    """X[rows]; in another temporary file if X is in one and the rows are many."""
    if not isinstance(X, np.memmap) or not isinstance(rows, np.ndarray):
        return X[rows]
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    row_bytes = X.itemsize * X.shape[1]
    if not are_many(len(rows) * row_bytes):
        return X[rows]
    blocks = (X[rows[span]] for span in spans(len(rows), row_bytes))
    return filled(blocks, (len(rows), X.shape[1]), X.dtype, True)


def joined_rows(parts):
    """The joined rows of arrays of one dtype; a single array is returned as it is.

    They are in a temporary file if they are many and one of the arrays is in one.
    """
    if len(parts) == 1:
        return parts[0]
    n_rows, n_bytes = sum(len(p) for p in parts), sum(p.nbytes for p in parts)
    if not are_many(n_bytes) or not any(isinstance(p, np.memmap) for p in parts):
        return np.concatenate(parts)
    row_bytes = n_bytes // n_rows
    blocks = (p[span] for p in parts for span in spans(len(p), row_bytes))
    return filled(blocks, (n_rows, parts[0].shape[1]), parts[0].dtype, True)
