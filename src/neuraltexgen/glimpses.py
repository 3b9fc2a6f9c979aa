"""Some pixels of each photo, and where they look: what exposures and coarse comparisons need."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.packed import Places

COARSE = 120
"""Pixels along a photo's shorter side that are enough, about; every STRIDES'th is taken."""

STRIDES = (1, 2, 4)
"""So that a block of colour.BLOCK pixels still has a multiple of 8 of them, as its kernel wants."""


@dataclass(frozen=True, eq=False)
class Glimpse:
    """Some of a view's pixels, of every so many rows and columns."""

    photo: UInt8[Tensor, "h w c"] | Float[Tensor, "h w c"]
    places: Places

    def colours(self) -> Float[Tensor, "h w c"]:
        """The photo as float in [0, 1], 0 where a pixel has no confidence."""
        photo = self.photo.float() / 255 if self.photo.dtype == torch.uint8 else self.photo
        return torch.where(self.places.trust[..., None] > 0, photo, 0.0)


def stride_for(height: int, width: int) -> int:
    """Every how many rows and columns a photo's pixels are taken."""
    return max(stride for stride in STRIDES if stride == 1 or min(height, width) >= stride * COARSE)


def glimpse_of(view: FitView, stride: int) -> Glimpse:
    """Every `stride`'th row and column, from the first ones on; of each pixel one sample, if some are left out."""
    samples = 1 if stride > 1 else view.samples
    low, high, trust, photo = (
        field[::stride, ::stride].contiguous()
        for field in (view.low[:, :, :samples], view.high[:, :, :samples], view.trust, view.photo)
    )
    return Glimpse(photo, Places(low, high, trust))
