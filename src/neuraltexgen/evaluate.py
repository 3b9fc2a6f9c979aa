"""Held-out scores of a texture: which pixels count, and every figure per view."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32
from torch import Tensor

from neuraltexgen.colour import fit_colour
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.packed import scatter
from neuraltexgen.lookups import render_view
from neuraltexgen.machine import one_torch_thread
from neuraltexgen.metrics import Score, quick_figures, score
from neuraltexgen.views import Views

ROWS = 1024
"""Rows that are worked on at a time: what is computed on the way is several times as large."""

SEEN_WEIGHT = 1e-4
"""A texel that got less than this share of a pixel was not seen."""


@dataclass(frozen=True)
class ViewScore:
    """The figures of one view."""

    name: str
    score: Score


@one_torch_thread()
def seen_texels(views: Views, size: tuple[int, int], indices: Iterable[int]) -> Bool[Tensor, "H W"]:
    """Texels that a view of `indices` looks at with any confidence, grown by the distance between its samples."""
    looks = torch.zeros(*size, 1, device=views.device)
    spacing = [count_looks(view, looks) for _, view in views.stream(indices)]
    return grow(looks[..., 0] > SEEN_WEIGHT, spacing)


def count_looks(view: FitView, looks: Float32[Tensor, "H W 1"], sign: int = 1) -> float:
    """Adds 1 for each pixel with any confidence to the texels that it looks at; returns how many texels lie between the
    view's samples. `sign` -1 takes a view out again.
    """
    # Pixels without confidence are passed over.
    scatter(torch.full((*view.trust.shape, 1), float(sign), device=looks.device), view.places, looks)
    return view.footprint * (looks.shape[0] * looks.shape[1]) ** 0.5 / view.samples**0.5


def grow(seen: Bool[Tensor, "H W"], sample_texels: list[float]) -> Bool[Tensor, "H W"]:
    """The mask grown by half the median distance between samples, in texels (1 to 8): gaps between samples are seen."""
    spacing = float(torch.tensor(sample_texels).median()) if sample_texels else 1.0
    radius = min(max(1, round(spacing / 2)), 8)
    result = torch.empty_like(seen)
    for top in range(0, len(seen), ROWS):
        first, last = max(top - radius, 0), min(top + ROWS + radius, len(seen))
        planes = seen[first:last].float()[None, None]
        grown = F.max_pool2d(planes, 2 * radius + 1, stride=1, padding=radius)[0, 0] > 0
        result[top : top + ROWS] = grown[top - first : top - first + ROWS]
    return result


def shown(texture: Float32[Tensor, "H W c"]) -> Float32[Tensor, "H W c"]:
    """The texture clipped to [0, 1]; itself, not a copy, where that changes nothing."""
    low, high = torch.aminmax(texture)
    return texture if low >= 0 and high <= 1 else texture.clamp(0, 1)


def scored_pixels(view: FitView, seen: Bool[Tensor, "H W"]) -> Bool[Tensor, "h w"]:
    """The pixels that count in a score: the mesh covers all their area, and every texel looked up was seen."""
    share = _whole_render(seen.float()[..., None].contiguous(), view)[..., 0]
    return view.valid & (share > 0.999)


@torch.no_grad()
def score_view(texture: Float32[Tensor, "H W c"], view: FitView, seen: Bool[Tensor, "H W"]) -> ViewScore:
    """The figures of one view against its photo, over `scored_pixels`. The texture is clipped to [0, 1] first."""
    mask = scored_pixels(view, seen)
    return ViewScore(view.name, score(_whole_render(shown(texture), view), view.colours(), mask))


@torch.no_grad()
def quick_score(texture: Float32[Tensor, "H W c"], view: FitView, mask: Bool[Tensor, "h w"]) -> tuple[float, float]:
    """PSNR after the colour fit, and sharpness, over masked pixels: what a curve over passes needs, without SSIM.

    The texture is clipped already: it serves many views.
    """
    return quick_figures(_whole_render(texture, view), view.colours(), mask)


@torch.no_grad()
def compare_view(
    texture: Float32[Tensor, "H W c"], view: FitView, seen: Bool[Tensor, "H W"], colour_fit: bool = True
) -> tuple[Float32[Tensor, "h w c"], Float32[Tensor, "h w"]]:
    """The render, 0 off the mesh, and the mean absolute error per pixel, NaN where no score is taken.

    `colour_fit`: the render in the photo's colours (gain and offset per channel), else in its own.
    """
    mask = scored_pixels(view, seen)
    plain = _whole_render(shown(texture), view)
    gain, offset = fit_colour(plain, view.colours(), mask.float()) if colour_fit else (1.0, 0.0)
    fitted = torch.where(view.valid[..., None], (gain * plain + offset).clamp(0, 1), torch.zeros_like(plain))
    error = (fitted - view.colours()).abs().mean(dim=2)
    return fitted, torch.where(mask, error, torch.full_like(error, float("nan")))


def _whole_render(texture: Float32[Tensor, "H W c"], view: FitView) -> Float32[Tensor, "h w c"]:
    """The render at all pixels that show the mesh with their whole area, also those without confidence; 0 elsewhere."""
    return render_view(texture, view, view.valid)
