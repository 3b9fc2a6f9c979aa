"""One pass over the photos: the objective, its gradient and its curvature, gathered in the texture's texels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.colour import ViewColours
from neuraltexgen.direct.terms import Terms, is_quadratic, values, weights
from neuraltexgen.kernels.normal import OFFSETS, add_curvature
from neuraltexgen.kernels.sample import splat
from neuraltexgen.views import FitView

Texels = Float[Tensor, "H W c"]


@dataclass(frozen=True, eq=False)
class Gathered:
    """`stencil`: curvature. `gradient`: minus half the objective's gradient. Sums over pixels, in units of one pixel
    of a view that is seen whole.
    """

    stencil: Float[Tensor, "H W k"]
    gradient: Texels

    @classmethod
    def empty(cls, texture: Texels) -> "Gathered":
        """Of no photo, for a texture of this size."""
        stencil = torch.zeros(*texture.shape[:2], len(OFFSETS), device=texture.device)
        return cls(stencil, torch.zeros_like(texture))


@dataclass(frozen=True, eq=False)
class Looking:
    """How the photos look at a texture: their colours, how much each view counts, and the losses."""

    colours: ViewColours
    view_weights: Float[Tensor, " v"]
    terms: Terms


def add_view(
    index: int, view: FitView, shown: Float[Tensor, "h w c"], looking: Looking, sums: Gathered
) -> float:
    """Adds one view's gradient and curvature to `sums`, and returns its loss. `shown`: its render of the texture.

    Loss and gradient are exact. The curvature is one for all channels: of the gains it takes the mean square, of a
    robust loss's weights the largest. It is a model of the next step, and the next round sees what it left.
    """
    valid, trust = view.confidence > 0, view.confidence[..., None]
    count = max(int(valid.sum()), 1)
    # Where a pixel is not valid the photo may hold anything; its weight is 0, but 0 x NaN is not.
    left = torch.where(valid[..., None], view.colours() - looking.colours.apply(index, shown), 0.0)
    unit = float(looking.view_weights[index]) * valid.numel() / count
    size = (trust * left).abs()
    if is_quadratic(looking.terms):
        unit *= sum(share for share, _ in looking.terms)
        weight = unit * trust.square()
        curvature = weight[..., 0]
    else:
        robust = weights(looking.terms, size)
        weight = unit * trust.square() * robust
        curvature = weight.amax(dim=2)
    gains = looking.colours.gains[index]
    splat(weight * gains * left, view.uv, valid, sums.gradient)
    add_curvature(view.uv, curvature * gains.square().mean(), sums.stencil)
    # A pixel without confidence has no residual, and so no value.
    return float(values(looking.terms, size).sum()) / (count * shown.shape[2])
