"""From a capture to files: what is written, what is kept for the next run, and that others see what the fit saw."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image as Pillow
from trimesh.ray.ray_pyembree import RayMeshIntersector

import neuraltexgen.pipeline as pipeline
from neuraltexgen.errors import ConfigError, FitError, NeuralTexGenError, ReaderError
from neuraltexgen.geometry import invert_pose, rays_through
from neuraltexgen.kernels.sample import render
from neuraltexgen.pipeline import Job, Outcome, texture_capture, texture_scene, unwrapped
from neuraltexgen.readers import read_capture
from neuraltexgen.recipes import PUBLISHED, FitSettings
from neuraltexgen.scene import Mesh
from neuraltexgen.training_settings import TrainSettings, automatic_size
from neuraltexgen.unwrap import UnwrapSettings
from neuraltexgen.uvmap.raycast import RayCaster

SIZE = 256
JOB = Job(train=TrainSettings(FitSettings(passes=5), texture_size=SIZE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("textured")


@pytest.fixture(scope="module")
def outcome(room_capture: Path, folder: Path) -> Outcome:
    return texture_capture(room_capture, folder, JOB)


def test_every_file_is_written_and_none_half(outcome: Outcome, folder: Path) -> None:
    names = {"texture.png", "mesh.obj", "mesh.mtl", "mesh.glb"}
    assert {path.name for path in outcome.files} == names
    assert {path.name for path in folder.iterdir()} == names | {".cache"}
    assert not list(folder.rglob(".writing-*"))


def test_the_picture_is_the_texture_to_8_bits(outcome: Outcome, folder: Path) -> None:
    pixels = np.asarray(Pillow.open(folder / "texture.png"))
    assert pixels.shape == outcome.texture.shape == (SIZE, SIZE, 3)
    assert np.abs(pixels / 255.0 - outcome.texture).max() < 0.5001 / 255


def test_the_score_is_that_of_a_texture_and_better_than_chance(outcome: Outcome) -> None:
    trained = outcome.trained
    assert trained.held == (0,)  # every eighth of eight
    assert trained.train == tuple(range(1, 8))
    assert trained.mean.psnr_fitted > 20
    assert trained.mean.pixels > 1000
    assert [number for number, _, _ in trained.curve] == [1, 2, 3, 4, 5]
    assert trained.curve[-1][1] == pytest.approx(trained.mean.psnr_fitted, abs=1e-4)
    assert trained.curve[-1][1] > trained.curve[0][1] + 1


def test_the_counts_and_times_add_up(outcome: Outcome) -> None:
    assert 0 < outcome.filled_texels < outcome.surface_texels < SIZE * SIZE
    stages = ["read", "unwrap", "cameras", "UV maps", "exposures", "blur", "fit", "score", "fill", "export"]
    assert list(outcome.seconds) == stages
    assert min(outcome.seconds.values()) >= 0
    assert outcome.job.train.texture_size == SIZE
    assert outcome.job.train.fit.texture.size == (SIZE, SIZE)


def test_seen_texels_keep_what_was_fitted_and_all_are_colours(outcome: Outcome) -> None:
    fitted = outcome.trained.result
    kept = fitted.weight > 0.5
    assert np.array_equal(outcome.texture[kept], np.clip(fitted.texture, 0, 1)[kept])
    assert np.isfinite(outcome.texture).all()
    assert outcome.texture.min() >= 0
    assert outcome.texture.max() <= 1


def lookup(image: np.ndarray, uv: np.ndarray, shift: float) -> np.ndarray:
    """Bilinear, v down, texel centres at halves plus `shift` texels; clamped at the border."""
    x = np.clip(uv[:, 0] * SIZE - 0.5 + shift, 0, SIZE - 1)
    y = np.clip(uv[:, 1] * SIZE - 0.5 + shift, 0, SIZE - 1)
    j, i = np.minimum(x.astype(int), SIZE - 2), np.minimum(y.astype(int), SIZE - 2)
    fx, fy = (x - j)[:, None], (y - i)[:, None]
    top = image[i, j] * (1 - fx) + image[i, j + 1] * fx
    return top * (1 - fy) + (image[i + 1, j] * (1 - fx) + image[i + 1, j + 1] * fx) * fy


def loaded(path: Path) -> tuple[trimesh.Trimesh, np.ndarray, np.ndarray]:
    """Triangles, uvs per corner with v down, and the picture, as trimesh reads them."""
    (mesh,) = trimesh.load_scene(path, process=False).dump()
    material = mesh.visual.material
    picture = material.baseColorTexture if path.suffix == ".glb" else material.image
    uv = mesh.visual.uv[mesh.faces]
    return mesh, np.stack([uv[..., 0], 1 - uv[..., 1]], axis=-1), np.asarray(picture.convert("RGB")) / 255.0


def others_render(path: Path, outcome: Outcome, index: int, shift: float = 0.0) -> np.ndarray:
    """The sub-sampled photo of a view by trimesh's mesh and Embree's rays; NaN where a ray misses."""
    mesh, uvs, picture = loaded(path)
    view = outcome.scene.views[index]
    h, w = view.camera.height, view.camera.width
    rows, cols = np.mgrid[: 2 * h, : 2 * w]
    rays = rays_through(view.camera, np.stack([(cols + 0.5) / 2, (rows + 0.5) / 2], axis=-1).reshape(-1, 2))
    world_from_cam = invert_pose(view.cam_from_world)
    directions = rays @ world_from_cam[:3, :3].T
    origins = np.broadcast_to(world_from_cam[:3, 3], directions.shape)
    where, hit, face_ids = RayMeshIntersector(mesh).intersects_location(origins, directions, multiple_hits=False)
    weights = trimesh.triangles.points_to_barycentric(mesh.triangles[face_ids], where)
    colours = np.full((4 * h * w, 3), np.nan)
    colours[hit] = lookup(picture, (uvs[face_ids] * weights[..., None]).sum(axis=1), shift)
    return colours.reshape(h, 2, w, 2, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("name", ["mesh.glb", "mesh.obj"])
def test_an_independent_renderer_shows_the_fits_own_render(name: str, outcome: Outcome, folder: Path) -> None:
    for index in (0, 3):
        view = outcome.trained.views[index]
        own = render(torch.from_numpy(outcome.texture), view.uv, view.valid).numpy()
        counted = view.confidence.numpy() > 0.9  # at depth edges the two may see either side
        assert counted.sum() > 1000
        error = np.abs(others_render(folder / name, outcome, index) - own)[counted]
        # Rounding to 8 bits is at most half a level; a few rays on edges of faces fall on the other side of a seam.
        assert np.quantile(error, 0.995) < 0.6 / 255
        aside = np.abs(others_render(folder / name, outcome, index, 0.5) - own)[counted]
        assert np.quantile(aside, 0.5) > 0.6 / 255
        assert aside.mean() > 5 * error.mean()


def test_a_second_run_makes_nothing_anew(
    outcome: Outcome, room_capture: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr(pipeline, "unwrap", never)
    monkeypatch.setattr(RayCaster, "uv_map", never)
    again = texture_capture(room_capture, folder, JOB)
    assert np.array_equal(again.texture, outcome.texture)
    assert again.unwrapped_by == outcome.unwrapped_by == "fast"


def test_broken_cached_uvs_are_made_anew(room_capture: Path, tmp_path: Path) -> None:
    scene = read_capture(room_capture)
    settings = UnwrapSettings(resolution=SIZE)
    first, _ = unwrapped(scene, settings, tmp_path)
    [file] = tmp_path.iterdir()
    for damaged in (file.read_bytes()[:1000], b"", b"junk"):
        file.write_bytes(damaged)
        mesh, method = unwrapped(scene, settings, tmp_path)
        assert method == "fast"
        assert mesh.uvs is not None
        assert first.uvs is not None
        assert np.array_equal(mesh.uvs, first.uvs)
    unwrapped(scene, replace(settings, gutter=2), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_texels_can_follow_the_photos(room_capture: Path, outcome: Outcome, tmp_path: Path) -> None:
    """The whole way: other uvs than the even ones, of which more is spread in scale, and a texture that fits."""
    job = replace(JOB, density="observed", train=TrainSettings(FitSettings(passes=2), texture_size=SIZE))
    dense = texture_scene(read_capture(room_capture), tmp_path, job)
    low, _, high = dense.uvs.density
    even_low, _, even_high = outcome.uvs.density
    assert high / low > 1.5 * even_high / even_low
    assert dense.trained.mean.psnr_fitted > 18


def test_a_capture_without_a_mesh_says_so(room_capture: Path, tmp_path: Path) -> None:
    scene = replace(read_capture(room_capture), mesh=None)
    with pytest.raises(ReaderError, match="no mesh") as caught:
        texture_scene(scene, tmp_path, JOB)
    assert "--mesh" in (caught.value.fix or "")


def test_a_mesh_that_no_camera_sees_says_so(room_capture: Path, tmp_path: Path) -> None:
    scene = read_capture(room_capture)
    assert scene.mesh is not None
    away = replace(scene, mesh=Mesh(scene.mesh.vertices + 1000.0, scene.mesh.faces))
    with pytest.raises(FitError, match="no photo sees the mesh"):
        texture_scene(away, tmp_path, JOB)


def test_too_little_memory_is_told_before_the_fit(room_capture: Path, folder: Path, outcome: Outcome) -> None:
    job = replace(JOB, cache=folder / ".cache", train=replace(JOB.train, memory=0.5))
    with pytest.raises(ConfigError, match=r"needs at least 0\.8 GiB") as caught:
        texture_scene(outcome.scene, folder, job)
    assert "--memory" in (caught.value.fix or "")


def test_little_memory_costs_time_only(outcome: Outcome, folder: Path) -> None:
    job = replace(JOB, cache=folder / ".cache", train=replace(JOB.train, memory=0.8))
    streamed = texture_scene(outcome.scene, folder / "elsewhere", job)
    assert np.array_equal(streamed.texture, outcome.texture)


def test_a_final_fit_takes_all_views_and_leaves_the_score(outcome: Outcome, folder: Path, tmp_path: Path) -> None:
    train = replace(JOB.train, final_fit=True)
    final = texture_scene(outcome.scene, tmp_path, replace(JOB, cache=folder / ".cache", train=train))
    assert len(final.trained.result.gains) == 8
    assert final.trained.mean == outcome.trained.mean
    assert not np.array_equal(final.texture, outcome.texture)
    assert final.filled_texels <= outcome.filled_texels
    assert "final fit" in final.seconds


def test_nothing_held_out_gives_no_score(outcome: Outcome, folder: Path, tmp_path: Path) -> None:
    job = replace(JOB, cache=folder / ".cache", train=replace(JOB.train, holdout="none"))
    trained = texture_scene(outcome.scene, tmp_path, job).trained
    assert trained.scores == trained.curve == trained.held == ()
    assert math.isnan(trained.mean.psnr)
    assert len(trained.result.gains) == 8


def test_the_published_recipe_runs_on_the_same_views(outcome: Outcome, folder: Path, tmp_path: Path) -> None:
    job = replace(JOB, cache=folder / ".cache", train=replace(JOB.train, fit=replace(PUBLISHED, passes=6)))
    published = texture_scene(outcome.scene, tmp_path, job)
    assert len(published.trained.result.history) == 6
    assert (published.trained.result.gains == 1).all()
    assert published.trained.mean.pixels == outcome.trained.mean.pixels


@pytest.mark.parametrize(
    ("texels", "size"),
    [(1.5 / 1024, 1024), (1.5 / 1400, 1024), (1.5 / 1500, 2048), (1e-9, 8192), (1.0, 256), (0.0, 1024)],
)
def test_the_automatic_size_has_a_pixel_at_one_and_a_half_texels(texels: float, size: int) -> None:
    assert automatic_size([texels] * 3 + [0.0], 4) == size
    assert automatic_size([], 4) == 1024


def test_the_automatic_size_is_a_multiple_of_the_coarsest_texel() -> None:
    assert automatic_size([1.0], 10) == 1024


def test_an_automatic_size_is_the_one_that_is_reported(outcome: Outcome, folder: Path, tmp_path: Path) -> None:
    train = replace(JOB.train, texture_size=None, fit=replace(JOB.train.fit, passes=1))
    found = texture_scene(outcome.scene, tmp_path, replace(JOB, cache=folder / ".cache", train=train))
    side = found.texture.shape[0]
    assert side == found.texture.shape[1] == found.job.train.texture_size
    footprints = [view.footprint * side for _, view in found.trained.views.stream(range(8))]
    assert 1.5 / 2**0.5 <= np.median(footprints) <= 1.5 * 2**0.5


@pytest.mark.parametrize("size", [250, 0, 7])
def test_a_size_that_cannot_be_is_one_of_our_errors(size: int, outcome: Outcome, folder: Path, tmp_path: Path) -> None:
    job = replace(JOB, cache=folder / ".cache", train=replace(JOB.train, texture_size=size))
    with pytest.raises(NeuralTexGenError):
        texture_scene(outcome.scene, tmp_path, job)
