"""What a texture rests on: counts, spreads and standard errors against what was put in; the files and the report."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from neuraltexgen.direct import solve
from neuraltexgen.explain import texel_maps, write_explanation
from neuraltexgen.explain.pictures import TRANSIENT, counted, limit_of, measured, trusted
from neuraltexgen.fit_types import FitResult
from neuraltexgen.images import read_exr
from neuraltexgen.kernels.packed import look_up
from neuraltexgen.recipes import FitSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.transients import Transients
from neuraltexgen.views import Views
from test_fit import HEIGHT, SIZE, WIDTH, make_view, store, truth
from warm import run_warm

pytestmark = pytest.mark.usefixtures("one_thread")

COUNT, NOISE = 8, 0.05


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Views:
    """Exact photos with independent noise in each pixel."""
    made = [make_view(number) for number in range(COUNT)]
    for number, view in enumerate(made):
        noise = NOISE * torch.randn(view.photo.shape, generator=torch.Generator().manual_seed(number))
        made[number] = replace(view, photo=view.photo + noise)
    return store(made, tmp_path_factory.mktemp("views"))


def exact(views: Views) -> FitResult:
    """The true texture, as if it had been fitted."""
    ones, zeros = np.ones((len(views), 3), np.float32), np.zeros((len(views), 3), np.float32)
    weight = np.ones((SIZE, SIZE), np.float32)
    return FitResult(truth().numpy(), weight, ones, zeros, np.ones(len(views), np.float32))


def test_spread_is_the_noise_and_counts_are_the_photos(views: Views) -> None:
    maps = texel_maps(views, exact(views))
    assert maps.photos.max() == COUNT
    assert float(np.nanmedian(maps.spread)) == pytest.approx(NOISE, rel=0.15)
    assert np.array_equal(np.isnan(maps.spread), maps.photos == 0)
    assert np.array_equal(np.isnan(maps.uncertainty), maps.photos == 0)


def test_a_photo_of_another_exposure_spreads_no_further(views: Views, tmp_path: Path) -> None:
    """Differences are taken in the texture's colours."""
    plain = texel_maps(views, exact(views))
    changed = [replace(view, photo=0.5 * view.photo + 0.1) for _, view in views.stream(range(COUNT))]
    result = exact(views)
    result = replace(result, gains=0.5 * result.gains, offsets=result.offsets + np.float32(0.1))
    again = texel_maps(store(changed, tmp_path), result)
    assert np.allclose(again.spread, plain.spread, atol=1e-5, equal_nan=True)


def test_the_uncertainty_is_the_error_that_fits_have(tmp_path: Path) -> None:
    """Of the photos' noise: many fits to other noise spread as far as one of them says of itself."""
    settings = FitSettings(texture=TextureSettings((SIZE, SIZE)), exposure=False, sharpness_power=0.0, smoothness=1.0)
    fits, said = [], []
    for turn in range(4):
        made = [make_view(number) for number in range(COUNT)]
        for number, view in enumerate(made):
            noise = NOISE * torch.randn(view.photo.shape, generator=torch.Generator().manual_seed(100 * turn + number))
            made[number] = replace(view, photo=view.photo + noise)
        noisy = store(made, tmp_path / str(turn))
        found = solve(noisy, settings)
        fits.append(found.texture)
        said.append(texel_maps(noisy, found).uncertainty)
    well = np.isfinite(said[0]) & (said[0] < np.nanmedian(said[0]))
    actual = np.sqrt(np.var(fits, axis=0, ddof=1).mean(axis=2))[well]
    ratio = float(np.median(actual) / np.median(said[0][well]))
    assert 0.3 < ratio < 1.5  # the prior, which the curvature of the photos does not hold, lowers it


def test_more_photos_make_a_texel_surer(views: Views) -> None:
    few, many = texel_maps(views.subset([0, 1]), exact(views.subset([0, 1]))), texel_maps(views, exact(views))
    both = (few.photos == 2) & (many.photos >= 6)
    assert both.sum() > 100
    assert np.median(many.uncertainty[both]) < 0.75 * np.median(few.uncertainty[both])


def test_maps_have_colours_that_say_none_few_and_many() -> None:
    photos = np.array([[0, 1, 12, 40]], np.int32)
    picture = counted(photos)
    assert np.allclose(picture[0, 0], 0.5)
    assert picture[0, 1].sum() < picture[0, 2].sum()
    assert np.array_equal(picture[0, 2], picture[0, 3])
    values = np.array([[np.nan, 0.0, 0.05, 1.0]], np.float32)
    shown = measured(values, 0.1)
    assert np.allclose(shown[0, 0], 0.5)
    assert shown[0, 1].sum() < shown[0, 2].sum() < shown[0, 3].sum()
    assert limit_of(np.full((3, 3), 0.031, np.float32)) == pytest.approx(0.05)
    assert limit_of(np.full((3, 3), np.nan, np.float32)) == 1.0


def test_photos_are_dimmed_where_they_are_not_trusted() -> None:
    photo = np.full((1, 3, 3), 0.5, np.float32)
    shown = trusted(photo, np.array([[1, 0, 0]], np.float32), np.array([[False, False, True]]))
    assert np.allclose(shown[0, 0], 0.5)
    assert np.allclose(shown[0, 1], 0.1)
    assert np.allclose(shown[0, 2], 0.25 + 0.5 * TRANSIENT)


def test_files_hold_the_numbers_and_a_picture_of_each_photo(views: Views, tmp_path: Path) -> None:
    maps = texel_maps(views, exact(views))
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:20, 10:20] = True
    found = Transients((mask,) * COUNT, (0.1,) * COUNT, 1)
    files = write_explanation(tmp_path, maps, views, found)
    assert all(path.exists() for path in files)
    stored = read_exr(tmp_path / "explain" / "texels.exr")
    assert np.array_equal(stored["spread"], maps.spread, equal_nan=True)
    assert np.array_equal(stored["photos"], maps.photos)
    pictures = sorted((tmp_path / "explain" / "confidence").iterdir())
    assert [path.name for path in pictures] == [f"{number:02d}.jpg" for number in range(COUNT)]
    with Pillow.open(pictures[0]) as picture:
        assert picture.size == (WIDTH, HEIGHT)


def test_the_command_explains_and_leaves_out_transients(room_capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run_warm(
        ["texture", str(room_capture), "-o", str(out), "--texture-size", "256", "--transients", "--explain"]
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((out / "metrics.json").read_text())
    assert len(figures["transients"]) == figures["views"]["train"]
    assert max(view["share"] for view in figures["transients"]) < 0.1  # nobody walks through this room
    assert figures["texels"]["photos"] >= 1
    assert 0 < figures["texels"]["uncertainty"] <= 2 * figures["texels"]["spread"]
    page = (out / "report.html").read_text()
    assert "What the texture rests on" in page
    assert "Transients left out" in page
    assert len(list((out / "explain" / "confidence").iterdir())) == figures["views"]["train"]


def test_the_render_of_the_true_texture_is_the_photo() -> None:
    """What `exact` claims."""
    view = make_view(0)
    known = view.trust > 0
    assert torch.allclose(look_up(truth(), view.places)[known], view.photo[known], atol=2e-4)
