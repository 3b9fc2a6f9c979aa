"""The 7-Scenes / BundleFusion folder."""

from pathlib import Path

import numpy as np
import pytest

import tiny
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import detect, read_capture

SCENES = Path(__file__).parents[3] / "shared" / "scenes"
needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures are not beside this repository")


@pytest.mark.parametrize("info", [False, True])
def test_frames_depths_and_intrinsics_come_back(tmp_path: Path, info: bool) -> None:
    root = tiny.write_frames(tmp_path, info=info)
    assert detect(root) == "frames"
    scene = read_capture(root)
    assert (scene.left_out, scene.notes) == ((), ())
    for view, (name, pose) in zip(scene.views, tiny.tiny().poses.items(), strict=True):
        assert view.name == f"frame-00000{name}"
        assert view.depth is not None
        assert view.depth.path == root / f"{view.name}.depth.png"
        assert np.allclose(view.cam_from_world, pose, atol=1e-8)
        assert (view.camera.model, view.camera.params) == ("PINHOLE", tiny.PINHOLE)
    assert scene.mesh is not None


def test_underscore_info_and_sequences(tmp_path: Path) -> None:
    tiny.write_frames(tmp_path / "seq-01", info=True)
    tiny.write_frames(tmp_path / "seq-02")
    (tmp_path / "seq-01" / "info.txt").rename(tmp_path / "_info.txt")
    scene = read_capture(tmp_path)
    assert [view.name for view in scene.views][2:4] == ["seq-01/frame-000003", "seq-02/frame-000001"]


@pytest.mark.parametrize("lost", ["nan", "-inf", "1.#QNAN", "x"])
def test_lost_frames_are_left_out(tmp_path: Path, lost: str) -> None:
    root = tiny.write_frames(tmp_path)
    (root / "frame-000002.pose.txt").write_text("\r\n".join([" ".join([lost] * 4)] * 4))
    scene = read_capture(root)
    assert [view.name for view in scene.views] == ["frame-000001", "frame-000003"]
    assert scene.left_out[0].name == "frame-000002"


def test_a_pose_slightly_off_a_rotation_is_repaired_and_counted(tmp_path: Path) -> None:
    root = tiny.write_frames(tmp_path)
    file = root / "frame-000002.pose.txt"
    stated = np.loadtxt(file)
    stated[0, 0] += 0.004
    np.savetxt(file, stated)
    scene = read_capture(root)
    assert scene.notes == ("1 poses were slightly off a rotation: the nearest rotation was taken",)
    rotation = scene.views[1].cam_from_world[:3, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    for factor, reason in ((1.5, "scaled"), (-1.0, "mirrors")):
        np.savetxt(file, stated @ np.diag([factor, factor, factor, 1]))
        assert reason in read_capture(root).left_out[0].reason


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("camera-intrinsics.txt", None, "no intrinsics"),
        ("camera-intrinsics.txt", "1 2 3", "3 numbers, not the 9"),
        ("camera-intrinsics.txt", "585 2 320 0 585 240 0 0 1", "skew"),
        ("camera-intrinsics.txt", "585 0 320 0 nan 240 0 0 1", "NaN"),
        ("camera-intrinsics.txt", "585 0 320 0 585 240 0 0 2", "no matrix"),
        ("camera-intrinsics.txt", "f 0 320 0 585 240 0 0 1", "expected numbers"),
        ("info.txt", "m_colorWidth = 32", "does not state m_calibrationColorIntrinsic, m_colorHeight"),
        ("info.txt", "m_colorWidth = 32\nm_colorHeight = 24\nm_calibrationColorIntrinsic = 1 2", "16 numbers"),
        ("info.txt", "m_colorWidth = nan\nm_colorHeight = 24\nm_calibrationColorIntrinsic = 1 2", "16 numbers"),
    ],
)
def test_bad_intrinsics_are_reader_errors(tmp_path: Path, file: str, text: str | None, message: str) -> None:
    root = tiny.write_frames(tmp_path)
    if text is None:
        (root / file).unlink()
    else:
        (root / file).write_text(text)
    with pytest.raises(ReaderError, match=message):
        read_capture(root)


@needs_scenes
def test_sevenscenes_is_read_whole() -> None:
    scene = read_capture(SCENES / "sevenscenes")
    assert (len(scene.views), scene.left_out, scene.notes) == (120, (), ())
    assert scene.views[0].camera.params == (585, 585, 320, 240)
    assert all(view.depth is not None for view in scene.views)
    stated = np.loadtxt(SCENES / "sevenscenes" / "frame-000001.pose.txt")
    centre = -scene.views[0].cam_from_world[:3, :3].T @ scene.views[0].cam_from_world[:3, 3]
    assert np.allclose(centre, stated[:3, 3])
