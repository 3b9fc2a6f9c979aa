"""What holds for every format: detection, photos against intrinsics, masks, the choice of a mesh, errors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import tiny
from captures import CAPTURES
from neuraltexgen.errors import MeshError, ReaderError
from neuraltexgen.images import write_exr
from neuraltexgen.meshes import write_mesh
from neuraltexgen.readers import READERS, ReadOptions, detect, read_capture
from neuraltexgen.readers.poses import Repairs, pinhole_of, rigid


def colmap_text(root: Path) -> Path:
    return tiny.write_colmap(root, binary=False)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "transforms": tiny.write_transforms,
    "colmap": colmap_text,
    "frames": tiny.write_frames,
    "neuraltexgen": tiny.write_room,
}


def photos(root: Path) -> list[Path]:
    return sorted(file for file in root.rglob("*") if file.suffix in (".png", ".jpg") and "depth" not in file.name)


def test_every_reader_has_a_writer_here() -> None:
    assert {reader.name for reader in READERS} == WRITERS.keys() | {capture.reader for capture in CAPTURES.values()}


@pytest.mark.parametrize("name", WRITERS)
def test_all_formats_give_the_same_scene(name: str, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path)
    assert detect(root) == name
    for options in (ReadOptions(), ReadOptions(format=name)):
        scene = read_capture(root, options)
        for view, pose in zip(scene.views, tiny.tiny().poses.values(), strict=True):
            assert np.allclose(view.cam_from_world, pose, atol=1e-8)
            assert view.camera.params[:4] == pytest.approx(tiny.PINHOLE)
            assert not view.exif_upright
        assert scene.mesh is not None
        assert len(scene.mesh.faces) == 8


@pytest.mark.parametrize("name", WRITERS)
def test_a_missing_or_broken_photo_leaves_its_view_out(name: str, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path)
    first, second, _ = photos(root)
    first.write_bytes(b"")
    second.unlink()
    scene = read_capture(root)
    assert len(scene.views) == 1
    assert "empty" in scene.left_out[0].reason
    assert "is not in" in scene.left_out[1].reason
    with pytest.raises(ReaderError, match=rf"{name}: view .* \(2 of 3 views\)") as caught:
        read_capture(root, ReadOptions(missing="error"))
    assert "--missing skip" in str(caught.value)
    photos(root)[-1].unlink()
    with pytest.raises(ReaderError, match="none of the 3 views"):
        read_capture(root)


def test_intrinsics_are_scaled_to_photos_of_the_same_shape(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path)
    tiny.photo(root / "images" / "1.png", size=(64, 48))
    tiny.photo(root / "images" / "2.png", size=(15, 11))
    tiny.photo(root / "images" / "3.png", size=(24, 32))
    scene = read_capture(root)
    assert scene.notes == ("2 photos differ in size from their intrinsics: intrinsics scaled to the photo",)
    assert scene.views[0].camera.params == pytest.approx((60, 62, 33, 23, *tiny.OPENCV[4:]))
    assert (scene.views[1].camera.width, scene.views[1].camera.height) == (15, 11)
    assert "24x32 but its intrinsics are for 32x24" in scene.left_out[0].reason


@pytest.mark.parametrize(("orientation", "upright"), [(1, False), (3, False), (6, True), (8, True)])
def test_a_photo_that_fits_once_upright_is_marked(tmp_path: Path, orientation: int, upright: bool) -> None:
    root = tiny.write_transforms(tmp_path)
    exif = Pillow.Exif()
    exif[274] = orientation
    size = (tiny.HEIGHT, tiny.WIDTH) if upright else (tiny.WIDTH, tiny.HEIGHT)
    Pillow.new("RGB", size).save(root / "images" / "1.png", exif=exif)
    Pillow.new("RGB", (2 * size[0], 2 * size[1])).save(root / "images" / "2.png", exif=exif)
    first, second, third = read_capture(root).views
    assert [first.exif_upright, second.exif_upright, third.exif_upright] == [upright, upright, False]
    assert first.camera.params == tiny.OPENCV
    assert second.camera.params[:2] == pytest.approx((60, 62))
    notes = read_capture(root).notes
    assert any("2 photos are turned by their EXIF orientation" in note for note in notes) == upright


@pytest.mark.parametrize("name", ["{stem}.png", "{name}.png", "{name}", "images/{name}.png", "images/{stem}.PNG"])
def test_masks_are_found_by_name(tmp_path: Path, name: str) -> None:
    root = tiny.write_transforms(tmp_path / "capture")
    path = tmp_path / "masks" / name.format(stem="1", name="1.png")
    path.parent.mkdir(parents=True)
    Pillow.new("L", (tiny.WIDTH, tiny.HEIGHT)).save(path)
    scene = read_capture(root, ReadOptions(masks=tmp_path / "masks"))
    assert [view.mask for view in scene.views] == [path, None, None]
    assert scene.notes == ("2 photos have no mask: all their pixels are used",)


def test_a_mask_of_another_size_or_no_mask_at_all_is_said(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path / "capture")
    tiny.photo(tmp_path / "masks" / "1.png", size=(5, 4))
    with pytest.raises(ReaderError, match="none of the 2 photos has a mask"):
        read_capture(root, ReadOptions(masks=tmp_path / "masks"))
    tiny.photo(tmp_path / "masks" / "2.png")
    left_out = read_capture(root, ReadOptions(masks=tmp_path / "masks")).left_out
    assert "the mask '1.png' is 5x4, the photo 32x24" in left_out[0].reason


def test_the_mesh_is_the_named_one_or_the_first_in_order(tmp_path: Path) -> None:
    root = colmap_text(tmp_path / "capture")
    mesh = tiny.tiny().mesh
    write_mesh(root / "a.off", mesh)
    write_mesh(root / "mesh.obj", mesh)
    assert read_capture(root).notes == ("3 meshes found, 'meshed-poisson.ply' taken (choose another with --mesh)",)
    (root / "meshed-poisson.ply").unlink()
    assert "'mesh.obj' taken" in read_capture(root).notes[0]
    write_mesh(tmp_path / "other.ply", mesh)
    assert read_capture(root, ReadOptions(mesh=tmp_path / "other.ply")).notes == ()
    with pytest.raises(ReaderError, match="no mesh at"):
        read_capture(root, ReadOptions(mesh=tmp_path / "gone.ply"))
    (root / "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nf 1 2 3\n")
    assert "mesh: 1 duplicated faces removed" in read_capture(root).notes
    (root / "mesh.obj").write_text("v 0 0 0\nf 1 2 3\n")
    with pytest.raises(MeshError, match="out of range"):
        read_capture(root)
    for file in (root / "mesh.obj", root / "a.off"):
        file.unlink()
    assert read_capture(root).mesh is None


def test_exr_photos_are_views_too(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path)
    (root / "images" / "1.png").unlink()
    grey = np.zeros((tiny.HEIGHT, tiny.WIDTH), np.float32)
    write_exr(root / "images" / "1.exr", dict.fromkeys("RGB", grey))
    file = root / "transforms.json"
    file.write_text(file.read_text().replace("images/1.png", "images/1"))
    assert read_capture(root).views[0].photo.name == "1.exr"


def test_what_is_no_capture_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="no such file or folder"):
        read_capture(tmp_path / "gone")
    with pytest.raises(ReaderError, match=r"transforms\.json"):
        read_capture(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ReaderError, match="no capture that can be read"):
        detect(tmp_path / "a.txt")
    with pytest.raises(ReaderError, match="unknown capture format 'nosuch'"):
        read_capture(tmp_path, ReadOptions(format="nosuch"))
    for reader in READERS:
        with pytest.raises(ReaderError):
            read_capture(tmp_path, ReadOptions(format=reader.name))


def test_a_capture_of_two_formats_is_read_as_the_first_with_a_note(tmp_path: Path) -> None:
    tiny.write_transforms(tmp_path)
    (tmp_path / "mesh.obj").unlink()
    colmap = colmap_text(tmp_path / "other")
    (colmap / "sparse").rename(tmp_path / "sparse")
    scene = read_capture(tmp_path)
    assert scene.format == "transforms"
    assert scene.notes[0] == "read as transforms; it could also be colmap (--format)"
    assert read_capture(tmp_path, ReadOptions(format="colmap")).format == "colmap"


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (np.full((4, 4), np.nan), "NaN"),
        (np.diag([1.0, 1, 1, 2]), "last row"),
        (np.diag([0.0, 0, 0, 1]), "zero"),
        (np.diag([2.0, 2, 2, 1]), "scaled"),
        (np.diag([1.0, 1, 1.1, 1]), "sheared"),
        (np.diag([1.0, 1, -1, 1]), "mirrors"),
    ],
)
def test_poses_that_mean_no_rigid_motion(matrix: np.ndarray, reason: str) -> None:
    with pytest.raises(ReaderError, match=reason):
        rigid(matrix, Repairs())


def test_repairs_are_counted() -> None:
    repairs = Repairs()
    pose = np.eye(4)
    assert np.array_equal(rigid(pose, repairs), pose)
    assert repairs.notes() == ()
    for _ in range(2):
        rigid(np.diag([1.005, 1, 1, 1]), repairs)
    assert repairs.notes() == ("2 poses were slightly off a rotation: the nearest rotation was taken",)
    assert np.allclose(rigid(np.diag([5.0, 5, 5, 1]), repairs, any_scale=True), pose)
    assert pinhole_of(np.array([[3.0, 0, 1], [0, 4, 2], [0, 0, 1]])) == (3, 4, 1, 2)
