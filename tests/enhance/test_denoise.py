"""Noise measured, and taken out with edges kept."""

import pytest
import torch
from torch import Tensor

import neuraltexgen.enhance.denoise as module
from neuraltexgen.enhance.denoise import denoise, noise_level


def drawing(height: int = 120, width: int = 160) -> Tensor:
    """A clean picture in (0.1, 0.9): a slope, a disc, a step of 0.4 at column 100, and fine stripes below."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grey = 0.2 + 0.1 * y / height + 0.4 * (x >= 100)
    grey = torch.where((x - 40) ** 2 + (y - 40) ** 2 < 400, 0.75, grey)
    grey = torch.where(y >= 100, grey + 0.08 * ((x // 3) % 2), grey)
    return torch.stack([grey, 0.9 * grey, 0.1 + 0.8 * grey]).float()


def noisy(clean: Tensor, sigma: float, seed: int = 0) -> Tensor:
    return (clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean().sqrt())


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.05])
def test_the_noise_that_was_added_is_the_noise_that_is_found(sigma: float) -> None:
    assert noise_level(noisy(drawing(), sigma)) == pytest.approx(sigma, rel=0.15)


def test_a_clean_picture_has_no_noise_and_texture_is_not_taken_for_it() -> None:
    assert noise_level(torch.full((3, 64, 64), 0.4)) == 0
    assert noise_level(drawing()) < 1e-4
    textured = noisy(drawing(), 0.01)
    textured[:, :, :80] = torch.rand(textured[:, :, :80].shape, generator=torch.Generator().manual_seed(1))
    assert noise_level(textured) == pytest.approx(0.01, rel=0.25)


def test_clipped_blocks_say_nothing_about_noise() -> None:
    picture = noisy(drawing(), 0.02)
    picture[:, :, :100] = 1.0
    assert noise_level(picture) == pytest.approx(0.02, rel=0.2)


def test_a_photo_too_small_to_measure_counts_as_clean() -> None:
    assert noise_level(torch.rand(3, 17, 200)) == 0


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.08])
def test_the_error_shrinks_everywhere_and_at_edges(sigma: float) -> None:
    clean = drawing()
    before = noisy(clean, sigma)
    after = denoise(before, sigma)
    assert error(after, clean) < 0.6 * error(before, clean)
    beside = slice(97, 103)
    assert error(after[:, :95, beside], clean[:, :95, beside]) < 0.7 * error(
        before[:, :95, beside], clean[:, :95, beside]
    )
    step = (after[:, 60:95, 100] - after[:, 60:95, 99]).mean()
    assert float(step) == pytest.approx(0.4 * 0.9, abs=0.02)


def test_strength_zero_is_the_photo_itself_and_flat_stays_flat() -> None:
    picture = noisy(drawing(), 0.02)
    assert torch.equal(denoise(picture, 0.0), picture)
    flat = torch.full((3, 40, 40), 0.3)
    torch.testing.assert_close(denoise(flat, 0.1), flat)


def test_below_the_threshold_of_everything_nothing_changes() -> None:
    """With a threshold that no coefficient is under, patches come back as they were: the transform is orthonormal."""
    picture = torch.rand(3, 31, 45, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(denoise(picture, 1e-9), picture, atol=1e-5, rtol=0)


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noisy(drawing(), 0.03)
    whole = denoise(picture, 0.03)
    monkeypatch.setattr(module, "STRIP", 170 * 14)
    torch.testing.assert_close(denoise(picture, 0.03), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (8, 8), (9, 14), (33, 21)])
def test_any_size_keeps_its_size_and_range(size: tuple[int, int]) -> None:
    out = denoise(torch.rand(3, *size, generator=torch.Generator().manual_seed(0)), 0.05)
    assert out.shape == (3, *size)
    assert out.min() >= 0
    assert out.max() <= 1
