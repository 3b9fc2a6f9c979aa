"""Blur of all photos at once: planted ones come back, whatever the photos' exposures and distances."""

from pathlib import Path

import numpy as np
import pytest

from blurred import photo, stored
from neuraltexgen.equalise import find_blurs
from neuraltexgen.equalise.blurs import SIGMAS, blurs_of, nearness, solve_losses
from neuraltexgen.equalise.pairs import Pairs
from neuraltexgen.point_spread import PointSpread

PHOTOS, POWER = 8, 0.7


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
    found = blurs_of(losses, [photo(0)], np.array([0.08, 0.08, 0.08, 0.08, 0.25]))
    assert found[3] > 0.3
    assert found[[0, 1, 2, 4]].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("wide", [0.35, 0.5])
def test_blurs_of_photos_come_back(wide: float, tmp_path: Path) -> None:
    planted = [0.0, 0.0, 0.7, 0.0, 1.2, 0.0, 0.5, 0.0]
    gains = np.linspace(0.7, 1.3, PHOTOS, dtype=np.float32)
    photos = [
        photo(i, PointSpread.even(s), float(g), wide if i % 2 else 0.35) for i, (s, g) in enumerate(zip(planted, gains))
    ]
    found = find_blurs(stored(photos, tmp_path), np.repeat(gains[:, None], 3, axis=1))
    np.testing.assert_allclose(found, planted, atol=0.15)
    assert (found[np.array(planted) == 0] == 0).all()


def test_photos_that_are_alike_are_sharp(tmp_path: Path) -> None:
    ones = np.ones((PHOTOS, 3), np.float32)
    assert (find_blurs(stored([photo(i) for i in range(PHOTOS)], tmp_path), ones) == 0).all()


def test_what_shares_nothing_or_shows_nothing_is_sharp(tmp_path: Path) -> None:
    flat = photo(0)
    flat.photo.fill_(0.5)
    assert find_blurs(stored([flat], tmp_path), np.ones((1, 3), np.float32)).tolist() == [0.0]
    assert SIGMAS[0] == 0
    assert list(SIGMAS) == sorted(SIGMAS)
