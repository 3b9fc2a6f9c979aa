"""White balance of a whole capture: one gain per channel, from the colour of edges over all photos."""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

LONG_SIDE = 512
"""Photos are averaged down to about this size first: noise fades, and no photo counts more for being large."""

POWER = 6
"""The Minkowski norm: between the mean of all edges (1) and the strongest edge alone (infinity)."""

CLIPPED = 250 / 255
"""A pixel with a channel above this, in sRGB, has no reliable colour, and neither has an edge at it."""

Gains = tuple[float, float, float]


def light_colour(linear: Float[Tensor, "3 h w"], usable: Bool[Tensor, "h w"]) -> Float[Tensor, "3"] | None:
    """The logarithm of the light's colour, mean 0, as a photo's edges show it; None if it has no edges to tell by.

    Where light of one colour falls on a scene, the differences across its edges are on average as grey as the light
    lets them be. First order grey edge: van de Weijer, Gevers and Gijsenij, "Edge-based color constancy", IEEE TIP
    2007. `linear` is in linear light; pixels that are not `usable` (hidden or clipped) do not count.
    """
    factor = max(1, round(max(linear.shape[1:]) / LONG_SIDE))
    if min(linear.shape[1:]) < 3 * factor:
        return None
    small = avg_pool2d(linear[None].double(), factor)[0]
    bad = max_pool2d((~usable).double()[None, None], factor)
    inner = max_pool2d(bad, 3, 1)[0, 0] == 0
    right = (small[:, 1:-1, 2:] - small[:, 1:-1, :-2]) / 2
    down = (small[:, 2:, 1:-1] - small[:, :-2, 1:-1]) / 2
    edges = (right**2 + down**2).sqrt()[:, inner]
    if edges.shape[1] == 0 or not (edges.amax(dim=1) > 1e-6).all():
        return None
    peak = edges.amax(dim=1, keepdim=True)
    colour = (peak[:, 0] * ((edges / peak) ** POWER).mean(dim=1) ** (1 / POWER)).log()
    return colour - colour.mean()


def balancing_gains(colours: Iterable[Float[Tensor, "3"] | None]) -> Gains | None:
    """The gains of R, G and B that make the light of most photos grey; None if no photo tells.

    The median over photos, so that a few odd ones do not count. The smallest gain is 1, so clipped white stays white.
    """
    known = [colour for colour in colours if colour is not None]
    if not known:
        return None
    light = torch.quantile(torch.stack(known), 0.5, dim=0)
    red, green, blue = (light.max() - light).exp().tolist()
    return red, green, blue
