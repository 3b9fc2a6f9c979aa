"""Fitting in bands: a band sees what the whole texture shows it, bands join without a step, and memory decides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import neuraltexgen.bands as bands_module
from neuraltexgen.band_views import Band, crop_view, pixels_in_bands
from neuraltexgen.bands import Banding, band_bytes, band_tie, enlarged, fit_in_bands, least_bytes, plan_bands
from neuraltexgen.errors import ConfigError
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside, FitResult
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.sample import render
from neuraltexgen.machine import BASELINE, GIB
from neuraltexgen.pipeline import mesh_key
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.recipes import FitSettings, fit_bytes
from neuraltexgen.scene import Mesh
from neuraltexgen.seam_tie import SeamTie, find_seam_tie
from neuraltexgen.texture import TextureSettings
from neuraltexgen.training import train_and_score
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.unwrap import UnwrapSettings, unwrap
from neuraltexgen.uvmap.render import make_renderer
from neuraltexgen.view_cache import ViewSettings, prepare_views
from neuraltexgen.views import Views

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE, ROWS = 512, 128
SETTINGS = FitSettings(passes=6, texture=TextureSettings((SIDE, SIDE)))


@pytest.fixture(scope="module")
def room(room_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Mesh, list[Path]]:
    scene = read_capture(room_capture, ReadOptions())
    assert scene.mesh is not None
    mesh, _ = unwrap(scene.mesh, UnwrapSettings("fast", SIDE))
    cache = tmp_path_factory.mktemp("views")
    return mesh, prepare_views(scene.views, make_renderer(mesh, "ray"), mesh_key(mesh), ViewSettings(), cache)


def views_of(paths: list[Path]) -> Views:
    return Views(paths, torch.device("cpu"), 1 << 30)


BANDS = [Band(0, 192, SIDE), Band(128, 320, SIDE), Band(320, 512, SIDE), Band(0, 512, SIDE)]


def cropped(view: FitView, band: Band, texture: torch.Tensor) -> FitView:
    return crop_view(view, band, texture, (torch.full((3,), 1.25), torch.full((3,), 0.05)))


@pytest.mark.parametrize("band", BANDS)
def test_a_band_leaves_as_much_to_explain_as_the_whole(band: Band, room: tuple[Mesh, list[Path]]) -> None:
    """What differs between photo and render, times the confidence, is the same, but for samples counted twice."""
    view = views_of(room[1])[0]
    texture = torch.full((SIDE, SIDE, 3), 0.3)
    texture += 0.2 * torch.linspace(0, 1, SIDE)[:, None, None]
    part = cropped(view, band, texture)
    kept = part.confidence > 0
    whole = 1.25 * render(texture, view.uv, kept) + 0.05 - view.colours()
    inner = 1.25 * render(texture[band.first : band.last].clone(), part.uv, kept) + 0.05 - part.colours()
    left = [(v.confidence[..., None] * difference)[kept] for v, difference in ((view, whole), (part, inner))]
    assert float((left[0] - left[1]).abs().mean()) < 0.01
    rows = view.uv[..., 1] * SIDE
    looks_in = ((rows > band.first + 0.5) & (rows < band.last - 0.5)).any(dim=2) & (view.confidence > 0)
    assert bool(kept[looks_in].all())
    if band.last - band.first == SIDE:
        assert bool((kept == (view.confidence > 0)).all())
        assert torch.equal(part.photo, view.photo)


def test_pixels_are_counted_as_bands_keep_them(room: tuple[Mesh, list[Path]]) -> None:
    views = views_of(room[1])
    counts, texture = pixels_in_bands(views, BANDS), torch.zeros(SIDE, SIDE, 3)
    for index, view in views.stream(range(len(views))):
        kept = [int((cropped(view, band, texture).confidence > 0).sum()) for band in BANDS]
        assert counts[index].tolist() == [*kept, int((view.confidence > 0).sum())]


@pytest.mark.parametrize("factor", [2, 4])
def test_rows_of_an_enlarged_image_are_those_of_the_whole(factor: int) -> None:
    image = np.random.default_rng(0).random((24, 16, 3), dtype=np.float32)
    whole = enlarged(image, factor, 0, 24 * factor)
    assert whole.shape == (24 * factor, 16 * factor, 3)
    assert np.allclose(whole.reshape(24, factor, 16, factor, 3).mean(axis=(1, 3))[1:-1, 1:-1].mean(), 0.5, atol=0.05)
    for first, last in ((0, 8), (8, 40), (40, 24 * factor)):
        assert np.allclose(enlarged(image, factor, first, last), whole[first:last], atol=1e-6)


def test_a_bands_tie_has_the_gradient_of_the_whole() -> None:
    random = np.random.default_rng(1)
    uv = random.random((2, 4000, 2), dtype=np.float32)
    # Within half a texel of a band's first row a place is neither in the band nor done.
    uv = uv[:, ((uv[..., 1] * SIDE < 127.9) | (uv[..., 1] * SIDE > 128.6)).all(axis=0)]
    seams = SeamTie(uv)
    texture = random.random((SIDE, SIDE, 3), dtype=np.float32)
    band = Band(128, 320, SIDE)
    tie = band_tie(seams, band, texture)
    rows = SIDE * seams.uv[..., 1]
    inside = (rows > 128.5) & (rows < 319.5)
    assert len(tie) == (inside[0] & inside[1]).sum()
    assert len(tie.out) == (inside[0] & (rows[1] < 128)).sum() + (inside[1] & (rows[0] < 128)).sum() > 0
    whole, part = torch.zeros(SIDE, SIDE, 3), torch.zeros(192, SIDE, 3)
    # The whole's ties, without those to what isn't done yet. Steps take every fourth place; four take all.
    kept = SeamTie(seams.uv[:, (rows < 319.5).all(axis=0)])
    for step in range(4):
        kept.add_gradient(torch.from_numpy(texture), whole, step, 1.0)
        replace(tie, out=tie.out[:0], colours=tie.colours[:0]).add_gradient(
            torch.from_numpy(texture[128:320]), part, step, 1.0
        )
        # A place whose other side is done is drawn twice as hard.
        alone = replace(tie, uv=tie.uv[:, :0])
        alone.add_gradient(torch.from_numpy(texture[128:320]), part, step, 0.5)
    assert torch.allclose(part[2:-2], whole[130:318], atol=1e-2)
    assert whole[130:318].abs().max() > 1


def whole_fit(room: tuple[Mesh, list[Path]]) -> FitResult:
    seams = find_seam_tie(room[0], (SIDE, SIDE))
    return fit(views_of(room[1]), SETTINGS, beside=Beside(seams=seams))


def misfit(result: FitResult, views: Views) -> float:
    """The root mean square of what is left between photos and renders in their exposures."""
    squares, texture = [], torch.from_numpy(np.array(result.texture)).clamp(0, 1)
    for index, view in views.stream(range(len(views))):
        valid = view.confidence > 0
        gain, offset = (torch.from_numpy(of[index]) for of in (result.gains, result.offsets))
        left = gain * render(texture, view.uv, valid) + offset - view.colours()
        squares.append(float(left[valid].square().mean()))
    return float(np.sqrt(np.mean(squares)))


def step_at(image: np.ndarray, row: int, weight: np.ndarray) -> float:
    """The mean difference between a row and the one above it, where both were seen; 0 where nothing was."""
    both = (weight[row] > 0.1) & (weight[row - 1] > 0.1)
    return float(np.abs(image[row] - image[row - 1])[both].sum() / max(3 * both.sum(), 1))


def test_bands_join_to_the_texture_that_is_fitted_whole(room: tuple[Mesh, list[Path]], tmp_path: Path) -> None:
    whole = whole_fit(room)
    result = fit_in_bands(views_of(room[1]), SETTINGS, Banding(2, ROWS), tmp_path, mesh=room[0])
    assert result.texture.shape == (SIDE, SIDE, 3)
    assert result.texture.min() >= 0
    assert result.texture.max() <= 1
    assert np.abs(result.weight - whole.weight).mean() < 0.03 * whole.weight.mean()
    assert misfit(result, views_of(room[1])) < 1.2 * misfit(whole, views_of(room[1]))
    inner = [step_at(result.texture, row, whole.weight) for row in range(16, SIDE - 64, 8) if row % ROWS]
    at = [step_at(result.texture, row, whole.weight) for row in range(ROWS, SIDE, ROWS)]
    assert max(at) < np.mean(inner) + 3 * np.std(inner)


def test_a_killed_run_goes_on_with_its_band(
    room: tuple[Mesh, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, passes=2)
    once = fit_in_bands(views_of(room[1]), settings, Banding(2, ROWS), tmp_path / "once", mesh=room[0])
    fitted, real = [], bands_module._fit_band

    def dies(views: Views, settings: FitSettings, joined: object, core: Band, *others: object) -> None:
        fitted.append(core.first)
        if len(fitted) == 3:
            raise KeyboardInterrupt
        real(views, settings, joined, core, *others)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(bands_module, "_fit_band", dies)
    with pytest.raises(KeyboardInterrupt):
        fit_in_bands(views_of(room[1]), settings, Banding(2, ROWS), tmp_path / "twice", mesh=room[0])
    again = fit_in_bands(views_of(room[1]), settings, Banding(2, ROWS), tmp_path / "twice", mesh=room[0])
    assert fitted == [0, 128, 256, 256, 384]
    assert np.array_equal(again.texture, once.texture)
    assert np.array_equal(again.weight, once.weight)


def test_plans_keep_within_the_memory_and_say_when_there_is_none() -> None:
    settings = replace(SETTINGS, texture=TextureSettings((16384, 16384)))
    assert fit_bytes(settings) > 30 * GIB
    for spare in (2 * GIB, 4 * GIB, 16 * GIB):
        banding = plan_bands(settings, spare)
        assert banding is not None
        assert 0.5 * spare < band_bytes(settings, banding) <= spare
        assert banding.rows % 8 == 0
    least = least_bytes(settings)
    assert least < 1.5 * GIB
    assert plan_bands(settings, least) is not None
    assert plan_bands(settings, least // 2) is None
    with pytest.raises(ConfigError, match="all photos in one step"):
        fit_in_bands(Views([], torch.device("cpu"), 0), replace(settings, batch=0), Banding(2, 512), Path("x"))


def test_a_run_with_little_memory_fits_in_bands(room: tuple[Mesh, list[Path]], tmp_path: Path) -> None:
    mesh, paths = room
    names = [path.stem for path in paths]
    little = (BASELINE + fit_bytes(SETTINGS) * 0.95) / GIB
    runs = [
        train_and_score(paths, names, TrainSettings(SETTINGS, SIDE, "4", memory=memory), tmp_path / str(memory), mesh)
        for memory in (None, little)
    ]
    assert not (tmp_path / "None" / "bands").exists()
    assert (tmp_path / str(little) / "bands" / "texture.f32").is_file()
    whole, banded = (trained.mean for trained in runs)
    # Loose: six photos of 96 x 72 leave most of 512 x 512 texels open.
    assert banded.psnr_fitted == pytest.approx(whole.psnr_fitted, abs=0.6)
    assert runs[0].curve
    assert not runs[1].curve


def test_a_tie_without_places_ties_nothing() -> None:
    texture = np.zeros((64, 32, 3), dtype=np.float32)
    nothing = band_tie(SeamTie(np.zeros((2, 0, 2), dtype=np.float32)), Band(0, 32, 64), texture)
    result = torch.zeros(32, 32, 3)
    nothing.add_gradient(torch.rand(32, 32, 3), result, 0, 1.0)
    assert not result.any()
