"""Where the direct solver starts: exposures settled on a coarse texture, and texels averaged over scales."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.colour import BLOCK, ViewColours
from neuraltexgen.kernels.sample import render, splat, splat_weight
from neuraltexgen.views import FitView, Views

COARSE = 120
"""Pixels along a photo's shorter side that are enough to settle its exposure, about; every STRIDES'th is taken."""

STRIDES = (1, 2, 4, 8)

ROUNDS = 12
"""Turns of texture and exposures on the coarse texture; each looks at few pixels."""

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


@dataclass(frozen=True, eq=False)
class Glimpse:
    """Some of a view's pixels: what a coarse texture needs."""

    photo: Float[Tensor, "h w c"]
    uv: Float[Tensor, "h w s 2"]
    confidence: Float[Tensor, "h w"]


class Exposures:
    """Exposures settled before anything else: photos and a coarse texture, in closed form in turn."""

    def __init__(self, views: Views, size: tuple[int, int], channels: int) -> None:
        height, width = views[0].photo.shape[:2]
        self.stride = max(stride for stride in STRIDES if stride == 1 or min(height, width) >= stride * COARSE)
        self.glimpses = [_glimpse(view, self.stride) for _, view in views.stream(range(len(views)))]
        coarser = 2 * self.stride if self.stride > 1 else 1  # about a texel for a pixel that is taken
        self.size = (max(1, size[0] // coarser), max(1, size[1] // coarser))
        self.colours = ViewColours(len(views), channels, views.device)
        self.shared = torch.zeros(*self.size, 1, device=views.device)
        for glimpse in self.glimpses:
            self.shared += (splat_weight(glimpse.uv, glimpse.confidence, self.size) > 0)[..., None]

    def settle(self, prior: float) -> ViewColours:
        """Gains and offsets, in the gauge of `ViewColours`. `prior`: share of a view that holds it to 1 and 0."""
        for _ in range(ROUNDS if self.stride > 1 else 0):
            texture = self._texture()
            for index, glimpse in enumerate(self.glimpses):
                self._update(index, glimpse, texture, prior)
            self.colours.fix_gauge()
        return self.colours

    def others(self, view: FitView) -> Float[Tensor, "h w"]:
        """Per pixel of a view, in [0, 1], whether other views look there too."""
        return (render(self.shared, view.uv, view.confidence > 0)[..., 0] - 1).clamp(0, 1)

    def _texture(self) -> Float[Tensor, "H W c"]:
        total = torch.zeros(*self.size, self.colours.gains.shape[1], device=self.shared.device)
        weight = torch.zeros(*self.size, 1, device=self.shared.device)
        for index, glimpse in enumerate(self.glimpses):
            gain, offset = self.colours.gains[index], self.colours.offsets[index]
            seen, trust = glimpse.confidence > 0, glimpse.confidence.square()[..., None]
            splat(trust * gain * (glimpse.photo - offset), glimpse.uv, seen, total)
            splat(trust * gain.square().mean(), glimpse.uv, seen, weight)
        return spread(total.permute(2, 0, 1), weight[..., 0]).permute(1, 2, 0).contiguous()

    def _update(self, index: int, glimpse: Glimpse, texture: Tensor, prior: float) -> None:
        seen = glimpse.confidence > 0
        plain = render(texture, glimpse.uv, seen)
        others = (render(self.shared, glimpse.uv, seen)[..., 0] - 1).clamp(0, 1)
        held = prior * float(glimpse.confidence.sum())
        self.colours.update(index, plain, glimpse.photo, glimpse.confidence * others, held, BLOCK // self.stride)


def _glimpse(view: FitView, stride: int) -> Glimpse:
    confidence = view.confidence[::stride, ::stride].contiguous()
    photo = torch.where(confidence[..., None] > 0, view.colours()[::stride, ::stride], 0.0)
    return Glimpse(photo, view.uv[::stride, ::stride].contiguous(), confidence)
