"""The enhanced capture on disk: it reads back as what went in, and nothing of the user's is ever written over."""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest

import neuraltexgen.enhance.scene as scene_module
import tiny
from models import compact, write_model
from neuraltexgen.enhance import EnhanceSettings, enhance_capture
from neuraltexgen.enhance.capture import written_names
from neuraltexgen.errors import ConfigError, EnhanceError, ExportError
from neuraltexgen.export.colmap import write_colmap
from neuraltexgen.geometry import camera_models, parameter_count, resize_camera
from neuraltexgen.holdout import held_out
from neuraltexgen.meshes import write_mesh
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.scene import Camera, View

FORMATS: dict[str, Callable[[Path], Path]] = {
    "colmap": lambda root: tiny.write_colmap(root, binary=True),
    "transforms": tiny.write_transforms,
    "frames": tiny.write_frames,
    "neuraltexgen": tiny.write_room,
}
SHARPER = EnhanceSettings(sharpen=0.5)


@pytest.fixture
def larger(tmp_path: Path) -> EnhanceSettings:
    return EnhanceSettings(super_resolution=write_model(tmp_path / "nearest.pth", compact(3)))


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_reads_back_as_what_was_read(name: str, larger: EnhanceSettings, tmp_path: Path) -> None:
    capture = FORMATS[name](tmp_path / "capture")
    before, untouched = read_capture(capture), everything_in(capture)
    done = enhance_capture(capture, tmp_path / "out", larger)
    after = read_capture(tmp_path / "out")
    assert everything_in(capture) == untouched
    assert after.notes == ()
    assert after.left_out == ()
    assert len(after.views) == len(before.views) == 3
    for old, new, said in zip(before.views, after.views, done.scene.views, strict=True):
        np.testing.assert_allclose(new.cam_from_world, old.cam_from_world, rtol=0, atol=1e-12)
        assert new.camera == resize_camera(old.camera, 3 * old.camera.width, 3 * old.camera.height)
        assert new.camera.params[0] == pytest.approx(3 * old.camera.params[0], rel=1e-12)
        assert new.photo == said.photo
        assert new.photo.is_file()
        assert said.name == old.name
    assert before.mesh is not None
    assert after.mesh is not None
    corners = [(m.vertices[m.faces], m.uvs[m.uv_faces]) for m in (before.mesh, after.mesh) if m.uvs is not None]
    for old_corners, new_corners in zip(*corners, strict=True):
        np.testing.assert_allclose(new_corners, old_corners, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", camera_models())
def test_every_lens_comes_back(model: str, larger: EnhanceSettings, tmp_path: Path) -> None:
    size = (float(tiny.WIDTH), float(tiny.HEIGHT))
    params = size if model == "EQUIRECTANGULAR" else tuple(0.1 * i + 1 for i in range(parameter_count(model)))
    capture = tiny.write_colmap(tmp_path / "capture", binary=True, model=model, params=params)
    enhance_capture(capture, tmp_path / "out", larger)
    before, after = read_capture(capture).views[0].camera, read_capture(tmp_path / "out").views[0].camera
    assert after == resize_camera(before, 96, 72)
    theirs = pycolmap.Reconstruction(tmp_path / "out" / "sparse" / "0")
    assert theirs.camera(1).model_name == model
    assert tuple(theirs.camera(1).params) == after.params
    for image in theirs.images.values():
        pose = next(v.cam_from_world for v in read_capture(capture).views if v.name == image.name)
        np.testing.assert_allclose(image.cam_from_world().matrix(), pose[:3], rtol=0, atol=1e-12)


def test_cameras_that_differ_stay_different(tmp_path: Path) -> None:
    capture = tiny.write_transforms(tmp_path / "capture")
    whole = json.loads((capture / "transforms.json").read_text())
    whole["frames"][1] |= {"fl_x": 44.5, "camera_model": "OPENCV_FISHEYE", "k3": 0.01}
    (capture / "transforms.json").write_text(json.dumps(whole))
    enhance_capture(capture, tmp_path / "out", SHARPER)
    before, after = (read_capture(root).views for root in (capture, tmp_path / "out"))
    assert [view.camera for view in after] == [view.camera for view in before]
    assert len({view.camera for view in after}) == 2
    assert (tmp_path / "out" / "sparse" / "0" / "cameras.txt").read_text().count("\n") == 3


def test_a_mesh_without_uvs_and_no_mesh_at_all(room_capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    enhance_capture(room_capture, out, SHARPER)
    before, after = read_capture(room_capture).mesh, read_capture(out).mesh
    assert before is not None
    assert after is not None
    assert np.array_equal(after.vertices, before.vertices)
    assert np.array_equal(after.faces, before.faces)
    bare = tmp_path / "bare"
    shutil.copytree(room_capture, bare)
    (bare / "mesh.ply").unlink()
    enhance_capture(bare, out, SHARPER)  # the mesh of the run before would be another capture's
    assert read_capture(out).mesh is None


def test_the_mesh_and_masks_that_the_user_names_are_used(tmp_path: Path) -> None:
    capture = tiny.write_frames(tmp_path / "capture")
    write_mesh(tmp_path / "other.ply", replace(tiny.tiny().mesh, vertices=2 * tiny.tiny().mesh.vertices))
    for view in read_capture(capture).views:
        tiny.photo(tmp_path / "masks" / f"{view.name}.png", 5)
    options = ReadOptions(mesh=tmp_path / "other.ply", masks=tmp_path / "masks")
    enhance_capture(capture, tmp_path / "out", SHARPER, options)
    after = read_capture(tmp_path / "out")
    assert after.mesh is not None
    assert after.mesh.vertices.max() == 2 * tiny.tiny().mesh.vertices.max()


def test_the_record_says_what_was_done(room_capture: Path, larger: EnhanceSettings, tmp_path: Path) -> None:
    settings = replace(larger, denoise=1.0, white_balance=True)
    done = enhance_capture(room_capture, tmp_path / "out", settings)
    record = json.loads((tmp_path / "out" / "enhanced.json").read_text())
    assert record == done.figures()
    assert record["settings"]["model_sha256"] == done.settings.model_sha256
    assert record["settings"]["denoise"] == 1.0
    assert record["scale"] == 3
    assert record["gains"] == list(done.gains or ())
    assert [photo["name"] for photo in record["photos"]] == [view.name for view in read_capture(room_capture).views]
    assert record["photos"][0]["file"] == "0000.png"
    assert not (tmp_path / "out" / ".cache").exists()


def test_the_same_photos_are_held_out(room_capture: Path, tmp_path: Path) -> None:
    enhance_capture(room_capture, tmp_path / "out", SHARPER)
    before, after = ([view.name for view in read_capture(p).views] for p in (room_capture, tmp_path / "out"))
    for choice in ("3", "0002,0005"):
        assert held_out(before, choice) == held_out(after, choice)
    assert [Path(name).stem for name in before] == [Path(name).stem for name in after]


def test_a_run_that_was_stopped_is_no_capture_and_goes_on(
    room_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    enhance_photo = scene_module.enhance_photo

    def counted(view: View, *rest: Any) -> Any:
        made.append(view.name)
        return enhance_photo(view, *rest)

    def stopping(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
        for i, item in enumerate(items):
            if i == 5:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(scene_module, "enhance_photo", counted)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        enhance_capture(room_capture, out, SHARPER, progress=stopping)
    assert len(made) == 5
    assert [path.name for path in out.iterdir()] == [".cache"]
    enhance_capture(room_capture, out, SHARPER)
    assert len(made) == len(set(made)) == 8
    assert {path.name for path in out.iterdir()} == {"images", "sparse", "mesh.ply", "enhanced.json"}
    assert not list(out.rglob(".writing-*"))


@pytest.mark.parametrize("where", ["capture", "capture/images", "."])
def test_originals_are_never_written_over(where: str, room_capture: Path, tmp_path: Path) -> None:
    shutil.copytree(room_capture, tmp_path / "capture")
    before = everything_in(tmp_path)
    with pytest.raises(EnhanceError, match="8 of the capture's photos"):
        enhance_capture(tmp_path / "capture", tmp_path / where, SHARPER)
    assert everything_in(tmp_path) == before


def test_a_folder_with_something_else_is_left_alone(room_capture: Path, tmp_path: Path) -> None:
    (tmp_path / "mesh.ply").write_text("mine")
    with pytest.raises(EnhanceError, match="something else"):
        enhance_capture(room_capture, tmp_path, SHARPER)
    assert (tmp_path / "mesh.ply").read_text() == "mine"


def test_a_folder_inside_the_capture_and_a_second_run_are_fine(room_capture: Path, tmp_path: Path) -> None:
    shutil.copytree(room_capture, tmp_path / "capture")
    out = tmp_path / "capture" / "better"
    enhance_capture(tmp_path / "capture", out, SHARPER)
    first = everything_in(out)
    enhance_capture(tmp_path / "capture", out, SHARPER)
    assert everything_in(out) == first
    enhance_capture(tmp_path / "capture", out, EnhanceSettings(sharpen=1.0))
    assert everything_in(out) != first
    assert len(read_capture(tmp_path / "capture").views) == 8
    with pytest.raises(EnhanceError):
        enhance_capture(out, out, SHARPER)


def test_nothing_to_do_is_an_error(room_capture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to do"):
        enhance_capture(room_capture, tmp_path / "out", EnhanceSettings())
    assert not (tmp_path / "out").exists()


def view_named(name: str, photo: str = "x.jpg") -> View:
    return View(name, Camera("PINHOLE", 4, 4, (1.0, 1.0, 2.0, 2.0)), np.eye(4), Path(photo))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["images/a.jpg", "images/sub/b.JPG"], ["a.png", "sub/b.png"]),
        (["images/a.jpg", "b.jpg"], ["images/a.png", "b.png"]),
        (["a.jpg", "a.jpeg", "b.jpg"], ["a.jpg.png", "a.jpeg.png", "b.jpg.png"]),
        (["frame-000001", "seq-01/frame.000002"], ["frame-000001.png", "seq-01/frame.000002.png"]),
        (["../up/a.jpg", "/abs/b.jpg", "c\\d.jpg"], ["up/a.png", "abs/b.png", "c/d.png"]),
    ],
)
def test_photos_keep_their_names(names: list[str], expected: list[str]) -> None:
    assert written_names([view_named(name) for name in names]) == expected


def test_an_exr_stays_an_exr_and_names_must_differ() -> None:
    assert written_names([view_named("a", "a.exr"), view_named("b", "b.tif")]) == ["a.exr", "b.png"]
    with pytest.raises(EnhanceError, match="1 of 3 views share a name"):
        written_names([view_named(name) for name in ("a.jpg", "b.jpg", "a.jpg")])


def test_a_name_that_no_line_can_hold_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="1 of 2 names"):
        write_colmap(tmp_path, [view_named("a"), view_named("b")], ["a.png", "b\n.png"])
    assert not list(tmp_path.iterdir())
