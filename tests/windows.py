"""Photos of parts of one wallpaper, and pairs of photos, of known exposure and fall-off."""

from pathlib import Path

import numpy as np
import torch

from neuraltexgen.equalise.pairs import Pairs
from neuraltexgen.fall_off import FallOff
from neuraltexgen.fit_view import FitView, pack_view
from neuraltexgen.kernels.sample import render
from neuraltexgen.views import Views, save_view

HEIGHT, WIDTH, SIZE = 48, 64, 128
PHOTOS = 8
LENS, NONE = FallOff((-0.3, -0.05)), FallOff(())


def made_up(noise: float = 0.0, lens: FallOff = NONE) -> tuple[Pairs, np.ndarray, np.ndarray]:
    """Pairs of photos of known exposure; gains average 1, offsets 0."""
    rng = np.random.default_rng(0)
    gains = np.exp(0.3 * rng.standard_normal((PHOTOS, 3)))
    gains /= gains.mean(axis=0)
    offsets = 0.03 * rng.standard_normal((PHOTOS, 3))
    offsets -= gains * offsets.mean(axis=0)
    first, second = np.triu_indices(PHOTOS, 1)
    first, second = np.repeat(first, 40), np.repeat(second, 40)
    ends = np.stack((first, second), axis=1)
    radius = rng.random((len(first), 2))
    left = lens.at(torch.from_numpy(radius)).numpy()[..., None]
    albedo = rng.uniform(0.1, 0.9, (len(first), 1, 3))
    shown = gains[ends] * left * albedo + offsets[ends] + noise * rng.standard_normal((len(first), 2, 3))
    return Pairs(first, second, np.full(len(first), 16.0), shown, radius), gains, offsets


def one_group(photos: int = PHOTOS) -> np.ndarray:
    return np.zeros(photos, np.int64)


def wallpaper() -> torch.Tensor:
    y, x = torch.meshgrid(*[(torch.arange(SIZE) + 0.5) / SIZE] * 2, indexing="ij")
    return 0.4 + 0.25 * torch.stack([torch.sin(9 * x + c) * torch.cos(7 * y - c) for c in range(3)], dim=-1)


def window(number: int, gain: float = 1.0, lens: FallOff = NONE) -> FitView:
    """A photo of a part of the wallpaper."""
    y, x = torch.meshgrid((torch.arange(HEIGHT) + 0.5) / HEIGHT, (torch.arange(WIDTH) + 0.5) / WIDTH, indexing="ij")
    corner = torch.tensor([0.05 * number, 0.3 * (number % 3) / 2])
    uv = (corner + 0.6 * torch.stack((x, y), dim=2))[:, :, None]
    seen = torch.ones(HEIGHT, WIDTH, 1, dtype=torch.bool)
    photo = gain * lens.plane(HEIGHT, WIDTH)[..., None] * render(wallpaper(), uv, seen[..., 0])
    return pack_view(f"{number}", photo, uv, seen, torch.ones(HEIGHT, WIDTH), 0.6 / WIDTH)


def stored(views: list[FitView], folder: Path) -> Views:
    for view in views:
        save_view(folder / f"{view.name}.npz", view)
    return Views([folder / f"{view.name}.npz" for view in views], torch.device("cpu"), 1 << 30)
