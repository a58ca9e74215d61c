"""Gradients that lie in memory as the images do: else a CPU takes ten times as long."""

import pytest
import torch
import torch.nn.functional as F

from sklimb.nn.resnets import CifarResNet, _pixel_mean, _Shortcut

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def images(layout, *shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return x.to(memory_format=layout).requires_grad_()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(6, 6), (7, 5)])
def test_shortcuts_take_every_second_pixel_and_keep_the_layout(layout, size):
    x = images(layout, 2, 4, *size)
    out = _Shortcut(4, 8, 2)(x)
    expected = F.pad(x[..., ::2, ::2], (0, 0, 0, 0, 2, 2))
    assert torch.equal(out, expected)
    weight = torch.rand(out.shape, generator=torch.Generator().manual_seed(1))
    weight = weight.to(memory_format=layout)
    (gradient,) = torch.autograd.grad(out, x, weight)
    (wanted,) = torch.autograd.grad(expected, x, weight)
    assert torch.equal(gradient, wanted)
    assert gradient.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_means_over_pixels_keep_the_layout(layout):
    x = images(layout, 2, 4, 3, 5)
    out = _pixel_mean(x)
    # Sums in another order.
    torch.testing.assert_close(out, x.mean((-2, -1)), rtol=1e-6, atol=0.0)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(gradient, torch.full_like(x, 1 / 15))
    assert gradient.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_gradients_of_all_blocks_keep_the_layout(shortcut):
    # Eight channels: of four, oneDNN writes past the weights of a 1 x 1 convolution
    # with stride 2 where it has AVX2 alone (backward_weights jit_1x1:avx2, torch 2.13).
    network = CifarResNet(4, depth=8, width=8, shortcut=shortcut)
    network.reset_parameters(torch.Generator().manual_seed(0))
    seen = []
    for block in network.blocks:
        block.register_full_backward_hook(
            lambda module, before, after: seen.extend([*before, *after])
        )
    x = images(torch.channels_last, 2, 3, 16, 16)
    network(x).square().sum().backward()
    assert len(seen) == 6
    for gradient in seen:
        assert gradient.is_contiguous(memory_format=torch.channels_last)
