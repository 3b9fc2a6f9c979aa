"""The pyramid texture: its parameters, their composition into one image, and the regulariser on its levels."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from neuraltexgen.errors import ConfigError
from neuraltexgen.kernels.pyramid import compose

MIDDLE = 0.5
"""What a texture shows where all its levels are 0: middle grey, as in the published method."""


@dataclass(frozen=True)
class TextureSettings:
    """Size in texels (rows, columns), channels, and the regulariser's weight of each pyramid level, finest first."""

    size: tuple[int, int] = (2048, 2048)
    channels: int = 3
    level_weights: tuple[float, ...] = (8.0, 2.0, 1.0, 0.0)

    def __post_init__(self) -> None:
        step = 2 ** (len(self.level_weights) - 1)
        if not self.level_weights:
            raise ConfigError("a texture needs at least one pyramid level", fix="--level-weights 8 2 1 0")
        if min(self.size) < step or any(side % step for side in self.size):
            raise ConfigError(
                f"texture size {self.size[1]}x{self.size[0]}: {len(self.level_weights)} pyramid levels need sides that "
                f"are multiples of {step}",
                fix=f"--texture-size {max(step, round(self.size[0] / step) * step)}, or fewer --level-weights",
            )


class PyramidTexture(nn.Module):
    """A texture as the sum of levels that halve in size, all starting at 0 (middle grey).

    A coarse level reaches many texels at once: it spreads colour into texels that no sample touches, and the
    regulariser on the finer levels prefers what it can explain. Source: NeuralTexGen, HierarchicalStaticNeuralTexture.
    """

    def __init__(self, settings: TextureSettings) -> None:
        super().__init__()
        self.settings = settings
        height, width = settings.size
        self.levels = nn.ParameterList(
            torch.zeros(height >> level, width >> level, settings.channels)
            for level in range(len(settings.level_weights))
        )

    def forward(self) -> Float[Tensor, "H W c"]:
        """The composed texture; texel values are unbounded while fitting."""
        *fine, coarsest = self.levels
        return compose([*fine, coarsest + MIDDLE])  # doubling keeps a constant, so it is cheapest to add it here

    def regulariser(self) -> Float[Tensor, ""]:
        """Sum over levels of weight x mean squared value."""
        weights = self.settings.level_weights
        terms = [w * level.square().mean() for w, level in zip(weights, self.levels, strict=True) if w > 0]
        return torch.stack(terms).sum() if terms else torch.zeros((), device=self.levels[0].device)

    @torch.no_grad()
    def set(self, texture: Float[Tensor, "H W c"]) -> None:
        """Makes the composed texture this one: each level takes what is left of it at its own size, coarsest first."""
        planes = texture.to(self.levels[0].device).permute(2, 0, 1)[None] - MIDDLE
        for index in reversed(range(len(self.levels))):
            wanted = F.avg_pool2d(planes, 2**index)[0].permute(1, 2, 0)
            coarser = [torch.zeros_like(self.levels[index]), *self.levels[index + 1 :]]
            self.levels[index].copy_(wanted - compose(coarser))

    @torch.no_grad()
    def recolour(self, gain: Float[Tensor, " c"], offset: Float[Tensor, " c"]) -> None:
        """Changes the levels so that the composed texture becomes `gain * texture + offset`, per channel."""
        for level in self.levels:
            level.mul_(gain)
        self.levels[-1].add_(MIDDLE * gain + offset - MIDDLE)
