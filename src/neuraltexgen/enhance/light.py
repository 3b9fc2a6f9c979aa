"""Between sRGB values and linear light, and what photos in linear light need so that the steps can work on them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

Picture = Float[Tensor, "3 h w"]

WHITE = 0.999
"""The share of a linear photo's values that count as no brighter than white."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A photo as a screen would show it, and what a screen could not.

    `picture` is sRGB in [0, 1]. For a photo in linear light, 1 stands for `white`, and `beyond` is what lay above white
    or below 0, in units of white, at the size the photo had; None for a photo that was sRGB to begin with.
    """

    picture: Picture
    white: float = 1.0
    beyond: Float[Tensor, "3 y x"] | None = None


def decode(srgb: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Linear light from sRGB, IEC 61966-2-1."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def encode(linear: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """sRGB from linear light."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def show(linear: Picture) -> Shown:
    """A linear photo as a screen would show it: highlights above the brightest 0.1 % are set aside, not lost."""
    values = linear.amax(dim=0).flatten()
    white = max(1.0, float(values.kthvalue(max(1, int(WHITE * len(values)))).values))
    scaled = linear / white
    inside = scaled.clamp(0, 1)
    return Shown(encode(inside), white, scaled - inside)


def linear_light(shown: Shown) -> Picture:
    """The linear photo again; if its picture was enlarged, what lay beyond is enlarged with it, bilinearly."""
    linear = decode(shown.picture)
    if shown.beyond is not None:
        beyond = shown.beyond
        if beyond.shape != linear.shape:
            beyond = interpolate(beyond[None], linear.shape[1:], mode="bilinear", align_corners=False)[0]
        linear = linear + beyond
    return linear * shown.white
