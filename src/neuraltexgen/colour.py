"""Per-view exposure and white balance: a gain and an offset per channel, fitted in closed form beside the texture."""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

RIDGE = 1e-6
"""Added to the colour variance: keeps the gain at 1 where a view shows one flat colour, and is far below any other."""

ORDINARY_VARIANCE = 0.03
"""Of colours within a photo."""

BLOCK = 32
"""Side in pixels of the blocks over which a photo and its render are averaged before their exposures are compared."""

EXPOSURE_PRIOR = 0.03
"""Share of a view's pixels whose weight says that its exposure is the mean one: what a view that shares less than this
with others is left with."""

Pixels = Float[Tensor, "h w c"]
Weights = Float[Tensor, "h w"]
Blocks = Float[Tensor, "rows cols c"]


class _Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image: Tensor) -> Tensor:
        ctx.save_for_backward(image)
        return image.clamp(0, 1)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        (image,) = ctx.saved_tensors
        further_out = ((image < 0) & (gradients[0] > 0)) | ((image > 1) & (gradients[0] < 0))
        return torch.where(further_out, torch.zeros_like(image), gradients[0])


def clip_colours(image: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Colours clipped to [0, 1]; beyond it only gradients that lead back are let through, so nothing gets stuck."""
    return _Clip.apply(image)  # pyright: ignore[reportReturnType]


class ViewColours:
    """Gain and offset per view and channel: a view shows `gain * texture + offset`.

    Texture and gains share a scale, and texture and offsets a shift, that no photo fixes. The gauge: over the views,
    gains average 1 and offsets 0, so that the texture has the mean view's colours.
    """

    def __init__(self, views: int, channels: int, device: torch.device) -> None:
        self.gains = torch.ones(views, channels, device=device)
        self.offsets = torch.zeros(views, channels, device=device)

    def hold(self, gains: Float32[np.ndarray, "v c"], offsets: Float32[np.ndarray, "v c"]) -> None:
        """Takes gains and offsets that are known."""
        self.gains, self.offsets = (torch.from_numpy(part).to(self.gains) for part in (gains, offsets))

    def of(self, view: int) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
        """Gain and offset of a view."""
        return self.gains[view], self.offsets[view]

    def apply(self, view: int, render: Pixels) -> Pixels:
        """The render in the colours of a view; gradients flow through to the render."""
        return self.gains[view] * render + self.offsets[view]

    def update(self, view: int, render: Blocks, photo: Blocks, weight: Weights, prior: float = 0.0) -> None:
        """Sets a view's gain and offset to the least-squares fit of its photo by the present render.

        Both are given as means over blocks of BLOCK x BLOCK pixels, with each block's mean weight: noise, blur and
        small shifts, which would pull every gain below 1, average out, while exposure does not. `prior`: weight, in
        pixels of ordinary contrast, with which the view holds to gain 1 and offset 0; it decides where little else
        does.
        """
        self.gains[view], self.offsets[view] = fit_colour(render, photo, weight, prior / BLOCK**2)

    def fix_gauge(self) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
        """Makes gains average 1 and offsets 0; returns the (gain, offset) that the texture must take so that every
        view looks as before: new texture = gain * texture + offset."""
        gain, offset = self.gains.mean(dim=0), self.offsets.mean(dim=0)
        self.gains = self.gains / gain
        self.offsets = self.offsets - self.gains * offset
        return gain, offset


def fit_colour(
    render: Pixels, photo: Pixels, weight: Weights, prior: float = 0.0
) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Gain and offset per channel that bring `render` closest to `photo`, by weighted least squares in float64.

    `prior`: weight with which they hold to (1, 0), as if so much more weight of ordinary contrast had shown just that.
    Pixels of weight 0 may hold anything, NaN too. Without any weight the result is (1, 0).
    """
    kept = weight > 0
    if not kept.any():
        return torch.ones_like(render[0, 0]), torch.zeros_like(render[0, 0])
    weights = weight[kept][:, None].to(torch.float64)
    x, y = render[kept].to(torch.float64), photo[kept].to(torch.float64)
    total = weights.sum()
    mean_x, mean_y = (weights * x).sum(0) / total, (weights * y).sum(0) / total
    dx, dy = x - mean_x, y - mean_y
    variance = (weights * dx.square()).sum(0) / total
    covariance = (weights * dx * dy).sum(0) / total
    ridge = RIDGE + prior / total * ORDINARY_VARIANCE
    gain = (covariance + ridge) / (variance + ridge)
    offset = (mean_y - gain * mean_x) / (1 + prior / total)
    return gain.to(render.dtype), offset.to(render.dtype)
