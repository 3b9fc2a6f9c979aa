"""One look at a photo: the objective, its gradient and its curvature, gathered in the texture's texels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.colour import ViewColours
from neuraltexgen.direct.terms import Terms, is_quadratic, weights
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.blocks import late_zeros
from neuraltexgen.kernels.normal import SLOTS, add_curvature
from neuraltexgen.kernels.packed import scatter
from neuraltexgen.kernels.photometric import Colour, Compared, PhotoLosses, Target, compare
from neuraltexgen.sharpness import ROWS

Texels = Float[Tensor, "H W c"]


@dataclass(frozen=True, eq=False)
class Gathered:
    """`stencil`: curvature, None where it is not wanted. `gradient`: minus half the objective's gradient. Sums over
    pixels, in units of one pixel of a view that is seen whole.
    """

    stencil: Float[Tensor, "H W k"] | None
    gradient: Texels

    @classmethod
    def empty(cls, texture: Texels, curvature: bool = True) -> "Gathered":
        """Of no photo, for a texture of this size and so many channels."""
        size = (*texture.shape[:2], SLOTS)
        return cls(late_zeros(size, texture) if curvature else None, late_zeros(tuple(texture.shape), texture))


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

    @property
    def losses(self) -> PhotoLosses:
        """The losses as the photometric kernel takes them."""
        totals: dict[str, float] = {}
        for weight, name in self.terms:
            totals[name] = totals.get(name, 0.0) + weight
        return PhotoLosses(**totals)


def add_view(index: int, view: FitView, image: Float[Tensor, "h w c"], looking: Looking, sums: Gathered) -> Compared:
    """Adds one view's gradient and curvature to `sums`; returns what its comparison found, loss and sharpness.

    `image`: the view's render of the texture, all channels. Loss and gradient are exact. The curvature takes the mean
    square of the channels' gains, and models pixels of wide samples (`kernels.normal`): the next round sees what this
    left.
    """
    colour, part = Colour(*looking.colours.of(index)), looking.channels
    share = float(looking.view_weights[index])
    # Half the gradient, of a sum over pixels and channels where the loss is a mean, and downhill.
    scale = -0.5 * share * image.numel()
    found = compare(image, Target(view.photo, view.trust), colour, looking.losses, scale, ROWS)
    scatter(found.gradient[..., part].contiguous(), view.places, sums.gradient)
    if sums.stencil is not None:
        pixels = view.trust.numel() / max(int((view.trust > 0).sum()), 1)
        scale = share * pixels * float(colour.gain[part].square().mean())
        add_curvature(view.places, scale * _curvature(view, image, colour, looking), sums.stencil)
    return found


def _curvature(view: FitView, image: Tensor, colour: Colour, looking: Looking) -> Float[Tensor, "h w"]:
    """What a squared residual of each pixel weighs, in the channels that count."""
    trust = view.confidence
    if is_quadratic(looking.terms):
        return trust.square() * sum(weight for weight, _ in looking.terms)
    part = looking.channels
    left = view.colours()[..., part] - colour.gain[part] * image[..., part] - colour.offset[part]
    # Where a pixel has no confidence the photo may hold anything; its weight is 0, but 0 x NaN is not.
    size = torch.where(trust[..., None] > 0, trust[..., None] * left, 0.0).abs()
    return trust.square() * weights(looking.terms, size).mean(dim=2)
