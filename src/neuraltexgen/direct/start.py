"""Where the direct solver starts: exposures settled on a coarse texture, and the photos' mean."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.colour import BLOCK, ViewColours
from neuraltexgen.glimpses import Glimpse, glimpse_of, stride_for
from neuraltexgen.kernels.packed import Scratch, look_up, scatter, scatter_trust, unpack_share
from neuraltexgen.kernels.photometric import Colour, PhotoLosses, Target, block_means, compare
from neuraltexgen.views import FitView, Views

ROUNDS = 8
"""Turns of texture and exposures on the coarse texture; each looks at few pixels."""

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


class Exposures:
    """Exposures settled before anything else: photos and a coarse texture, in closed form in turn.

    `shared`: 1 in the texels of the coarse texture that two views or more look at, else 0.
    """

    def __init__(self, views: Views, size: tuple[int, int], channels: int) -> None:
        height, width = views[0].photo.shape[:2]
        self.stride = stride_for(height, width)
        self.glimpses = [glimpse_of(view, self.stride) for _, view in views.stream(range(len(views)))]
        coarser = 2 * self.stride if self.stride > 1 else 1  # about a texel for a pixel that is taken
        self.size = (max(1, size[0] // coarser), max(1, size[1] // coarser))
        self.colours = ViewColours(len(views), channels, views.device)
        looks = torch.zeros(self.size, device=views.device)
        for glimpse in self.glimpses:
            looks += scatter_trust(glimpse.places, self.size) > 0
        self.shared = (looks > 1).to(torch.uint8)

    def settle(self, prior: float) -> ViewColours:
        """Gains and offsets, in the gauge of `ViewColours`. `prior`: share of a view that holds it to 1 and 0."""
        scratch = Scratch()
        for _ in range(ROUNDS if self.stride > 1 else 0):
            texture = photos_mean(enumerate(self.glimpses), self.colours, self.size)
            for index, glimpse in enumerate(self.glimpses):
                image = look_up(texture, glimpse.places, scratch)
                blocks = block_means(image, glimpse.photo, glimpse.places, self.shared, BLOCK // self.stride)
                held = prior * float(glimpse.places.trust.sum()) / 255 * self.stride**2
                self.colours.update(index, *blocks, held)
            self.colours.fix_gauge()
        return self.colours

    def measure(
        self, index: int, view: FitView, image: Float[Tensor, "h w c"], prior: float, into: ViewColours
    ) -> None:
        """Sets one view's exposure from its render of the whole texture."""
        blocks = block_means(image, view.photo, view.places, self.shared, BLOCK)
        into.update(index, *blocks, prior * float(view.trust.sum()) / 255)
