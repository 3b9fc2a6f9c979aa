"""Warps of photos: a spline of ones is a shift, unwarping undoes warping, rays and projections agree, sizes scale."""

import numpy as np
import pytest

from neuraltexgen.geometry import pinhole, pixel_rays, project, rays_through, resize_camera
from neuraltexgen.scene import Camera, WarpedCamera
from neuraltexgen.warp import as_warp, unwarped, warp_basis, warp_shape, warped_by

LENS = (210.0, 205.0, 122.0, 90.0, -0.1, 0.04, 0.001, -0.002)
SIZE = (240, 180)


def camera(spread: float = 1.5, seed: int = 0) -> WarpedCamera:
    coefficients = np.random.default_rng(seed).normal(0, spread, (*warp_shape(*SIZE), 2))
    return WarpedCamera("OPENCV", *SIZE, LENS, as_warp(coefficients))


def points(count: int = 400) -> np.ndarray:
    return np.random.default_rng(1).uniform((0, 0), SIZE, (count, 2))


def test_weights_sum_to_one_and_are_what_a_warp_is_made_of() -> None:
    at, warp = points(), np.array(camera().warp)
    basis = warp_basis(at, SIZE, (6, 8))
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(basis @ warp.reshape(-1, 2), warped_by(at, SIZE, warp), atol=1e-12)
    np.testing.assert_allclose(warped_by(at, SIZE, np.full((6, 8, 2), 0.7)), 0.7, atol=1e-12)
    assert np.isnan(warped_by(np.array([[np.nan, 1.0]]), SIZE, warp)).all()
    assert not warp_basis(np.array([[np.nan, 1.0]]), SIZE, (6, 8)).any()


def test_a_warp_is_undone() -> None:
    at, warp = points(), np.array(camera().warp)
    np.testing.assert_allclose(unwarped(at + warped_by(at, SIZE, warp), SIZE, warp), at, atol=1e-3)


def test_rays_of_a_warped_camera_project_back_and_are_its_lenss_beside() -> None:
    at, warped = points(), camera()
    rays = rays_through(warped, at)
    np.testing.assert_allclose(project(warped, rays), at, atol=1e-3)
    np.testing.assert_allclose(project(warped.lens(), rays), at + warped_by(at, SIZE, np.array(warped.warp)), atol=1e-6)


@pytest.mark.parametrize("samples", [1, 2])
def test_a_photos_rays_are_the_lenss_at_the_places_that_the_warp_names(samples: int) -> None:
    warped = camera()
    rays, defined = pixel_rays(warped, samples)
    y, x = ((np.arange(side * samples) + 0.5) / samples for side in SIZE[::-1])
    exact = rays_through(warped, np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).reshape(rays.shape)
    assert defined.all()
    assert np.linalg.norm(rays - exact, axis=2).max() * LENS[0] < 0.01
    np.testing.assert_allclose(np.linalg.norm(rays, axis=2), 1, atol=1e-6)


def test_no_warp_is_the_lens() -> None:
    still = WarpedCamera("OPENCV", *SIZE, LENS, as_warp(np.zeros((6, 8, 2))))
    np.testing.assert_allclose(pixel_rays(still)[0], pixel_rays(Camera("OPENCV", *SIZE, LENS))[0], atol=1e-7)
    assert still != still.lens()


def test_a_warped_pinhole_is_none() -> None:
    lens = Camera("PINHOLE", *SIZE, LENS[:4])
    assert pinhole(lens) is not None
    assert pinhole(WarpedCamera("PINHOLE", *SIZE, LENS[:4], camera().warp)) is None


def test_a_warp_grows_with_its_photo() -> None:
    small, at = camera(), points()
    large = resize_camera(small, 480, 360)
    assert isinstance(large, WarpedCamera)
    np.testing.assert_allclose(rays_through(large, 2 * at), rays_through(small, at), atol=1e-9)
