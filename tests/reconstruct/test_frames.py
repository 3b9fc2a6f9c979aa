"""From a view to a pinhole frame: lenses undone without averaging, photo and depth camera brought together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from neuraltexgen.errors import CameraError
from neuraltexgen.geometry import pixel_rays
from neuraltexgen.reconstruct.frames import read_frame
from neuraltexgen.scene import Camera, DepthMap, View

WIDTH, HEIGHT = 64, 48
CAMERA = Camera("PINHOLE", WIDTH, HEIGHT, (60.0, 61.0, 31.0, 25.0))
NORMAL = np.array([-0.3, 0.2, 1.0])


@pytest.fixture
def view(tmp_path: Path) -> View:
    """The plane NORMAL x = 3, in a photo that is red on the left and blue on the right."""
    return make_view(tmp_path, CAMERA)


def make_view(root: Path, camera: Camera, factor: int = 1) -> View:
    photo = np.zeros((factor * camera.height, factor * camera.width, 3), np.uint8)
    half = factor * camera.width // 2
    photo[:, :half, 0], photo[:, half:, 2] = 200, 100
    Pillow.fromarray(photo).save(root / "photo.png")
    rays, _ = pixel_rays(camera)
    np.save(root / "depth.npy", 3 * rays[..., 2] / np.maximum(rays @ NORMAL, 1e-6))
    scaled = replace(camera, width=photo.shape[1], height=photo.shape[0])
    params = tuple(p * factor for p in camera.params) if factor > 1 else camera.params
    return View(
        "a", replace(scaled, params=params), np.eye(4), root / "photo.png", depth=DepthMap(root / "depth.npy", 1.0)
    )


def test_a_pinhole_view_comes_as_it_is(view: View) -> None:
    frame = read_frame(view)
    assert frame.depth.shape == (HEIGHT, WIDTH)
    assert frame.pinhole == CAMERA.params
    assert frame.colour is not None
    assert frame.colour[0, 0].tolist() == [200, 0, 0]
    assert frame.colour[0, WIDTH // 2].tolist() == [0, 0, 100]


def test_a_larger_photo_is_averaged_down(tmp_path: Path) -> None:
    frame = read_frame(make_view(tmp_path, CAMERA, factor=3))
    assert frame.pinhole == pytest.approx(CAMERA.params)
    assert frame.colour is not None
    assert frame.colour[5, WIDTH // 2 - 1].tolist() == [200, 0, 0]
    assert frame.colour[5, WIDTH // 2].tolist() == [0, 0, 100]


@pytest.mark.parametrize(
    "camera",
    [
        Camera("OPENCV", WIDTH, HEIGHT, (60.0, 61.0, 31.0, 25.0, -0.2, 0.05, 0.002, -0.001)),
        Camera("OPENCV_FISHEYE", WIDTH, HEIGHT, (60.0, 61.0, 31.0, 25.0, 0.02, 0.0, 0.0, 0.0)),
    ],
)
def test_a_lens_is_undone_by_nearest_lookups(tmp_path: Path, camera: Camera) -> None:
    view = make_view(tmp_path, camera)
    frame = read_frame(view)
    fx, fy, cx, cy = frame.pinhole
    x, y = np.meshgrid((np.arange(WIDTH) + 0.5 - cx) / fx, (np.arange(HEIGHT) + 0.5 - cy) / fy)
    true = 3 / (np.stack([x, y, np.ones_like(x)], axis=2) @ NORMAL)
    seen = frame.depth > 0
    assert seen.mean() > 0.7
    assert np.abs(frame.depth / true - 1)[seen].max() < 0.02  # half a pixel on the slope
    stored = np.load(tmp_path / "depth.npy").astype(np.float32)
    assert np.isin(frame.depth[seen], stored).all()


def test_what_the_photo_hides_is_hidden_in_depth(view: View, tmp_path: Path) -> None:
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:, :10] = 0
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    frame = read_frame(replace(view, mask=tmp_path / "mask.png"))
    assert not frame.depth[:, :10].any()
    assert (frame.depth[:, 10:] > 0).all()


def test_a_depth_camera_aside_sees_the_photo_from_there(view: View) -> None:
    """At depth z the red half's edge lies fx * 0.2 / z pixels to the left of where the photo has it."""
    aside = np.eye(4)
    aside[0, 3] = 0.2
    assert view.depth is not None
    frame = read_frame(replace(view, depth=replace(view.depth, cam_from_depth=aside)))
    assert frame.cam_from_world[0, 3] == pytest.approx(-0.2)
    assert frame.colour is not None
    for row in (3, 24, 40):
        edge = int(np.argmax(frame.colour[row, :, 2] > 0))
        z = float(frame.depth[row, edge])
        assert edge + 0.5 == pytest.approx(WIDTH / 2 - 60 * 0.2 / z, abs=1.5)


def test_what_no_pinhole_can_show_is_an_error(view: View) -> None:
    assert view.depth is not None
    sphere = Camera("EQUIRECTANGULAR", WIDTH, HEIGHT, (float(WIDTH), float(HEIGHT)))
    for broken in (replace(view, depth=None), replace(view, depth=replace(view.depth, camera=sphere))):
        with pytest.raises(CameraError, match=r"no depth map|no pinhole"):
            read_frame(broken)
