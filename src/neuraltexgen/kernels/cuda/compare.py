"""Triton twin of `kernels.photometric.compare`: one view whose render is there already, float32 and 3 channels."""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

from typing import Any, no_type_check

import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.kernels.cuda.lookup import BLOCK, BYTE, blocks, jit
from neuraltexgen.kernels.cuda.photometric import Terms, sign_of, single

try:
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twin is never called
    tl: Any = None


def compare(image: Tensor, photo: Tensor, trust: Tensor, terms: Terms) -> tuple[Tensor, Tensor]:
    """One view's loss, and weight x its gradient in the render (h w 3). The terms are of this view alone."""
    height, width, _ = image.shape
    share = trust.float()[..., None] / 255
    shown = terms.gain[0] * image + terms.offset[0] - (photo.float() / 255 if photo.dtype == torch.uint8 else photo)
    field = F.pad(torch.where(share > 0, share * shown, 0), (0, 1))
    gradient, sums = torch.empty_like(field), torch.empty(blocks(height * width), device=field.device)
    _compare[(len(sums),)](
        field, trust.contiguous(), terms.gain, terms.weight, terms.losses, gradient, sums, width, height * width,
        *terms.form, BLOCK,
    )  # fmt: skip
    return sums.sum(), gradient[..., :3]


@jit
@no_type_check
def _slope(field, trust, losses, place, width, pixels, delta, epsilon, ROBUST: tl.constexpr, PAIRS: tl.constexpr):
    """What pixels' residuals cost (n 4), and the slope of that in each of them, and the pixels' confidence."""
    channel = tl.arange(0, 4)[None, :]
    inside = place < pixels
    bits = tl.load(trust + place, mask=inside, other=0)
    known = bits > 0
    here = tl.load(field + place[:, None] * 4 + channel, mask=inside[:, None], other=0.0)
    value, slope = single(here, losses, delta, epsilon, ROBUST)
    if PAIRS:
        across, down = tl.load(losses + 4), tl.load(losses + 5)
        col = place % width
        for side in tl.static_range(4):  # right, left, below, above
            step = 1 if side == 0 else (-1 if side == 1 else (width if side == 2 else -width))
            if side == 0:
                there = known & (col + 1 < width)
            elif side == 1:
                there = known & (col > 0)
            elif side == 2:
                there = known & (place + width < pixels)
            else:
                there = known & (place >= width)
            both = there & (tl.load(trust + place + step, mask=there, other=0) > 0)
            other = tl.load(field + (place + step)[:, None] * 4 + channel, mask=both[:, None], other=0.0)
            apart = tl.where(both[:, None], other - here, 0.0)
            weight = across if side < 2 else down
            slope -= weight * sign_of(apart)
            if side % 2 == 0:
                value += weight * tl.abs(apart)
    return value, slope, bits.to(tl.float32) * BYTE


@jit
@no_type_check
def _compare(
    field, trust, gains, weight, losses, result, sums, width, pixels, delta, epsilon,
    ROBUST: tl.constexpr, PAIRS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value, slope, share = _slope(field, trust, losses, place, width, pixels, delta, epsilon, ROBUST, PAIRS)
    tl.store(sums + tl.program_id(0), tl.sum(tl.sum(value, axis=1), axis=0))
    channel = tl.arange(0, 4)[None, :]
    gain = tl.load(gains + channel, mask=channel < 3, other=0.0) * tl.load(weight)
    tl.store(result + place[:, None] * 4 + channel, slope * share[:, None] * gain, mask=(place < pixels)[:, None])
