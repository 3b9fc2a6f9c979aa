"""Many photos make a texture finer than any one of them: the model's pixel is an area, and the photos' grids differ."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.fit import fit
from neuraltexgen.fit_view import pack_view
from neuraltexgen.kernels.sample import render
from neuraltexgen.metrics import psnr
from neuraltexgen.recipes import FitSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.views import Views, save_view

TEXELS, PIXELS, STEPS = 64, 28, 192
"""Along each side of the texture and of a photo. A photo's pixel is about two texels wide."""

INNER = torch.zeros(TEXELS, TEXELS, dtype=torch.bool)
INNER[16:-16, 16:-16] = True
"""Texels that every photo sees."""


def truth() -> Tensor:
    """Random colours, smoothed over about a texel: finer than what a pixel of two texels can show."""
    noise = torch.randn(1, 3, TEXELS, TEXELS, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([1.0, 4.0, 1.0]) / 6
    kernel = torch.outer(weights, weights).expand(3, 1, 3, 3)
    smooth = F.conv2d(noise, kernel, padding=1, groups=3)[0].permute(1, 2, 0)
    return (0.5 + 0.15 * smooth / smooth.std()).clamp(0, 1).contiguous()


def uv_map(number: int, samples: int, jitter: float = 1.0) -> Tensor:
    """The uvs (h w s 2) of a camera in front of the plane, held a little differently for each number."""
    rng = np.random.default_rng(number)
    angle, scale = jitter * rng.uniform(-0.12, 0.12), 2 * (1 + jitter * rng.uniform(-0.06, 0.06))
    middle = TEXELS / 2 + jitter * rng.uniform(-2, 2, 2)
    places = (np.arange(PIXELS * samples) + 0.5) / samples - PIXELS / 2
    points = np.stack(np.meshgrid(places, places), axis=-1) * scale
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    grid = ((points @ turn + middle) / TEXELS).reshape(PIXELS, samples, PIXELS, samples, 2)
    return torch.from_numpy(grid.swapaxes(1, 2).reshape(PIXELS, PIXELS, -1, 2).astype(np.float32))


def photographs(count: int, folder: Path, jitter: float = 1.0) -> Views:
    """Photos of the plane, each pixel the mean over 8 x 8 rays, with 3 x 3 sub-samples a pixel to be fitted with."""
    files, whole = [], torch.ones(PIXELS, PIXELS, dtype=torch.bool)
    for number in range(count):
        uv, photo = uv_map(number, 3, jitter), render(truth(), uv_map(number, 8, jitter), whole)
        seen = torch.ones(uv.shape[:3], dtype=torch.bool)
        view = pack_view(f"{number:02d}", photo, uv, seen, whole.float(), 2 / TEXELS)
        files.append(folder / f"{count}-{jitter}-{number:02d}.npz")
        save_view(files[-1], view)
    return Views(files, torch.device("cpu"), 1 << 30)


def fitted(views: Views, texels: int = TEXELS) -> Tensor:
    settings = FitSettings(TextureSettings((texels, texels)), passes=STEPS // len(views))
    return torch.from_numpy(fit(views, settings).texture)


def enlarged(texture: Tensor) -> Tensor:
    planes = F.interpolate(texture.permute(2, 0, 1)[None], scale_factor=2, mode="bicubic", align_corners=False)
    return planes[0].permute(1, 2, 0)


pytestmark = pytest.mark.usefixtures("one_thread")


def test_many_photos_show_what_none_of_them_does(tmp_path: Path) -> None:
    few, many = photographs(2, tmp_path), photographs(16, tmp_path)
    found = psnr(fitted(many), truth(), INNER)
    assert found > 26
    assert found > psnr(enlarged(fitted(many, TEXELS // 2)), truth(), INNER) + 5
    assert found > psnr(fitted(few), truth(), INNER) + 3


def test_photos_from_one_place_show_no_more_than_one_of_them(tmp_path: Path) -> None:
    one, still = (psnr(fitted(photographs(count, tmp_path, 0.0)), truth(), INNER) for count in (1, 16))
    assert still == pytest.approx(one, abs=0.5)
    assert still < 23
