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
from neuraltexgen.fit import Beside, FitResult, fit
from neuraltexgen.kernels.sample import render
from neuraltexgen.machine import BASELINE, GIB
from neuraltexgen.pipeline import mesh_key
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.recipes import FitSettings, fit_bytes
from neuraltexgen.scene import Mesh
from neuraltexgen.seam_tie import SeamTie, find_seam_tie
from neuraltexgen.texture import TextureSettings
from neuraltexgen.training import TrainSettings, train_and_score
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


@pytest.mark.parametrize("band", BANDS)
def test_a_band_shows_what_the_whole_texture_shows(band: Band, room: tuple[Mesh, list[Path]]) -> None:
    view = views_of(room[1])[0]
    part = crop_view(view, band)
    texture = torch.rand(SIDE, SIDE, 3, generator=torch.Generator().manual_seed(0))
    kept = part.confidence > 0
    assert bool((part.confidence[kept] == view.confidence[kept]).all())
    whole = render(texture, view.uv, kept)
    assert torch.allclose(render(texture[band.first : band.last].clone(), part.uv, kept), whole, atol=1e-3)
    # What it leaves out reads texels that it does not have, or its outermost.
    rows = view.uv[..., 1] * SIDE
    out = (view.confidence > 0) & ~kept
    if band.last - band.first == SIDE:
        assert not out.any()
    margin = ((rows < band.first + 0.5) | (rows > band.last - 0.5)) & view.seen
    assert bool(margin.any(dim=2)[out].all())


def test_pixels_are_counted_as_bands_keep_them(room: tuple[Mesh, list[Path]]) -> None:
    views = views_of(room[1])
    counts = pixels_in_bands(views, BANDS)
    for index, view in views.stream(range(len(views))):
        kept = [int((crop_view(view, band).confidence > 0).sum()) for band in BANDS]
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
    seams = SeamTie(random.random((2, 4000, 2), dtype=np.float32))
    texture = random.random((SIDE, SIDE, 3), dtype=np.float32)
    band = Band(128, 320, SIDE)
    tie = band_tie(seams, band, texture)
    assert 0 < len(tie) < len(seams)
    assert len(tie.out) > 0
    whole, part = torch.zeros(SIDE, SIDE, 3), torch.zeros(192, SIDE, 3)
    # Steps take every fourth place, other ones in a band; over four steps all are taken.
    for step in range(4):
        seams.add_gradient(torch.from_numpy(texture), whole, step, 1.0)
        tie.add_gradient(torch.from_numpy(texture[128:320]), part, step, 1.0)
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
    assert misfit(result, views_of(room[1])) < 1.02 * misfit(whole, views_of(room[1]))
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
    assert banded.psnr_fitted == pytest.approx(whole.psnr_fitted, abs=0.3)
    assert runs[0].curve
    assert not runs[1].curve


def test_a_tie_without_places_ties_nothing() -> None:
    texture = np.zeros((64, 32, 3), dtype=np.float32)
    nothing = band_tie(SeamTie(np.zeros((2, 0, 2), dtype=np.float32)), Band(0, 32, 64), texture)
    result = torch.zeros(32, 32, 3)
    nothing.add_gradient(torch.rand(32, 32, 3), result, 0, 1.0)
    assert not result.any()
