"""A scene's photos enhanced: pixels, masks, cameras, the cache, the notes; and the texture fitted from them."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import neuraltexgen.enhance.scene as module
import tiny
from models import compact, write_model
from neuraltexgen.enhance import EnhanceSettings, enhance_scene
from neuraltexgen.errors import ConfigError, EnhanceError, ImageError
from neuraltexgen.fit import FitSettings
from neuraltexgen.geometry import project, transform
from neuraltexgen.images import read_exr, read_photo, write_exr, write_png
from neuraltexgen.pipeline import Job, texture_capture
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Camera, Scene, View
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.unwrap import UnwrapSettings, unwrap
from neuraltexgen.uvmap.raycast import RayCaster

EVERYTHING = EnhanceSettings(denoise=1.0, sharpen=0.5, white_balance=True)


@pytest.fixture
def nearest(tmp_path: Path) -> Path:
    """A model that repeats each pixel 2 x 2 times."""
    return write_model(tmp_path / "nearest.pth", compact(2))


@pytest.fixture
def room(room_capture: Path) -> Scene:
    scene = read_capture(room_capture)
    return replace(scene, views=scene.views[:3])


def one_view(photo: Path, width: int, height: int, **more: Any) -> Scene:
    camera = Camera("PINHOLE", width, height, (30.0, 31.0, width / 2, height / 2))
    return Scene("one", "made", (View("one", camera, np.eye(4), photo, **more),))


def noise_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_a_point_lands_on_twice_the_pixel_in_a_photo_twice_as_large(room: Scene, nearest: Path, tmp_path: Path) -> None:
    done = enhance_scene(room, EnhanceSettings(super_resolution=nearest), tmp_path / "cache")
    points = np.random.default_rng(0).normal(size=(50, 3))
    for before, after in zip(room.views, done.scene.views, strict=True):
        assert (after.camera.width, after.camera.height) == (2 * before.camera.width, 2 * before.camera.height)
        assert np.array_equal(after.cam_from_world, before.cam_from_world)
        seen = transform(before.cam_from_world, points)
        seen[:, 2] = np.abs(seen[:, 2]) + 0.5
        np.testing.assert_allclose(project(after.camera, seen), 2 * project(before.camera, seen), rtol=1e-12)
        old, new = (read_photo(view.photo).pixels for view in (before, after))
        assert np.array_equal(new, old.repeat(2, axis=0).repeat(2, axis=1))


def test_the_rays_of_an_enlarged_photo_are_the_sub_samples_of_the_original(
    room: Scene, nearest: Path, tmp_path: Path
) -> None:
    done = enhance_scene(room, EnhanceSettings(super_resolution=nearest), tmp_path / "cache")
    assert room.mesh is not None
    mesh, _ = unwrap(room.mesh, UnwrapSettings(resolution=256))
    caster = RayCaster(mesh)
    fine = caster.uv_map(done.scene.views[0].camera, done.scene.views[0].cam_from_world, 1)
    supersampled = caster.uv_map(room.views[0].camera, room.views[0].cam_from_world, 2)
    assert np.array_equal(fine.face_ids, supersampled.face_ids)
    assert fine.valid.mean() > 0.9
    np.testing.assert_allclose(fine.uv, supersampled.uv, atol=1e-6)


def test_without_noise_nothing_is_denoised_and_that_is_said(tmp_path: Path) -> None:
    picture = np.repeat(np.arange(60, 124, dtype=np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    Pillow.fromarray(picture).save(tmp_path / "clean.png")
    Pillow.fromarray(noise_picture(48, 64) // 8 + 60).save(tmp_path / "noisy.png")
    scenes = [one_view(tmp_path / f"{name}.png", 64, 48) for name in ("clean", "noisy")]
    clean, noisy = (replace(scene.views[0], name=name) for scene, name in zip(scenes, ("clean", "noisy"), strict=True))
    done = enhance_scene(replace(scenes[0], views=(clean, noisy)), EnhanceSettings(denoise=1.0), tmp_path / "cache")
    assert [change.changed for change in done.changes] == [False, True]
    assert np.array_equal(read_photo(done.scene.views[0].photo).pixels, picture)
    (note,) = done.scene.notes
    assert note.startswith("1 of 2 photos were changed before the fit (not clean): denoised at 1 times")


def test_the_notes_say_what_was_done_to_how_many(room: Scene, nearest: Path, tmp_path: Path) -> None:
    done = enhance_scene(room, replace(EVERYTHING, super_resolution=nearest), tmp_path / "cache")
    (note,) = done.scene.notes[len(room.notes) :]
    for words in ("all 3 photos", "denoised at 1", "enlarged 2 times by nearest.pth (RealESRGAN Compact)"):
        assert words in note
    assert "sharpened by 0.5; white balance with the gains" in note
    assert done.gains is not None
    assert min(done.gains) == 1
    assert json.loads(json.dumps(done.figures()))["photos"][0]["changed"] is True


@pytest.mark.parametrize("settings", [EnhanceSettings(sharpen=0.5), EVERYTHING])
def test_one_scene_gives_one_result(settings: EnhanceSettings, room: Scene, tmp_path: Path) -> None:
    one, other = (enhance_scene(room, settings, tmp_path / name) for name in "ab")
    for a, b in zip(one.scene.views, other.scene.views, strict=True):
        assert a.photo.name == b.photo.name
        assert a.photo.read_bytes() == b.photo.read_bytes()


def test_gains_are_those_of_the_capture_and_not_of_a_photo(room: Scene, tmp_path: Path) -> None:
    settings = EnhanceSettings(white_balance=True)
    done = enhance_scene(room, settings, tmp_path / "cache")
    for before, after in zip(room.views, done.scene.views, strict=True):
        old, new = (read_photo(view.photo).pixels.astype(float) / 255 for view in (before, after))
        linear = [np.where(p <= 0.04045, p / 12.92, ((p + 0.055) / 1.055) ** 2.4) for p in (old, new)]
        inside = (new.max(axis=2) < 0.98) & (old.min(axis=2) > 0.1)
        ratio = np.median(linear[1][inside] / linear[0][inside], axis=0)
        assert ratio == pytest.approx(done.gains, rel=0.01)


def test_masks_and_transparency_become_transparency(nearest: Path, tmp_path: Path) -> None:
    rgba = np.dstack([noise_picture(24, 32), np.full((24, 32), 255, np.uint8)])
    rgba[:, :5, 3] = 0
    Pillow.fromarray(rgba).save(tmp_path / "photo.png")
    mask = np.full((24, 32), 255, np.uint8)
    mask[:3] = 0
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    scene = one_view(tmp_path / "photo.png", 32, 24, mask=tmp_path / "mask.png")
    done = enhance_scene(scene, EnhanceSettings(super_resolution=nearest), tmp_path / "cache")
    view = done.scene.views[0]
    loaded = read_photo(view.photo)
    expected = np.ones((48, 64), bool)
    expected[:6], expected[:, :10] = False, False
    assert view.mask is None
    assert loaded.alpha is not None
    assert np.array_equal(loaded.alpha, expected)
    assert np.array_equal(loaded.pixels, rgba[..., :3].repeat(2, axis=0).repeat(2, axis=1))


def test_a_turned_photo_is_written_upright(tmp_path: Path) -> None:
    picture = Pillow.fromarray(noise_picture(24, 32))
    exif = Pillow.Exif()
    exif[274] = 6
    picture.save(tmp_path / "photo.png", exif=exif)
    scene = one_view(tmp_path / "photo.png", 24, 32, exif_upright=True)
    done = enhance_scene(scene, EnhanceSettings(denoise=1e-9), tmp_path / "cache")
    view = done.scene.views[0]
    assert not view.exif_upright
    assert np.array_equal(read_photo(view.photo).pixels, np.asarray(picture.transpose(Pillow.Transpose.ROTATE_270)))


def test_16_bits_stay_16_bits(tmp_path: Path) -> None:
    fine = np.random.default_rng(0).random((24, 32, 3), np.float32)
    write_png(tmp_path / "deep.png", fine, bits=16)
    done = enhance_scene(one_view(tmp_path / "deep.png", 32, 24), EnhanceSettings(denoise=1e-9), tmp_path / "cache")
    written = read_photo(done.scene.views[0].photo).pixels
    assert written.dtype == np.float32
    assert np.abs(written - fine).max() < 2 / 65535


def test_linear_photos_stay_linear_and_keep_what_is_brighter_than_white(nearest: Path, tmp_path: Path) -> None:
    linear = np.random.default_rng(0).random((40, 60, 3), np.float32)
    linear[20, 30] = 12.0
    hole = np.ones((40, 60), np.float32)
    hole[5, 5] = 0
    write_exr(tmp_path / "photo.exr", {**dict(zip("RGB", np.moveaxis(linear, 2, 0).copy(), strict=True)), "A": hole})
    scene = one_view(tmp_path / "photo.exr", 60, 40)
    same = enhance_scene(scene, EnhanceSettings(denoise=1e-9), tmp_path / "cache").scene.views[0]
    assert same.photo.suffix == ".exr"
    np.testing.assert_allclose(read_photo(same.photo).pixels, linear, atol=1e-4)
    assert read_exr(same.photo)["A"].sum() == 40 * 60 - 1
    larger = enhance_scene(scene, EnhanceSettings(super_resolution=nearest), tmp_path / "cache").scene.views[0]
    pixels = read_photo(larger.photo).pixels
    assert pixels.shape == (80, 120, 3)
    assert pixels[40:42, 60:62].min() > 6
    np.testing.assert_allclose(pixels[:20, :40], linear[:10, :20].repeat(2, axis=0).repeat(2, axis=1), atol=1e-4)


def test_what_is_there_is_not_made_again_and_what_changed_is(
    room: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    enhance_photo = module.enhance_photo

    def counted(view: View, *rest: Any) -> Any:
        made.append(view.name)
        return enhance_photo(view, *rest)

    def stopping(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
        for i, item in enumerate(items):
            if i == 2:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(module, "enhance_photo", counted)
    settings = EnhanceSettings(sharpen=0.5)
    with pytest.raises(KeyboardInterrupt):
        enhance_scene(room, settings, tmp_path, progress=stopping)
    assert made == [view.name for view in room.views[:2]]
    first = enhance_scene(room, settings, tmp_path)
    assert made == [view.name for view in room.views]
    again = enhance_scene(room, settings, tmp_path)
    assert len(made) == 3
    assert again.changes == first.changes
    assert [view.photo for view in again.scene.views] == [view.photo for view in first.scene.views]
    enhance_scene(room, EnhanceSettings(sharpen=0.6), tmp_path)
    assert len(made) == 6


def test_another_photo_mask_or_model_is_another_file(room: Scene, nearest: Path, tmp_path: Path) -> None:
    settings = EnhanceSettings(super_resolution=nearest)
    view, cache = room.views[0], tmp_path / "cache"
    mask = tmp_path / "mask.png"
    Pillow.fromarray(np.full((72, 96), 255, np.uint8)).save(mask)
    variants = [
        replace(room, views=(v,)) for v in (view, replace(view, photo=room.views[1].photo), replace(view, mask=mask))
    ]
    files = {enhance_scene(scene, settings, cache).scene.views[0].photo for scene in variants}
    other = EnhanceSettings(super_resolution=write_model(tmp_path / "other.pth", compact(2, strength=0.1)))
    files.add(enhance_scene(variants[0], other, cache).scene.views[0].photo)
    assert len(files) == 4


def test_the_model_that_was_used_is_named_and_held_to(room: Scene, nearest: Path, tmp_path: Path) -> None:
    done = enhance_scene(room, EnhanceSettings(super_resolution=nearest), tmp_path)
    assert done.settings.model_sha256 is not None
    assert len(done.settings.model_sha256) == 64
    assert enhance_scene(room, done.settings, tmp_path).settings == done.settings
    write_model(nearest, compact(2, strength=0.1))
    with pytest.raises(EnhanceError, match="its SHA-256 is"):
        enhance_scene(room, done.settings, tmp_path)


def test_photos_that_do_not_fit_their_cameras_or_masks_are_errors(tmp_path: Path) -> None:
    photo = tiny.photo(tmp_path / "photo.png")
    with pytest.raises(ImageError, match="its camera 30x24"):
        enhance_scene(one_view(photo, 30, 24), EnhanceSettings(sharpen=1.0), tmp_path)
    mask = tiny.photo(tmp_path / "mask.png", size=(16, 12))
    with pytest.raises(ImageError, match="16x12"):
        enhance_scene(one_view(photo, 32, 24, mask=mask), EnhanceSettings(sharpen=1.0), tmp_path)


def test_where_the_light_cannot_be_told_white_balance_is_left_and_that_is_said(tmp_path: Path) -> None:
    Pillow.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(tmp_path / "flat.png")
    scene = one_view(tmp_path / "flat.png", 64, 48)
    done = enhance_scene(scene, EnhanceSettings(white_balance=True), tmp_path / "cache")
    assert done.gains is None
    assert "white balance left as it was" in done.scene.notes[-1]
    assert np.array_equal(read_photo(done.scene.views[0].photo).pixels, np.full((48, 64, 3), 90, np.uint8))


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_strengths_that_make_no_sense_are_refused(strength: float) -> None:
    with pytest.raises(ConfigError, match="--denoise"):
        EnhanceSettings(denoise=strength)
    with pytest.raises(ConfigError, match="--sharpen"):
        EnhanceSettings(sharpen=strength)


def test_settings_are_on_when_anything_is() -> None:
    assert not EnhanceSettings().on
    for settings in (EnhanceSettings(denoise=1.0), EnhanceSettings(sharpen=1.0), EnhanceSettings(white_balance=True)):
        assert settings.on
    assert EnhanceSettings(super_resolution=Path("m.pth")).on


def test_a_texture_is_fitted_to_the_enhanced_photos(room_capture: Path, nearest: Path, tmp_path: Path) -> None:
    """Every pixel repeated 2 x 2 times and looked at once, against every pixel looked at 2 x 2 times."""
    fit = TrainSettings(FitSettings(passes=3, exposure=False), texture_size=128)
    plain = Job(train=fit)
    job = replace(plain, enhance=EnhanceSettings(super_resolution=nearest), views=replace(plain.views, samples=1))
    large = texture_capture(room_capture, tmp_path / "large", job)
    small = texture_capture(room_capture, tmp_path / "small", plain)
    assert large.job.enhance.model_sha256 is not None
    assert "enhance" in large.seconds
    assert "enhance" not in small.seconds
    assert any("enlarged 2 times" in note for note in large.scene.notes)
    assert large.trained.views[0].photo.shape == (144, 192, 3)
    assert large.trained.mean.psnr_fitted == pytest.approx(small.trained.mean.psnr_fitted, abs=1.5)
    difference = torch.from_numpy(large.texture - small.texture).abs().mean()
    assert difference < 0.05
