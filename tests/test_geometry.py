"""Laws of projection and rigid motions, for every camera model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuraltexgen.errors import CameraError
from neuraltexgen.geometry import (
    CV_FROM_GL,
    camera_centre,
    camera_models,
    check_camera,
    colmap_camera,
    face_areas,
    focal_and_centre,
    invert_pose,
    model_names,
    nearest_rotation,
    parameter_count,
    pixel_rays,
    project,
    rays_through,
    resize_camera,
    transform,
)
from neuraltexgen.scene import Camera, check_pose

WIDTH, HEIGHT = 40, 30


def example(model: str) -> Camera:
    """A camera of that model with some distortion, the principal point off centre."""
    count = parameter_count(model)
    if model == "EQUIRECTANGULAR":
        return Camera(model, WIDTH, HEIGHT, (float(WIDTH), float(HEIGHT)))
    plain = colmap_camera(Camera(model, WIDTH, HEIGHT, (1.0,) * count))
    params = np.full(count, 0.01)
    params[plain.focal_length_idxs()] = [38.0, 37.0][: len(plain.focal_length_idxs())]
    params[plain.principal_point_idxs()] = 21.0, 14.5
    if model == "EUCM":
        params[-2:] = 0.6, 1.1
    return Camera(model, WIDTH, HEIGHT, tuple(params.tolist()))


@st.composite
def poses(draw: st.DrawFn) -> np.ndarray:
    numbers = st.floats(-10, 10)
    matrix = np.array([draw(numbers) for _ in range(9)]).reshape(3, 3) + np.diag([30.0, 31, 32])
    pose = np.eye(4)
    pose[:3, :3] = nearest_rotation(matrix)
    pose[:3, 3] = [draw(numbers) for _ in range(3)]
    return pose


@pytest.mark.parametrize("model", camera_models())
def test_rays_project_back_to_their_pixels(model: str) -> None:
    camera = example(model)
    points = np.random.default_rng(0).random((50, 2)) * (WIDTH, HEIGHT)
    rays = rays_through(camera, points)
    assert np.allclose(np.linalg.norm(rays, axis=1), 1)
    assert np.allclose(project(camera, rays * 3.7), points, atol=1e-4)


@pytest.mark.parametrize("model", camera_models())
def test_pixel_rays_pass_through_pixel_centres(model: str) -> None:
    camera = example(model)
    rays, defined = pixel_rays(camera, 2)
    assert rays.shape == (2 * HEIGHT, 2 * WIDTH, 3)
    assert defined.mean() > 0.95
    one, _ = pixel_rays(camera)
    centre = rays_through(camera, np.array([[3.5, 7.5]]))[0]
    assert np.allclose(one[7, 3], centre, atol=1e-6)


@pytest.mark.parametrize("model", camera_models())
def test_a_resized_camera_sees_the_same_rays_at_scaled_pixels(model: str) -> None:
    camera = example(model)
    twice = resize_camera(camera, 2 * WIDTH, 2 * HEIGHT)
    points = np.random.default_rng(0).random((20, 2)) * (WIDTH, HEIGHT)
    assert (twice.width, twice.height) == (2 * WIDTH, 2 * HEIGHT)
    assert np.allclose(rays_through(twice, 2 * points), rays_through(camera, points), atol=1e-6)


def test_the_top_left_pixel_covers_zero_to_one() -> None:
    camera = Camera("PINHOLE", 4, 2, (2.0, 2.0, 2.0, 1.0))
    rays, defined = pixel_rays(camera)
    assert defined.all()
    assert np.allclose(rays[0, 0] / rays[0, 0, 2], ((0.5 - 2) / 2, (0.5 - 1) / 2, 1))
    assert np.allclose(project(camera, np.array([[0.0, 0.0, 5.0]])), [[2.0, 1.0]])


def test_what_a_camera_model_cannot_be_is_said() -> None:
    with pytest.raises(CameraError, match="unknown camera model 'BOX'"):
        check_camera(Camera("BOX", 4, 4, ()))
    with pytest.raises(CameraError, match="takes 4 parameters"):
        check_camera(Camera("PINHOLE", 4, 4, (1.0, 1.0)))
    with pytest.raises(CameraError, match="positive"):
        check_camera(Camera("PINHOLE", 4, 4, (0.0, 1.0, 2.0, 2.0)))


def test_focal_and_centre_are_found_by_model() -> None:
    assert focal_and_centre(example("OPENCV")) == ((38.0, 37.0), (21.0, 14.5))
    assert focal_and_centre(example("SIMPLE_RADIAL")) == ((38.0,), (21.0, 14.5))
    assert focal_and_centre(example("EQUIRECTANGULAR")) == ((), ())


def test_model_numbers_are_colmaps() -> None:
    names = model_names()
    assert (names[0], names[1], names[4], names[6]) == ("SIMPLE_PINHOLE", "PINHOLE", "OPENCV", "FULL_OPENCV")
    assert set(names.values()) == set(camera_models())


@given(poses())
def test_an_inverse_undoes_a_pose(pose: np.ndarray) -> None:
    check_pose(pose, "drawn")
    points = np.random.default_rng(0).random((5, 3))
    assert np.allclose(transform(invert_pose(pose), transform(pose, points)), points)
    assert np.allclose(transform(pose, camera_centre(pose)[None]), 0, atol=1e-9)


@given(poses())
def test_the_nearest_rotation_of_a_rotation_is_itself(pose: np.ndarray) -> None:
    rotation = pose[:3, :3]
    assert np.allclose(nearest_rotation(rotation), rotation)
    assert np.allclose(nearest_rotation(3 * rotation), rotation)
    assert np.linalg.det(nearest_rotation(-rotation)) > 0


def test_opengl_axes_are_their_own_inverse() -> None:
    assert np.array_equal(CV_FROM_GL @ CV_FROM_GL, np.eye(4))


def test_areas_are_signed_in_two_dimensions_only() -> None:
    square = np.array([[0.0, 0], [2, 0], [2, 1], [0, 1]])
    faces = np.array([[0, 1, 2], [0, 3, 2]])
    assert np.allclose(face_areas(square, faces), [1, -1])
    assert np.allclose(face_areas(np.hstack([square, np.ones((4, 1))]), faces), [1, 1])
