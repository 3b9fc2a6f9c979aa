"""Blur of all photos at once: planted ones come back, whatever the photos' exposures and distances."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from neuraltexgen.equalise import find_blurs
from neuraltexgen.equalise.blurs import SIGMAS, blurs_of, nearness, solve_losses
from neuraltexgen.equalise.pairs import Pairs
from neuraltexgen.kernels.sample import render
from neuraltexgen.views import FitView, Views, pack_view, save_view

PHOTOS, HEIGHT, WIDTH, SIZE = 8, 96, 128, 512
POWER = 0.7


def made_up(scatter: float = 0.0) -> tuple[Pairs, np.ndarray]:
    """Pairs of photos of patches, from several distances, and the photos' losses."""
    rng = np.random.default_rng(0)
    lost = rng.uniform(0, 1, PHOTOS)
    first, second = (np.repeat(ends, 30) for ends in np.triu_indices(PHOTOS, 1))
    ends, count = np.stack((first, second), axis=1), len(first)
    footprint = rng.uniform(-1, 1, (count, 2))
    level = rng.uniform(-4, -2, (count, 1)) + (1 - POWER) * footprint - lost[ends]
    squared = np.exp(2 * (level + scatter * rng.standard_normal(level.shape)))
    return Pairs(first, second, np.full(count, 9.0), np.stack((squared, footprint), axis=2), np.zeros((count, 2))), lost


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean()


def test_planted_losses_come_back() -> None:
    pairs, lost = made_up()
    np.testing.assert_allclose(centred(solve_losses(pairs, PHOTOS)), centred(lost), atol=2e-3)


def test_pairs_that_see_something_else_hardly_matter() -> None:
    pairs, lost = made_up(scatter=0.05)
    wrong = np.random.default_rng(1).random(len(pairs.first)) < 0.15
    pairs.shown[wrong, 0, 0] *= 50
    np.testing.assert_allclose(centred(solve_losses(pairs, PHOTOS)), centred(lost), atol=0.08)


def test_photos_without_pairs_and_flat_patches_tell_nothing() -> None:
    pairs, _ = made_up()
    assert np.isnan(solve_losses(pairs, PHOTOS + 1)[PHOTOS])
    alone = (pairs.first != 0) | (pairs.second < 4)
    few = Pairs(*(part[alone] for part in pairs))
    assert np.isnan(solve_losses(few, PHOTOS)).tolist() == [True] + [False] * (PHOTOS - 1)
    pairs.shown[..., 0] = 1e-9
    assert np.isnan(solve_losses(pairs, PHOTOS)).all()
    nothing = Pairs(*(part[:0] for part in pairs))
    assert np.isnan(solve_losses(nothing, PHOTOS)).all()


def test_nearness_is_how_much_smaller_a_photos_pixels_are_than_the_others() -> None:
    first, second = np.triu_indices(4, 1)
    log_footprint = np.log([1.0, 2.0, 2.0, 4.0])
    shown = np.stack((np.ones((6, 2)), log_footprint[np.stack((first, second), axis=1)]), axis=2)
    pairs = Pairs(first, second, np.full(6, 5.0), shown, np.zeros((6, 2)))
    found = nearness(pairs, 5)
    np.testing.assert_allclose(found[:4], (log_footprint.sum() - 4 * log_footprint) / 3)
    assert found[4] == 0


def test_a_loss_within_the_slack_is_no_blur() -> None:
    losses = np.array([0.0, 0.0, 0.0, 0.2, 0.2])
    found = blurs_of(losses, [photo(0, 0.0)], np.array([0.08, 0.08, 0.08, 0.08, 0.25]))
    assert found[3] > 0.3
    assert found[[0, 1, 2, 4]].tolist() == [0, 0, 0, 0]


def texture() -> torch.Tensor:
    """Detail of every size, about as much in each octave."""
    rng = torch.Generator().manual_seed(0)
    total = torch.zeros(1, 1, SIZE, SIZE)
    for size in (16, 32, 64, 128, 256, 512):
        noise = torch.randn(1, 1, size, size, generator=rng)
        total += F.interpolate(noise, (SIZE, SIZE), mode="bicubic", align_corners=False)
    return (0.5 + 0.06 * total[0, 0, :, :, None]).clamp(0.05, 0.95).repeat(1, 1, 3)


def photo(number: int, sigma: float, gain: float = 1.0, wide: float = 0.35) -> FitView:
    """A photo of a part of the texture, blurred by so many of its pixels; `wide`: the part's share of the texture."""
    k = 4
    y, x = torch.meshgrid(*((torch.arange(k * n) + 0.5) / (k * n) for n in (HEIGHT, WIDTH)), indexing="ij")
    corner = torch.tensor([0.05 + 0.03 * (number % 4), 0.05 + 0.04 * (number // 4)])
    uv = corner + wide * torch.stack((x, y * HEIGHT / WIDTH), dim=2)
    fine = render(texture(), uv[:, :, None], torch.ones(uv.shape[:2], dtype=torch.bool)).permute(2, 0, 1)[None]
    if sigma > 0:
        reach = int(4 * sigma * k)
        taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / (sigma * k)) ** 2)
        taps = (taps / taps.sum()).repeat(3, 1, 1, 1)
        fine = F.conv2d(F.pad(fine, (reach,) * 4, mode="replicate"), taps, groups=3)
        fine = F.conv2d(fine, taps.transpose(2, 3), groups=3)
    shown = gain * F.avg_pool2d(fine, k)[0].permute(1, 2, 0).contiguous()
    middle = uv[k // 2 :: k, k // 2 :: k][:, :, None].contiguous()
    seen = torch.ones(HEIGHT, WIDTH, 1, dtype=torch.bool)
    return pack_view(str(number), shown, middle, seen, torch.ones(HEIGHT, WIDTH), wide / WIDTH)


def stored(views: list[FitView], folder: Path) -> Views:
    for view in views:
        save_view(folder / f"{view.name}.npz", view)
    return Views([folder / f"{view.name}.npz" for view in views], torch.device("cpu"), 1 << 30)


@pytest.mark.parametrize("wide", [0.35, 0.5])
def test_blurs_of_photos_come_back(wide: float, tmp_path: Path) -> None:
    planted = [0.0, 0.0, 0.7, 0.0, 1.2, 0.0, 0.5, 0.0]
    gains = np.linspace(0.7, 1.3, PHOTOS, dtype=np.float32)
    photos = [photo(i, s, float(g), wide if i % 2 else 0.35) for i, (s, g) in enumerate(zip(planted, gains))]
    found = find_blurs(stored(photos, tmp_path), np.repeat(gains[:, None], 3, axis=1))
    np.testing.assert_allclose(found, planted, atol=0.15)
    assert (found[np.array(planted) == 0] == 0).all()


def test_photos_that_are_alike_are_sharp(tmp_path: Path) -> None:
    ones = np.ones((PHOTOS, 3), np.float32)
    assert (find_blurs(stored([photo(i, 0.0) for i in range(PHOTOS)], tmp_path), ones) == 0).all()


def test_what_shares_nothing_or_shows_nothing_is_sharp(tmp_path: Path) -> None:
    flat = photo(0, 0.0)
    flat.photo.fill_(0.5)
    assert find_blurs(stored([flat], tmp_path), np.ones((1, 3), np.float32)).tolist() == [0.0]
    assert SIGMAS[0] == 0
    assert list(SIGMAS) == sorted(SIGMAS)
