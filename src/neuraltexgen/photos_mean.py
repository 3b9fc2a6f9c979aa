"""Where a fit starts: in each texel the mean of what photos show there."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.colour import ViewColours
from neuraltexgen.fit_view import FitView
from neuraltexgen.glimpses import Glimpse
from neuraltexgen.kernels.packed import Scratch, scatter, unpack_share
from neuraltexgen.kernels.photometric import Colour, PhotoLosses, Target, compare

LEAST_SQUARE = 1e-4
"""Of a gain: a photo that is next to black says next to nothing."""

Planes = Float[Tensor, "c H W"]
Weight = Float[Tensor, "H W"]


def spread(total: Planes, weight: Weight, share: float = 0.1) -> Planes:
    """total / weight where there is weight; where there is little, the same of wider and wider surroundings.

    total: weighted sums per texel. weight: their weights. The mean at twice the scale counts as `share` more weight.
    Halving ends at an odd side, with the mean of all. Source: the push-pull of Gortler et al., The
    Lumigraph, 1996, 5.3, with weights that are not clipped.
    """
    sums, weights = [total[None]], [weight[None, None]]
    while all(side % 2 == 0 for side in sums[-1].shape[2:]):
        sums.append(4 * F.avg_pool2d(sums[-1], 2))
        weights.append(4 * F.avg_pool2d(weights[-1], 2))
    mean = (sums[-1].sum(dim=(2, 3)) / weights[-1].sum().clamp(min=1e-9))[..., None, None]
    level = (sums[-1] + share * mean) / (weights[-1] + share)
    for part, count in zip(sums[-2::-1], weights[-2::-1], strict=True):
        wider = F.interpolate(level, scale_factor=2, mode="bilinear", align_corners=False)
        level = (part + share * wider) / (count + share)
    return level[0]


def photos_mean(
    looks: Iterable[tuple[int, Glimpse | FitView]], colours: ViewColours, size: tuple[int, int]
) -> Float[Tensor, "H W c"]:
    """The mean of the photos in each texel, each with its exposure taken out, over scales where there are few; see
    `spread`. looks: photos with the numbers that they have in `colours`.
    """
    channels, device = colours.gains.shape[1], colours.gains.device
    total = torch.zeros(*size, channels + 1, device=device)
    scratch = Scratch()
    for index, look in looks:
        colour, trust = Colour(*colours.of(index)), look.places.trust
        # Of a black render l2's gradient, downhill and as a sum, is confidence² x gain x (photo - offset).
        black = torch.zeros(*trust.shape, channels, device=device)
        scale = -0.5 * channels * int((trust > 0).sum())
        found = compare(black, Target(look.photo, trust), colour, PhotoLosses(l2=1.0), scale, scratch=scratch)
        # Channels share a weight, so none may count by its own gain, which would colour the mean.
        squared = colour.gain.square()
        weight = unpack_share(trust).square() * squared.mean()
        even = found.gradient * (squared.mean() / squared.clamp(min=LEAST_SQUARE))
        scatter(torch.cat((even, weight[..., None]), dim=2), look.places, total)
    sums = total.permute(2, 0, 1)
    return spread(sums[:-1], sums[-1]).permute(1, 2, 0).contiguous()
