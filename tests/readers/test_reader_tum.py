"""TUM RGB-D sequences: what their calibration and their times say."""

from pathlib import Path

import pytest

import tiny
from captures import write_tum
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import read_capture


def test_a_photo_without_a_pose_near_in_time_is_left_out(tmp_path: Path) -> None:
    root = write_tum(tmp_path, tiny.tiny().poses)
    poses = root / "groundtruth.txt"
    poses.write_text("\n".join(line for line in poses.read_text().split("\n") if not line.startswith("1305031103.9")))
    scene = read_capture(root)
    assert len(scene.views) == 2
    assert "no pose within 0.02 s" in scene.left_out[0].reason


def test_the_folders_name_stands_for_a_published_calibration(tmp_path: Path) -> None:
    root = write_tum(tmp_path / "rgbd_dataset_freiburg1_desk", tiny.tiny().poses)
    (root / "calibration.txt").unlink()
    scene = read_capture(root)
    assert scene.views[0].camera.params[:4] == pytest.approx((517.306408, 516.469215, 319.14304, 255.813989))
    assert scene.notes[0] == "intrinsics are the published ones of freiburg1"
    root = root.rename(tmp_path / "desk")
    with pytest.raises(ReaderError, match="states no intrinsics") as caught:
        read_capture(root)
    assert "calibration.txt" in str(caught.value.fix)
    (root / "calibration.txt").write_text("1 2 3")
    with pytest.raises(ReaderError, match="holds 3 numbers"):
        read_capture(root)
