"""transforms.json: the keys of nerfstudio and instant-ngp, and what is broken in them."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import CV_FROM_GL, invert_pose, project, transform
from neuraltexgen.readers import ReadOptions, detect, read_capture

SCENES = Path(__file__).parents[3] / "shared" / "scenes"
needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures are not beside this repository")

Change = Callable[[dict[str, Any]], object]


def change(root: Path, how: Change) -> Path:
    """Edits transforms.json."""
    file = root / "transforms.json"
    whole = json.loads(file.read_text())
    how(whole)
    file.write_text(json.dumps(whole))
    return root


def drop(*keys: str) -> Change:
    return lambda whole: [whole.pop(key) for key in keys]


@pytest.mark.parametrize("target", ["folder", "file"])
def test_poses_lens_and_mesh_come_back(tmp_path: Path, target: str) -> None:
    root = tiny.write_transforms(tmp_path / "fox ü")
    path = root if target == "folder" else root / "transforms.json"
    assert detect(path) == "transforms"
    scene = read_capture(path)
    assert (scene.name, scene.left_out, scene.notes) == ("fox ü", (), ())
    for view, (name, pose) in zip(scene.views, tiny.tiny().poses.items(), strict=True):
        assert view.name == f"images/{name}.png"
        assert np.allclose(view.cam_from_world, pose, atol=1e-12)
        assert (view.camera.model, view.camera.params) == ("OPENCV", tiny.OPENCV)
    assert scene.mesh is not None
    assert scene.mesh.has_uvs


def test_the_camera_looks_where_opengl_says(tmp_path: Path) -> None:
    """A camera at the origin with identity pose looks along -z, y up."""
    root = tiny.write_transforms(tmp_path)
    change(root, lambda whole: whole["frames"][0].update(transform_matrix=np.eye(4).tolist()))
    view = read_capture(root).views[0]
    ahead, above = project(view.camera, transform(view.cam_from_world, np.array([[0, 0, -5.0], [0, 1, -5.0]])))
    assert np.allclose(ahead, tiny.PINHOLE[2:])
    assert above[1] < ahead[1]


@pytest.mark.parametrize(
    ("keys", "model", "params"),
    [
        ({"k1": 0, "k2": 0, "p1": 0, "p2": 0}, "PINHOLE", tiny.PINHOLE),
        ({}, "OPENCV", tiny.OPENCV),
        ({"camera_model": "PERSPECTIVE"}, "OPENCV", tiny.OPENCV),
        ({"k3": 0.3}, "FULL_OPENCV", (*tiny.OPENCV, 0.3, 0, 0, 0)),
        ({"camera_model": "FULL_OPENCV", "k3": 0.3, "k4": 0.4}, "FULL_OPENCV", (*tiny.OPENCV, 0.3, 0.4, 0, 0)),
        ({"camera_model": "OPENCV_FISHEYE", "k4": 0.4}, "OPENCV_FISHEYE", (*tiny.PINHOLE, 0.05, -0.01, 0, 0.4)),
        ({"is_fisheye": True}, "OPENCV_FISHEYE", (*tiny.PINHOLE, 0.05, -0.01, 0, 0)),
        ({"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR", (tiny.WIDTH, tiny.HEIGHT)),
    ],
)
def test_camera_models(tmp_path: Path, keys: dict, model: str, params: tuple) -> None:
    camera = read_capture(tiny.write_transforms(tmp_path, **keys)).views[0].camera
    assert (camera.model, camera.params) == (model, params)


def test_focal_length_from_the_field_of_view(tmp_path: Path) -> None:
    angle_x, angle_y = (2 * math.atan(side / 2 / f) for side, f in ((tiny.WIDTH, 30), (tiny.HEIGHT, 31)))
    root = change(tiny.write_transforms(tmp_path, camera_angle_x=angle_x), drop("fl_x", "fl_y", "cx", "cy"))
    assert np.allclose(read_capture(root).views[0].camera.params[:4], (30, 30, tiny.WIDTH / 2, tiny.HEIGHT / 2))
    change(root, lambda whole: whole.update(camera_angle_y=angle_y))
    assert np.allclose(read_capture(root).views[0].camera.params[:2], (30, 31))
    change(root, lambda whole: whole.update(camera_angle_x=4.0))
    with pytest.raises(ReaderError, match="between 0 and pi"):
        read_capture(root)


def test_a_frames_own_keys_win(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path)
    change(root, lambda whole: whole["frames"][1].update(fl_x=77.0, k1=0, k2=0, p1=0, p2=0))
    change(root, lambda whole: whole["frames"][2].update(camera_angle_x=2 * math.atan(0.5)))
    first, second, third = (view.camera for view in read_capture(root).views)
    assert first.params == tiny.OPENCV
    assert (second.model, second.params) == ("PINHOLE", (77.0, *tiny.PINHOLE[1:]))
    assert third.params[0] == pytest.approx(tiny.WIDTH)


def test_a_size_that_is_not_stated_is_the_photos(tmp_path: Path) -> None:
    camera = read_capture(change(tiny.write_transforms(tmp_path), drop("w", "h"))).views[0].camera
    assert (camera.width, camera.height) == (tiny.WIDTH, tiny.HEIGHT)


def test_file_paths_may_lack_a_suffix_or_start_with_a_dot(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path)
    change(root, lambda whole: whole["frames"][0].update(file_path="./images/1"))
    change(root, lambda whole: whole["frames"][1].update(file_path="images\\2.png"))
    views = read_capture(root, ReadOptions(images=root / "images")).views
    assert [view.photo.name for view in views] == ["1.png", "2.png", "3.png"]
    assert read_capture(root).views[0].name == "images/1"


def test_masks_and_depths_are_found(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path)
    mask, depth = tiny.photo(root / "masks" / "1.png"), tiny.photo(root / "depth" / "1.png")
    change(root, lambda whole: whole["frames"][0].update(mask_path="masks/1.png", depth_file_path="depth/1.png"))
    first, second, _ = read_capture(root).views
    assert first.mask == mask
    assert first.depth is not None
    assert first.depth.path == depth
    assert (second.mask, second.depth) == (None, None)
    mask.unlink()
    left_out = read_capture(root).left_out
    assert len(left_out) == 1
    assert "1.png" in left_out[0].reason


def test_applied_transform_and_scale_are_undone(tmp_path: Path) -> None:
    applied = np.array([[0, 1, 0, 0.5], [1, 0, 0, -2], [0, 0, -1, 3.0]])
    file_from_world = np.vstack([applied, (0, 0, 0, 1)])
    root = tiny.write_transforms(tmp_path, applied_transform=applied.tolist(), applied_scale=4.0)

    def apply(whole: dict[str, Any]) -> None:
        for frame, pose in zip(whole["frames"], tiny.tiny().poses.values()):
            stated = file_from_world @ invert_pose(pose) @ CV_FROM_GL
            stated[:3, 3] *= 4
            frame["transform_matrix"] = stated.tolist()

    scene = read_capture(change(root, apply))
    for view, pose in zip(scene.views, tiny.tiny().poses.values(), strict=True):
        assert np.allclose(view.cam_from_world, pose, atol=1e-12)
    assert any("applied_transform undone" in note for note in scene.notes)
    assert any("applied_scale 4 undone" in note for note in scene.notes)


def test_a_uniform_scale_of_the_rotation_is_dropped_and_counted(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path)

    def scale(whole: dict[str, Any]) -> None:
        matrix = np.array(whole["frames"][0]["transform_matrix"])
        matrix[:3, :3] *= 3
        whole["frames"][0]["transform_matrix"] = matrix.tolist()

    scene = read_capture(change(root, scale))
    assert np.allclose(scene.views[0].cam_from_world, tiny.tiny().poses["1"], atol=1e-12)
    assert scene.notes == ("1 poses with a scaled rotation: the scale was dropped, camera centres kept",)


def first_frame(**keys: object) -> Change:
    return lambda whole: whole["frames"][0].update(keys)


def scaled(*factors: float) -> list[list[float]]:
    return np.diag([*factors, 1.0]).tolist()


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (first_frame(file_path="images/9.png"), "'9.png' is not in"),
        (first_frame(file_path=None), "no file_path"),
        (first_frame(file_path="a\0b" * 300), "is not in"),
        (lambda whole: whole["frames"].insert(0, None), "no file_path"),
        (first_frame(transform_matrix=[[math.nan] * 4] * 4), "NaN"),
        (first_frame(transform_matrix=[[1e200] * 4] * 4), "no such distance"),
        (first_frame(transform_matrix=[[1, 2], [3, 4]]), "shape"),
        (first_frame(transform_matrix=None), "transform_matrix"),
        (first_frame(transform_matrix="eye"), "not a matrix"),
        (first_frame(transform_matrix=scaled(1, 1, -1)), "mirrors"),
        (first_frame(transform_matrix=scaled(1, 1, 2)), "sheared"),
        (first_frame(transform_matrix=scaled(0, 0, 0)), "zero"),
        (first_frame(fl_x="wide"), "not a number"),
        (first_frame(fl_x=math.nan), "not a number"),
        (first_frame(fl_x=-3), "positive"),
        (first_frame(w=99), "another shape"),
        (first_frame(w=10**30), "2\\^31"),
        (first_frame(k4=0.1), "no agreed meaning"),
    ],
)
def test_one_bad_frame_is_left_out_with_its_reason(tmp_path: Path, how: Change, reason: str) -> None:
    root = change(tiny.write_transforms(tmp_path), how)
    scene = read_capture(root)
    assert len(scene.left_out) == 1
    assert len(scene.views) >= 2
    with pytest.raises(ReaderError, match=reason):
        read_capture(root, ReadOptions(missing="error"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"frames": [', "not JSON"),
        ('{"frames": 3}', "no list 'frames'"),
        ('["frames"]', "no list 'frames'"),
        ('{"frames": []}', "names no views"),
        ("[" * 100_000 + '"frames"', "not JSON"),
        ('{"frames": [], "camera_model": "FISHEYE624"}', "unknown camera_model 'FISHEYE624'"),
        ('{"frames": [], "applied_transform": [[0,0,0,0],[0,0,0,0],[0,0,0,0]]}', "can't be undone"),
        ('{"frames": [], "applied_transform": [1, 2]}', "shape"),
        ('{"frames": [], "applied_scale": 0}', "positive"),
    ],
)
def test_a_bad_file_is_a_reader_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "transforms.json").write_text(text)
    with pytest.raises(ReaderError, match=message):
        read_capture(tmp_path, ReadOptions(format="transforms"))


def test_test_frames_are_counted_and_not_used(tmp_path: Path) -> None:
    scene = read_capture(tiny.write_transforms(tmp_path, test_frames=[{}, {}]))
    assert scene.notes == ("2 test_frames are not used",)


@needs_scenes
def test_fox_is_read_without_its_missing_photos(tmp_path: Path) -> None:
    scene = read_capture(SCENES / "fox")
    assert (len(scene.views), len(scene.left_out)) == (44, 23)
    assert all("is not in" in view.reason for view in scene.left_out)
    assert scene.views[0].camera.model == "OPENCV"
    assert scene.mesh is not None
    assert len(scene.mesh.faces) == 149999
    with pytest.raises(ReaderError, match=r"\(23 of 67 views\)"):
        read_capture(SCENES / "fox", ReadOptions(missing="error"))
    shutil.copyfile(SCENES / "fox" / "transforms.json", tmp_path / "transforms.json")
    elsewhere = read_capture(tmp_path, ReadOptions(images=SCENES / "fox" / "images"))
    assert len(elsewhere.views) == 44
    assert elsewhere.mesh is None
