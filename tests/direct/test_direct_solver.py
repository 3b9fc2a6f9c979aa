"""The direct solver on views of a known texture: it comes back, at an objective no worse than Adam's run long."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen import glimpses
from neuraltexgen.direct import can_solve, solve, start
from neuraltexgen.errors import ConfigError, FitError
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside, FitResult, PassRecord
from neuraltexgen.kernels.sample import render
from neuraltexgen.losses import Objective
from neuraltexgen.recipes import PUBLISHED, FitSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.training_settings import choose_solver
from neuraltexgen.views import Views
from test_fit import HELD, SETTINGS, SIZE, TRAIN, exposed, held_out_psnr, make_view, store

pytestmark = pytest.mark.usefixtures("one_thread")

DIRECT = replace(SETTINGS, smoothness=1e-4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Views:
    return store([make_view(number) for number in (*TRAIN, *HELD)], tmp_path_factory.mktemp("views"))


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Views:
    """Photos that no texture explains: each its own noise, so that the minimum is far from 0."""
    made = [make_view(number) for number in TRAIN[:4]]
    for number, view in enumerate(made):
        noise = 0.1 * torch.randn(view.photo.shape, generator=torch.Generator().manual_seed(number))
        made[number] = replace(view, photo=view.photo + noise)
    return store(made, tmp_path_factory.mktemp("noisy"))


@pytest.fixture(scope="module")
def result(views: Views) -> FitResult:
    return solve(views.subset(TRAIN), DIRECT)


def objective(views: Views, found: FitResult, losses: tuple[str, ...]) -> float:
    """Mean over views of the losses, exposures fitted and views weighing alike."""
    terms, total = Objective(losses), 0.0
    for index, view in views.stream(range(len(views))):
        valid = view.confidence > 0
        shown = found.gains[index] * render(torch.from_numpy(found.texture), view.uv, valid).numpy()
        shown = torch.from_numpy(shown + found.offsets[index])
        photo = view.colours()
        total += float(terms(shown.permute(2, 0, 1)[None], photo.permute(2, 0, 1)[None], valid[None, None]))
    return total / len(views)


def test_a_known_texture_comes_back(views: Views, result: FitResult) -> None:
    assert held_out_psnr(result.texture, views) > 50
    assert [record.number for record in result.history] == list(range(1, len(result.history) + 1))
    assert result.history[-1].loss < 1e-2 * result.history[0].loss  # which is that of the photos' mean


def test_the_minimum_is_no_higher_than_adams_run_long(noisy: Views) -> None:
    """Without exposures and sharpness both minimise one function; the prior is too weak to matter."""
    plain = replace(SETTINGS, exposure=False, sharpness_power=0.0, damping=None)
    ours = solve(noisy, replace(plain, smoothness=1e-6))
    adam = fit(noisy, replace(plain, passes=60))
    assert objective(noisy, ours, ("l2",)) < 1.001 * objective(noisy, adam, ("l2",))


@pytest.mark.parametrize("losses", [("l1",), ("huber",), ("charbonnier",), ("l2", "l1=0.1")])
def test_robust_losses_end_no_higher_than_adams(losses: tuple[str, ...], noisy: Views) -> None:
    plain = replace(SETTINGS, exposure=False, sharpness_power=0.0, losses=losses)
    ours = solve(noisy, replace(plain, smoothness=1e-6))
    adam = fit(noisy, replace(plain, passes=30))
    assert objective(noisy, ours, losses) < 1.02 * objective(noisy, adam, losses)


def test_exposures_come_back_and_keep_the_gauge(tmp_path: Path) -> None:
    faulty, gains, offsets = exposed(tmp_path)
    found = solve(faulty, DIRECT)
    np.testing.assert_allclose(found.gains.mean(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(found.offsets.mean(axis=0), 0, atol=1e-6)
    shown, planted = found.gains * 0.5 + found.offsets, gains * 0.5 + offsets
    assert np.abs(shown - planted).max() < 0.15 * np.abs(planted - 0.5).max()
    off = solve(faulty, replace(DIRECT, exposure=False))
    assert (off.gains == 1).all()
    assert found.history[-1].loss < 0.1 * off.history[-1].loss


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_exposures_settle_on_a_coarse_texture(stride: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glimpses, "COARSE", 40 // stride)
    faulty, gains, offsets = exposed(tmp_path)
    exposures = start.Exposures(faulty, (SIZE, SIZE), 3)
    assert exposures.stride == stride
    colours = exposures.settle(0.03)
    torch.testing.assert_close(colours.gains.mean(dim=0), torch.ones(3))
    shown, planted = colours.gains.numpy() * 0.5 + colours.offsets.numpy(), gains * 0.5 + offsets
    if stride > 1:  # at 1 the rounds do it, with all pixels
        assert np.abs(shown - planted).mean() < 0.75 * np.abs(planted - 0.5).mean()


def test_twice_is_the_same_and_the_seed_does_not_matter(views: Views, result: FitResult) -> None:
    again = solve(views.subset(TRAIN), replace(DIRECT, seed=5))
    for name in ("texture", "weight", "gains", "offsets", "view_weights"):
        assert np.array_equal(getattr(again, name), getattr(result, name)), name


class Killed(Exception):
    pass


def kill_after(number: int) -> Callable[[PassRecord, Tensor], tuple[float, ...]]:
    def on_pass(record: PassRecord, _: Tensor) -> tuple[float, ...]:
        if record.number > number:
            raise Killed
        return (10.0 * record.number,)

    return on_pass


def test_a_killed_run_goes_on_and_ends_the_same(views: Views, tmp_path: Path) -> None:
    robust, checkpoint = replace(DIRECT, losses=("huber",)), tmp_path / "fit.pt"
    whole = solve(views.subset(TRAIN), robust)
    with pytest.raises(Killed):
        solve(views.subset(TRAIN), robust, checkpoint=checkpoint, on_pass=kill_after(2))
    numbers: list[int] = []

    def on_pass(record: PassRecord, _: Tensor) -> tuple[float, ...]:
        numbers.append(record.number)
        return (10.0 * record.number,)

    went_on = solve(views.subset(TRAIN), robust, checkpoint=checkpoint, on_pass=on_pass)
    assert numbers == [record.number for record in whole.history][2:]
    for name in ("texture", "gains", "offsets", "view_weights"):
        assert np.array_equal(getattr(went_on, name), getattr(whole, name)), name
    assert [r.figures for r in went_on.history] == [(10.0 * r.number,) for r in whole.history]


def test_a_finished_run_is_taken_up_by_its_own_settings_alone(views: Views, result: FitResult, tmp_path: Path) -> None:
    done = solve(views.subset(TRAIN), DIRECT, checkpoint=tmp_path / "fit.pt")
    again = solve(views.subset(TRAIN), DIRECT, checkpoint=tmp_path / "fit.pt")
    assert np.array_equal(done.texture, again.texture)
    other = solve(views.subset(TRAIN), replace(DIRECT, smoothness=1.0), checkpoint=tmp_path / "fit.pt")
    assert not np.array_equal(other.texture, result.texture)


def test_adams_checkpoint_is_not_taken_up(views: Views, result: FitResult, tmp_path: Path) -> None:
    fit(views.subset(TRAIN), replace(DIRECT, passes=1), checkpoint=tmp_path / "fit.pt")
    assert np.array_equal(solve(views.subset(TRAIN), DIRECT, checkpoint=tmp_path / "fit.pt").texture, result.texture)


def test_pixels_without_confidence_have_no_influence(tmp_path: Path) -> None:
    whole = [make_view(number) for number in TRAIN[:3]]
    hidden = torch.rand(whole[0].trust.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    masked = [replace(v, trust=torch.where(hidden, 0, v.trust)) for v in whole]
    junk = [replace(v, photo=torch.where(hidden[..., None], torch.nan, v.photo)) for v in masked]
    clean, other = (solve(store(v, tmp_path / str(i)), DIRECT) for i, v in enumerate((masked, junk)))
    for name in ("texture", "weight", "gains", "offsets", "view_weights"):
        assert np.array_equal(getattr(clean, name), getattr(other, name)), name


def test_a_start_is_gone_on_from(views: Views, result: FitResult) -> None:
    still = solve(views.subset(TRAIN), DIRECT, beside=Beside(start=result))
    assert still.history[0].loss < 1.01 * result.history[-1].loss
    assert np.abs(still.texture - result.texture).mean() < 0.01


def test_samples_that_are_compared_one_by_one_come_back_too(views: Views) -> None:
    found = solve(views.subset(TRAIN), replace(DIRECT, compare_at="uvmap", exposure=False))
    assert held_out_psnr(found.texture, views) > 25


def test_what_cannot_be_solved_is_an_error(views: Views, tmp_path: Path) -> None:
    with pytest.raises(FitError, match="no view"):
        solve(views.subset(()), DIRECT)
    with pytest.raises(FitError, match="gradient_l1"):
        solve(views, replace(DIRECT, losses=("l2", "gradient_l1")))
    with pytest.raises(FitError, match="channels"):
        solve(views, replace(DIRECT, texture=TextureSettings((SIZE, SIZE), 1)))
    blind = replace(make_view(0), trust=torch.zeros_like(make_view(0).trust))
    with pytest.raises(FitError, match="no photo sees"):
        solve(store([blind], tmp_path), DIRECT)


def test_which_solver_is_in_force() -> None:
    assert choose_solver(FitSettings(), CPU) == "direct"
    assert choose_solver(FitSettings(), torch.device("cuda")) == "adam"
    for settings in (PUBLISHED, FitSettings(passes=12), FitSettings(clip=True), FitSettings(losses=("l1",))):
        assert choose_solver(settings, CPU) == "adam"
    assert choose_solver(FitSettings(losses=("l1",), solver="direct"), CPU) == "direct"
    assert choose_solver(FitSettings(solver="adam"), CPU) == "adam"
    with pytest.raises(ConfigError, match="--solver direct"):
        choose_solver(replace(PUBLISHED, solver="direct"), CPU)
    assert not can_solve(PUBLISHED)
