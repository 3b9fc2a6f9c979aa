"""Gaussian windows over valid pixels, and what structural similarity finds missing in them."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
"""Side in pixels and standard deviation of the window, as Wang et al. 2004 have them."""

C1, C2 = 0.01**2, 0.03**2
"""Their constants for colours in [0, 1]."""

Images = Float[Tensor, "b c h w"]


def dissimilarity(x: Images, y: Images, valid: Bool[Tensor, "b 1 h w"]) -> tuple[Images, Images]:
    """1 - luminance and 1 - contrast-structure, the factors of SSIM, in the window about each pixel.

    Window statistics are means over the valid pixels alone (normalised convolution): an invalid one, or one beyond the
    border, has no influence, NaN included. At an invalid centre the result is finite and means nothing. Both are
    exactly 0 where x equals y; SSIM is (1 - first) * (1 - second).

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, "Image quality assessment", with 1 - l = (mean x - mean y)² /
    (mean x² + mean y² + C1) and 1 - cs = var(x - y) / (var x + var y + C2), so that equal images cancel exactly.
    """
    zero = torch.zeros((), dtype=x.dtype, device=x.device)
    x, y = torch.where(valid, x, zero), torch.where(valid, y, zero)
    plus, minus = x + y, x - y
    norm = torch.where(valid, _window_sum(valid.to(x.dtype)), zero + 1)
    planes = torch.cat((plus, minus, plus * plus, minus * minus), dim=1)
    mean_plus, mean_minus, square_plus, square_minus = (_window_sum(planes) / norm).chunk(4, dim=1)
    of_mean_plus, of_mean_minus = mean_plus * mean_plus, mean_minus * mean_minus
    # A variance is never negative; rounding makes one of nearly flat pixels so.
    var_plus, var_minus = (square_plus - of_mean_plus).clamp(min=0), (square_minus - of_mean_minus).clamp(min=0)
    luminance = of_mean_minus / ((of_mean_plus + of_mean_minus) / 2 + C1)
    return luminance, var_minus / ((var_plus + var_minus) / 2 + C2)


def window_weights() -> list[float]:
    """The window's weights along one axis; they add up to 1."""
    bell = [math.exp(-((place / SIGMA) ** 2) / 2) for place in range(-(WINDOW // 2), WINDOW // 2 + 1)]
    return [height / sum(bell) for height in bell]


def _window_sum(planes: Images) -> Images:
    """Weighted sum over the window about each pixel, 0 beyond the border."""
    radius, channels = WINDOW // 2, planes.shape[1]
    weights = torch.tensor(window_weights(), dtype=planes.dtype, device=planes.device)
    # Depthwise convolution on the CPU is several times faster with channels last; what follows it is not.
    planes = planes.contiguous(memory_format=torch.channels_last)
    across = weights.view(1, 1, 1, WINDOW).repeat(channels, 1, 1, 1)
    planes = F.conv2d(planes, across, padding=(0, radius), groups=channels)
    return F.conv2d(planes, across.transpose(2, 3), padding=(radius, 0), groups=channels).contiguous()
