"""How a lens's light falls off towards the corners of its photos, and what a photo's values are put right by."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.point_spread import SHARP, PointSpread
from neuraltexgen.response import Response


@dataclass(frozen=True)
class FallOff:
    """A pixel gets exp(Σ coefficients[k] r^(2k+2)) of the light, r being its distance from the photo's centre over half
    the photo's diagonal: 1 in the centre. Colours are in the photo's own encoding, so this is what is left of a value.
    """

    coefficients: tuple[float, ...] = ()

    def at(self, squared: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The share of a value that is left where r² is `squared`."""
        powers = torch.zeros_like(squared)
        for coefficient in reversed(self.coefficients):
            powers = (powers + coefficient) * squared
        return powers.exp()

    def plane(self, height: int, width: int) -> Float[Tensor, "h w"]:
        """The same for each pixel of a photo."""
        return self.at(squared_radius(height, width))

    @property
    def corner(self) -> float:
        """What is left in the outermost corners."""
        return float(np.exp(sum(self.coefficients)))


@dataclass(frozen=True)
class Correction:
    """What is put right in a photo before it is fitted: it is straightened by its camera's response and the fall-off is
    divided out, so that only gain and offset are left between photo and texture; pixels count by the fall-off.
    `doubt_bright`: what is as bright as the photo can be counts little, since others show how bright it is. `blur`: a
    photo's point-spread; its pixels count less, since they tell less, and look as far `around` as that reaches.
    """

    fall_off: FallOff = FallOff()
    response: Response = Response()
    doubt_bright: bool = False
    blur: PointSpread = SHARP
    around: bool = True


def squared_radius(height: int, width: int) -> Float[Tensor, "h w"]:
    """r² of each pixel's centre: 0 in the photo's centre, 1 in its outermost corners."""
    y, x = torch.arange(height) + 0.5 - height / 2, torch.arange(width) + 0.5 - width / 2
    return (x.square() + y.square()[:, None]) / ((width**2 + height**2) / 4)
