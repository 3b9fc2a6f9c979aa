"""Exposures of all photos at once: planted gains, offsets and fall-offs come back, whoever walks through the photos."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neuraltexgen.equalise import corrections, find_exposures
from neuraltexgen.equalise.pairs import Pairs, pairs_of
from neuraltexgen.equalise.solve import Terms, solve_exposures
from neuraltexgen.fall_off import Correction, FallOff, squared_radius
from neuraltexgen.fit_view import BRIGHTEST, DOUBTED
from neuraltexgen.glimpses import glimpse_of
from windows import HEIGHT, LENS, NONE, PHOTOS, WIDTH, made_up, one_group, stored, window


@pytest.mark.parametrize("terms", [0, 3])
def test_planted_exposures_come_back(terms: int) -> None:
    pairs, gains, offsets = made_up(lens=LENS if terms else NONE)
    found = solve_exposures(pairs, one_group(), Terms(terms))
    np.testing.assert_allclose(found.gains, gains, rtol=2e-3)
    np.testing.assert_allclose(found.offsets, offsets, atol=2e-3)
    if terms:
        radius = torch.linspace(0, 1, 9)
        planted, solved = LENS.at(radius), FallOff(tuple(found.fall_off[0].tolist())).at(radius)
        torch.testing.assert_close(solved, planted, rtol=0, atol=3e-3)


def test_noise_pulls_gains_no_further_than_the_prior_does() -> None:
    pairs, gains, _ = made_up(noise=0.005)
    found = solve_exposures(pairs, one_group()).gains / gains
    assert abs(np.log(found)).max() < 0.02
    assert abs(np.polyfit(np.log(gains).ravel(), np.log(found).ravel(), 1)[0]) < 0.01


def test_pairs_that_see_something_else_count_for_nothing() -> None:
    pairs, gains, offsets = made_up()
    rng, shown = np.random.default_rng(1), pairs.shown.copy()
    wrong = rng.random(len(shown)) < 0.15
    shown[wrong, 0] = rng.uniform(0, 1, (int(wrong.sum()), 3))
    found = solve_exposures(pairs._replace(shown=shown), one_group())
    np.testing.assert_allclose(found.gains, gains, rtol=0.01)
    np.testing.assert_allclose(found.offsets, offsets, atol=0.01)


def test_the_photos_order_plays_no_part() -> None:
    pairs, _, _ = made_up(noise=0.01)
    turned = PHOTOS - 1 - np.stack((pairs.first, pairs.second))
    again = solve_exposures(pairs._replace(first=turned[0], second=turned[1]), one_group())
    found = solve_exposures(pairs, one_group())
    np.testing.assert_allclose(again.gains[::-1], found.gains, rtol=1e-6)
    np.testing.assert_allclose(again.offsets[::-1], found.offsets, atol=1e-7)


def test_a_photo_without_pairs_has_the_mean_exposure() -> None:
    pairs, gains, _ = made_up()
    found = solve_exposures(pairs, one_group(PHOTOS + 1))
    assert found.gains[PHOTOS] == pytest.approx(1, abs=0.25)
    ratio = found.gains[:PHOTOS] / gains
    np.testing.assert_allclose(ratio / ratio.mean(axis=0), 1, atol=3e-3)
    assert found.gains.mean(axis=0) == pytest.approx(1)
    assert found.offsets.mean(axis=0) == pytest.approx(0, abs=1e-12)


def test_photos_that_share_nothing_stay_as_they_are() -> None:
    pairs, _, _ = made_up()
    found = solve_exposures(Pairs(*(part[:0] for part in pairs)), one_group(), Terms(3))
    assert (found.gains == 1).all()
    assert (found.offsets == 0).all()
    assert (found.fall_off == 0).all()


def test_two_lenses_have_two_fall_offs() -> None:
    pairs, _, _ = made_up()
    groups = np.arange(PHOTOS) % 2
    ends = np.stack((pairs.first, pairs.second), axis=1)
    lens = np.where(groups[ends] == 1, LENS.at(torch.from_numpy(pairs.radius)).numpy(), 1.0)[..., None]
    found = solve_exposures(pairs._replace(shown=pairs.shown * lens), groups, Terms(3))
    assert found.fall_off[0] == pytest.approx(0, abs=0.2)
    assert FallOff(tuple(found.fall_off[0])).corner == pytest.approx(1, abs=0.01)
    assert FallOff(tuple(found.fall_off[1])).corner == pytest.approx(LENS.corner, abs=0.01)


def test_exposures_and_fall_off_of_photos(tmp_path: Path) -> None:
    gains = np.exp(0.2 * np.random.default_rng(3).standard_normal(PHOTOS))
    gains /= gains.mean()
    views = stored([window(i, float(gain), LENS) for i, gain in enumerate(gains)], tmp_path)
    found = find_exposures(views)
    np.testing.assert_allclose(found.gains, np.repeat(gains[:, None], 3, axis=1), rtol=0.02)
    assert found.fall_offs[HEIGHT, WIDTH].corner == pytest.approx(LENS.corner, abs=0.02)
    right = views.correcting(corrections(found, views, list(range(PHOTOS))))
    for i, gain in enumerate(gains):
        torch.testing.assert_close(right[i].photo, window(i, float(gain)).photo, rtol=0.02, atol=0)
    assert right.key() != views.key()


def test_photos_without_a_fall_off_are_left_as_they_are(tmp_path: Path) -> None:
    views = stored([window(i) for i in range(PHOTOS)], tmp_path)
    found = find_exposures(views)
    assert not found.fall_offs
    assert corrections(found, views, list(range(PHOTOS))) == {}


def test_texels_with_a_clipped_pixel_are_in_no_pair() -> None:
    """Two photos of one place, one of which is clipped in every other pixel: no texel is left that both show whole."""
    view = window(0)
    speckled = view.photo.clone()
    speckled[:, ::2] = 1.0
    # Texels of 2.5 pixels across: each holds clipped pixels and others.
    glimpses = [glimpse_of(replace(view, photo=photo), 1) for photo in (view.photo, speckled)]
    coarse = 2.5 * view.footprint
    assert len(pairs_of(glimpses[:1] * 2, 1, coarse).first) > 0
    assert len(pairs_of(glimpses, 1, coarse).first) == 0
    assert len(pairs_of(glimpses, 1, coarse, clipped=False).first) > 0


def test_bright_pixels_of_bright_photos_are_doubted() -> None:
    view = window(0)
    photo = view.photo.clone()
    photo[3, 4, 1] = 1.0
    doubted = replace(view, photo=photo).corrected(Correction(doubt_bright=True))
    assert float(doubted.confidence[3, 4]) == pytest.approx(DOUBTED, abs=1 / 255)
    assert bool((doubted.trust == 255).sum() == HEIGHT * WIDTH - 1)
    assert BRIGHTEST < 1


def test_dividing_by_the_fall_off_leaves_a_difference_as_it_weighed() -> None:
    view = window(0, lens=LENS)
    right = view.corrected(Correction(LENS))
    torch.testing.assert_close(right.photo, window(0).photo, rtol=1e-5, atol=1e-6)
    left = LENS.plane(HEIGHT, WIDTH)
    torch.testing.assert_close(right.confidence, left, rtol=0, atol=0.5 / 255 + 1e-6)


def test_the_radius_is_1_in_the_corners_and_0_in_the_centre() -> None:
    fine = squared_radius(2000, 3000)
    assert float(fine.max()) == pytest.approx(1, abs=2e-3)
    assert float(fine.min()) == pytest.approx(0, abs=1e-6)
    assert FallOff(()).corner == 1
