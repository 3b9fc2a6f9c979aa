"""Point-spreads beside a texture of the sharp photos: planted ones come back, whichever way the camera moved."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from blurred import photo, spread_out, stored, texture
from neuraltexgen.equalise import find_blurs, find_spreads
from neuraltexgen.equalise.spreads import LEAST, Beside, spread_between
from neuraltexgen.fit_types import Exposures
from neuraltexgen.point_spread import SHARP, PointSpread
from neuraltexgen.views import Views

SIZE = (512, 512)

MOVED = [PointSpread(2.0, 0.6, 0.5), PointSpread(0.4, -0.3, 1.6), PointSpread.even(1.0)]


def window() -> torch.Tensor:
    """A part of the texture, as a plane that is as sharp as photos are."""
    return spread_out(texture()[100:260, 80:300], PointSpread.even(0.7)).mean(dim=2)


def covariance(found: Beside) -> np.ndarray:
    return found.axes @ np.diag(found.wide) @ found.axes.T


def everywhere(plane: torch.Tensor) -> torch.Tensor:
    return torch.ones(plane.shape, dtype=torch.bool)


@pytest.mark.parametrize("planted", MOVED)
def test_a_planted_covariance_comes_back_whatever_the_exposure_and_a_shift(planted: PointSpread) -> None:
    sharp = window()
    blurred = spread_out(sharp[:, :, None], planted)[:, :, 0].roll(1, 1)
    moved = 0.3 * blurred + 0.7 * blurred.roll(-1, 1)  # by 0.3 of a pixel, which blurs a little
    known = everywhere(sharp)
    known[:, :9] = False
    found = spread_between(sharp, 0.97 * moved + 0.02, known)
    expected = np.array([[planted.xx + 0.21, planted.xy], [planted.xy, planted.yy]])
    np.testing.assert_allclose(covariance(found), expected, atol=0.12)
    along = found.axes.T @ expected @ found.axes
    np.testing.assert_allclose(found.flat, np.diag(along), rtol=0.25, atol=0.12)


def test_what_is_the_sharper_one_has_negative_variances() -> None:
    sharp = window()
    found = spread_between(spread_out(sharp[:, :, None], PointSpread.even(0.5))[:, :, 0], sharp, everywhere(sharp))
    np.testing.assert_allclose(found.wide, -0.25, atol=0.08)
    np.testing.assert_allclose(found.flat, -0.25, atol=0.08)


def test_pixels_that_show_something_else_hardly_matter() -> None:
    sharp, planted = window(), MOVED[0]
    blurred = spread_out(sharp[:, :, None], planted)[:, :, 0]
    blurred[40:80, 60:110] = sharp[40:80, 60:110].flip(0)
    found = covariance(spread_between(sharp, blurred, everywhere(sharp)))
    np.testing.assert_allclose(found, [[planted.xx, planted.xy], [planted.xy, planted.yy]], atol=0.25)


def test_a_photo_out_of_place_has_steep_gradients() -> None:
    sharp = window()
    height, width = sharp.shape
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    across = x + 2.0 * torch.sin(y / 7) * torch.cos(x / 9)
    grid = torch.stack((2 * across / width - 1, 2 * y / height - 1), dim=2)
    shown = F.grid_sample(sharp[None, None], grid[None], mode="bicubic", align_corners=False)[0, 0]
    found = spread_between(sharp, shown, everywhere(sharp))
    assert found.wide.max() > 0.25
    assert np.minimum(found.wide, found.flat).max() < 0.1


def test_nothing_to_compare_is_what_was_guessed() -> None:
    sharp = window()
    found = spread_between(sharp, sharp, torch.zeros(sharp.shape, dtype=torch.bool), 0.7)
    np.testing.assert_allclose(covariance(found), 0.49 * np.eye(2))


def ones(count: int) -> Exposures:
    return np.ones((count, 3), np.float32), np.zeros((count, 3), np.float32)


def found_of(views: Views, exposures: Exposures) -> tuple[PointSpread, ...]:
    return find_spreads(views, exposures, find_blurs(views, exposures[0]), SIZE)


def test_point_spreads_of_photos_come_back(tmp_path: Path) -> None:
    planted = [SHARP] * 16
    planted[2], planted[5], planted[9] = MOVED
    gains = np.linspace(0.8, 1.2, 16, dtype=np.float32)
    views = stored([photo(i, spread, float(gains[i])) for i, spread in enumerate(planted)], tmp_path)
    exposures = np.repeat(gains[:, None], 3, axis=1), np.zeros((16, 3), np.float32)
    found = found_of(views, exposures)
    assert [spread == SHARP for spread in found] == [spread == SHARP for spread in planted]
    for own, true in zip(found, planted):
        assert (own.xx, own.xy, own.yy) == pytest.approx((true.xx, true.xy, true.yy), abs=0.3)
    assert found[2].angle == pytest.approx(planted[2].angle, abs=6)
    assert found_of(views, exposures) == found


def test_photos_that_are_alike_are_sharp(tmp_path: Path) -> None:
    views = stored([photo(i) for i in range(14)], tmp_path)
    assert found_of(views, ones(14)) == (SHARP,) * 14


def test_without_sharp_photos_to_compare_with_a_blur_is_even(tmp_path: Path) -> None:
    views = stored([photo(i) for i in range(4)], tmp_path)
    lost = np.array([0, 0.8, 0, 0], np.float32)
    assert find_spreads(views, ones(4), lost, SIZE) == (SHARP, PointSpread.even(float(lost[1])), SHARP, SHARP)


def test_a_photo_that_sharp_ones_do_not_show_keeps_what_gradients_say(tmp_path: Path) -> None:
    views = stored([photo(i) for i in range(12)] + [photo(60)], tmp_path)
    lost = np.zeros(13, np.float32)
    lost[12] = 0.9
    assert find_spreads(views, ones(13), lost, SIZE)[12] == PointSpread.even(float(lost[12]))
    assert LEAST < 0.9
