"""Scores: PSNR of known errors, SSIM against a second implementation, sharpness, and what a mask hides."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.colour import fit_colour
from neuraltexgen.metrics import PSNR_CEILING, Score, mean_score, psnr, quick_figures, score, sharpness, ssim

HEIGHT, WIDTH = 24, 30
ALL = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
REGION = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
REGION[3:20, 5:27] = True
REGION[8:11, 9:14] = False


def photo(seed: int = 0) -> Tensor:
    """Smooth structure and some noise, within [0.1, 0.9]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = np.stack([np.sin(0.5 * x + c) * np.cos(0.4 * y - c) for c in range(3)], axis=-1)
    return torch.from_numpy(np.clip(0.5 + 0.25 * waves + 0.05 * rng.standard_normal(waves.shape), 0.1, 0.9))


def blurred(image: Tensor) -> Tensor:
    planes = F.pad(image.permute(2, 0, 1)[None], (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(planes, 3, stride=1)[0].permute(1, 2, 0)


def noisy(image: Tensor) -> Tensor:
    return image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(5), dtype=image.dtype)


@pytest.mark.parametrize(("error", "decibels"), [(0.1, 20.0), (0.01, 40.0), (0.5, 6.0206), (1e-3, 60.0)])
def test_psnr_of_a_constant_error(error: float, decibels: float) -> None:
    grey = torch.full((4, 5, 3), 0.25, dtype=torch.float64)
    assert psnr(grey + error, grey, torch.ones(4, 5, dtype=torch.bool)) == pytest.approx(decibels, abs=1e-4)


def test_psnr_is_a_mean_over_pixels_and_channels() -> None:
    black, render = torch.zeros(2, 2, 3), torch.zeros(2, 2, 3)
    render[0, 0, 1] = 1.0
    mask = torch.tensor([[True, True], [True, False]])
    assert psnr(render, black, mask) == pytest.approx(10 * math.log10(9), rel=1e-6)


def test_psnr_clips_the_render_as_a_screen_does() -> None:
    white = torch.ones(4, 5, 3)
    assert psnr(white + 3, white, torch.ones(4, 5, dtype=torch.bool)) == PSNR_CEILING
    assert psnr(-white, 0 * white, torch.ones(4, 5, dtype=torch.bool)) == PSNR_CEILING


@pytest.mark.parametrize("mask", [ALL, REGION])
def test_equal_images_score_the_ceiling_and_one(mask: Tensor) -> None:
    assert psnr(photo(), photo(), mask) == PSNR_CEILING
    assert ssim(photo(), photo(), mask) == pytest.approx(1.0, abs=1e-12)
    assert sharpness(photo(), photo(), mask) == 1.0


def plain_ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Wang et al. 2004, window by window, in double precision; at the border the window's part inside counts."""
    offsets = range(-5, 6)
    result = np.empty(x.shape)
    for row, col, channel in np.ndindex(*x.shape):
        window = [
            (np.exp(-(i * i + j * j) / (2 * 1.5**2)), row + i, col + j)
            for i in offsets
            for j in offsets
            if 0 <= row + i < x.shape[0] and 0 <= col + j < x.shape[1]
        ]
        weights = np.array([w for w, _, _ in window])
        weights /= weights.sum()
        a, b = (np.array([image[i, j, channel] for _, i, j in window]) for image in (x, y))
        mean_a, mean_b = weights @ a, weights @ b
        var_a, var_b = weights @ (a - mean_a) ** 2, weights @ (b - mean_b) ** 2
        covariance = weights @ ((a - mean_a) * (b - mean_b))
        luminance = (2 * mean_a * mean_b + 0.0001) / (mean_a**2 + mean_b**2 + 0.0001)
        result[row, col, channel] = luminance * (2 * covariance + 0.0009) / (var_a + var_b + 0.0009)
    return result


def test_ssim_is_that_of_a_plain_implementation() -> None:
    render, truth = noisy(photo())[:14, :17], photo()[:14, :17]
    plain = plain_ssim(render.clamp(0, 1).numpy(), truth.numpy())
    mask = torch.ones(14, 17, dtype=torch.bool)
    assert 0.3 < plain.mean() < 0.95
    assert ssim(render, truth, mask) == pytest.approx(plain.mean(), abs=1e-6)


def test_ssim_over_a_rectangle_is_that_of_the_cut_out() -> None:
    render, truth = noisy(photo()), photo()
    mask = torch.zeros_like(ALL)
    mask[4:18, 6:23] = True
    plain = plain_ssim(render[4:18, 6:23].clamp(0, 1).numpy(), truth[4:18, 6:23].numpy())
    assert ssim(render, truth, mask) == pytest.approx(plain.mean(), abs=1e-6)


@pytest.mark.parametrize("junk", [0.0, 1e6, float("nan"), float("inf")])
def test_nothing_outside_the_mask_counts(junk: float) -> None:
    render, truth = noisy(photo()), photo()
    outside = ~REGION[..., None]
    expected = score(render, truth, REGION)
    spoiled = score(torch.where(outside, junk, render), torch.where(outside, 1 - junk, truth), REGION)
    assert spoiled.pixels == expected.pixels == int(REGION.sum())
    for name in ("psnr", "ssim", "psnr_fitted", "ssim_fitted", "sharpness"):
        assert getattr(spoiled, name) == pytest.approx(getattr(expected, name), rel=1e-12)
    assert expected.psnr < 30


def test_sharpness_tells_blurred_from_noisy() -> None:
    assert sharpness(blurred(photo()), photo(), REGION) < 0.9
    assert sharpness(noisy(photo()), photo(), REGION) > 1.1
    assert sharpness(torch.full_like(photo(), 0.5), photo(), REGION) == 0.0


def test_sharpness_is_the_ratio_of_plain_gradient_magnitudes() -> None:
    render, truth = noisy(photo()).numpy(), photo().numpy()
    mask, sums = REGION.numpy(), [0.0, 0.0]
    for row in range(HEIGHT - 1):
        for col in range(WIDTH - 1):
            if mask[row, col] and mask[row + 1, col] and mask[row, col + 1]:
                for i, image in enumerate((render, truth)):
                    grey = image.mean(axis=2)
                    sums[i] += math.hypot(grey[row, col + 1] - grey[row, col], grey[row + 1, col] - grey[row, col])
    assert sharpness(noisy(photo()), photo(), REGION) == pytest.approx(sums[0] / sums[1], rel=1e-12)


def test_sharpness_needs_neighbours_and_detail() -> None:
    lone = torch.zeros_like(ALL)
    lone[3, 4] = True
    assert math.isnan(sharpness(photo(), photo(), lone))
    assert math.isnan(sharpness(noisy(photo()), torch.full_like(photo(), 0.5), ALL))


def test_the_fitted_figures_do_not_see_a_gain_and_offset_per_channel() -> None:
    render, truth = blurred(photo()), photo()
    gain, offset = torch.tensor([0.6, 1.2, 0.9]), torch.tensor([0.1, -0.15, 0.02])
    plain, recoloured = score(render, truth, REGION), score(gain * render + offset, truth, REGION)
    assert recoloured.psnr_fitted == pytest.approx(plain.psnr_fitted, abs=1e-3)
    assert recoloured.ssim_fitted == pytest.approx(plain.ssim_fitted, abs=1e-4)
    assert recoloured.sharpness == pytest.approx(plain.sharpness, rel=1e-3)
    assert recoloured.psnr < plain.psnr - 3
    assert plain.psnr_fitted >= plain.psnr


def test_a_view_without_pixels_scores_nan() -> None:
    nothing = score(photo(), photo(), ~ALL)
    assert nothing.pixels == 0
    assert all(math.isnan(value) for value in figures(nothing))


def test_a_broken_render_never_scores_well() -> None:
    broken = score(torch.full_like(photo(), float("nan")), photo(), ALL)
    assert all(math.isnan(value) for value in figures(broken))


def figures(s: Score) -> tuple[float, ...]:
    return s.psnr, s.ssim, s.psnr_fitted, s.ssim_fitted, s.sharpness


def test_the_mean_counts_views_alike_and_leaves_out_the_empty_ones() -> None:
    nothing = score(photo(), photo(), ~ALL)
    first, second = Score(10, 20.0, 0.5, 22.0, 0.6, 0.8), Score(1000, 30.0, 0.7, 32.0, 0.8, 1.0)
    mean = mean_score([first, nothing, second])
    assert mean.pixels == 1010
    assert figures(mean) == pytest.approx((25, 0.6, 27, 0.7, 0.9))
    assert figures(mean_score([second, first])) == pytest.approx(figures(mean))
    for none in ([], [nothing, nothing]):
        assert mean_score(none).pixels == 0
        assert all(math.isnan(value) for value in figures(mean_score(none)))


def test_a_view_too_thin_for_a_gradient_spoils_no_mean() -> None:
    mean = mean_score([Score(1, 20.0, 0.5, 22.0, 0.6, math.nan), Score(1000, 30.0, 0.7, 32.0, 0.8, 0.9)])
    assert mean.psnr == 25
    assert mean.sharpness == 0.9


def test_the_mean_hides_no_broken_view() -> None:
    broken = Score(9, math.nan, math.nan, math.nan, math.nan, math.nan)
    assert math.isnan(mean_score([broken, Score(9, 30.0, 0.7, 32.0, 0.8, 0.9)]).psnr)


def single(image: Tensor) -> Tensor:
    return image.to(torch.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("what", ["all", "region", "one", "none", "bands", "not a number"])
def test_the_twins_give_the_definitions_figures(what: str, channels: int) -> None:
    """In float32 on the CPU `score` goes through numba; in float64 through the functions that define the figures."""
    truth = photo().repeat(4, 1, 1)[..., :channels] if what == "bands" else photo()[..., :channels]
    render = 1.3 * noisy(blurred(truth)) - 0.1
    mask = torch.rand(truth.shape[:2], generator=torch.Generator().manual_seed(0)) < 0.9
    mask = {"all": ALL, "region": REGION, "one": torch.zeros_like(ALL), "none": torch.zeros_like(ALL)}.get(what, mask)
    if what == "one":
        mask[4, 4] = True
    if what == "not a number":
        render[5, 5] = math.nan
        mask[5, 5] = True
    render[~mask] = math.nan
    found, expected = score(single(render), single(truth), mask), score(render, truth, mask)
    assert found.pixels == expected.pixels
    for name in ("psnr", "ssim", "psnr_fitted", "ssim_fitted", "sharpness"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=2e-5, nan_ok=True), name
    gain, offset = fit_colour(render, truth, mask.double())
    fitted = gain * render + offset
    expected_quick = psnr(fitted, truth, mask), sharpness(fitted, truth, mask)
    assert quick_figures(single(render), single(truth), mask) == pytest.approx(expected_quick, rel=2e-5, nan_ok=True)
