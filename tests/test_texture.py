"""The pyramid texture: its settings, what it starts from, what composing and regularising it mean."""

import pytest
import torch

from neuraltexgen.errors import ConfigError
from neuraltexgen.kernels.pyramid import compose_definition
from neuraltexgen.texture import MIDDLE, PyramidTexture, TextureSettings


def filled(settings: TextureSettings) -> PyramidTexture:
    texture = PyramidTexture(settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for level in texture.levels:
            level.normal_(generator=generator)
    return texture


@pytest.mark.parametrize("size", [(2047, 2048), (2048, 2052), (4, 4), (0, 8), (-8, 8)])
def test_sides_must_be_multiples_of_the_coarsest_texel(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="multiples of 8") as caught:
        TextureSettings(size=size)
    assert caught.value.fix is not None


def test_the_size_that_the_error_proposes_is_accepted() -> None:
    with pytest.raises(ConfigError) as caught:
        TextureSettings(size=(1001, 1001))
    assert caught.value.fix is not None
    side = int(caught.value.fix.split()[1].rstrip(","))
    assert TextureSettings(size=(side, side)).size == (1000, 1000)


def test_a_texture_needs_a_level() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        TextureSettings(level_weights=())


@pytest.mark.parametrize("size", [(8, 8), (24, 16), (1, 5)])
def test_any_size_goes_with_few_enough_levels(size: tuple[int, int]) -> None:
    weights = (1.0,) if size == (1, 5) else (8.0, 2.0, 1.0, 0.0)
    assert PyramidTexture(TextureSettings(size, 3, weights))().shape == (*size, 3)


def test_levels_halve() -> None:
    texture = PyramidTexture(TextureSettings((32, 16), channels=5))
    assert [tuple(level.shape) for level in texture.levels] == [(32, 16, 5), (16, 8, 5), (8, 4, 5), (4, 2, 5)]
    assert all(level.requires_grad for level in texture.levels)


def test_it_starts_at_middle_grey() -> None:
    texture = PyramidTexture(TextureSettings((16, 24)))
    assert torch.equal(texture(), torch.full((16, 24, 3), MIDDLE))
    assert texture.regulariser().item() == 0.0


def test_it_composes_its_levels_above_middle_grey() -> None:
    texture = filled(TextureSettings((16, 24)))
    torch.testing.assert_close(texture() - MIDDLE, compose_definition(list(texture.levels)))


def test_the_regulariser_is_the_weighted_sum_of_mean_squares() -> None:
    texture = filled(TextureSettings((16, 24), level_weights=(8.0, 0.0, 3.0)))
    fine, _, coarse = texture.levels
    plain = 8.0 * fine.double().square().sum() / fine.numel() + 3.0 * coarse.double().square().sum() / coarse.numel()
    assert texture.regulariser().item() == pytest.approx(plain.item(), rel=1e-6)


def test_the_regulariser_pulls_weighted_levels_only() -> None:
    texture = filled(TextureSettings((16, 24), level_weights=(8.0, 0.0, 3.0)))
    texture.regulariser().backward()
    for weight, level in zip((8.0, 0.0, 3.0), texture.levels, strict=True):
        if weight:
            torch.testing.assert_close(level.grad, 2 * weight * level.detach() / level.numel())
        else:
            assert level.grad is None


def test_without_weights_the_regulariser_is_zero() -> None:
    assert filled(TextureSettings((8, 8), level_weights=(0.0, 0.0))).regulariser().item() == 0.0


def test_every_level_gets_a_gradient_through_the_composition() -> None:
    texture = filled(TextureSettings((16, 24)))
    texture()[3, 5].sum().backward()
    for level in texture.levels:
        assert level.grad is not None
        # One texel's sum over three channels, shared out with weights that add up to 1.
        assert level.grad.sum().item() == pytest.approx(3.0, rel=1e-6)


def test_recolouring_changes_the_composed_texture_by_a_gain_and_an_offset() -> None:
    texture = filled(TextureSettings((16, 24)))
    before = texture().detach()
    gain, offset = torch.tensor([1.5, 0.5, 1.0]), torch.tensor([-0.2, 0.1, 0.0])
    texture.recolour(gain, offset)
    torch.testing.assert_close(texture().detach(), gain * before + offset)


@pytest.mark.parametrize(("size", "levels"), [((16, 24), 4), ((8, 8), 1), ((64, 32), 3), ((8, 8), 4)])
def test_a_texture_that_is_set_is_the_one_that_is_composed(size: tuple[int, int], levels: int) -> None:
    wanted = torch.randn(*size, 3, generator=torch.Generator().manual_seed(1))
    texture = filled(TextureSettings(size, 3, (1.0,) * levels))
    texture.set(wanted)
    torch.testing.assert_close(texture().detach(), wanted, rtol=0, atol=1e-5)
    assert all(level.requires_grad for level in texture.levels)


def test_setting_gives_each_level_what_it_can_hold() -> None:
    """A texture that a coarse level can make needs nothing of the finer ones; detail stays out of the coarse ones."""
    texture = PyramidTexture(TextureSettings((32, 32)))
    texture.set(torch.full((32, 32, 3), 0.8))
    assert [float(level.detach().abs().max()) < 1e-6 for level in texture.levels] == [True, True, True, False]
    board = torch.zeros(32, 32)
    board[::2, 1::2] = board[1::2, ::2] = 1.0
    texture.set(board[..., None].repeat(1, 1, 3))
    assert [float(level.detach().abs().max()) < 1e-6 for level in texture.levels] == [False, True, True, True]


def test_setting_what_is_there_changes_little() -> None:
    texture = filled(TextureSettings((16, 24)))
    before = texture().detach()
    texture.set(before)
    torch.testing.assert_close(texture().detach(), before, rtol=0, atol=1e-5)
