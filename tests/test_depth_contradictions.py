"""A depth map takes out what it contradicts, and nothing else; one that contradicts everything is left unused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from neuraltexgen.errors import CameraError
from neuraltexgen.geometry import pixel_rays, resize_camera
from neuraltexgen.measured import contradiction
from neuraltexgen.scene import Camera, DepthMap, View
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.raycast import RayCaster
from planes import CAMERAS, HEIGHT, WIDTH, Plane

WALL = Plane(np.array([-50.0, 50.0, -12.0]), np.array([100.0, 0.0, 30.0]), np.array([0.0, -100.0, 0.0]))
"""A wall turned away, so that depth changes over the photo."""
BESIDE = np.array([[1.0, 0, 0, 0.5], [0, 1, 0, -0.2], [0, 0, 1, 0.1], [0, 0, 0, 1]])
"""The photo's camera from the depth camera: half a metre beside it."""


def seen(camera: Camera, cam_from_world: np.ndarray | None = None, samples: int = 1) -> UVMap:
    return RayCaster(WALL.mesh()).uv_map(camera, np.eye(4) if cam_from_world is None else cam_from_world, samples)


def true_depth(camera: Camera, cam_from_world: np.ndarray | None = None) -> np.ndarray:
    """z-depth of the wall in counts of a tenth of a millimetre."""
    z = seen(camera, cam_from_world).distance * pixel_rays(camera)[0][..., 2]
    return np.round(z * 1e4).astype(np.uint16)


def view_of(path: Path, counts: np.ndarray, photo_camera: Camera = CAMERAS["PINHOLE"], **stated: object) -> View:
    Pillow.fromarray(counts.astype(np.uint16)).save(path / "depth.png")
    depth = DepthMap(path / "depth.png", 1e-4, **stated)  # pyright: ignore[reportArgumentType]
    return View("a", photo_camera, np.eye(4), path / "a.png", depth=depth)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("model", CAMERAS)
def test_a_true_depth_map_contradicts_nothing(model: str, samples: int, tmp_path: Path) -> None:
    camera = CAMERAS[model]
    found = contradiction(view_of(tmp_path, true_depth(camera), camera), seen(camera, samples=samples), 0.01)
    assert found.share == 0
    assert not found.pixels.any()


@pytest.mark.parametrize("width", [1, 2])
def test_thin_bands_as_beside_depth_edges_are_kept(width: int, tmp_path: Path) -> None:
    camera = CAMERAS["PINHOLE"]
    counts = true_depth(camera)
    counts[:, 10 : 10 + width] //= 2
    assert contradiction(view_of(tmp_path, counts), seen(camera), 0.05).share == 0


def test_a_person_before_the_wall_is_taken_out_but_for_a_rim_of_a_pixel(tmp_path: Path) -> None:
    camera = CAMERAS["PINHOLE"]
    counts = true_depth(camera)
    counts[4:14, 10:20] //= 2
    found = contradiction(view_of(tmp_path, counts), seen(camera), 0.05)
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    expected[5:13, 11:19] = True
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.share == pytest.approx(64 / (HEIGHT * WIDTH))


@pytest.mark.parametrize("empty", [0, 65535])
def test_where_nothing_is_measured_nothing_is_contradicted(empty: int, tmp_path: Path) -> None:
    camera = CAMERAS["PINHOLE"]
    counts = true_depth(camera)
    counts[4:14, 10:20] = empty
    found = contradiction(view_of(tmp_path, counts, invalid=(65535,)), seen(camera), 0.05)
    assert not found.pixels.any()


def test_a_depth_camera_beside_the_photos_is_followed(tmp_path: Path) -> None:
    camera, depth = CAMERAS["OPENCV"], resize_camera(CAMERAS["PINHOLE"], 2 * WIDTH, 2 * HEIGHT)
    counts = true_depth(depth, np.linalg.inv(BESIDE))
    beside = view_of(tmp_path, counts, camera, camera=depth, cam_from_depth=BESIDE)
    assert contradiction(beside, seen(camera), 0.01).share == 0
    same_place = view_of(tmp_path, counts, camera, camera=depth)
    assert contradiction(same_place, seen(camera), 0.01).share > 0.01


def test_the_tolerance_is_a_share_of_the_depth(tmp_path: Path) -> None:
    camera = CAMERAS["PINHOLE"]
    counts = true_depth(camera)
    counts[:, : WIDTH // 4] = np.round(counts[:, : WIDTH // 4] * 1.04)
    view = view_of(tmp_path, counts)
    assert contradiction(view, seen(camera), 0.05).share == 0
    assert 0.15 < contradiction(view, seen(camera), 0.03).share < 0.25


def test_a_depth_map_in_another_unit_is_left_unused(tmp_path: Path) -> None:
    camera = CAMERAS["PINHOLE"]
    found = contradiction(view_of(tmp_path, true_depth(camera) // 10), seen(camera), 0.05)
    assert found.useless
    assert found.share == 1
    assert not found.pixels.any()


def test_a_view_without_depth_is_contradicted_by_nothing(tmp_path: Path) -> None:
    view = View("a", CAMERAS["PINHOLE"], np.eye(4), tmp_path / "a.png")
    assert contradiction(view, seen(CAMERAS["PINHOLE"]), 0.05).share == 0


def test_a_depth_map_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="another shape"):
        contradiction(view_of(tmp_path, np.ones((HEIGHT, HEIGHT))), seen(CAMERAS["PINHOLE"]), 0.05)
