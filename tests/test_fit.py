"""The fit: a known texture comes back, and so do exposures; seeds, checkpoints, the published recipe, what fails."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import neuraltexgen.fit as fit_module
from neuraltexgen.descent import PyramidDescent
from neuraltexgen.errors import FitError, LossError
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside, FitResult, PassRecord
from neuraltexgen.fit_view import FitView, enlarge_photo, pack_view
from neuraltexgen.kernels.packed import pack_share
from neuraltexgen.kernels.sample import render
from neuraltexgen.metrics import psnr
from neuraltexgen.recipes import PUBLISHED, FitSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.views import Views, save_view

CPU = torch.device("cpu")
SIZE, HEIGHT, WIDTH, SAMPLES = 64, 40, 48, 4
SETTINGS = FitSettings(texture=TextureSettings((SIZE, SIZE)), passes=8, batch=1)
TRAIN, HELD = tuple(range(8)), (8, 9)


pytestmark = pytest.mark.usefixtures("one_thread")


def truth() -> Tensor:
    """A smooth pattern with edges, different in each channel, within [0.15, 0.85]."""
    y, x = torch.meshgrid(*[(torch.arange(SIZE) + 0.5) / SIZE] * 2, indexing="ij")
    waves = [
        torch.sin(9 * x + c) * torch.cos(7 * y - c) + 0.6 * torch.sign(torch.sin(25 * x + 19 * y + c)) for c in range(3)
    ]
    return 0.5 + 0.35 * torch.stack(waves, dim=-1) / 1.6


def place(number: int, shift: float = 0.0) -> Tensor:
    """The uvs (h w s 2) of a view that looks at a turned, scaled part of the texture; `shift` in texels."""
    rng = np.random.default_rng(number)
    angle, scale = rng.uniform(-0.6, 0.6), rng.uniform(0.6, 0.9)
    middle = rng.uniform(0.4, 0.6, 2) if number else np.array([0.5, 0.5])
    k = round(SAMPLES**0.5)
    rows, cols = np.mgrid[: HEIGHT * k, : WIDTH * k]
    points = np.stack([(cols + 0.5) / k - WIDTH / 2, (rows + 0.5) / k - HEIGHT / 2], axis=-1) / WIDTH * scale
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    uv = points @ turn + middle + shift / SIZE
    grouped = uv.reshape(HEIGHT, k, WIDTH, k, 2).swapaxes(1, 2).reshape(HEIGHT, WIDTH, SAMPLES, 2)
    return torch.from_numpy(grouped.astype(np.float32))


def make_view(number: int, gain: Tensor | float = 1.0, offset: Tensor | float = 0.0) -> FitView:
    uv = place(number)
    seen = ((uv > 0.02) & (uv < 0.98)).all(dim=-1)
    photo = gain * render(truth(), uv, seen.all(dim=2)) + offset
    return pack_view(f"{number:02d}", photo, uv, seen, seen.all(dim=2).float(), 1 / WIDTH)


def with_confidence(view: FitView, confidence: Tensor) -> FitView:
    return replace(view, trust=pack_share(confidence))


def store(views: list[FitView], folder: Path) -> Views:
    """The views as a fit takes them: from files."""
    files = []
    for index, view in enumerate(views):
        folder.mkdir(parents=True, exist_ok=True)
        files.append(folder / f"{index:02d}.npz")
        save_view(files[-1], view)
    return Views(files, CPU, 1 << 30)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Views:
    return store([make_view(number) for number in (*TRAIN, *HELD)], tmp_path_factory.mktemp("views"))


@pytest.fixture(scope="module")
def result(views: Views) -> FitResult:
    return fit(views.subset(TRAIN), SETTINGS)


def held_out_psnr(texture: np.ndarray | Tensor, views: Views, shift: Tensor | float = 0.0) -> float:
    """The mean over held-out views, where training views saw the texture; `shift` of the uvs in texels."""
    scores = []
    for index in HELD:
        view = views[index]
        inner = (view.uv > 0.25).all(dim=-1).all(dim=-1) & (view.uv < 0.75).all(dim=-1).all(dim=-1)
        shown = render(torch.as_tensor(texture), view.uv + shift / SIZE, inner)
        scores.append(psnr(shown, view.photo, inner))
    return float(np.mean(scores))


def test_a_known_texture_comes_back(views: Views, result: FitResult) -> None:
    mean = torch.stack([v.photo[v.valid].mean(dim=0) for _, v in views.stream(TRAIN)]).mean(dim=0)
    flat = held_out_psnr(mean.expand(SIZE, SIZE, 3).contiguous(), views)
    assert flat < 18
    assert held_out_psnr(result.texture, views) > 38
    losses = [record.loss for record in result.history]
    assert [record.number for record in result.history] == list(range(1, 9))
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("axis", [0, 1])
def test_half_a_texel_aside_the_score_is_far_worse(axis: int, views: Views, result: FitResult) -> None:
    centred = held_out_psnr(result.texture, views)
    for half in (0.5, -0.5):
        shift = torch.zeros(2)
        shift[axis] = half
        assert held_out_psnr(result.texture, views, shift) < centred - 8


def test_one_seed_gives_one_result_and_another_gives_another(views: Views, result: FitResult) -> None:
    again = fit(views.subset(TRAIN), SETTINGS)
    assert np.array_equal(again.texture, result.texture)
    assert np.array_equal(again.gains, result.gains)
    assert np.array_equal(again.weight, result.weight)
    assert [r.loss for r in again.history] == [r.loss for r in result.history]
    other = fit(views.subset(TRAIN), replace(SETTINGS, seed=1))
    assert not np.array_equal(other.texture, result.texture)
    assert abs(held_out_psnr(other.texture, views) - held_out_psnr(result.texture, views)) < 6


def test_the_order_of_the_views_matters_little(views: Views) -> None:
    settings = replace(SETTINGS, exposure=False, sharpness_power=0.0)
    one, other = (fit(views.subset(order), settings) for order in (TRAIN, TRAIN[::-1]))
    seen = one.weight > 0.5
    assert np.abs(other.texture - one.texture)[seen].mean() < 0.01  # of a contrast of 0.7
    assert not np.array_equal(other.texture, one.texture)
    np.testing.assert_allclose(other.weight, one.weight, rtol=1e-4, atol=1e-5)


def exposed(folder: Path, spread: float = 0.15) -> tuple[Views, np.ndarray, np.ndarray]:
    """Views with planted gains and offsets that keep the gauge."""
    rng = np.random.default_rng(5)
    gains = np.exp(spread * rng.standard_normal((len(TRAIN), 3)))
    offsets = 0.02 * rng.standard_normal((len(TRAIN), 3))
    gains /= gains.mean(axis=0)
    offsets -= offsets.mean(axis=0)
    planted = zip(TRAIN, torch.from_numpy(gains).float(), torch.from_numpy(offsets).float(), strict=True)
    return store([make_view(number, gain, offset) for number, gain, offset in planted], folder), gains, offsets


def test_planted_exposures_come_back_and_keep_the_gauge(tmp_path: Path) -> None:
    views, gains, offsets = exposed(tmp_path)
    found = fit(views, replace(SETTINGS, passes=16))
    np.testing.assert_allclose(found.gains.mean(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(found.offsets.mean(axis=0), 0, atol=1e-6)
    # The prior that holds views to the mean exposure takes part of a gain and gives it to the offset where a photo's
    # 32-pixel blocks have little contrast, as here; what both together do to middle grey comes back far better.
    assert np.abs(found.gains - gains).max() < 0.1
    assert np.abs(found.gains - gains).mean() < 0.3 * np.abs(gains - 1).mean()
    shown, planted = found.gains * 0.5 + found.offsets, gains * 0.5 + offsets
    assert np.abs(shown - planted).max() < 0.01
    assert np.abs(planted - 0.5).max() > 0.1


def test_exposure_makes_up_for_planted_ones_and_off_means_off(tmp_path: Path) -> None:
    faulty, _, _ = exposed(tmp_path)
    settings = replace(SETTINGS, sharpness_power=0.0)
    on, off = (fit(faulty, replace(settings, exposure=exposure)) for exposure in (True, False))
    assert (off.gains == 1).all()
    assert (off.offsets == 0).all()
    assert on.history[-1].loss < 0.15 * off.history[-1].loss


class Killed(Exception):
    pass


def kill_after(number: int) -> Callable[[PassRecord, Tensor], tuple[float, ...]]:
    def on_pass(record: PassRecord, _: Tensor) -> tuple[float, ...]:
        if record.number > number:
            raise Killed
        return (10.0 * record.number,)

    return on_pass


@pytest.fixture
def halfway(views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of `SETTINGS` after 4 of 8 passes: exposure and sharpness are at work by then."""
    monkeypatch.setattr(fit_module, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(Killed):
        fit(views.subset(TRAIN), SETTINGS, checkpoint=tmp_path / "fit.pt", on_pass=kill_after(4))
    return tmp_path / "fit.pt"


def passes_done(views: Views, settings: FitSettings, checkpoint: Path) -> tuple[FitResult, list[int]]:
    numbers: list[int] = []

    def on_pass(record: PassRecord, _: Tensor) -> tuple[float, ...]:
        numbers.append(record.number)
        return (10.0 * record.number,)

    result = fit(views.subset(TRAIN), settings, checkpoint=checkpoint, on_pass=on_pass)
    return result, numbers


def test_a_killed_run_goes_on_and_ends_the_same(views: Views, result: FitResult, halfway: Path) -> None:
    continued, numbers = passes_done(views, SETTINGS, halfway)
    assert numbers == [5, 6, 7, 8]
    for name in ("texture", "weight", "gains", "offsets", "view_weights"):
        assert np.array_equal(getattr(continued, name), getattr(result, name)), name
    assert [(r.number, r.loss) for r in continued.history] == [(r.number, r.loss) for r in result.history]
    assert [r.figures for r in continued.history] == [(10.0 * number,) for number in range(1, 9)]
    seconds = [record.seconds for record in continued.history]
    assert seconds == sorted(seconds)


def test_a_finished_run_is_taken_up_as_it_is(views: Views, result: FitResult, halfway: Path) -> None:
    passes_done(views, SETTINGS, halfway)
    again, numbers = passes_done(views, SETTINGS, halfway)
    assert numbers == []
    assert np.array_equal(again.texture, result.texture)


@pytest.mark.parametrize("change", [{"seed": 3}, {"losses": ("l1=1",)}, {"passes": 9}, {"exposure": False}])
def test_a_checkpoint_of_other_settings_is_left_alone(change: dict, views: Views, halfway: Path) -> None:
    settings = replace(SETTINGS, **change)
    assert passes_done(views, settings, halfway)[1] == list(range(1, settings.passes + 1))


def test_a_checkpoint_of_other_views_is_left_alone(views: Views, halfway: Path) -> None:
    other = fit(views.subset(TRAIN[1:]), SETTINGS, checkpoint=halfway)
    assert [record.figures for record in other.history] == [()] * 8  # none is the halfway run's
    assert np.array_equal(other.texture, fit(views.subset(TRAIN[1:]), SETTINGS).texture)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other", "flip"])
def test_a_broken_checkpoint_costs_only_its_work(damage: str, views: Views, result: FitResult, halfway: Path) -> None:
    data = halfway.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes(255 - b for b in data[middle : middle + 64]) + data[middle + 64 :]
    if damage == "other":
        torch.save([1, 2, 3], halfway)
    else:
        halfway.write_bytes(
            {"cut": data[:middle], "empty": b"", "text": b"not a checkpoint\n", "flip": flipped}[damage]
        )
    assert np.array_equal(passes_done(views, SETTINGS, halfway)[0].texture, result.texture)


def test_the_published_schedule_is_the_published_one(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = PyramidDescent.step

    def watched(self: PyramidDescent, rate: float) -> None:
        rates.append(rate)
        assert self.adam.param_groups[0]["betas"] == (0.5, 0.999)
        assert self.adam.param_groups[0]["eps"] == 1e-8
        step(self, rate)

    monkeypatch.setattr(PyramidDescent, "step", watched)
    settings = replace(PUBLISHED, texture=TextureSettings((16, 16)))
    found = fit(views.subset((0, 1)), settings)
    assert settings.passes == 60
    rule = [1 - max(0, number + 1 - 20) / 41 for number in range(60)]  # one step a pass, over all views
    np.testing.assert_allclose(rates, 0.005 * np.array(rule), rtol=1e-9)
    assert (found.gains == 1).all()
    assert (found.view_weights == 1).all()


def test_the_published_recipe_finds_the_texture_more_coarsely(views: Views, result: FitResult) -> None:
    published = fit(views.subset(TRAIN), replace(PUBLISHED, texture=SETTINGS.texture))
    assert 20 < held_out_psnr(published.texture, views) < held_out_psnr(result.texture, views)


def test_our_learning_rate_falls_along_a_cosine(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = PyramidDescent.step

    def watched(self: PyramidDescent, rate: float) -> None:
        rates.append(rate)
        step(self, rate)

    monkeypatch.setattr(PyramidDescent, "step", watched)
    fit(views.subset((0, 1, 2)), replace(SETTINGS, passes=4, batch=2))
    assert len(rates) == 4 * 2  # three views in batches of two
    done = np.arange(8) / 8
    np.testing.assert_allclose(
        rates, SETTINGS.learning_rate * (0.02 + 0.98 * (1 + np.cos(np.pi * done)) / 2), rtol=1e-9
    )


@pytest.mark.parametrize("losses", [("l2=1",), ("l1=1", "gradient_l1=1", "charbonnier=1", "huber=1")])
def test_pixels_without_confidence_have_no_influence(losses: tuple[str, ...], tmp_path: Path) -> None:
    whole = [make_view(number) for number in TRAIN[:3]]
    hidden = torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) < 0.3
    masked = [with_confidence(v, torch.where(hidden, 0.0, v.confidence)) for v in whole]
    junk = torch.tensor([1e6, float("nan"), float("inf")])[torch.arange(WIDTH) % 3][None, :, None]
    soiled = [replace(v, photo=torch.where(hidden[..., None], junk, v.photo)) for v in masked]
    settings = replace(SETTINGS, passes=5, losses=losses)
    clean, other = (fit(store(v, tmp_path / str(i)), settings) for i, v in enumerate((masked, soiled)))
    for name in ("texture", "weight", "gains", "offsets", "view_weights"):
        assert np.array_equal(getattr(clean, name), getattr(other, name)), name
    assert not np.array_equal(clean.texture, fit(store(whole, tmp_path / "whole"), settings).texture)


def test_pixels_of_low_confidence_count_less(tmp_path: Path) -> None:
    """Two photos disagree about the whole texture: it comes out nearer to the one that is trusted."""
    uv = place(0)
    seen = torch.ones(HEIGHT, WIDTH, SAMPLES, dtype=torch.bool)
    base = pack_view("dark", torch.full((HEIGHT, WIDTH, 3), 0.3), uv, seen, torch.ones(HEIGHT, WIDTH), 1 / WIDTH)
    bright = replace(base, name="bright", photo=torch.full((HEIGHT, WIDTH, 3), 0.7))
    settings = replace(SETTINGS, exposure=False, sharpness_power=0.0, passes=20, batch=0)
    values = []
    for number, trust in enumerate((1.0, 0.5, 0.1)):
        doubted = with_confidence(bright, torch.full((HEIGHT, WIDTH), trust))
        found = fit(store([base, doubted], tmp_path / str(number)), settings)
        values.append(found.texture[SIZE // 2, SIZE // 2, 0])
    # Squares of confidence x difference are summed, so confidence counts squared.
    expected = [0.3 + 0.4 * trust**2 / (1 + trust**2) for trust in (1.0, 0.5, 0.1)]
    np.testing.assert_allclose(values, expected, atol=0.03)


def test_the_weight_is_how_many_pixels_a_texel_has(views: Views, result: FitResult) -> None:
    pixels = sum(float(view.confidence.sum()) for _, view in views.stream(TRAIN))
    assert result.weight.sum() == pytest.approx(pixels, rel=1e-4)
    assert (result.weight >= 0).all()


def test_texels_that_no_photo_sees_stay_near_what_is_around_them(result: FitResult) -> None:
    assert np.isfinite(result.texture).all()
    assert np.abs(result.texture).max() < 2


def test_a_blurred_photo_counts_less(tmp_path: Path) -> None:
    sharp = [make_view(number) for number in TRAIN[:5]]
    planes = sharp[2].photo.permute(2, 0, 1)[None]
    blurred = F.avg_pool2d(F.pad(planes, (3, 3, 3, 3), mode="replicate"), 7, stride=1)[0].permute(1, 2, 0).contiguous()
    sharp[2] = replace(sharp[2], photo=blurred)
    weights = fit(store(sharp, tmp_path), SETTINGS).view_weights
    assert weights.argmin() == 2
    assert weights[2] < 0.3 * np.delete(weights, 2).min()
    assert (fit(store(sharp, tmp_path), replace(SETTINGS, sharpness_power=0.0)).view_weights == 1).all()


def test_what_each_pass_shows_is_the_texture_so_far(views: Views) -> None:
    shown: list[Tensor] = []

    def on_pass(_: PassRecord, texture: Tensor) -> tuple[float, ...]:
        shown.append(texture)
        return ()

    result = fit(views.subset((0, 1)), replace(SETTINGS, passes=3), on_pass=on_pass)
    assert len(shown) == 3
    assert not shown[-1].requires_grad
    assert np.array_equal(shown[-1].numpy(), result.texture)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_texture_has_as_many_channels_as_the_photos(channels: int, views: Views, tmp_path: Path) -> None:
    settings = replace(SETTINGS, texture=TextureSettings((SIZE, SIZE), channels), passes=4)
    with pytest.raises(FitError, match=f"photos have 3 channels, the texture {channels}"):
        fit(views.subset(TRAIN), settings)
    base = make_view(0)
    planes = base.photo.repeat(1, 1, 2)[..., :channels].contiguous()
    found = fit(store([replace(base, photo=planes)] * 2, tmp_path), replace(settings, losses=("l2=1",)))
    assert found.texture.shape == (SIZE, SIZE, channels)
    assert found.gains.shape == (2, channels)
    same = channels == 5  # channels 0, 1 come twice
    assert not same or np.allclose(found.texture[..., 0], found.texture[..., 3], atol=1e-5)


def explosive(render: Tensor, photo: Tensor, valid: Tensor) -> Tensor:
    """Fine on the trial image of 32x32, not a number on photos."""
    return (render * (1.0 if render.shape[-1] == 32 else float("nan"))).mean()


def test_a_loss_that_is_not_finite_stops_the_fit(views: Views) -> None:
    with pytest.raises(FitError, match="not finite in pass 1"):
        fit(views.subset(TRAIN), replace(SETTINGS, losses=(f"{__name__}:explosive",)))


def test_what_cannot_be_fitted_is_an_error(views: Views, tmp_path: Path) -> None:
    with pytest.raises(FitError, match="no view"):
        fit(views.subset(()), SETTINGS)
    blind = with_confidence(make_view(0), torch.zeros(HEIGHT, WIDTH))
    with pytest.raises(FitError, match="no photo sees"):
        fit(store([blind], tmp_path), replace(SETTINGS, passes=1))
    with pytest.raises(LossError, match="unknown loss"):
        fit(views, replace(SETTINGS, losses=("nonsense=1",)))


def test_a_fit_can_begin_with_anothers_texture_and_exposures(tmp_path: Path) -> None:
    faulty, _, _ = exposed(tmp_path)
    settings = replace(SETTINGS, sharpness_power=0.0)
    first = fit(faulty, settings)
    still = fit(faulty, replace(settings, passes=1, learning_rate=1e-12, exposure=False), beside=Beside(start=first))
    np.testing.assert_allclose(still.texture, first.texture, atol=1e-5)
    assert np.array_equal(still.gains, first.gains)
    assert np.array_equal(still.offsets, first.offsets)
    assert still.history[0].loss < 2 * first.history[-1].loss < 0.1 * first.history[0].loss


def test_a_checkpoint_of_another_start_is_left_alone(views: Views, result: FitResult, halfway: Path) -> None:
    fit(views.subset(TRAIN), SETTINGS, checkpoint=halfway, beside=Beside(start=result))
    assert passes_done(views, SETTINGS, halfway)[1] == list(range(1, 9))


def test_a_view_that_sees_nothing_among_others_does_no_harm(tmp_path: Path) -> None:
    blind = with_confidence(make_view(1), torch.zeros(HEIGHT, WIDTH))
    found = fit(store([make_view(0), blind, make_view(2)], tmp_path), replace(SETTINGS, passes=5))
    assert np.isfinite(found.texture).all()
    assert np.isfinite(found.gains).all()
    assert found.gains[1] == pytest.approx(np.ones(3), abs=0.15)  # 1 before the gauge is fixed


@pytest.mark.parametrize("k", [1, 2, 3])
def test_an_enlarged_view_is_its_uv_map(k: int) -> None:
    """The uv map that is the identity: each place names the sample that it belongs to, also once it is enlarged."""
    h, w = 5, 7
    rows, cols = np.mgrid[: h * k, : w * k].astype(np.float32)
    uv = np.stack([(cols + 0.5) / (w * k), (rows + 0.5) / (h * k)], axis=-1)
    grouped = uv.reshape(h, k, w, k, 2).swapaxes(1, 2).reshape(h, w, k * k, 2)
    seen = np.random.default_rng(0).random((h * k, w * k)) < 0.7
    by_pixel = seen.reshape(h, k, w, k).swapaxes(1, 2).reshape(h, w, k * k)
    photo = torch.from_numpy(np.random.default_rng(1).random((h, w, 3), dtype=np.float32))
    trust = torch.from_numpy(by_pixel.all(axis=2).astype(np.float32))
    view = pack_view("1", photo, torch.from_numpy(grouped.copy()), torch.from_numpy(by_pixel.copy()), trust, 1.0)
    large = enlarge_photo(view)
    assert large.uv.shape == (h * k, w * k, 1, 2)
    np.testing.assert_allclose(large.uv[:, :, 0], uv, atol=2**-21)
    assert np.array_equal(large.seen[..., 0], seen)
    assert np.array_equal(large.confidence > 0, seen)
    assert large.photo.shape == (h * k, w * k, 3)
    assert large.photo.min() >= 0
    assert large.photo.max() <= 1
    ramp = replace(view, photo=torch.linspace(0.2, 0.8, w)[None, :, None].expand(h, w, 3).contiguous())
    middle = enlarge_photo(ramp).photo[:, k * 2 : -k * 2, 0]
    step = 0.6 / (w - 1)
    expected = 0.2 + ((torch.arange(w * k) + 0.5) / k - 0.5) * step
    # PyTorch's cubic (a = -0.75) keeps a ramp to a twentieth of a pixel, away from the border.
    torch.testing.assert_close(middle, expected[k * 2 : -k * 2].expand(h * k, -1), atol=step / 20, rtol=0)
