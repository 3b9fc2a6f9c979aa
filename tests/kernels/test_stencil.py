"""The direct solver's matrix and vectors: twins against their definitions, in all texels and in some blocks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen.kernels.blocks import HIGH, WIDE, Blocks, blocks_of, no_blocks
from neuraltexgen.kernels.normal import SLOTS
from neuraltexgen.kernels.stencil import (
    add_planes,
    advance,
    curved_blocks,
    diagonal_of,
    dots,
    invert,
    lay_out,
    lay_out_definition,
    stencil_product,
    stencil_product_definition,
    subtract_penalty,
    to_planes,
    turn,
)

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPES = [(21, 70), (1, 5), (4, 1), (1, 1), (2, 2), (33, 129)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def some_blocks(shape: tuple[int, int]) -> Blocks:
    blocks = no_blocks(shape)
    blocks[:] = np.random.default_rng(1).random(blocks.shape) < 0.6
    blocks[0, 0] = 1
    return blocks


def texels(blocks: Blocks, shape: tuple[int, int]) -> Tensor:
    return torch.from_numpy(blocks.repeat(HIGH, axis=0).repeat(WIDE, axis=1)[: shape[0], : shape[1]] > 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_product_is_the_definition_and_symmetric(shape: tuple[int, int]) -> None:
    stencil = random(shape[0], SLOTS, shape[1])
    x, y = random(2, 3, *shape)
    result, other = torch.empty_like(x), torch.empty_like(y)
    stencil_product(stencil, x, result)
    stencil_product(stencil, y, other)
    torch.testing.assert_close(result, stencil_product_definition(stencil, x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(dots(y, result), dots(x, other), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_in_some_blocks_each_op_is_the_definition_and_leaves_the_rest(shape: tuple[int, int], channels: int) -> None:
    """float64 takes the definition, float32 the twin."""
    blocks = some_blocks(shape)
    stencil, inverse = random(shape[0], SLOTS, shape[1]), random(*shape, seed=1)
    stencil_rows = random(*shape, SLOTS, seed=5)
    lengths, picture = random(channels, seed=2), random(*shape, channels, seed=4)

    def all_ops(dtype: torch.dtype) -> list[Tensor]:
        x, residual, direction, image = random(4, channels, *shape, seed=3).to(dtype)
        own, step = inverse.to(dtype), lengths.to(dtype)
        stencil_product(stencil.to(dtype), x, image, blocks)
        subtract_penalty(x, 0.3, residual, blocks)
        before = dots(direction, image, blocks)
        size = advance((x, residual, direction, image), own, step, blocks)
        turn(direction, residual, own, step, blocks)
        add_planes(to_planes(picture.to(dtype), blocks), moved := x.permute(1, 2, 0).contiguous(), blocks)
        x = moved.permute(2, 0, 1)
        diagonal = diagonal_of(lay_out(stencil_rows.to(dtype).clone(), 0.1, blocks), blocks)
        invert(diagonal, blocks)
        return [x, residual, direction, image, before, size, diagonal]

    given = random(4, channels, *shape, seed=3)
    for found, expected in zip(all_ops(torch.float32), all_ops(torch.float64), strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=2e-5, atol=1e-5)
    for vector, untouched in zip(all_ops(torch.float32)[:4], given, strict=True):
        outside = ~texels(blocks, shape)
        assert torch.equal(vector[:, outside], untouched[:, outside])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("everywhere", [True, False])
def test_planes_with_a_prior_are_the_definition(shape: tuple[int, int], everywhere: bool) -> None:
    rows = random(*shape, SLOTS)
    blocks = None if everywhere else some_blocks(shape)
    expected = lay_out_definition(rows.double(), 0.7, blocks)
    torch.testing.assert_close(lay_out(rows.clone(), 0.7, blocks).double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(lay_out(rows.double(), 0.7, blocks), expected)


def test_a_flat_texture_is_not_drawn_and_steps_are() -> None:
    flat, taken = torch.full((3, 9, 40), 0.4), torch.zeros(3, 9, 40)
    subtract_penalty(flat, 1.0, taken)
    assert taken.abs().max() < 1e-6
    flat[:, 4, 20] = 1.0
    subtract_penalty(flat, 0.5, taken)
    assert taken[0, 4, 20] == pytest.approx(-0.5 * 4 * 0.6)
    assert taken[0, 4, 21] == pytest.approx(0.5 * 0.6)


def test_curved_blocks_are_those_with_a_texel_on_the_diagonal() -> None:
    blocks = some_blocks((33, 129))
    stencil = torch.zeros(33, 129, SLOTS)
    stencil[..., 1:] = 1.0
    last = texels(blocks, (33, 129)) & (random(33, 129) < 0.2)
    stencil[..., 0][last] = 1e-6
    assert np.array_equal(curved_blocks(stencil), curved_blocks(stencil.double()))
    assert np.array_equal(curved_blocks(stencil), blocks_of(last.numpy()))
