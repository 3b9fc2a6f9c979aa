"""What single formats do beside giving the scene back: kinds of lenses, what they refuse and why, what they note."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import captures
import tiny
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.readers.poses import pose_from_axis_angle


def edit(file: Path, change: Callable[[Any], None]) -> None:
    whole = json.loads(file.read_text())
    change(whole)
    file.write_text(json.dumps(whole))


@pytest.mark.parametrize(
    ("terms", "model"),
    [
        ({}, "PINHOLE"),
        ({"disto_k1": [0.1]}, "OPENCV"),
        ({"disto_k3": [0.1, 0.2, 0.3]}, "FULL_OPENCV"),
        ({"fisheye": [0.1, 0.2, 0.3, 0.4]}, "OPENCV_FISHEYE"),
        ({"focal_length": None}, "EQUIRECTANGULAR"),
    ],
)
def test_openmvg_lenses(terms: dict[str, Any], model: str, tmp_path: Path) -> None:
    root = captures.write_openmvg(tmp_path, tiny.tiny().poses)

    def change(whole: Any) -> None:
        data = whole["intrinsics"][0]["value"]["ptr_wrapper"]["data"]
        data.pop("disto_t2")
        data |= terms
        if "focal_length" in terms:
            data.pop("focal_length")
            data["value0"].pop("focal_length")

    edit(root / "sfm_data.json", change)
    assert {view.camera.model for view in read_capture(root).views} == {model}


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"distortionType": "radialk3pt"}, "camera 'pinhole radialk3pt' with 5 distortion terms has no COLMAP model"),
        ({"type": "equidistant"}, "camera 'equidistant brown'"),
        ({"sensorWidth": "0"}, "sensorWidth is 0"),
        ({"principalPoint": ["x", "y"]}, "'principalPoint' is not made of numbers"),
        ({"focalLength": "-1"}, "focal length must be positive"),
    ],
)
def test_alicevision_refuses_other_lenses(keys: dict[str, Any], reason: str, tmp_path: Path) -> None:
    root = captures.write_alicevision(tmp_path, tiny.tiny().poses)

    def change(whole: Any) -> None:
        whole["intrinsics"][0] |= keys
        whole["views"] = whole["views"][1:]

    edit(root / "cameras.sfm", change)
    with pytest.raises(ReaderError, match=reason):
        read_capture(root)


def test_alicevision_fisheyes_and_rigs(tmp_path: Path) -> None:
    root = captures.write_alicevision(tmp_path, tiny.tiny().poses)

    def change(whole: Any) -> None:
        whole["intrinsics"][0] |= {"distortionType": "fisheye4", "distortionParams": ["0.1", "0", "0", "0"]}
        whole["views"][1] |= {"rigId": "1", "subPoseId": "0", "isPoseIndependant": "false"}

    edit(root / "cameras.sfm", change)
    scene = read_capture(root)
    assert [view.camera.model for view in scene.views] == ["OPENCV_FISHEYE"] * 2
    assert sorted(view.reason for view in scene.left_out) == [
        "it hangs on a rig's pose, which is not supported",
        "it has no pose: it was not reconstructed",
    ]


def test_mve_takes_the_distortion_with_the_original_photo_only(tmp_path: Path) -> None:
    root = captures.write_mve(tmp_path, tiny.tiny().poses)
    photo = root / "views" / "view_0002.mve" / "undistorted.png"
    photo.rename(photo.with_name("original.png"))
    meta = root / "views" / "view_0003.mve" / "meta.ini"
    meta.write_text(meta.read_text().replace("focal_length = 0.9375", "focal_length = 0"))
    scene = read_capture(root)
    assert [view.camera.model for view in scene.views] == ["PINHOLE", "OPENCV"]
    assert scene.views[1].camera.params[4:6] == (0.3, 0.1)
    assert scene.left_out[0].reason == "it was not registered (focal length 0)"


def test_polycam_without_corrections_says_so(tmp_path: Path) -> None:
    root = captures.write_polycam(tmp_path, tiny.tiny().poses)
    (root / "keyframes" / "corrected_images").rename(root / "gone")
    scene = read_capture(root / "keyframes")
    assert "the poses are the phone's own: Polycam has not corrected them" in scene.notes
    edit(root / "keyframes" / "cameras" / "1001.json", lambda camera: camera.pop("t_11"))
    assert "does not state t_00 to t_23" in read_capture(root).left_out[0].reason


def test_scannetpp_masks_are_used(tmp_path: Path) -> None:
    root = captures.write_scannetpp(tmp_path, tiny.tiny().poses)
    scene = read_capture(root)
    assert "3 masks are those of resized_anon_masks" in scene.notes
    assert [view.mask and view.mask.name for view in scene.views] == [f"DSC0000{i}.png" for i in (1, 2, 3)]
    assert len(read_capture(root / "dslr").views) == 3


def test_arkitscenes_needs_poses_and_intrinsics_of_the_photos_time(tmp_path: Path) -> None:
    root = captures.write_arkitscenes(tmp_path, tiny.tiny().poses)
    next(iter(sorted(root.glob("*/lowres_wide_intrinsics/*")))).unlink()
    reasons = [view.reason for view in read_capture(root).left_out]
    assert reasons == ["no .pincam of its time", "no pose within 0.005 s of its time"]
    half_turn = pose_from_axis_angle((0.0, np.pi, 0.0), (1.0, 2.0, 3.0))
    assert np.allclose(half_turn, [[-1, 0, 0, 1], [0, 1, 0, 2], [0, 0, -1, 3], [0, 0, 0, 1]])
    assert np.array_equal(pose_from_axis_angle((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), np.eye(4))


def test_blender_splits_may_be_read_alone(tmp_path: Path) -> None:
    root = captures.write_blender(tmp_path, tiny.tiny().poses)
    assert len(read_capture(root / "transforms_train.json").views) == 1
    (root / "transforms_val.json").unlink()
    scene = read_capture(root)
    assert [view.name for view in scene.views] == ["train/r_1", "test/r_3"]
    assert scene.notes[0] == "1 frames of transforms_train.json (give one file to read it alone)"


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("record3d", "metadata", "'K' is not stated"),
        ("open3d json", "trajectory.json", "no list 'parameters'"),
        ("openmvg", "sfm_data.json", "no list 'views'"),
        ("alicevision", "cameras.sfm", "no list 'views'"),
    ],
)
def test_a_missing_table_is_said(name: str, file: str, message: str, tmp_path: Path) -> None:
    capture = captures.CAPTURES[name]
    path = capture.write(tmp_path, tiny.tiny().poses)
    edit(tmp_path / file, lambda whole: [whole.pop(key, None) for key in ("K", "parameters", "views")])
    with pytest.raises(ReaderError, match=message):
        read_capture(path, ReadOptions(format=capture.reader))
