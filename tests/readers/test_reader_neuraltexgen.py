"""NeuralTexGen's capture and prepared layouts."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import tiny
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import ReadOptions, detect, read_capture, read_prepared

SCENES = Path(__file__).parents[3] / "shared" / "scenes"
needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures are not beside this repository")


def test_capture_with_crlf_list_and_each_files_own_intrinsics(tmp_path: Path) -> None:
    root = tiny.write_room(tmp_path)
    camera = root / "frames" / "room" / "camera" / "2.txt"
    camera.write_text(camera.read_text().replace("30 0 16.5", "29 0 16.5"))
    assert detect(root) == "neuraltexgen"
    scene = read_capture(root)
    assert scene.left_out == ()
    assert scene.notes == ("3 frames listed in room0.txt",)
    for view, (name, pose) in zip(scene.views, tiny.tiny().poses.items(), strict=True):
        assert view.name == name
        assert np.allclose(view.cam_from_world, pose, atol=1e-8)
    assert [view.camera.params[0] for view in scene.views] == [30, 29, 30]
    assert scene.mesh is not None
    assert scene.mesh.has_uvs


def test_the_list_selects_and_orders_frames(tmp_path: Path) -> None:
    root = tiny.write_room(tmp_path)
    (root / "room0.txt").write_bytes(b"3\r\n1\r\n7\r\n")
    scene = read_capture(root)
    assert [view.name for view in scene.views] == ["3", "1"]
    assert scene.left_out[0].name == "7"
    (root / "other.txt").write_text("2\n")
    assert [view.name for view in read_capture(root / "other.txt").views] == ["2"]
    for file in root.glob("*.txt"):
        file.write_text("just a note about 3 frames")
    assert [view.name for view in read_capture(root).views] == ["1", "2", "3"]


def test_without_a_list_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = tiny.write_room(tmp_path)
    (root / "room0.txt").unlink()
    for folder, suffix in (("camera", "txt"), ("color", "jpg")):
        files = root / "frames" / "room" / folder
        shutil.copyfile(files / f"1.{suffix}", files / f"10.{suffix}")
    assert [view.name for view in read_capture(root).views] == ["1", "2", "3", "10"]


def test_folders_may_lie_at_the_top(tmp_path: Path) -> None:
    root = tiny.write_room(tmp_path)
    for folder in ("camera", "color"):
        shutil.move(root / "frames" / "room" / folder, root / folder)
    assert len(read_capture(root).views) == 3


def test_of_several_sequences_the_first_is_taken_with_a_note(tmp_path: Path) -> None:
    root = tiny.write_room(tmp_path)
    shutil.copytree(root / "frames" / "room", root / "frames" / "attic")
    assert "2 sequences found, 'attic' taken" in read_capture(root).notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 numbers"),
        ("1 2 x", "expected numbers"),
        (" ".join(["nan"] * 32), "NaN"),
        (" ".join(map(str, [*np.eye(4).ravel(), 30, 2, 16, 0, 0, 30, 12, 0, 0, 0, 1, 0, 0, 0, 0, 1])), "skew"),
        (" ".join(map(str, [*np.eye(4).ravel(), 0, 0, 16, 0, 0, 30, 12, 0, 0, 0, 1, 0, 0, 0, 0, 1])), "positive"),
        (None, "no such file"),
    ],
)
def test_a_bad_camera_file_leaves_its_view_out(tmp_path: Path, text: str | None, reason: str) -> None:
    root = tiny.write_room(tmp_path)
    file = root / "frames" / "room" / "camera" / "2.txt"
    file.unlink()
    if text is not None:
        file.write_text(text)
    scene = read_capture(root)
    assert [view.name for view in scene.views] == ["1", "3"]
    assert reason in scene.left_out[0].reason
    with pytest.raises(ReaderError, match=r"1 of 3 views"):
        read_capture(root, ReadOptions(missing="error"))


def test_prepared_views_are_paired_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = tiny.write_prepared(tmp_path)
    shutil.copyfile(root / "images" / "1.jpg", root / "images" / "10.jpg")
    shutil.copyfile(root / "uvs" / "1.exr", root / "uvs" / "10.exr")
    (root / "images" / "Thumbs.db").write_bytes(b"x")
    views = read_prepared(root)
    assert [view.name for view in views] == ["1", "2", "3", "10"]
    assert all(view.photo.stem == view.uv_map.stem == view.name for view in views)


def test_prepared_views_without_a_partner_are_counted(tmp_path: Path) -> None:
    root = tiny.write_prepared(tmp_path)
    (root / "uvs" / "2.exr").unlink()
    with pytest.raises(ReaderError, match=r"'2' has no UV map .* \(1 of 3 ids"):
        read_prepared(root)
    (root / "images" / "2.jpg").unlink()
    (root / "images" / "3.jpg").unlink()
    with pytest.raises(ReaderError, match=r"'3' has no photo .* \(1 of 2 ids"):
        read_prepared(root)
    shutil.rmtree(root / "uvs")
    with pytest.raises(ReaderError, match="no folder 'uvs'"):
        read_prepared(root)
    (root / "uvs").mkdir()
    with pytest.raises(ReaderError, match=r"holds no \.exr"):
        read_prepared(root)


@needs_scenes
def test_the_real_room_is_read_whole() -> None:
    scene = read_capture(SCENES / "neuraltexgen_room")
    assert [view.name for view in scene.views][:4] == ["1", "88", "167", "250"]
    assert (len(scene.views), scene.left_out) == (12, ())
    assert scene.mesh is not None
    assert scene.mesh.has_uvs
    assert (scene.views[0].camera.width, scene.views[0].camera.height) == (644, 480)
