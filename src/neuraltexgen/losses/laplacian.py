"""A loss on Laplacian pyramids: every band of detail counts alike, from single pixels to broad tones."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.losses.pixel import Images, Scalar, Valid

MOST_BANDS, SHORTEST_SIDE = 6, 8
"""The pyramid has at most so many bands, and no level whose shorter side is below so many pixels."""

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Burt & Adelson's generating kernel with a = 3/8, a binomial one."""


def laplacian(render: Images, photo: Images, valid: Valid) -> Scalar:
    """Mean |difference| of the two Laplacian pyramids in each band, and of what is left below them, added up.

    A band is a level minus the next coarser one, enlarged. Levels are means over valid pixels only (normalised
    convolution), each pixel of a coarser level counting by the share of its window that was valid, in the levels above
    it and in its band's mean; 0 where no pixel is valid. As many bands as leave a shorter side of 8 pixels, at most 6;
    below 16 pixels none, and the loss is `l1`. Means are over a whole batch.

    Source: Burt & Adelson 1983; as a loss Bojanowski et al. 2018, "Optimizing the latent space of generative networks",
    whose sums over band j, weighted by 4^j, are these means up to a factor.
    """
    zero = torch.zeros((), dtype=render.dtype, device=render.device)
    # The pyramid is linear, so the difference of two pyramids is the pyramid of the difference.
    level = torch.where(valid, render, zero) - torch.where(valid, photo, zero)
    weight = valid.to(render.dtype)
    total = zero
    for _ in range(MOST_BANDS):
        if min(level.shape[2:]) < 2 * SHORTEST_SIDE:
            break
        sums, coarse_weight = _reduce(weight * level), _reduce(weight)
        size = level.shape[2], level.shape[3]
        enlarged = _expand(sums, size) / _or_one(_expand(coarse_weight, size))
        total = total + _weighted_mean((level - enlarged).abs(), weight)
        level, weight = sums / _or_one(coarse_weight), coarse_weight
    return total + _weighted_mean(level.abs(), weight)


def _reduce(planes: Images) -> Float[Tensor, "b c _ _"]:
    """Kernel sums about every other pixel; 0 beyond the border."""
    channels = planes.shape[1]
    planes = planes.contiguous(memory_format=torch.channels_last)
    return F.conv2d(planes, _kernel(planes), stride=2, padding=2, groups=channels)


def _expand(planes: Images, size: tuple[int, int]) -> Float[Tensor, "b c _ _"]:
    """The adjoint of `_reduce`, for a finer level of the given size."""
    even = (size[0] + 1) % 2, (size[1] + 1) % 2
    channels = planes.shape[1]
    return F.conv_transpose2d(planes, _kernel(planes), stride=2, padding=2, output_padding=even, groups=channels)


def _kernel(planes: Images) -> Float[Tensor, "c 1 5 5"]:
    line = torch.tensor(KERNEL, dtype=planes.dtype, device=planes.device)
    return torch.outer(line, line).expand(planes.shape[1], 1, 5, 5)


def _or_one(weight: Images) -> Images:
    return torch.where(weight > 0, weight, torch.ones_like(weight))


def _weighted_mean(values: Images, weight: Float[Tensor, "b 1 h w"]) -> Scalar:
    total = weight.sum() * values.shape[1]
    return (weight * values).sum() / torch.where(total > 0, total, torch.ones_like(total))
