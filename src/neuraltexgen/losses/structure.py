"""Losses on local structure: what SSIM finds missing in the render, at one scale or at several."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from neuraltexgen.losses.pixel import Images, Scalar, Valid, masked_mean
from neuraltexgen.windows import WINDOW, dissimilarity

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first (Wang, Simoncelli, Bovik 2003)."""

LEAST_SIMILARITY = 0.05
"""Below this mean similarity of a scale, `ms_ssim` continues its logarithm along the tangent."""


def ssim(render: Images, photo: Images, valid: Valid) -> Scalar:
    """1 - mean SSIM over windows centred on valid pixels; 0 where there is none.

    Gaussian window of 11 pixels, sigma 1.5, for colours in [0, 1] (which are not clipped); statistics over the valid
    pixels of a window only. The mean is over all valid pixels of a batch. Source: Wang et al. 2004.
    """
    luminance, structure = dissimilarity(render, photo, valid)
    return masked_mean(luminance + structure - luminance * structure, valid)


def ms_ssim(render: Images, photo: Images, valid: Valid) -> Scalar:
    """1 - multi-scale SSIM: contrast and structure at up to five scales, luminance at the coarsest alone.

    Each scale halves the one before by means over the valid ones of 2 x 2 pixels, and is valid where one of them is.
    There are as many scales as the shorter side has room for a window in (five from 161 pixels on), at least one; the
    published weights are scaled to sum to 1. Per image and channel the value is 1 - Π similarity^weight, where a
    similarity is a mean over valid windows. It can be negative, where a power has no meaning: below 0.05 its logarithm
    goes on along its tangent, so that the gradient is finite and keeps its direction. Channels count alike, images by
    their valid pixels. Source: Wang, Simoncelli, Bovik 2003, "Multi-scale structural similarity".
    """
    weights = _scale_weights(min(render.shape[2:]))
    counts = valid.sum(dim=(1, 2, 3)).to(render.dtype)
    logarithm = render.new_zeros(render.shape[:2])
    for scale, weight in enumerate(weights):
        if scale > 0:
            render, photo, valid = _halve(render, valid), _halve(photo, valid), _halve_mask(valid)
        luminance, structure = dissimilarity(render, photo, valid)
        if scale == len(weights) - 1:
            structure = luminance + structure - luminance * structure
        logarithm = logarithm + weight * _log_similarity(_means(structure, valid))
    return (-torch.expm1(logarithm).mean(dim=1) * counts).sum() / counts.sum().clamp(min=1)


def _scale_weights(side: int) -> tuple[float, ...]:
    """The weights of the scales at which a window fits into `side` pixels, one at least; they sum to 1."""
    count = 1
    while count < len(SCALE_WEIGHTS) and -(-side // 2**count) >= WINDOW:
        count += 1
    return tuple(weight / sum(SCALE_WEIGHTS[:count]) for weight in SCALE_WEIGHTS[:count])


def _halve(image: Images, valid: Valid) -> Float[Tensor, "b c _ _"]:
    """Means over the valid ones of 2 x 2 pixels; 0 where there is none. An odd side's last pixels make blocks alone."""
    sums = F.avg_pool2d(torch.where(valid, image, image.new_zeros(())), 2, ceil_mode=True)
    weight = F.avg_pool2d(valid.to(image.dtype), 2, ceil_mode=True)
    return sums / torch.where(weight > 0, weight, 1)


def _halve_mask(valid: Valid) -> Bool[Tensor, "b 1 _ _"]:
    return F.max_pool2d(valid.float(), 2, ceil_mode=True) > 0


def _means(values: Images, valid: Valid) -> Float[Tensor, "b c"]:
    """Per image and channel, the mean over valid pixels; 0 where there is none."""
    return torch.where(valid, values, values.new_zeros(())).sum(dim=(2, 3)) / valid.sum(dim=(2, 3)).clamp(min=1)


def _log_similarity(lost: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """log(1 - lost), along its tangent where 1 - lost is below LEAST_SIMILARITY."""
    turn = 1 - LEAST_SIMILARITY
    return torch.log1p(-lost.clamp(max=turn)) - (lost - turn).clamp(min=0) / LEAST_SIMILARITY
