"""Places that stand for a blur: symmetric, as wide as the blur, and gathered from the right pixels."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest
import torch

from neuraltexgen.fall_off import Correction
from neuraltexgen.fit_view import FitView, pack_view
from neuraltexgen.point_spread import SHARP, SPREAD_PLACES, PointSpread, spread_offsets, spread_samples

HEIGHT, WIDTH = 24, 30

MOVED = PointSpread(0.1, 0.3, 1.8)
"""Of a camera that moved down and a little to the right."""


def places(spread: PointSpread, k: int) -> np.ndarray:
    """Rows and columns in pixels from the pixel's middle."""
    return (spread_offsets(spread, k) + 0.5) / k - 0.5


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("spread", [PointSpread.even(0.3), PointSpread.even(2.0), PointSpread(4.0, -1.0, 0.3)])
def test_places_are_symmetric_and_the_nearest_comes_first(spread: PointSpread, k: int) -> None:
    found = places(spread, k)
    assert len(found) == SPREAD_PLACES
    ends = spread_offsets(spread, k)
    assert sorted(ends.tolist()) == sorted((k - 1 - ends).tolist())
    far = np.linalg.norm(found, axis=1)
    assert (np.diff(far) >= -1e-12).all()


@pytest.mark.parametrize(
    "spread",
    [*(PointSpread.even(sigma) for sigma in (0.3, 0.45, 0.6, 0.75, 1.0, 1.4)), PointSpread(1.0, 0.3, 0.2), MOVED],
)
def test_places_pass_what_a_gaussian_passes(spread: PointSpread) -> None:
    angle = np.linspace(0, np.pi, 13)[:, None, None]
    frequency = np.linspace(0, 0.25, 6)[:, None] * np.concatenate((np.cos(angle), np.sin(angle)), axis=2)
    passed = np.cos(2 * np.pi * frequency @ places(spread, 2).T).mean(axis=2)
    y, x = frequency[..., 0], frequency[..., 1]
    form = spread.xx * x**2 + 2 * spread.xy * x * y + spread.yy * y**2 + (x**2 + y**2) / 16
    gaussian = np.exp(-2 * np.pi**2 * form)
    assert abs(passed - gaussian).max() < 0.11
    assert abs(passed - gaussian).mean() < 0.045


def test_without_blur_pixels_look_at_their_own_samples() -> None:
    found = spread_offsets(SHARP, 2).tolist()
    assert sorted(found) == sorted([[0, 0], [0, 1], [1, 0], [1, 1]] * (SPREAD_PLACES // 4))


@pytest.mark.parametrize("angle", [-70.0, 0.0, 20.0, 90.0])
def test_axes_and_angle_are_those_of_the_way_that_a_camera_moved(angle: float) -> None:
    x, y = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    moved = PointSpread(4 * x * x + 0.25 * y * y, 3.75 * x * y, 4 * y * y + 0.25 * x * x)
    assert moved.axes == pytest.approx((2.0, 0.5))
    assert moved.angle == pytest.approx(angle)
    assert moved.sigma == pytest.approx((4.25 / 2) ** 0.5)
    found = places(moved, 2)
    along, across = found @ (y, x), found @ (x, -y)
    assert along.std() > 2.5 * across.std()


def test_a_sharp_photo_has_no_width() -> None:
    assert SHARP.sigma == 0
    assert SHARP.axes == (0, 0)
    assert PointSpread.even(1.5).axes == pytest.approx((1.5, 1.5))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_samples_come_from_where_the_offsets_say(k: int) -> None:
    rows, columns = np.meshgrid(np.arange(HEIGHT * k), np.arange(WIDTH * k), indexing="ij")
    grid = np.stack((rows, columns), axis=-1).reshape(HEIGHT, k, WIDTH, k, 2).swapaxes(1, 2)
    (found,), inside = spread_samples((grid.reshape(HEIGHT, WIDTH, k * k, 2),), MOVED)
    first = np.stack(np.meshgrid(np.arange(HEIGHT) * k, np.arange(WIDTH) * k, indexing="ij"), axis=-1)
    wanted = first[:, :, None] + spread_offsets(MOVED, k)
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
    spread = view.corrected(Correction(blur=PointSpread.even(sigma)))
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
    both = view.corrected(Correction(doubt_bright=True, blur=PointSpread.even(0.6)))
    after = view.corrected(Correction(blur=PointSpread.even(0.6))).corrected(Correction(doubt_bright=True))
    assert torch.equal(both.trust, after.trust)
    assert torch.equal(both.low, after.low)


def test_without_places_around_a_blurred_photo_only_counts_less() -> None:
    view, sigma = ramp(), 0.8
    less = view.corrected(Correction(blur=PointSpread.even(sigma), around=False))
    assert torch.equal(less.low, view.low)
    assert torch.equal(less.seen_bits, view.seen_bits)
    torch.testing.assert_close(less.confidence, exp(-0.5 * sigma**2) * view.confidence, rtol=0, atol=0.5 / 255)
