"""Pack sizes of a search, from measured step times and free memory."""

import os
from itertools import pairwise

import torch

from sklimb.fitting.train import step_seconds

SIZES = (1, 4, 16, 64, 256, 1024)
# A size must be faster than the one before by this factor, or no larger one is tried:
# where arithmetic dominates, timing large packs costs more than it can gain.
_GAIN = 0.97
_MEMORY_SHARE = 0.5


def best_size(make_jobs, n_fits):
    """Members per pack with the least time per member and step.

    Parameters
    ----------
    make_jobs : callable
        n -> list of about n Jobs.
    n_fits : int
        Number of fits to train.

    Returns
    -------
    int
    """
    best, best_time = 1, None
    device, bytes_a_member = None, 0
    for size in (*(s for s in SIZES if s < n_fits), n_fits):
        if device is not None and size * bytes_a_member > _free_bytes(device):
            break
        jobs = make_jobs(size)
        device = jobs[0].recipe.device
        bytes_a_member = _bytes_a_member(jobs[0])
        seconds = step_seconds(jobs) / len(jobs)
        if best_time is None or seconds < best_time * _GAIN:
            best, best_time = size, seconds
        else:
            break
    return best


def _bytes_a_member(job):
    """Bytes of weights, gradients, moments, best weights, and a batch's activations."""
    n_members = job.module.n_members
    weights = sum(p.nbytes for p in job.module.parameters()) / n_members
    masks = job.module.mask_widths()
    width = job.plan.X.shape[1] + (0 if masks == "seeds" else sum(masks))
    width = max(width, job.widest)
    size = torch.finfo(next(job.module.parameters()).dtype).bits // 8
    rows = job.batch_size * (1 if job.pool is None else 3)  # and two views
    return 6 * weights + 8 * rows * width * size


def _free_bytes(device):
    """Bytes that a search may use; infinite where the machine does not tell."""
    if device.type == "cuda":
        return _MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return float("inf")
    return _MEMORY_SHARE * free


def cut(groups, n_splits, sizes, n_jobs, whole_candidates):
    """Lists of (candidate, split), one per pack.

    Parameters
    ----------
    groups : list of list of int
        Candidates that may share a pack.
    n_splits : int
    sizes : list of int
        Largest pack of each group.
    n_jobs : int
        Workers, each of which gets at least one pack if possible.
    whole_candidates : bool
        Keep all splits of a candidate together (successive halving compares them).

    Returns
    -------
    list of list of (int, int)
    """
    packs = []
    for group, size in zip(groups, sizes, strict=True):
        pairs = [(c, s) for c in group for s in range(n_splits)]
        n_packs = max(-(-len(pairs) // size), 1)
        if size > 1 and n_jobs > 1:  # as many for each worker
            n_packs = -(-n_packs // n_jobs) * n_jobs
        n_packs = min(n_packs, len(group) if whole_candidates else len(pairs))
        items = [[(c, s) for s in range(n_splits)] for c in group]
        if not whole_candidates:
            items = [[pair] for pair in pairs]
        bounds = [round(i * len(items) / n_packs) for i in range(n_packs + 1)]
        for begin, end in pairwise(bounds):
            packs.append([pair for item in items[begin:end] for pair in item])
    return packs
