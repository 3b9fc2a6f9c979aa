"""What the network is shown where a pixel is invalid: colours spread smoothly from the photo's valid pixels."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def fill_invalid(photo: Float[Tensor, "1 c h w"], valid: Bool[Tensor, "1 1 h w"]) -> Float[Tensor, "1 c h w"]:
    """The photo with its invalid pixels replaced by weighted means of valid ones, from near to far (pull-push).

    Depends on valid pixels only; all 0 where none is valid. Source: Gortler et al. 1996, The Lumigraph, section 3.4.
    """
    weight = valid.to(photo.dtype)
    colour = torch.where(valid, photo, torch.zeros((), dtype=photo.dtype, device=photo.device))
    levels = [(colour, weight)]
    while max(weight.shape[-2:]) > 1:
        total = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
        summed = F.avg_pool2d(colour * weight, 2, ceil_mode=True, count_include_pad=False)
        colour, weight = summed / total.clamp(min=1e-12), (4 * total).clamp(max=1)
        levels.append((colour, weight))
    result = levels[-1][0]
    for colour, weight in reversed(levels[:-1]):
        coarse = F.interpolate(result, size=colour.shape[-2:], mode="bilinear", align_corners=False)
        result = weight * colour + (1 - weight) * coarse
    return result
