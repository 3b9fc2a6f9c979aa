"""What holds for every format in `captures`: the same cameras and UV maps come back, losses are counted."""

from pathlib import Path

import numpy as np
import pytest

import tiny
from captures import CAPTURES, FOUND
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import ReadOptions, detect, read_capture
from neuraltexgen.scene import Scene
from neuraltexgen.uvmap.raycast import RayCaster

PIXELS_PER_UV = tiny.PINHOLE[0] * 2 / 3
"""The sheet is 2 units wide, 3 away."""


def write(name: str, root: Path, *, lost: bool = False) -> Path:
    poses = dict(tiny.tiny().poses)
    if lost:
        poses["2"] = np.full((4, 4), np.nan)
    return CAPTURES[name].write(root, poses)


def photos(scene: Scene) -> list[Path]:
    return [view.photo for view in scene.views]


@pytest.mark.parametrize("name", CAPTURES)
def test_the_same_cameras_come_back(name: str, tmp_path: Path) -> None:
    capture = CAPTURES[name]
    path = write(name, tmp_path)
    assert detect(path) == capture.reader
    scene = read_capture(path)
    assert len(scene.left_out) == capture.lost
    assert not any("could also be" in note for note in scene.notes)
    for view, pose in zip(scene.views, tiny.tiny().poses.values(), strict=True):
        assert np.allclose(view.cam_from_world, pose, atol=capture.atol)
        assert (view.camera.width, view.camera.height) == (tiny.WIDTH, tiny.HEIGHT)
    assert scene.mesh is not None


@pytest.mark.parametrize("name", CAPTURES)
def test_the_same_uv_maps_come_back(name: str, tmp_path: Path) -> None:
    caster = RayCaster(tiny.tiny().mesh)
    for view, pose in zip(read_capture(write(name, tmp_path)).views, tiny.tiny().poses.values(), strict=True):
        wanted, got = caster.uv_map(CAPTURES[name].camera, pose), caster.uv_map(view.camera, view.cam_from_world)
        both = wanted.valid & got.valid
        assert both.sum() > 100
        assert (wanted.valid != got.valid).mean() < 0.01
        assert np.abs(wanted.uv - got.uv)[both].max() * PIXELS_PER_UV < 1e-3


@pytest.mark.parametrize("name", CAPTURES)
def test_a_lost_pose_leaves_its_view_out(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path, lost=True)
    scene = read_capture(path)
    assert len(scene.views) == 2
    lost = CAPTURES[name].lost
    assert sum("NaN" in view.reason or "not finite" in view.reason for view in scene.left_out) == 1
    with pytest.raises(ReaderError, match=rf"\({1 + lost} of {3 + lost} views\)"):
        read_capture(path, ReadOptions(missing="error"))


@pytest.mark.parametrize("name", [name for name, c in CAPTURES.items() if c.reader not in FOUND])
def test_a_missing_photo_leaves_its_view_out(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path)
    first, second, _ = photos(read_capture(path))
    lost = CAPTURES[name].lost
    first.write_bytes(b"")
    scene = read_capture(path)
    assert len(scene.views) == 2
    assert sum("empty" in view.reason for view in scene.left_out) == 1
    second.rename(second.with_suffix(".away"))
    with pytest.raises(ReaderError, match=rf"{2 + lost} of {3 + lost} views"):
        read_capture(path, ReadOptions(missing="error"))


@pytest.mark.parametrize("name", CAPTURES)
def test_every_cut_of_the_defining_files_gives_a_scene_or_a_reader_error(name: str, tmp_path: Path) -> None:
    path = write(name, tmp_path)
    for file in sorted(
        f for f in tmp_path.rglob("*") if f.is_file() and f.suffix not in (".png", ".jpg", ".ply", ".obj")
    ):
        whole = file.read_bytes()
        for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
            file.write_bytes(whole[: int(len(whole) * share)])
            try:
                scene = read_capture(path)
            except ReaderError:
                continue
            assert len(scene.views) + len(scene.left_out) >= 1
        file.write_bytes(whole)
