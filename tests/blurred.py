"""Made-up photos of one texture with detail of every size, blurred as asked."""

from pathlib import Path

import torch
import torch.nn.functional as F

from neuraltexgen.fit_view import FitView, pack_view
from neuraltexgen.kernels.sample import render
from neuraltexgen.point_spread import SHARP, PointSpread
from neuraltexgen.views import Views, save_view

HEIGHT, WIDTH, SIZE = 96, 128, 512
FINE = 4
"""Points along each side of a pixel, which are blurred and averaged."""


def texture() -> torch.Tensor:
    """Detail of every size, about as much in each octave."""
    rng = torch.Generator().manual_seed(0)
    total = torch.zeros(1, 1, SIZE, SIZE)
    for size in (16, 32, 64, 128, 256, 512):
        noise = torch.randn(1, 1, size, size, generator=rng)
        total += F.interpolate(noise, (SIZE, SIZE), mode="bicubic", align_corners=False)
    return (0.5 + 0.06 * total[0, 0, :, :, None]).clamp(0.05, 0.95).repeat(1, 1, 3)


def photo(number: int, spread: PointSpread = SHARP, gain: float = 1.0, wide: float = 0.35) -> FitView:
    """A photo of a part of the texture, blurred in its own pixels; `wide`: the part's share of the texture."""
    y, x = torch.meshgrid(*((torch.arange(FINE * n) + 0.5) / (FINE * n) for n in (HEIGHT, WIDTH)), indexing="ij")
    corner = torch.tensor([0.05 + 0.03 * (number % 4), 0.05 + 0.04 * (number // 4)])
    uv = corner + wide * torch.stack((x, y * HEIGHT / WIDTH), dim=2)
    fine = render(texture(), uv[:, :, None], torch.ones(uv.shape[:2], dtype=torch.bool))
    fine = spread_out(fine, spread, FINE).permute(2, 0, 1)[None]
    shown = gain * F.avg_pool2d(fine, FINE)[0].permute(1, 2, 0).contiguous()
    middle = uv[FINE // 2 :: FINE, FINE // 2 :: FINE][:, :, None].contiguous()
    seen = torch.ones(HEIGHT, WIDTH, 1, dtype=torch.bool)
    return pack_view(str(number), shown, middle, seen, torch.ones(HEIGHT, WIDTH), wide / WIDTH)


def spread_out(image: torch.Tensor, spread: PointSpread, fine: int = 1) -> torch.Tensor:
    """An image of (h, w, c) blurred by a Gaussian, by its taps; a pixel of the spread has `fine` points a side."""
    if spread == SHARP:
        return image
    reach = int(4 * spread.axes[0] * fine) + 1
    offset = torch.arange(-reach, reach + 1, dtype=torch.float64) / fine
    y, x = offset[:, None], offset[None]
    ridge = 1e-3  # a point has some width, too
    matrix = torch.tensor([[spread.xx + ridge, spread.xy], [spread.xy, spread.yy + ridge]], dtype=torch.float64)
    (xx, xy), (_, yy) = torch.linalg.inv(matrix).tolist()
    taps = torch.exp(-0.5 * (xx * x**2 + 2 * xy * x * y + yy * y**2))
    taps = (taps / taps.sum()).float().expand(image.shape[2], 1, -1, -1)
    planes = F.pad(image.permute(2, 0, 1)[None], (reach,) * 4, mode="replicate")
    return F.conv2d(planes, taps, groups=image.shape[2])[0].permute(1, 2, 0)


def stored(views: list[FitView], folder: Path) -> Views:
    for view in views:
        save_view(folder / f"{view.name}.npz", view)
    return Views([folder / f"{view.name}.npz" for view in views], torch.device("cpu"), 1 << 30)
