"""Open3D trajectories: photos by number, intrinsics beside the log."""

from pathlib import Path

import pytest

import tiny
from captures import write_open3d_log
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import read_capture


def test_poses_belong_to_photos_by_number(tmp_path: Path) -> None:
    root = write_open3d_log(tmp_path, tiny.tiny().poses)
    file = root / "scene" / "trajectory.log"
    file.write_text(file.read_text().replace("2 2 3", "7 7 8"))
    scene = read_capture(root)
    assert [view.name for view in scene.views] == ["9.png", "10.png"]
    assert "photo 7 of 3" in scene.left_out[0].reason


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    root = write_open3d_log(tmp_path, tiny.tiny().poses)
    file = root / "scene" / "trajectory.log"
    file.write_text(file.read_text()[:-9])
    with pytest.raises(ReaderError, match="not 19 a pose"):
        read_capture(root)
    (root / "camera_intrinsic.json").unlink()
    with pytest.raises(ReaderError, match="no intrinsics beside"):
        read_capture(root)
    (root / "color").rename(root / "pictures")
    with pytest.raises(ReaderError, match="no folder color"):
        read_capture(root)
