"""Made-up views: charts strewn over an atlas, a texel a pixel, every tenth pixel hidden."""

from dataclasses import dataclass

import torch

from neuraltexgen.kernels.cuda.photometric import count_pairs
from neuraltexgen.kernels.packed import Places, pack_uv
from neuraltexgen.kernels.photometric import Colour, Stack
from neuraltexgen.texture import PyramidTexture, TextureSettings


@dataclass(frozen=True)
class Workload:
    """`views` photos of height x width pixels, in charts of `chart` pixels a side, on a texture of `texture` texels.

    `spread`: the share of the texture's rows and columns, from the upper left corner on, in which the charts lie.
    """

    views: int = 6
    height: int = 1024
    width: int = 1280
    texture: int = 2048
    chart: int = 64
    spread: float = 1.0

    @property
    def pixels(self) -> int:
        """Of all views."""
        return self.views * self.height * self.width


USUAL = Workload()


def make_views(work: Workload, device: torch.device) -> Stack:
    """The views, their charts in different places; photos of noise. The same for the same workload."""
    y, x = torch.meshgrid(torch.arange(work.height) + 0.5, torch.arange(work.width) + 0.5, indexing="ij")
    chart, texture = work.chart, work.texture
    low, high, trust, photo = [], [], [], []
    for number in range(work.views):
        generator = torch.Generator().manual_seed(number)
        corners = torch.rand(-(-work.height // chart), -(-work.width // chart), 2, generator=generator)
        corners = corners * (work.spread - 1.1 * chart / texture)
        corners = corners.repeat_interleave(chart, 0).repeat_interleave(chart, 1)[: work.height, : work.width]
        turn = 0.2 * torch.rand(1, generator=generator) - 0.1
        inside = torch.stack((x % chart + turn * (y % chart), y % chart - turn * (x % chart)), dim=-1)
        packed = pack_uv((corners + inside / texture)[:, :, None])
        low.append(packed[0])
        high.append(packed[1])
        hidden = torch.rand(work.height, work.width, generator=generator) < 0.1
        trust.append(torch.where(hidden, 0, 255).to(torch.uint8))
        photo.append(torch.randint(0, 256, (work.height, work.width, 3), generator=generator, dtype=torch.uint8))
    places = Places(*(torch.stack(field).to(device) for field in (low, high, trust)))
    ones = torch.ones(work.views, 3, device=device)
    counts = count_pairs(places.trust)
    weight = torch.full((work.views,), 1 / work.views, device=device)
    return Stack(places, torch.stack(photo).to(device), Colour(ones, 0 * ones), weight, counts)


def make_texture(work: Workload, device: torch.device) -> PyramidTexture:
    """A pyramid of noise on four levels."""
    texture = PyramidTexture(TextureSettings((work.texture, work.texture)))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for level in texture.levels:
            level.copy_(0.1 * torch.randn(level.shape, generator=generator))
    return texture.to(device)
