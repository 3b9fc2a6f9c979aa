"""A view looked up as its samples are meant: bilinearly at their places, or with footprints; and the adjoint."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuraltexgen.errors import FitError
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.footprint import Footprints, look_up_footprints, sample_steps, scatter_footprints
from neuraltexgen.kernels.packed import Places, Scratch, look_up, scatter
from neuraltexgen.views import Views

Sampling = Literal["bilinear", "mip", "anisotropic"]

TAPS: dict[Sampling, int] = {"bilinear": 0, "mip": 1, "anisotropic": 8}
"""FitView.taps: 0 for points, else the most taps of a footprint (see `kernels.footprint`)."""


def render_view(
    texture: Float[Tensor, "H W c"],
    view: FitView,
    shown: Bool[Tensor, "h w"] | None = None,
    scratch: Scratch | None = None,
) -> Float[Tensor, "h w c"]:
    """The view's render at the pixels `shown`, those with any confidence if not given; 0 elsewhere.

    Not recorded by autograd. Bilinear look-ups write into `scratch` if it is given.
    """
    if view.taps > 0:
        return look_up_footprints(texture, _footprints(view, view.trust > 0 if shown is None else shown), view.taps)
    trust = view.trust if shown is None else shown.to(torch.uint8)
    return look_up(texture, Places(view.low, view.high, trust), scratch)


def scatter_view(gradient: Float[Tensor, "h w c"], view: FitView, result: Float[Tensor, "H W c"]) -> None:
    """Adds the adjoint of `render_view`, applied to a gradient of the render, to `result` in place."""
    if view.taps > 0:
        scatter_footprints(gradient, _footprints(view, view.trust > 0), view.taps, result)
    else:
        scatter(gradient, view.places, result)


def texel_weights(views: Views, size: tuple[int, int]) -> Float[Tensor, "H W"]:
    """How much each texel counts in the photos, by their confidence. Raises FitError: none does."""
    total = torch.zeros(*size, 1, device=views.device)
    for _, view in views.stream(range(len(views))):
        scatter_view(view.confidence[..., None], view, total)
    weight = total[..., 0]
    if not bool((weight > 0).any()):
        raise FitError(
            "no photo sees the mesh with any confidence: nothing to fit",
            fix="neuraltexgen info CAPTURE says where cameras and mesh are; --no-confidence takes all pixels",
        )
    return weight


def _footprints(view: FitView, shown: Bool[Tensor, "h w"]) -> Footprints:
    uv = view.uv
    return Footprints(uv, sample_steps(uv, view.seen), shown)
