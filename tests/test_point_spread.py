"""Places that stand for a blur: symmetric, as wide as the blur, and gathered from the right pixels."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest
import torch

from neuraltexgen.fall_off import Correction
from neuraltexgen.point_spread import SPREAD_PLACES, spread_offsets, spread_samples
from neuraltexgen.views import FitView, pack_view

HEIGHT, WIDTH = 24, 30


def places(sigma: float, k: int) -> np.ndarray:
    """The same in pixels from the pixel's middle."""
    return (spread_offsets(sigma, k) + 0.5) / k - 0.5


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.3, 0.6, 1.1, 2.0])
def test_places_are_symmetric_and_the_nearest_comes_first(sigma: float, k: int) -> None:
    found = places(sigma, k)
    assert len(found) == SPREAD_PLACES
    ends = spread_offsets(sigma, k)
    assert sorted(ends.tolist()) == sorted((k - 1 - ends).tolist())
    far = np.linalg.norm(found, axis=1)
    assert (np.diff(far) >= -1e-12).all()


@pytest.mark.parametrize("sigma", [0.3, 0.45, 0.6, 0.75, 1.0, 1.4])
def test_places_pass_what_a_gaussian_passes(sigma: float) -> None:
    angle = np.linspace(0, np.pi, 7)[:, None, None]
    frequency = np.linspace(0, 0.25, 6)[:, None] * np.concatenate((np.cos(angle), np.sin(angle)), axis=2)
    passed = np.cos(2 * np.pi * frequency @ places(sigma, 2).T).mean(axis=2)
    gaussian = np.exp(-2 * np.pi**2 * (sigma**2 + 1 / 16) * (frequency**2).sum(axis=2))
    assert abs(passed - gaussian).max() < 0.1
    assert abs(passed - gaussian).mean() < 0.045


def test_without_blur_pixels_look_at_their_own_samples() -> None:
    found = spread_offsets(0.0, 2).tolist()
    assert sorted(found) == sorted([[0, 0], [0, 1], [1, 0], [1, 1]] * (SPREAD_PLACES // 4))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_samples_come_from_where_the_offsets_say(k: int) -> None:
    rows, columns = np.meshgrid(np.arange(HEIGHT * k), np.arange(WIDTH * k), indexing="ij")
    grid = np.stack((rows, columns), axis=-1).reshape(HEIGHT, k, WIDTH, k, 2).swapaxes(1, 2)
    (found,), inside = spread_samples((grid.reshape(HEIGHT, WIDTH, k * k, 2),), 0.9)
    first = np.stack(np.meshgrid(np.arange(HEIGHT) * k, np.arange(WIDTH) * k, indexing="ij"), axis=-1)
    wanted = first[:, :, None] + spread_offsets(0.9, k)
    within = ((wanted >= 0) & (wanted < (HEIGHT * k, WIDTH * k))).all(axis=(2, 3))
    assert (inside == within).all()
    assert inside.any()
    assert not inside.all()
    assert (found[inside] == wanted[inside]).all()


def ramp() -> FitView:
    """A view whose uvs rise evenly over the photo, 2 x 2 samples a pixel."""
    at = np.stack(
        np.meshgrid((np.arange(2 * HEIGHT) + 0.5), (np.arange(2 * WIDTH) + 0.5), indexing="ij")[::-1], axis=-1
    )
    uv = (at / (2 * WIDTH)).reshape(HEIGHT, 2, WIDTH, 2, 2).swapaxes(1, 2).reshape(HEIGHT, WIDTH, 4, 2)
    seen = torch.ones(HEIGHT, WIDTH, 4, dtype=torch.bool)
    seen[5, 6, 2] = False
    confidence = seen.all(dim=2).float()
    uvs = torch.from_numpy(uv.astype(np.float32))
    return pack_view("ramp", torch.full((HEIGHT, WIDTH, 3), 0.5), uvs, seen, confidence, 1 / WIDTH)


def test_a_blurred_view_looks_around_its_pixels_and_counts_less() -> None:
    view, sigma = ramp(), 0.8
    spread = view.corrected(Correction(blur=sigma))
    assert spread.samples == SPREAD_PLACES
    assert torch.equal(spread.photo, view.photo)
    sure = spread.trust > 0
    torch.testing.assert_close(spread.uv.mean(dim=2)[sure], view.uv.mean(dim=2)[sure], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        spread.confidence[sure], torch.full((int(sure.sum()),), exp(-0.5 * sigma**2)), rtol=0, atol=0.5 / 255
    )
    assert not sure[5, 6]
    assert not sure[0].any()
    assert not sure[:, 0].any()
    assert bool(sure[HEIGHT // 2 + 4 : -5, WIDTH // 2 : -5].all())


def test_blur_comes_before_all_other_corrections() -> None:
    view = replace(ramp(), photo=torch.full((HEIGHT, WIDTH, 3), 1.0))
    both = view.corrected(Correction(doubt_bright=True, blur=0.6))
    after = view.corrected(Correction(blur=0.6)).corrected(Correction(doubt_bright=True))
    assert torch.equal(both.trust, after.trust)
    assert torch.equal(both.low, after.low)
