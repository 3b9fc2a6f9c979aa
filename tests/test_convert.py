"""`neuraltexgen convert`: what is written is read back as it was, for every format and lens."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import tiny
from captures import CAPTURES
from neuraltexgen.convert import convert_capture
from neuraltexgen.errors import ConfigError, ExportError
from neuraltexgen.export.colmap import write_colmap
from neuraltexgen.export.transforms import KEYS, write_transforms
from neuraltexgen.geometry import camera_models, parameter_count, project
from neuraltexgen.images import read_photo
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Camera, Scene, View
from neuraltexgen.view_cache import hidden_pixels
from test_cli import refused, run


def ordered(scene: Scene) -> list[View]:
    """COLMAP models are read in the order of names; the photos all differ."""
    return sorted(scene.views, key=lambda view: view.photo.read_bytes())


def check_same(got: Scene, wanted: Scene) -> None:
    for a, b in zip(ordered(got), ordered(wanted), strict=True):
        assert np.allclose(a.cam_from_world, b.cam_from_world, rtol=0, atol=1e-14)
        assert a.photo.read_bytes() == b.photo.read_bytes()
        assert (a.mask is None) == (b.mask is None)
        assert (a.camera.width, a.camera.height) == (b.camera.width, b.camera.height)
    assert got.mesh is not None
    assert wanted.mesh is not None
    assert got.mesh.has_uvs == wanted.mesh.has_uvs
    assert np.allclose(got.mesh.vertices[got.mesh.faces], wanted.mesh.vertices[wanted.mesh.faces])


@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("out", ["out", "out/transforms.json"])
def test_captures_come_back(name: str, out: str, tmp_path: Path) -> None:
    path = CAPTURES[name].write(tmp_path / "capture", tiny.tiny().poses)
    wanted = read_capture(path)
    convert_capture(path, tmp_path / out)
    got = read_capture(tmp_path / out)
    masked = sum(view.mask is not None for view in wanted.views)
    notes = (f"{masked} masks are those of masks",) if masked and out == "out" else ()
    assert (got.format, got.left_out, got.notes) == ("colmap" if out == "out" else "transforms", (), notes)
    check_same(got, wanted)
    if out == "out":
        assert [view.camera for view in ordered(got)] == [view.camera for view in ordered(wanted)]


def test_there_and_back_changes_nothing_but_rounding(tmp_path: Path) -> None:
    root = tiny.write_colmap(tmp_path / "capture", binary=True)
    convert_capture(root, tmp_path / "json" / "cameras.json")
    convert_capture(tmp_path / "json" / "cameras.json", tmp_path / "back")
    got, wanted = read_capture(tmp_path / "back"), read_capture(root)
    check_same(got, wanted)
    assert [view.camera for view in ordered(got)] == [view.camera for view in ordered(wanted)]
    assert [view.name for view in got.views] == [view.name for view in wanted.views]


@pytest.mark.parametrize("model", camera_models())
def test_every_lens_is_written_or_refused(model: str, tmp_path: Path) -> None:
    params = tuple(20.0 + i if i < 4 else 0.01 * i for i in range(parameter_count(model)))
    if model == "EQUIRECTANGULAR":
        params = (float(tiny.WIDTH), float(tiny.HEIGHT))
    photo = tiny.photo(tmp_path / "images" / "1.png")
    view = View("1.png", Camera(model, tiny.WIDTH, tiny.HEIGHT, params), tiny.tiny().poses["1"], photo)
    write_colmap(tmp_path, [view], ["1.png"])
    assert read_capture(tmp_path).views[0].camera == view.camera
    if model not in KEYS:
        with pytest.raises(ExportError, match="1 of 1 views have a lens"):
            write_transforms(tmp_path / "transforms.json", [view], ["images/1.png"])
        return
    write_transforms(tmp_path / "transforms.json", [view], ["images/1.png"])
    got = read_capture(tmp_path / "transforms.json").views[0].camera
    points = np.array([[0.1, 0.2, 1.0], [-0.3, 0.1, 1.0], [0.0, 0.0, 1.0]])
    assert np.allclose(project(got, points), project(view.camera, points), rtol=0, atol=1e-9)


def test_masks_and_turned_photos_are_carried_over(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path / "capture")
    file = root / "transforms.json"
    file.write_text(file.read_text().replace('"images/1.png",', '"images/1.png", "mask_path": "m.png",'))
    Pillow.new("L", (tiny.WIDTH, tiny.HEIGHT)).save(root / "m.png")
    exif = Pillow.Exif()
    exif[274] = 6
    noise = np.random.default_rng(0).integers(0, 255, (tiny.WIDTH, tiny.HEIGHT, 3)).astype(np.uint8)
    Pillow.fromarray(noise).save(root / "images" / "2.png", exif=exif)
    convert_capture(root, tmp_path / "out" / "transforms.json")
    first, second, _ = read_capture(tmp_path / "out").views
    assert first.mask == tmp_path / "out" / "masks" / "1.png"
    assert not second.exif_upright
    assert np.array_equal(np.asarray(Pillow.open(second.photo)), np.rot90(noise, -1))


def test_what_a_turned_photo_hides_stays_hidden(tmp_path: Path) -> None:
    root = tiny.write_transforms(tmp_path / "capture")
    exif = Pillow.Exif()
    exif[274] = 6
    pixels = np.random.default_rng(0).integers(0, 255, (tiny.WIDTH, tiny.HEIGHT, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    pixels[3:9, 2:7, 3] = 0
    Pillow.fromarray(pixels).save(root / "images" / "2.png", exif=exif)
    before = read_capture(root).views[1]
    convert_capture(root, tmp_path / "out")
    after = read_capture(tmp_path / "out").views[1]
    wanted = hidden_pixels(before, read_photo(before.photo, upright=True))
    assert wanted.sum() == 30
    assert np.array_equal(hidden_pixels(after, read_photo(after.photo)), wanted)


def test_what_cant_be_converted_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    root = tiny.write_colmap(tmp_path / "capture", binary=False, model="FOV", params=(*tiny.PINHOLE, 0.9))
    with pytest.raises(ExportError, match="3 of 3 views have a lens that it has no name for: FOV"):
        convert_capture(root, tmp_path / "out", "transforms")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="is not empty"):
        convert_capture(root, root)
    with pytest.raises(ConfigError, match="a COLMAP model is a folder"):
        convert_capture(root, tmp_path / "a.json", "colmap")


def test_the_command_converts(tmp_path: Path) -> None:
    root = tiny.write_frames(tmp_path / "capture")
    done = run("convert", root, tmp_path / "out", "--to", "transforms")
    assert "3 of capture (frames) converted" in done.stdout
    assert read_capture(tmp_path / "out").format == "transforms"
    assert "is not empty" in refused("convert", root, tmp_path / "out")[0]
