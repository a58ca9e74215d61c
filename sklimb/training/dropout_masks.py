"""Dropout masks of packed networks, drawn from few bits."""

import torch


def draw_mask(own, keep, generator):
    """Fill rows of a dropout mask: 1 / keep with probability `keep`, else 0.

    On a CPU from 16 bits each, which moves `keep` by at most 1 / 2**17 (its inverse
    follows) and takes a sixth of the time of `bernoulli_`: that draws 64 bits for each
    number, and drew longer than the products of a small network take.
    """
    if own.device.type != "cpu":
        own.bernoulli_(keep, generator=generator).div_(keep)
        return
    kept = max(1, round(keep * 2**16))
    # Whole numbers per row: a row's bits do not depend on how many rows are drawn.
    bits = torch.empty(len(own), -(-own.shape[1] // 4), dtype=torch.int64)
    bits.random_(-(2**63), None, generator=generator)
    own.copy_(bits.view(torch.int16)[:, : own.shape[1]])
    own.lt_(kept - 2**15).mul_(2**16 / kept)
