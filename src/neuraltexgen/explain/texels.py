"""Per texel: how many photos show it, how far they lie apart, and how well its colour is known."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int32

from neuraltexgen.fit_types import FitResult
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.packed import look_up, scatter
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

LEAST_MASS = 1e-3
"""Of a pixel: a texel that got less was not seen."""

ORDINARY_PIXELS = 1.0
"""How many pixels of ordinary spread a texel's own spread is mixed with: a single pixel says nothing about it."""


@dataclass(frozen=True, eq=False)
class TexelMaps:
    """Maps of a texture's size.

    `photos`: how many show a texel with any confidence. `spread`: root mean square difference between photos and
    texture there, in the texture's colours, by confidence; NaN where no photo shows it. `uncertainty`: the standard
    error of the texel's colour, were all pixels' errors independent: its spread (mixed with the capture's ordinary one)
    over the root of its curvature, which is the sum of the bilinear shares and squared confidences of the pixels that
    look there; NaN likewise. Errors of one photo, a wrong pose for one, are not independent: it is a lower bound.
    """

    photos: Int32[np.ndarray, "H W"]
    spread: Float32[np.ndarray, "H W"]
    uncertainty: Float32[np.ndarray, "H W"]


@torch.no_grad()
def texel_maps(views: Views, result: FitResult, progress: Progress = no_progress) -> TexelMaps:
    """Looks once more at the views that a texture was fitted to, in their order."""
    texture = torch.from_numpy(result.texture).to(views.device)
    photos = torch.zeros(texture.shape[:2], dtype=torch.int32, device=views.device)
    sums = torch.zeros(*texture.shape[:2], 3, device=views.device)
    for index, view in progress(views.stream(range(len(views))), "explain", len(views)):
        part = torch.zeros_like(sums)
        scatter(_evidence(texture, view, result, index), view.places, part)
        photos += part[..., 0] > LEAST_MASS
        sums += part
    mass, squares = sums[..., 0], sums[..., 1]
    ordinary = squares.sum() / mass.sum().clamp(min=LEAST_MASS)
    seen = mass > LEAST_MASS
    nothing = torch.full_like(mass, float("nan"))
    spread = torch.where(seen, (squares / mass.clamp(min=LEAST_MASS)).sqrt(), nothing)
    mixed = (squares + ORDINARY_PIXELS * ordinary) / (mass + ORDINARY_PIXELS)
    uncertainty = torch.where(seen, (mixed / mass.clamp(min=LEAST_MASS)).sqrt(), nothing)
    return TexelMaps(photos.cpu().numpy(), spread.cpu().numpy(), uncertainty.cpu().numpy())


def _evidence(texture: torch.Tensor, view: FitView, result: FitResult, index: int) -> torch.Tensor:
    """Per pixel its squared confidence, that times its squared difference, and 0: three channels scatter fastest."""
    gain, offset = (torch.from_numpy(of[index]).to(texture.device) for of in (result.gains, result.offsets))
    image = look_up(texture, view.places)
    trusted = view.trust > 0
    left = torch.where(trusted[..., None], image - (view.colours() - offset) / gain, 0.0)
    share = view.confidence.square()
    return torch.stack((share, share * left.square().mean(dim=2), torch.zeros_like(share)), dim=2).contiguous()
