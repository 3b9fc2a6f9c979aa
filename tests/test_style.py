"""Style transfer: renders take a picture's style, views keep their exposures, and a killed run goes on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor

import neuraltexgen.fit as fit_module
import neuraltexgen.style as style_module
from networks import filters, plain_features
from neuraltexgen.errors import ConfigError
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import FitResult, PassRecord
from neuraltexgen.fit_view import FitView, pack_view
from neuraltexgen.kernels.sample import render
from neuraltexgen.losses import NetworkMemory, NetworkSettings, objective, parse_losses
from neuraltexgen.recipes import FitSettings
from neuraltexgen.style import StyleSettings, balanced_losses, stylise
from neuraltexgen.texture import TextureSettings
from neuraltexgen.views import Views, save_view

CPU = torch.device("cpu")
SIZE, HEIGHT, WIDTH = 64, 48, 64
SETTINGS = FitSettings(texture=TextureSettings((SIZE, SIZE)), passes=4, batch=1)
NETWORK = filters()
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def look(number: int, exposure: float = 1.0) -> FitView:
    """A view of most of a smooth texture, a little aside from the others, with one sample a pixel."""
    rows, cols = torch.meshgrid(torch.arange(HEIGHT) / HEIGHT, torch.arange(WIDTH) / WIDTH, indexing="ij")
    uv = torch.stack([cols, rows], dim=-1)[:, :, None] * 0.8 + 0.05 * number
    y, x = torch.meshgrid(*[torch.arange(SIZE) / SIZE] * 2, indexing="ij")
    texture = torch.stack([0.5 + 0.3 * torch.sin(5 * x + c) * torch.cos(4 * y - c) for c in range(3)], dim=-1)
    seen = torch.ones(HEIGHT, WIDTH, 1, dtype=torch.bool)
    seen[:6, 20:30] = False
    photo = exposure * render(texture, uv, seen[..., 0])
    return pack_view(f"{number}", photo, uv, seen, seen[..., 0].float(), 1 / WIDTH)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Views:
    """Three views, of three exposures."""
    folder = tmp_path_factory.mktemp("views")
    for number in range(3):
        view = look(number, 0.8 + 0.2 * number)
        save_view(folder / f"{number}.npz", view)
    return Views(sorted(folder.iterdir()), CPU, 1 << 30)


@pytest.fixture(scope="module")
def fitted(views: Views) -> FitResult:
    return fit(views, SETTINGS)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Bright diagonal stripes."""
    y, x = np.mgrid[:40, :56]
    stripes = np.stack([((x + y) % 7 < 3) * 200 + 30, ((x - y) % 5 < 2) * 180, 255 * ((x + y) % 7 < 3)], axis=-1)
    Pillow.fromarray(stripes.astype(np.uint8)).save(tmp_path / "stripes.png")
    return tmp_path / "stripes.png"


@pytest.fixture(autouse=True)
def _thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thin network in the place of VGG-16's file."""
    for module in (objective, style_module):
        monkeypatch.setattr(module, "vgg_weights", lambda file: NETWORK)


def grams(image: Tensor) -> list[Tensor]:
    layers = plain_features(image, NETWORK)
    flat = [layers[name].flatten(2)[0] for name in STYLE_LAYERS]
    return [each @ each.T / each.numel() for each in flat]


def distance(texture: np.ndarray, views: Views, picture: Path) -> float:
    """How far the renders of the views are from the picture's style, relative to its size: 0 is the same."""
    pixels = torch.from_numpy(np.asarray(Pillow.open(picture), np.float32) / 255)
    wanted, total = grams(pixels.permute(2, 0, 1)[None]), 0.0
    for view in views:
        shown = render(torch.from_numpy(texture), view.uv, view.valid)
        middle = grams(shown[8:].permute(2, 0, 1)[None])
        total += sum(float((a - b).norm() / b.norm()) for a, b in zip(middle, wanted, strict=True))
    return total / len(views) / len(STYLE_LAYERS)


def test_renders_take_the_style_of_the_picture_as_strongly_as_wanted(
    views: Views, fitted: FitResult, picture: Path
) -> None:
    before = distance(fitted.texture, views, picture)
    after = [
        distance(stylise(views, fitted, SETTINGS, StyleSettings(picture, strength, None, 8)).texture, views, picture)
        for strength in (0.0, 0.2, 3.0)
    ]
    assert after[1] < 0.9 * before
    assert after[2] < 0.5 * before
    assert after[0] == pytest.approx(before, rel=0.1)  # the content alone holds the texture where it is


def test_exposures_weights_and_history_are_the_fits(views: Views, fitted: FitResult, picture: Path) -> None:
    fitted = replace(fitted, view_weights=np.float32([0.5, 1.0, 2.0]))
    styled = stylise(views, fitted, SETTINGS, StyleSettings(picture, passes=2))
    assert not np.array_equal(styled.texture, fitted.texture)
    assert fitted.gains.std() > 0.01
    for name in ("gains", "offsets", "view_weights", "weight"):
        assert np.array_equal(getattr(styled, name), getattr(fitted, name)), name
    assert styled.history == fitted.history


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_and_ends_the_same(
    views: Views, fitted: FitResult, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "CHECKPOINT_SECONDS", 0.0)
    style = StyleSettings(picture, passes=4)
    numbers: list[int] = []

    def on_pass(last: int) -> Callable[[PassRecord, Tensor], tuple[float, ...]]:
        def watch(record: PassRecord, texture: Tensor) -> tuple[float, ...]:
            if record.number > last:
                raise Killed
            numbers.append(record.number)
            return ()

        return watch

    whole = stylise(views, fitted, SETTINGS, style)
    with pytest.raises(Killed):
        stylise(views, fitted, SETTINGS, style, checkpoint=tmp_path / "style.pt", on_pass=on_pass(2))
    resumed = stylise(views, fitted, SETTINGS, style, checkpoint=tmp_path / "style.pt", on_pass=on_pass(9))
    assert numbers == [1, 2, 3, 4]
    assert np.array_equal(resumed.texture, whole.texture)
    numbers.clear()
    other = replace(fitted, texture=fitted.texture + 0.1)
    stylise(views, other, SETTINGS, style, checkpoint=tmp_path / "style.pt", on_pass=on_pass(9))
    assert numbers == [1, 2, 3, 4]  # another texture to begin with is another run


def test_a_crop_or_a_small_memory_is_enough(views: Views, fitted: FitResult, picture: Path) -> None:
    style = StyleSettings(picture, passes=4)
    cropped = replace(SETTINGS, network=NetworkSettings(crop="auto"))
    whole, part = (stylise(views, fitted, each, style).texture for each in (SETTINGS, cropped))
    assert np.array_equal(whole, part)  # photos this small are one crop


def test_each_loss_counts_relative_to_the_picture(picture: Path) -> None:
    terms = parse_losses(balanced_losses(NetworkSettings(style=picture), 3.0, CPU, NetworkMemory()))
    pixels = torch.from_numpy(np.asarray(Pillow.open(picture), np.float32) / 255).permute(2, 0, 1)[None]
    features = plain_features(pixels.double(), NETWORK)
    sizes = dict(zip(STYLE_LAYERS, (float(gram.square().mean()) for gram in grams(pixels.double())), strict=True))
    (content,) = [term for term in terms if term.name == "vgg_content"]
    assert content.weight * float(features["relu2_2"].square().mean()) == pytest.approx(1, rel=1e-3)
    styles = {term.layers: term.weight for term in terms if term.name == "vgg_style"}
    assert set(styles) == {(layer,) for layer in STYLE_LAYERS}
    assert all(styles[layer,] * sizes[layer] == pytest.approx(3 / 4, rel=1e-3) for layer in STYLE_LAYERS)


def test_a_black_picture_has_a_style_too(views: Views, fitted: FitResult, tmp_path: Path) -> None:
    Pillow.new("RGB", (40, 40)).save(tmp_path / "black.png")
    styled = stylise(views, fitted, SETTINGS, StyleSettings(tmp_path / "black.png", 10.0, passes=6))
    assert np.isfinite(styled.texture).all()
    assert styled.texture[styled.weight > 0].mean() < fitted.texture[fitted.weight > 0].mean() - 0.05


@pytest.mark.parametrize(
    "change", [{"strength": -1.0}, {"strength": float("inf")}, {"strength": float("nan")}, {"passes": 0}]
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="style: ") as caught:
        StyleSettings(Path("style.png"), **change)  # pyright: ignore[reportArgumentType]
    assert caught.value.fix is not None
    assert StyleSettings(Path("style.png"), strength=0.0).strength == 0
