"""Photometric adjustment: derivatives agree, planted errors vanish, exact cameras stay, odd photos are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.fall_off import Correction, FallOff
from neuraltexgen.images import read_photo, write_png
from neuraltexgen.refine import ThroughMesh, refine_cameras, rig_of
from neuraltexgen.refine.adjust import Prior
from neuraltexgen.refine.brightness import Brightness, even_brightness
from neuraltexgen.refine.consensus import VIEW, Slopes, consensus, consensus_equations
from neuraltexgen.refine.levels import Level
from neuraltexgen.refine.looks import Looks, steepest, tangents_of
from neuraltexgen.refine.motion import moved
from neuraltexgen.refine.photometric import polish
from neuraltexgen.refine.polish import STAGES, polish_rig
from neuraltexgen.refine.pyramids import Pyramid, evened, halved, make_pyramid, photo_pyramids, sampled, splined
from neuraltexgen.scene import View
from painted import Painted, blobs, paint
from rigs import disturbed, errors

PLACES = [(-0.6, -0.2, 0.2), (0.5, 0.3, 0.0), (0.1, -0.4, 0.4), (-0.3, 0.4, -0.2), (0.7, -0.3, 0.3), (0.0, 0.0, 0.0)]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return paint(tmp_path_factory.mktemp("photometric"), PLACES)


@pytest.fixture(scope="module")
def surface(painted: Painted) -> ThroughMesh:
    return ThroughMesh(painted.mesh)


@pytest.fixture(scope="module")
def pyramids(painted: Painted) -> list[Pyramid]:
    return photo_pyramids(painted.views, 3)


def test_slopes_are_derivatives_of_what_is_sampled() -> None:
    image, generator = np.random.default_rng(0).random((20, 30)).astype(np.float32), np.random.default_rng(1)
    points = generator.uniform((3, 3), (27, 17), (200, 2))
    for axis in (0, 1):
        step = 1e-5 * np.eye(2)[axis]
        ahead, behind = sampled(image, points + step)[:, 0], sampled(image, points - step)[:, 0]
        np.testing.assert_allclose(sampled(image, points)[:, 1 + axis], (ahead - behind) / 2e-5, atol=1e-6)


def test_a_plane_is_sampled_as_it_is_and_nothing_beside_the_photo() -> None:
    y, x = np.mgrid[:12, :16] + 0.5
    image = (0.03 * x - 0.02 * y + 0.4).astype(np.float32)
    points = np.random.default_rng(2).uniform((2, 2), (14, 10), (50, 2))
    found = sampled(image, points)
    np.testing.assert_allclose(found[:, 0], 0.03 * points[:, 0] - 0.02 * points[:, 1] + 0.4, atol=1e-6)
    np.testing.assert_allclose(found[:, 1:], np.tile([0.03, -0.02], (50, 1)), atol=1e-6)
    assert np.isnan(sampled(image, np.array([[1.4, 5.0], [5.0, 10.7], [np.nan, 5.0]]))).all()
    image[5, 8] = np.nan
    assert np.isnan(sampled(image, np.array([[7.0, 5.0]]))).all()
    assert np.isfinite(sampled(image, np.array([[5.0, 5.0]]))).all()


def test_centres_show_what_splined_says() -> None:
    image = np.random.default_rng(3).random((9, 11)).astype(np.float32)
    points = np.stack(np.meshgrid(np.arange(2, 9) + 0.5, np.arange(2, 7) + 0.5), axis=-1).reshape(-1, 2)
    values = splined(image.astype(np.float64))[2:7, 2:9].ravel()
    np.testing.assert_allclose(sampled(image, points)[:, 0], values, atol=1e-6)


def test_levels_hold_means() -> None:
    image = np.random.default_rng(4).random((2051, 1030)).astype(np.float32)
    pyramid = make_pyramid(image, 2)
    assert [level.shape for level in pyramid.levels] == [(512, 257), (256, 128)]
    assert [pyramid.pixel(level) for level in (0, 1)] == [4, 8]
    np.testing.assert_allclose(pyramid.levels[0][3, 5], image[12:16, 20:24].mean(), rtol=1e-5)
    np.testing.assert_array_equal(halved(image[:5, :7]), halved(image[:4, :6]))


def test_each_cell_gives_its_steepest_pixel() -> None:
    slope = np.random.default_rng(5).random((30, 40))
    slope[:10, :10] = 0.001
    slope[2, 25] = np.nan
    found = steepest(slope, 12)
    assert len(found) == 11
    for row, column in found:
        cell = slope[row // 10 * 10 :, column // 10 * 10 :][:10, :10]
        assert slope[row, column] == np.nanmax(cell)


def test_colours_are_eliminated_as_a_dense_solution_eliminates_them() -> None:
    """The equations' solution is that of all unknowns together, the places' brightness among them."""
    generator = np.random.default_rng(6)
    view = np.array([0, 1, 2, 0, 2, 1, 2], np.int32)
    start = np.array([0, 3, 5, 7])
    looks = Looks(
        np.zeros((3, 3)), tangents_of(np.tile([0.0, 0, 1], (3, 1))), start, np.repeat([0, 1, 2], [3, 2, 2]), view
    )
    by = Slopes(
        generator.standard_normal((7, VIEW)), generator.standard_normal((7, 2)), np.array([0, 1, 0, 0, 0, 1, 0])
    )
    weights, shown = generator.uniform(0.5, 2, 7), generator.standard_normal(7)
    residuals = shown - consensus(looks, shown, weights)[looks.place]
    matrix, gradient = consensus_equations(looks, residuals, weights, by, (3, 2))
    ridge = 0.1 * np.eye(len(matrix))
    step = np.linalg.solve(matrix + ridge, -gradient)
    dense = np.zeros((7, len(matrix) + 3))
    for n in range(7):
        dense[n, VIEW * view[n] : VIEW * view[n] + VIEW] = by.view[n]
        dense[n, 3 * VIEW + 2 * by.lens[n] : 3 * VIEW + 2 * by.lens[n] + 2] = by.params[n]
        dense[n, len(matrix) + looks.place[n]] = -1
    whole = dense.T @ (weights[:, None] * dense)
    whole[: len(matrix), : len(matrix)] += ridge
    expected = np.linalg.solve(whole, -dense.T @ (weights * residuals))[: len(matrix)]
    np.testing.assert_allclose(step, expected, atol=1e-9)


def test_looks_go_with_poses_and_lenses_as_differences_say(
    painted: Painted, surface: ThroughMesh, pyramids: list[Pyramid]
) -> None:
    """Where photos agree, a place's slope is each photo's own: so the analytic derivative is that of what is seen."""
    rig, at = rig_of(painted.views), even_brightness(6)
    level = Level(surface, pyramids, rig, 1)
    at = Brightness(at.gains, at.offsets, np.tile([-0.2, -0.1], (6, 1)))
    seen = level.seen(rig, at)
    by = level.slopes(rig, seen, np.isfinite(seen.values).astype(np.float64), {0: 0})
    for k in range(6):
        twist = 1e-5 * np.eye(6)[k]
        ahead, behind = (replace(rig, poses=tuple(moved(pose, sign * twist) for pose in rig.poses)) for sign in (1, -1))
        _same((level.seen(ahead, at).values - level.seen(behind, at).values) / 2e-5, by.view[:, k])
    camera = rig.cameras[0]
    for k in (0, 2):
        params = np.array(camera.params)
        ahead, behind = (
            replace(rig, cameras=(replace(camera, params=tuple(params + sign * 1e-3 * np.eye(4)[k])),))
            for sign in (1, -1)
        )
        _same((level.seen(ahead, at).values - level.seen(behind, at).values) / 2e-3, by.params[:, k])
    brighter = replace(at, offsets=at.offsets + 1e-3)
    np.testing.assert_allclose((level.seen(rig, brighter).values - seen.values) / 1e-3, by.view[:, 6], atol=1e-9)


def test_planted_errors_vanish_and_exact_cameras_stay(
    painted: Painted, surface: ThroughMesh, pyramids: list[Pyramid]
) -> None:
    truth = rig_of(painted.views)
    wrong = disturbed(truth, 0.5, 0.02)
    found, kept = (polish_rig(surface, pyramids, rig, rig, STAGES) for rig in (wrong, truth))
    assert found.placed.all()
    assert not found.far
    assert found.figures.after < 0.2 * found.figures.before
    (turns, shifts), (still, stood) = errors(kept.rig, truth), errors(found.rig, truth)
    assert turns.max() < 0.02
    assert shifts.max() < 0.002
    assert np.median(still) < 0.15
    assert kept.figures.moved < 0.05 < found.figures.moved
    assert np.median(stood) < 0.02


def test_exposures_are_found_beside_the_cameras(painted: Painted, surface: ThroughMesh) -> None:
    gains = np.array([0.8, 1.0, 1.2, 0.9, 1.1, 1.0])
    pyramids = photo_pyramids(painted.views, 3)
    dimmed = [
        replace(pyramid, levels=tuple((level * gain).astype(np.float32) for level in pyramid.levels))
        for pyramid, gain in zip(pyramids, gains, strict=True)
    ]
    rig = rig_of(painted.views)
    level = Level(surface, dimmed, rig, 1)
    found = polish(level, rig, rig, level.expose(rig), Prior(0.05, 0.1), ("focal",))
    product = found.brightness.gains * gains
    np.testing.assert_allclose(product / product.mean(), 1, atol=0.03)
    assert errors(found.rig, rig)[0].max() < 0.05


def test_a_fall_off_is_found_and_leads_no_camera_astray(painted: Painted, surface: ThroughMesh) -> None:
    planted = FallOff((-0.2, -0.1))
    darker = [evened(pyramid, Correction(FallOff((0.2, 0.1)))) for pyramid in photo_pyramids(painted.views, 3)]
    truth = rig_of(painted.views)
    found = polish_rig(surface, darker, disturbed(truth, 0.3, 0.01), truth, STAGES)
    assert np.exp(found.brightness.fall_offs.sum(axis=1)) == pytest.approx(planted.corner, abs=0.03)
    assert np.median(errors(found.rig, truth)[0]) < 0.1
    assert found.figures.after < 0.2 * found.figures.before


def test_photos_without_fall_off_are_given_none(
    painted: Painted, surface: ThroughMesh, pyramids: list[Pyramid]
) -> None:
    rig = rig_of(painted.views)
    assert Level(surface, pyramids, rig, 1).expose(rig).fall_offs.size == 0


def test_a_photo_of_something_else_is_lost(painted: Painted, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    write_png(other, blobs(256, seed=9)[:192])
    views = (*painted.views, View("other", painted.views[5].camera, painted.views[5].cam_from_world, other))
    found = refine_cameras(views, range(7), painted.mesh, tmp_path)
    assert found.lost == ("other",)
    assert np.array_equal(found.views[6].cam_from_world, views[6].cam_from_world)
    assert found.found.placed[:6].all()


def test_hidden_pixels_say_nothing(painted: Painted, surface: ThroughMesh, tmp_path: Path) -> None:
    mask = np.ones((192, 256, 1), np.float32)
    mask[:, :128] = 0
    write_png(tmp_path / "mask.png", mask)
    [pyramid] = photo_pyramids([replace(painted.views[0], mask=tmp_path / "mask.png")], 3)
    assert np.isnan(pyramid.levels[0][:, :128]).all()
    assert np.isfinite(pyramid.levels[0][:, 128:]).all()
    assert read_photo(painted.views[0].photo).pixels.shape[:2] == pyramid.levels[0].shape


def test_nothing_moves_where_photos_show_nothing(surface: ThroughMesh, painted: Painted) -> None:
    rig = rig_of(painted.views[:2])
    flat = [make_pyramid(np.full((192, 256), 0.5, np.float32), 3) for _ in range(2)]
    found = polish_rig(surface, flat, rig, rig, STAGES)
    assert not found.placed.any()
    np.testing.assert_allclose(np.stack(found.rig.poses), np.stack(rig.poses), atol=1e-12)


def _same(found: np.ndarray, expected: np.ndarray) -> None:
    """Alike for nearly all looks: the photos' own slopes differ by noise and blur."""
    known = np.isfinite(found) & np.isfinite(expected)
    assert known.mean() > 0.95
    assert np.corrcoef(found[known], expected[known])[0, 1] > 0.98
    assert abs(np.dot(found[known], expected[known]) / np.dot(expected[known], expected[known]) - 1) < 0.03
