"""Exposures that photos state are believed where their brightness bears them out, and then reach where no pair does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.equalise import find_exposures
from neuraltexgen.equalise.pairs import Pairs
from neuraltexgen.equalise.solve import Terms, solve_exposures
from neuraltexgen.equalise.stated import expected_gains, light_of_stop
from neuraltexgen.fit_view import FitView
from neuraltexgen.views import Views, load_view, save_view
from windows import PHOTOS, made_up, one_group, stored, window

OF_STOP = 0.3


def stated(gains: np.ndarray) -> np.ndarray:
    """Stops under which the gains (v, c) come about, unknown by a constant."""
    return np.log(gains.mean(axis=1)) / OF_STOP + 7


def test_the_encoding_is_found() -> None:
    pairs, gains, _ = made_up(noise=0.005)
    assert light_of_stop(pairs, stated(gains)) == pytest.approx(OF_STOP, rel=0.1)


def test_what_the_photos_contradict_is_not_believed() -> None:
    pairs, gains, _ = made_up()
    stops = stated(gains)
    assert light_of_stop(pairs, -stops) is None
    assert light_of_stop(pairs, np.random.default_rng(5).permutation(stops)) is None
    assert light_of_stop(pairs, np.full(PHOTOS, np.nan)) is None
    assert light_of_stop(pairs, np.full(PHOTOS, 7.0)) is None


def test_two_rooms_that_share_no_patch_get_their_exposures() -> None:
    pairs, gains, _ = made_up()
    room = np.arange(PHOTOS) < PHOTOS // 2
    within = room[pairs.first] == room[pairs.second]
    pairs = Pairs(*(part[within] for part in pairs))
    gains = np.where(room[:, None], 1.6, 0.8) * gains
    pairs = pairs._replace(shown=pairs.shown * np.where(room[pairs.first], 1.6, 0.8)[:, None, None])
    stops = stated(gains)
    of_stop = light_of_stop(pairs, stops)
    assert of_stop is not None
    found = solve_exposures(pairs, one_group(), Terms(), expected_gains(stops, of_stop)).gains
    alone = solve_exposures(pairs, one_group()).gains
    between = [np.log(g[room].mean() / g[~room].mean()) for g in (gains, found, alone)]
    assert between[1] == pytest.approx(between[0], abs=0.12)
    assert abs(between[2] - between[0]) > 0.3


def test_a_photo_that_states_nothing_is_expected_to_be_ordinary() -> None:
    found = expected_gains(np.array([7.0, 9.0, np.nan]), OF_STOP)
    np.testing.assert_allclose(found, np.exp([-OF_STOP, OF_STOP, 0]))


def test_cached_views_hold_what_photos_state(tmp_path: Path) -> None:
    gains = np.exp(0.3 * np.random.default_rng(3).standard_normal(PHOTOS))
    stops = stated(gains[:, None])
    views = [replace(window(i, float(gain)), stops=float(s)) for i, (gain, s) in enumerate(zip(gains, stops))]
    found = find_exposures(stored(views, tmp_path), Terms())
    assert found.of_stop == pytest.approx(OF_STOP, rel=0.1)
    silent: list[FitView] = [replace(view, stops=float("nan")) for view in views]
    (tmp_path / "silent").mkdir()
    other: Views = stored(silent, tmp_path / "silent")
    assert find_exposures(other, Terms()).of_stop is None
    save_view(tmp_path / "one.npz", views[0])
    assert load_view(tmp_path / "one.npz").stops == pytest.approx(stops[0])
