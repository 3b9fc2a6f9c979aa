"""The camera's response curve: found among photos of differing exposure where there is one, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuraltexgen.equalise import TERMS, Terms, corrections, find_exposures
from neuraltexgen.equalise.find import settle_exposures
from neuraltexgen.equalise.pairs import Pairs
from neuraltexgen.equalise.solve import Exposures, solve_exposures
from neuraltexgen.fall_off import FallOff
from neuraltexgen.response import GENTLEST, Response, bend_slopes, bends, rising
from neuraltexgen.synthetic.photograph import respond
from windows import HEIGHT, LENS, NONE, PHOTOS, WIDTH, made_up, one_group, stored, window

BENT = 0.5
VALUES = np.linspace(0, 1, 41)


def shown_by(bent: float, noise: float = 0.002, lens: FallOff = NONE, power: float = 1.0) -> tuple[Pairs, np.ndarray]:
    """Pairs of photos by a camera with a curve, and their gains."""
    pairs, gains, _ = made_up(lens=lens)
    ends = np.stack((pairs.first, pairs.second), axis=1)
    rng = np.random.default_rng(5)
    left = lens.at(torch.from_numpy(pairs.radius)).numpy()[..., None]
    light = gains[ends] * left * rng.uniform(0.05, 0.6, (len(ends), 1, 3))
    shown = respond(light.astype(np.float32), bent).astype(np.float64) ** power
    kept = (light < 0.98).all(axis=(1, 2))
    shown += noise * rng.standard_normal(shown.shape)
    return Pairs(*(part[kept] for part in pairs._replace(shown=shown))), gains


def curve_of(found: Exposures, group: int = 0) -> Response:
    return Response(tuple(found.response[group].tolist()))


def straightened(response: Response, bent: float) -> np.ndarray:
    """What is left of a curve."""
    return response.straight(respond(VALUES.astype(np.float32), bent).astype(np.float64))


@pytest.mark.parametrize("bent", [0.3, 0.5])
def test_a_planted_curve_comes_back(bent: float) -> None:
    pairs, gains = shown_by(bent)
    found = settle_exposures(pairs, one_group(), TERMS)
    np.testing.assert_allclose(straightened(curve_of(found), bent), VALUES, atol=0.02)
    np.testing.assert_allclose(found.gains, gains, rtol=0.05)
    without = settle_exposures(pairs, one_group(), TERMS._replace(response=0))
    assert abs(np.log(found.gains / gains)).max() < 0.6 * abs(np.log(without.gains / gains)).max()


def test_a_curve_and_a_fall_off_are_told_from_each_other() -> None:
    found = settle_exposures(shown_by(BENT, lens=LENS)[0], one_group(), TERMS)
    np.testing.assert_allclose(straightened(curve_of(found), BENT), VALUES, atol=0.03)
    assert FallOff(tuple(found.fall_off[0])).corner == pytest.approx(LENS.corner, abs=0.03)


@pytest.mark.parametrize("power", [1.0, 1.3])
def test_no_curve_is_kept_where_gains_say_it_all(power: float) -> None:
    """The power of a value is one of its gain: it is not told from exposures, and needs not to be."""
    found = settle_exposures(shown_by(0.0, power=power)[0], one_group(), TERMS)
    assert found.response.size == 0


def test_photos_of_one_exposure_show_no_curve() -> None:
    pairs, _ = shown_by(BENT)
    same = np.repeat(pairs.shown[:, :1], 2, axis=1) + 0.002 * np.random.default_rng(2).standard_normal(
        pairs.shown.shape
    )
    assert settle_exposures(pairs._replace(shown=same), one_group(), TERMS).response.size == 0


def test_two_cameras_have_two_curves() -> None:
    pairs, _ = shown_by(0.0, noise=0.0)
    groups = np.arange(PHOTOS) % 2
    ends = np.stack((pairs.first, pairs.second), axis=1)
    bent = respond(pairs.shown.astype(np.float32), BENT).astype(np.float64)
    shown = np.where((groups[ends] == 1)[..., None], bent, pairs.shown)
    found = solve_exposures(pairs._replace(shown=shown), groups, Terms(response=2))
    assert curve_of(found, 0).bend < 0.02
    np.testing.assert_allclose(straightened(curve_of(found, 1), BENT), VALUES, atol=0.03)


def test_photos_are_straightened(tmp_path: Path) -> None:
    gains = np.exp(0.25 * np.random.default_rng(3).standard_normal(PHOTOS))
    gains /= gains.mean()
    views = []
    for i, gain in enumerate(gains):
        view = window(i, float(gain))
        view.photo.copy_(torch.from_numpy(respond(view.photo.numpy(), BENT)))
        views.append(view)
    kept = stored(views, tmp_path)
    found = find_exposures(kept)
    assert list(found.responses) == [(HEIGHT, WIDTH)]
    right = kept.correcting(corrections(found, kept, list(range(PHOTOS))))
    for i, gain in enumerate(gains):
        straight = window(i, float(gain)).photo
        assert ((right[i].photo - straight).abs()[straight < 0.95] < 0.03).all()
    assert not find_exposures(kept, TERMS._replace(response=0)).responses


def test_a_curve_holds_black_and_white() -> None:
    curve = Response((0.5, 0.3))
    kept = np.array([-0.2, 0.0, 0.5, 1.0, 1.7])
    np.testing.assert_allclose(curve.straight(kept), kept, atol=1e-12)
    torch.testing.assert_close(curve.straight(torch.from_numpy(VALUES)).numpy(), curve.straight(VALUES))
    assert Response().straight(VALUES) is VALUES
    assert Response().bend == 0


def test_slopes_are_those_of_the_bends() -> None:
    step = 1e-6
    ahead, behind = (np.array(bends(VALUES + way, 3)) for way in (step, -step))
    np.testing.assert_allclose((ahead - behind) / (2 * step), bend_slopes(VALUES, 3), atol=1e-8)


def test_a_curve_rises_everywhere() -> None:
    gentle = rising([3.0, -2.0])
    assert (1 + np.array(gentle) @ np.array(bend_slopes(VALUES, 2))).min() == pytest.approx(GENTLEST, abs=0.02)
    np.testing.assert_array_equal(rising([0.2, 0.1]), [0.2, 0.1])
