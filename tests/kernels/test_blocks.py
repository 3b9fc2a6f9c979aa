"""Blocks: those of a mask and of lookups, and that a pyramid's blocks hold all that a composed block is made of."""

import numpy as np
import pytest
import torch

from neuraltexgen.kernels.blocks import HIGH, WIDE, blocks_of, coarser_blocks, no_blocks, note_uv
from neuraltexgen.kernels.pyramid import compose_definition


def texels_of(blocks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return blocks.repeat(HIGH, axis=0).repeat(WIDE, axis=1)[: size[0], : size[1]] > 0


@pytest.mark.parametrize("size", [(64, 128), (8, 32), (20, 70), (1, 1)])
def test_blocks_of_a_mask_are_those_with_one_of_its_texels(size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random(size) < 0.01
    blocks = blocks_of(mask)
    assert blocks.shape == no_blocks(size).shape
    assert not (mask & ~texels_of(blocks, size)).any()
    for row, col in np.argwhere(blocks):
        assert mask[row * HIGH : (row + 1) * HIGH, col * WIDE : (col + 1) * WIDE].any()


def test_blocks_of_lookups_hold_all_their_texels() -> None:
    size, blocks = (64, 128), no_blocks((64, 128))
    note_uv(torch.tensor([[0.5, 0.5], [0.0, 1.0]]), size, blocks)  # the corner of four blocks; a corner of the texture
    expected = np.zeros(size, bool)
    expected[31:33, 63:65] = True
    expected[63, 0] = True
    assert np.array_equal(blocks, blocks_of(expected))


@pytest.mark.parametrize("size", [(128, 256), (48, 80)])
def test_a_composed_block_is_made_of_its_levels_blocks(size: tuple[int, int]) -> None:
    """The gradient of what blocks show, in every level, is 0 outside that level's blocks."""
    levels = [torch.randn(size[0] >> i, size[1] >> i, 1, requires_grad=True) for i in range(4)]
    blocks = blocks_of(np.random.default_rng(1).random(size) < 0.001)
    shown = compose_definition(levels)[..., 0] * torch.from_numpy(texels_of(blocks, size))
    shown.square().sum().backward()
    for level, own in zip(levels, coarser_blocks(blocks, 4), strict=True):
        assert level.grad is not None
        outside = ~texels_of(own, (level.shape[0], level.shape[1]))
        assert (level.grad[..., 0].numpy()[outside] == 0).all()
        assert own.any()
