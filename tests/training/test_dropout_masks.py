"""Dropout masks of packed networks: their share, their values, and what fixes them."""

import numpy as np
import pytest
import torch

from sklimb.training.dropout_masks import draw_mask


def draw(rows, width, keep, seed=0, dtype=torch.float32):
    out = torch.full((rows, width), torch.nan, dtype=dtype)
    draw_mask(out, keep, torch.Generator().manual_seed(seed))
    return out


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.123, 0.999, 0.01])
@pytest.mark.parametrize("width", [64, 7])
def test_share_and_values(keep, width):
    rows = 400_000 // width
    mask = draw(rows, width, keep)
    on = mask > 0
    error = np.sqrt(keep * (1 - keep) / mask.numel())
    # Four standard errors, and the half of a 16th bit.
    assert abs(on.double().mean() - keep) < 4 * error + 2**-17
    assert mask.unique().numel() == 2
    # The share that 16 bits have room for, so the mean is 1 but for chance.
    assert abs(float(mask.max()) * keep - 1) <= 2**-17 / keep + 1e-6


def test_neighbours_are_independent():
    """The four numbers of 64 bits, and rows below each other: no correlation."""
    on = (draw(100_000, 8, 0.7) > 0).double().numpy()
    wide = np.hstack([on[:-1], on[1:]])
    correlation = np.corrcoef(wide.T) - np.eye(16)
    # Standard error .003 of each; five of them for the largest of 120.
    assert np.abs(correlation).max() < 5 / np.sqrt(len(wide))


def test_fewer_rows_have_the_same_masks():
    assert torch.equal(draw(50, 13, 0.8)[:20], draw(20, 13, 0.8))
    assert not torch.equal(draw(50, 13, 0.8), draw(50, 13, 0.8, seed=1))


def test_a_part_of_a_larger_tensor_and_float64():
    out = torch.zeros(3, 40, 10)
    draw_mask(out[1, :25], 0.6, torch.Generator().manual_seed(3))
    assert torch.equal(out[1, :25], draw(25, 10, 0.6, seed=3))
    assert not out[0].any() and not out[2].any() and not out[1, 25:].any()
    double = draw(25, 10, 0.6, seed=3, dtype=torch.float64)
    assert torch.equal(double > 0, out[1, :25] > 0)


def test_hardly_any_dropout_keeps_all():
    assert (draw(100, 10, 1 - 1e-9) == 1).all()
