"""Losses on colour differences, pixel by pixel; each a mean over valid pixels and channels, 0 where there is none."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuraltexgen.kernels.photometric import CHARBONNIER_EPSILON, HUBER_DELTA

Images = Float[Tensor, "b c h w"]
Valid = Bool[Tensor, "b 1 h w"]
Scalar = Float[Tensor, ""]


def masked_mean(values: Images, valid: Valid) -> Scalar:
    """Mean of `values` over valid pixels and all channels; 0, with zero gradient, where no pixel is valid.

    What stands in invalid pixels, NaN included, has no influence on the value or the gradient.
    """
    kept = torch.where(valid, values, torch.zeros((), dtype=values.dtype, device=values.device))
    return kept.sum() / (valid.sum() * values.shape[1]).clamp(min=1)


def l1(render: Images, photo: Images, valid: Valid) -> Scalar:
    """Mean |render - photo|: robust, tends to the median of the photos."""
    return masked_mean(_difference(render, photo, valid).abs(), valid)


def l2(render: Images, photo: Images, valid: Valid) -> Scalar:
    """Mean (render - photo)²: tends to the mean of the photos."""
    return masked_mean(_difference(render, photo, valid).square(), valid)


def huber(render: Images, photo: Images, valid: Valid) -> Scalar:
    """Quadratic below 0.05, linear above, scaled to slope 1 like `l1`: Huber's loss divided by its delta."""
    size = _difference(render, photo, valid).abs()
    quadratic = size.clamp(max=HUBER_DELTA)
    return masked_mean((0.5 * quadratic.square() + HUBER_DELTA * (size - quadratic)) / HUBER_DELTA, valid)


def charbonnier(render: Images, photo: Images, valid: Valid) -> Scalar:
    """Mean sqrt((render - photo)² + 0.001²) - 0.001: `l1` with a smooth bottom (Charbonnier et al. 1994)."""
    squared = _difference(render, photo, valid).square()
    return masked_mean((squared + CHARBONNIER_EPSILON**2).sqrt() - CHARBONNIER_EPSILON, valid)


def _difference(render: Images, photo: Images, valid: Valid) -> Images:
    """render - photo, 0 where not valid: masked before any power, so that NaN there reaches no gradient."""
    zero = torch.zeros((), dtype=render.dtype, device=render.device)
    return torch.where(valid, render, zero) - torch.where(valid, photo, zero)
