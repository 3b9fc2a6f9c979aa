"""How views look a texture up: as points or with footprints, the same through the fit and the scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen.errors import ConfigError
from neuraltexgen.evaluate import score_view
from neuraltexgen.fit import fit
from neuraltexgen.fit_view import FitView, pack_view
from neuraltexgen.kernels.packed import look_up
from neuraltexgen.kernels.sample import render
from neuraltexgen.lookups import TAPS, render_view, scatter_view
from neuraltexgen.metrics import psnr
from neuraltexgen.recipes import FitSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.training import train_and_score
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.views import Views, save_view

CPU = torch.device("cpu")
SIZE, SIDE, FINE = 64, 20, 8
TRAIN, HELD = 16, 2

pytestmark = pytest.mark.usefixtures("one_thread")


def truth() -> Tensor:
    """Detail of all sizes down to a texel."""
    noise = torch.randn(SIZE, SIZE, 3, generator=torch.Generator().manual_seed(0))
    waves = torch.fft.fft2(noise, dim=(0, 1))
    frequency = torch.fft.fftfreq(SIZE)[:, None].square() + torch.fft.fftfreq(SIZE).square()
    picture = torch.fft.ifft2(waves / (1e-3 + frequency).sqrt()[..., None], dim=(0, 1)).real
    return (0.5 + 0.15 * picture / picture.std()).clamp(0, 1).contiguous()


def places(number: int, k: int, texels: float) -> Tensor:
    """The uvs (h w k² 2) of a view whose pixels are `texels` wide on the texture, turned and shifted."""
    rng = np.random.default_rng(number)
    angle, middle = rng.uniform(-3, 3), 0.5 + rng.uniform(-0.15, 0.15, 2)
    rows, cols = (np.mgrid[: SIDE * k, : SIDE * k] + 0.5) / k - SIDE / 2
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    uv = np.stack([cols, rows], axis=-1) * texels / SIZE @ turn + middle
    grouped = uv.reshape(SIDE, k, SIDE, k, 2).swapaxes(1, 2).reshape(SIDE, SIDE, k * k, 2)
    return torch.from_numpy(grouped.astype(np.float32))


def make_view(number: int, k: int = 1, texels: float = 3.0) -> FitView:
    """A photo of the truth, averaged over each pixel's whole area, and k x k samples a pixel."""
    fine, uv = places(number, FINE, texels), places(number, k, texels)
    whole = ((fine > 0.03) & (fine < 0.97)).all(dim=-1).all(dim=-1)
    photo = render(truth(), fine, whole)
    seen = whole[..., None].expand(*uv.shape[:3]).contiguous()
    return pack_view(f"{number:02d}", photo, uv, seen, whole.float(), texels / SIZE)


def error_of(taps: int, folder: Path) -> float:
    """PSNR of held-out photos, rendered with whole areas, after a fit to one sample a pixel."""
    files = [folder / f"{number:02d}.npz" for number in range(TRAIN)]
    for number, file in enumerate(files):
        if not file.exists():
            save_view(file, make_view(number))
    settings = FitSettings(texture=TextureSettings((SIZE, SIZE)), passes=8, batch=1, exposure=False)
    found = torch.from_numpy(fit(Views(files, CPU, 1 << 30, taps), settings).texture)
    scores = []
    for number in range(TRAIN, TRAIN + HELD):
        inner = ((places(number, FINE, 2.0) - 0.5).abs() < 0.3).all(dim=-1).all(dim=-1)
        uv = places(number, FINE, 2.0)
        scores.append(psnr(render(found, uv, inner), render(truth(), uv, inner), inner))
    return float(np.mean(scores))


def test_where_pixels_cover_several_texels_one_footprint_beats_one_point(tmp_path: Path) -> None:
    point, mip, anisotropic = (error_of(taps, tmp_path) for taps in TAPS.values())
    assert mip > point + 1
    assert anisotropic > point + 1


@pytest.mark.parametrize("taps", TAPS.values())
def test_scattering_into_a_view_is_the_adjoint_of_its_render(taps: int) -> None:
    view = replace(make_view(1, 2), taps=taps)
    gradient = torch.randn(SIDE, SIDE, 3, generator=torch.Generator().manual_seed(1)) * (view.trust > 0)[..., None]
    found = torch.zeros(SIZE, SIZE, 3)
    scatter_view(gradient, view, found)
    image = render_view(truth(), view)
    assert float((image * gradient).sum()) == pytest.approx(float((truth() * found).sum()), rel=1e-4)


@pytest.mark.parametrize("taps", TAPS.values())
def test_pixels_finer_than_texels_look_at_points_whatever_the_sampling(taps: int) -> None:
    view = make_view(2, 2, 0.9)
    image = render_view(truth(), replace(view, taps=taps))
    torch.testing.assert_close(image, look_up(truth(), view.places), rtol=0, atol=1e-5)


def test_views_hand_their_sampling_to_renders_and_scores(tmp_path: Path) -> None:
    file = tmp_path / "view.npz"
    save_view(file, make_view(3))
    seen = torch.ones(SIZE, SIZE, dtype=torch.bool)
    point, mip = (Views([file], CPU, 1 << 30, taps) for taps in (0, 1))
    assert mip.subset([0])[0].taps == 1
    assert score_view(truth(), mip[0], seen).score.psnr > score_view(truth(), point[0], seen).score.psnr + 3


def test_the_direct_solver_has_no_footprints(tmp_path: Path) -> None:
    file = tmp_path / "view.npz"
    save_view(file, make_view(4))
    settings = TrainSettings(FitSettings(solver="direct"), SIZE, "none", sampling="mip")
    with pytest.raises(ConfigError, match="mip") as refused:
        train_and_score([file], ["04"], settings, tmp_path)
    assert refused.value.fix
