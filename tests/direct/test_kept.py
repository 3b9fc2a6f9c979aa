"""Kept sums: photos come and go in any order to one texture; new ones get the exposures that they were made with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen.direct import solve
from neuraltexgen.direct.kept import KeptSums, PhotoFigures, add_photos, check_keepable, look_at_new, solve_kept
from neuraltexgen.errors import ConfigError
from neuraltexgen.fit_types import FitResult
from neuraltexgen.views import Views
from test_fit import HELD, SETTINGS, held_out_psnr, make_view, store

pytestmark = pytest.mark.usefixtures("one_thread")

DIRECT = replace(SETTINGS, smoothness=1e-2)
FIRST, LATER = tuple(range(5)), tuple(range(5, 8))
GAIN, OFFSET = 1.2, -0.05


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Views:
    """Eight photos with noise, so that each of them matters; two without; and one in other colours."""
    made = [make_view(number) for number in (*FIRST, *LATER, *HELD)]
    for number in (*FIRST, *LATER):
        noise = 0.05 * torch.randn(made[number].photo.shape, generator=torch.Generator().manual_seed(number))
        made[number] = replace(made[number], photo=made[number].photo + noise)
    return store([*made, make_view(11, GAIN, OFFSET)], tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def fitted(views: Views) -> FitResult:
    return solve(views.subset(FIRST), DIRECT)


def figures(fitted: FitResult) -> PhotoFigures:
    nothing = torch.zeros(len(fitted.gains))
    own = (torch.from_numpy(part) for part in (fitted.gains, fitted.offsets, fitted.view_weights))
    return PhotoFigures(*own, nothing, nothing)


def gathered(views: Views, fitted: FitResult) -> tuple[KeptSums, PhotoFigures]:
    kept = KeptSums.empty(torch.from_numpy(fitted.texture))
    return kept, add_photos(kept, views.subset(FIRST), figures(fitted), DIRECT)


def parts(kept: KeptSums) -> list[Tensor]:
    assert kept.sums.stencil is not None
    return [kept.sums.stencil, kept.sums.gradient, kept.weight, kept.looks]


def test_photos_added_later_are_worth_what_they_are_worth_at_once(views: Views, fitted: FitResult) -> None:
    later, known = gathered(views, fitted)
    new = look_at_new(views.subset(LATER), later, known, DIRECT)
    add_photos(later, views.subset(LATER), new, DIRECT)
    at_once = KeptSums.empty(torch.from_numpy(fitted.texture))
    add_photos(at_once, views.subset((*LATER, *FIRST)), new.joined(known), DIRECT)
    for one, other in zip(parts(later), parts(at_once), strict=True):
        assert torch.allclose(one, other, atol=1e-5 * float(other.abs().max()))
    one, other = (solve_kept(kept, 8, DIRECT, None) for kept in (later, at_once))
    assert (one - other).abs().max() < 1e-3
    assert held_out_psnr(one, views) > held_out_psnr(fitted.texture, views) + 1


def test_what_comes_and_goes_leaves_nothing_behind(views: Views, fitted: FitResult) -> None:
    kept, known = gathered(views, fitted)
    before, texture = [part.clone() for part in parts(kept)], solve_kept(kept, 5, DIRECT, None)
    new = look_at_new(views.subset(LATER), kept, known, DIRECT)
    add_photos(kept, views.subset(LATER), new, DIRECT)
    between = [float(part.abs().max()) for part in parts(kept)]
    assert not torch.allclose(kept.weight, before[2], atol=0.1)
    add_photos(kept, views.subset(LATER), new, DIRECT, sign=-1)
    for found, expected, most in zip(parts(kept), before, between, strict=True):
        assert torch.allclose(found, expected, atol=1e-5 * most)
    assert (solve_kept(kept, 5, DIRECT, None) - texture).abs().max() < 1e-3


def test_a_photo_taken_out_is_as_if_it_had_never_been_looked_at(views: Views, fitted: FitResult) -> None:
    kept, known = gathered(views, fitted)
    add_photos(kept, views.subset((4,)), known.take([4]), DIRECT, sign=-1)
    without = KeptSums.empty(torch.from_numpy(fitted.texture))
    add_photos(without, views.subset(FIRST[:4]), known.take([0, 1, 2, 3]), DIRECT)
    for found, expected in zip(parts(kept), parts(without), strict=True):
        assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))


def test_of_its_own_photos_alone_the_texture_hardly_moves(views: Views, fitted: FitResult) -> None:
    kept, _ = gathered(views, fitted)
    seen = kept.weight[..., 0].numpy() > 0.5
    moved = np.abs(solve_kept(kept, 5, DIRECT, None).numpy() - fitted.texture)[seen]
    assert moved.mean() < 2e-3


def test_a_new_photos_exposure_is_found(views: Views, fitted: FitResult) -> None:
    kept, known = gathered(views, fitted)
    found = look_at_new(views.subset((10,)), kept, known, replace(DIRECT, sharpness_power=0.0))
    # The texture is in the mean photo's colours, which are those of the truth. Noise in it draws gains towards 1.
    assert found.gains[0].numpy() == pytest.approx(GAIN, abs=0.1)
    assert (0.5 * found.gains[0] + found.offsets[0]).numpy() == pytest.approx(0.5 * GAIN + OFFSET, abs=0.02)
    assert found.weights.tolist() == [1.0]
    plain = look_at_new(views.subset((10,)), kept, known, replace(DIRECT, exposure=False))
    assert plain.gains.tolist() == [[1.0] * 3]


@pytest.mark.parametrize("change", [{"losses": ("l1",)}, {"losses": ("ssim",)}, {"regulariser": 0.1}, {"clip": True}])
def test_objectives_that_do_not_add_up_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be kept"):
        check_keepable(replace(DIRECT, **change))
