"""Triton twins of looking packed places up and of its adjoints, view by view, and of a seam tie's gradient."""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

from typing import TYPE_CHECKING, Any, no_type_check

import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.kernels.cuda.lookup import (
    BLOCK,
    add,
    blocks,
    corner,
    jit,
    look,
    mix,
    nearby,
    own_padded,
    padded,
    spread,
)

if TYPE_CHECKING:
    from neuraltexgen.kernels.packed import Places

try:
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    tl: Any = None


def look_up(texture: Tensor, places: Places) -> Tensor:
    """(H W 3), packed places (h w ...) -> (h w 3)."""
    height, width, samples = places.high.shape
    image = torch.empty(height, width, 4, device=texture.device)
    _look_up[(blocks(height * width),)](
        padded(texture), _codes(places), places.high, places.trust, image, texture.shape[1], texture.shape[0],
        height * width, samples, BLOCK,
    )  # fmt: skip
    return image[..., :3].contiguous()


def scatter(gradient: Tensor, places: Places, result: Tensor) -> None:
    """Adds the adjoint of `look_up` applied to `gradient` (h w 3) to `result` (H W 3)."""
    own = own_padded(result)
    into = torch.zeros(*result.shape[:2], 4, device=result.device) if own is None else own
    height, width, samples = places.high.shape
    _scatter[(blocks(height * width),)](
        F.pad(gradient, (0, 1)), _codes(places), places.high, places.trust, into,
        result.shape[1], result.shape[0], height * width, samples, BLOCK,
    )  # fmt: skip
    if own is None:
        result += into[..., :3]


def scatter_weight(weight: Tensor, places: Places, result: Tensor) -> None:
    """Adds how much each texel counts in the weighted pixels (h w) that have confidence to `result` (H W)."""
    height, width, samples = places.high.shape
    _scatter_weight[(blocks(height * width),)](
        weight.contiguous(), _codes(places), places.high, places.trust, result, result.shape[1], result.shape[0],
        height * width, samples, BLOCK,
    )  # fmt: skip


def tie(texture: Tensor, places: Tensor, every: tuple[int, int], weight: float, result: Tensor) -> None:
    """Adds the gradient of weight x Σ (difference of the two lookups)² to `result` (H W 3), see `SeamTie`.

    places (2 n 2): uvs. every: (first, step) of the places that are tied.
    """
    own = own_padded(result)
    into = torch.zeros(*result.shape[:2], 4, device=result.device) if own is None else own
    phase, step = every
    count = -(-(places.shape[1] - phase) // step)
    if count > 0:
        _tie[(blocks(count),)](
            padded(texture), places, into, phase, step, places.shape[1], 2 * weight, result.shape[1],
            result.shape[0], BLOCK,
        )  # fmt: skip
    if own is None:
        result += into[..., :3]


def _codes(places: Places) -> Tensor:
    """The lower 16 bits of u, and above them those of v, as one number."""
    return places.low.contiguous().view(torch.int32)


@jit
@no_type_check
def _look_up(
    texture, low, high, trust, image, width, height, pixels, SAMPLES: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < pixels
    known = tl.load(trust + place, mask=inside, other=0) > 0
    found = look(texture, low, high, place, known, width, height, SAMPLES, BLOCK)
    tl.store(image + place[:, None] * 4 + tl.arange(0, 4)[None, :], found, mask=inside[:, None])


@jit
@no_type_check
def _scatter(
    gradient, low, high, trust, result, width, height, pixels, SAMPLES: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    known = tl.load(trust + at, mask=at < pixels, other=0) > 0
    slope = tl.load(gradient + at[:, None] * 4 + tl.arange(0, 4)[None, :], mask=known[:, None], other=0.0)
    add(slope, low, high, at, known, result, width, height, SAMPLES)


@jit
@no_type_check
def _scatter_weight(
    weight, low, high, trust, result, width, height, pixels, SAMPLES: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    known = tl.load(trust + at, mask=at < pixels, other=0) > 0
    own = tl.load(weight + at, mask=known, other=0.0) / SAMPLES
    right, down = tl.where(width > 1, 1, 0), tl.where(height > 1, width, 0)
    for i in range(SAMPLES):
        code = tl.load(low + at * SAMPLES + i, mask=known, other=0)
        upper = tl.load(high + at * SAMPLES + i, mask=known, other=0).to(tl.int32)
        x0, y0, fx, fy = corner(code, upper, width, height)
        first = result + y0.to(tl.int64) * width + x0
        tl.atomic_add(first, (1 - fx) * (1 - fy) * own, mask=known, sem="relaxed")
        tl.atomic_add(first + right, fx * (1 - fy) * own, mask=known, sem="relaxed")
        tl.atomic_add(first + down, (1 - fx) * fy * own, mask=known, sem="relaxed")
        tl.atomic_add(first + down + right, fx * fy * own, mask=known, sem="relaxed")


@jit
@no_type_check
def _tie(texture, places, result, phase, STEP: tl.constexpr, count, pull, width, height, BLOCK: tl.constexpr):
    index = phase + STEP * (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK))
    known = index < count
    one, other = places + index * 2, places + (count + index) * 2
    u, v = tl.load(one, mask=known, other=0.0), tl.load(one + 1, mask=known, other=0.0)
    x0, y0, fx, fy = nearby(u, v, width, height)
    u, v = tl.load(other, mask=known, other=0.0), tl.load(other + 1, mask=known, other=0.0)
    x1, y1, gx, gy = nearby(u, v, width, height)
    apart = mix(texture, x0, y0, fx, fy, known, width, height) - mix(texture, x1, y1, gx, gy, known, width, height)
    slope = pull * tl.where(tl.arange(0, 4)[None, :] < 3, apart, 0.0)
    spread(slope, result, x0, y0, fx, fy, known, width, height)
    spread(-slope, result, x1, y1, gx, gy, known, width, height)
