"""What every run does once its views are prepared: what can't be is said before the fit, not hours later."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow

import neuraltexgen.training as training_module
from neuraltexgen.errors import ConfigError, NeuralTexGenError
from neuraltexgen.fit_types import FitResult
from neuraltexgen.fit_view import pack_view
from neuraltexgen.losses import NetworkSettings
from neuraltexgen.recipes import FitSettings
from neuraltexgen.style import StyleSettings
from neuraltexgen.training import train_and_score
from neuraltexgen.training_settings import TrainSettings, exposure_bytes
from neuraltexgen.views import save_view


class Fitted(Exception):
    """The fit has begun."""


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two cached views of nothing, for a fit that isn't run."""

    def begun(*_: object, **__: object) -> FitResult:
        raise Fitted

    monkeypatch.setattr(training_module, "fit", begun)
    monkeypatch.setattr(training_module, "solve", begun)
    monkeypatch.setattr(training_module, "fit_in_bands", begun)
    places, seen = torch.zeros(8, 8, 1, 2), torch.zeros(8, 8, 1, dtype=torch.bool)
    view = pack_view("nothing", torch.zeros(8, 8, 3), places, seen, torch.zeros(8, 8), 0.1)
    files = [tmp_path / f"{number}.npz" for number in range(2)]
    for file in files:
        save_view(file, replace(view, name=file.stem))
    return files


def train(views: list[Path], settings: TrainSettings) -> None:
    train_and_score(views, [path.stem for path in views], settings, views[0].parent / "cache")


@pytest.mark.parametrize(
    "fault", ["none", "no picture", "broken picture", "thin picture", "tiny size", "no weights", "broken weights"]
)
def test_what_the_style_lacks_is_said_before_the_fit(
    fault: str, views: list[Path], vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    picture = tmp_path / "style.png"
    if fault != "no picture":
        Pillow.new("RGB", (40, 5 if fault == "thin picture" else 40), "red").save(picture)
    if fault == "broken picture":
        picture.write_text("no picture")
    (tmp_path / "broken.pth").write_text("no weights")
    weights = {"no weights": None, "broken weights": tmp_path / "broken.pth"}.get(fault, vgg_file)

    def settings() -> TrainSettings:
        style = StyleSettings(picture, size=8 if fault == "tiny size" else None)
        return TrainSettings(FitSettings(network=NetworkSettings(vgg_weights=weights)), 64, "none", style=style)

    with pytest.raises(Fitted if fault == "none" else NeuralTexGenError):
        train(views, settings())


def offline(*_: object, **__: object) -> None:
    raise OSError("no network")


@pytest.mark.parametrize("losses", [("l2",), ("l2", "vgg_content"), ("style",)])
def test_the_memory_that_is_proposed_is_enough(losses: tuple[str, ...], views: list[Path], vgg_file: Path) -> None:
    settings = FitSettings(losses=losses, network=NetworkSettings(vgg_weights=vgg_file))
    with pytest.raises(ConfigError, match="needs at least") as caught:
        train(views, TrainSettings(settings, 1024, "none", memory=0.5))
    assert caught.value.fix is not None
    proposed = float(caught.value.fix.split()[1].rstrip(","))
    with pytest.raises(Fitted):
        train(views, TrainSettings(settings, 1024, "none", memory=proposed))
    with pytest.raises(ConfigError, match="needs at least"):
        train(views, TrainSettings(settings, 1024, "none", memory=proposed - 0.25))


def test_what_exposures_keep_goes_with_the_photos_and_is_kept_by_the_direct_solver_alone() -> None:
    direct = FitSettings(solver="direct")
    one, ten = (exposure_bytes(direct, views, (480, 640)) for views in (7_000_000, 70_000_000))
    assert ten == 10 * one == 70_000_000 // 16
    assert exposure_bytes(direct, 7_000_000, (100, 100)) == 7_000_000
    assert exposure_bytes(FitSettings(solver="adam"), 7_000_000, (480, 640)) == 0
    assert exposure_bytes(FitSettings(solver="direct", exposure=False), 7_000_000, (480, 640)) == 0
