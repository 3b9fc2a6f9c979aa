"""Adam on a pyramid: the CPU's step is PyTorch's, state goes on, and what has no gradient stays as it is."""

import numpy as np
import pytest
import torch

from neuraltexgen.descent import PyramidDescent
from neuraltexgen.kernels.blocks import HIGH, WIDE, blocks_of
from neuraltexgen.texture import PyramidTexture, TextureSettings


def descent(size: tuple[int, int], channels: int, regulariser: float, levels: int = 4) -> PyramidDescent:
    texture = PyramidTexture(TextureSettings(size, channels, (8.0, 2.0, 1.0, 0.5)[:levels]))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for level in texture.levels:
            level.copy_(0.1 * torch.randn(level.shape, generator=generator))
    return PyramidDescent(texture, (0.9, 0.99), 1e-6, regulariser)


def gradient(one: PyramidDescent, seed: int) -> torch.Tensor:
    return torch.randn(one.composed.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("regulariser", [0.0, 30.0])
@pytest.mark.parametrize(
    ("size", "channels", "levels"), [((24, 40), 3, 4), ((8, 8), 1, 4), ((16, 8), 5, 2), ((3, 5), 3, 1)]
)
def test_a_step_is_pytorchs(size: tuple[int, int], channels: int, levels: int, regulariser: float) -> None:
    ours, theirs = (descent(size, channels, regulariser, levels) for _ in range(2))
    for number in range(4):
        for each in (ours, theirs):
            each.gradient.copy_(gradient(each, number))
        rate = 0.02 / (1 + number)
        ours.step(rate)
        theirs.adam.param_groups[0]["lr"] = rate
        theirs.step_definition()
        for one, other in zip(ours.texture.levels, theirs.texture.levels):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(ours.composed, theirs.composed, rtol=1e-5, atol=4e-6)
        assert (ours.gradient == 0).all()


def test_the_composed_texture_is_the_textures() -> None:
    ours = descent((16, 24), 3, 0.0)
    ours.gradient.copy_(gradient(ours, 0))
    ours.step(0.01)
    torch.testing.assert_close(ours.composed, ours.texture().detach(), rtol=0, atol=1e-6)


def test_what_never_had_a_gradient_stays() -> None:
    ours = descent((64, 64), 3, 0.0, levels=1)
    before = ours.composed.clone()
    ours.gradient[:20] = 1.0
    ours.step(0.01)
    assert torch.equal(ours.composed[20:], before[20:])
    assert (ours.composed[:20] < before[:20]).all()


def test_momentum_moves_a_value_on_after_its_gradient() -> None:
    ours = descent((8, 8), 3, 0.0, levels=1)
    ours.gradient[0, 0] = 1.0
    ours.step(0.01)
    before = float(ours.composed[0, 0, 0])
    ours.step(0.01)
    assert float(ours.composed[0, 0, 0]) < before


def test_a_state_is_taken_up() -> None:
    whole, first = descent((16, 16), 3, 0.0), descent((16, 16), 3, 0.0)
    for number in range(2):
        for each in (whole, first):
            each.gradient.copy_(gradient(each, number))
            each.step(0.01)
    again = descent((16, 16), 3, 0.0)
    again.texture.load_state_dict(first.texture.state_dict())
    again.load_state_dict(first.state_dict())
    for each in (whole, again):
        each.gradient.copy_(gradient(each, 7))
        each.step(0.01)
    assert torch.equal(whole.composed, again.composed)


@pytest.mark.parametrize("regulariser", [0.0, 30.0])
@pytest.mark.parametrize("from_zero", [True, False])
def test_steps_of_some_blocks_are_the_whole_ones_where_gradients_come(regulariser: float, from_zero: bool) -> None:
    size = (64, 128)
    parts, whole = (descent(size, 3, regulariser) for _ in range(2))
    mask = np.zeros(size, bool)
    mask[5:20, 40:100] = True
    for each in (parts, whole):
        if from_zero:
            with torch.no_grad():
                for level in each.texture.levels:
                    level.zero_()
        each.compose()
    blocks = blocks_of(mask)
    parts.step_only(blocks)
    shown = torch.from_numpy(blocks.repeat(HIGH, axis=0).repeat(WIDE, axis=1)[: size[0], : size[1]] > 0)
    for number in range(3):
        for each in (parts, whole):
            each.gradient.copy_(gradient(each, number) * torch.from_numpy(mask)[..., None])
            each.step(0.02)
        assert torch.equal(parts.composed[shown], whole.composed[shown])
        assert (parts.gradient == 0).all()
    parts.compose()
    whole.compose()
    assert torch.equal(parts.composed, whole.composed)
