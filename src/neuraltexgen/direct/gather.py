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
        """Of no photo, for a texture of this size and so many channels."""
        stencil = torch.zeros(*texture.shape[:2], len(OFFSETS), device=texture.device)
        return cls(stencil, torch.zeros_like(texture, memory_format=torch.contiguous_format))


@dataclass(frozen=True, eq=False)
class Looking:
    """How the photos look at a texture: their colours, how much each view counts, the losses, which channels count.

    Squares weigh all channels alike, so these share one curvature. A robust loss weighs each by its own residual: then
    one channel at a time is looked at.
    """

    colours: ViewColours
    view_weights: Float[Tensor, " v"]
    terms: Terms
    channels: slice


def add_view(index: int, view: FitView, shown: Float[Tensor, "h w c"], looking: Looking, sums: Gathered) -> float:
    """Adds one view's gradient and curvature to `sums`, and returns its loss, over the channels that count.

    `shown`: the view's render of the texture, all channels. Loss and gradient are exact. The curvature takes the mean
    square of the channels' gains, and models pixels of wide samples (`kernels.normal`): the next round sees what this
    left.
    """
    part = looking.channels
    valid, trust = view.confidence > 0, view.confidence[..., None]
    count = max(int(valid.sum()), 1)
    # Where a pixel is not valid the photo may hold anything; its weight is 0, but 0 x NaN is not.
    left = torch.where(valid[..., None], view.colours() - looking.colours.apply(index, shown), 0.0)[..., part]
    weight = trust.square() * (float(looking.view_weights[index]) * valid.numel() / count)
    size = (trust * left).abs()
    if is_quadratic(looking.terms):
        weight = weight * sum(share for share, _ in looking.terms)
    else:
        weight = weight * weights(looking.terms, size)
    gains = looking.colours.gains[index, part]
    splat(weight * gains * left, view.uv, valid, sums.gradient)
    add_curvature(view.uv, weight.mean(dim=2) * gains.square().mean(), sums.stencil)
    # A pixel without confidence has no residual, and so no value.
    return float(values(looking.terms, size).sum()) / (count * shown.shape[2])
