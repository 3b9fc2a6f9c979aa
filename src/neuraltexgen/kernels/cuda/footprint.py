"""Triton twins of `kernels.footprint`: look-ups in a mip chain (p 3) and their adjoint, float32.

As in `cuda.photometric` a texel has four floats here, the last one 0. A program takes BLOCK samples.
"""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

from typing import TYPE_CHECKING, Any, no_type_check

import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.kernels.cuda.lookup import blocks, jit

if TYPE_CHECKING:
    from neuraltexgen.kernels.footprint import Footprints

try:
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    tl: Any = None

BLOCK = 128
"""Samples of one program."""


def look_up(chain: Tensor, sizes: list[tuple[int, int]], where: Footprints, taps: int) -> Tensor:
    """(p 3), footprints (h w s ...) -> (h w 3)."""
    height, width, samples = where.uv.shape[:3]
    image = torch.zeros(height, width, samples, 4, device=chain.device)
    _run(_look_up, F.pad(chain, (0, 1)), image, sizes, where, taps)
    return image[..., :3].mean(dim=2)


def scatter(gradient: Tensor, sizes: list[tuple[int, int]], where: Footprints, taps: int, chain: Tensor) -> None:
    """Adds the adjoint of `look_up` applied to `gradient` (h w 3) to `chain` (p 3)."""
    samples = where.uv.shape[2]
    padded = torch.zeros(len(chain), 4, device=chain.device)
    spread = (F.pad(gradient, (0, 1)) / samples)[:, :, None].expand(-1, -1, samples, -1).contiguous()
    _run(_scatter, padded, spread, sizes, where, taps)
    chain += padded[:, :3]


def _run(kernel: Any, chain: Tensor, image: Tensor, sizes: list[tuple[int, int]], where: Footprints, taps: int) -> None:
    samples, count = where.uv.shape[2], where.uv[..., 0].numel()
    starts, start = [], 0
    for height, width in sizes:
        starts.append(start)
        start += height * width
    table = torch.tensor(starts, dtype=torch.int64, device=chain.device)
    uv, steps = (field.to(torch.float32).contiguous() for field in (where.uv, where.steps))
    valid = where.valid.to(torch.uint8).contiguous()
    kernel[(blocks(count, BLOCK),)](
        chain, image, table, uv, steps, valid, sizes[0][1], sizes[0][0], count, len(sizes), samples, taps, BLOCK
    )


@jit
@no_type_check
def _taps(uv, steps, at, known, width, height, levels, TAPS: tl.constexpr):
    """Middle and pace of each sample's taps in texels of the finest level, their count, the level."""
    ux = tl.load(steps + 4 * at, mask=known, other=0.0) * width
    vx = tl.load(steps + 4 * at + 1, mask=known, other=0.0) * height
    uy = tl.load(steps + 4 * at + 2, mask=known, other=0.0) * width
    vy = tl.load(steps + 4 * at + 3, mask=known, other=0.0) * height
    p, q, r = ux * ux + uy * uy, ux * vx + uy * vy, vx * vx + vy * vy
    half = 0.5 * (p - r)
    apart = tl.sqrt(half * half + q * q)
    long = tl.sqrt(0.5 * (p + r) + apart)
    short = tl.abs(ux * vy - vx * uy) / tl.maximum(long, 1e-30)
    turn = tl.where(apart > 0, half / tl.maximum(apart, 1e-30), 1.0)
    turn = tl.minimum(tl.maximum(turn, -1.0), 1.0)
    aside = tl.sqrt(0.5 * (1.0 - turn)) * tl.where(q < 0, -1.0, 1.0)
    count = tl.minimum(tl.maximum(tl.ceil(long / tl.maximum(short, 1.0) - 0.01), 1.0), TAPS)
    pace = long / count
    side = tl.maximum(pace, short)
    spread = 1.0 + tl.maximum(side * side - 1.0, 0.0) / 3.0
    lower = tl.floor(0.5 * tl.log2(spread))
    level = tl.minimum(lower + (spread * tl.exp2(-2.0 * lower) - 1.0) / 3.0, levels - 1.0)
    x = tl.load(uv + 2 * at, mask=known, other=0.0) * width
    y = tl.load(uv + 2 * at + 1, mask=known, other=0.0) * height
    return x, y, pace * tl.sqrt(0.5 * (1.0 + turn)), pace * aside, count, level


@jit
@no_type_check
def _corner(x, y, table, level, width, height):
    """On each sample's level: the first texel around a place, the ways to its right and lower neighbours, weights."""
    wide, high = width >> level, height >> level
    shrink = tl.exp2(-level.to(tl.float32))
    x = tl.minimum(tl.maximum(x * shrink - 0.5, 0.0), (wide - 1).to(tl.float32))
    y = tl.minimum(tl.maximum(y * shrink - 0.5, 0.0), (high - 1).to(tl.float32))
    x0 = tl.minimum(x.to(tl.int32), tl.maximum(wide - 2, 0))
    y0 = tl.minimum(y.to(tl.int32), tl.maximum(high - 2, 0))
    corner = tl.load(table + level) + y0.to(tl.int64) * wide + x0
    right, down = tl.where(wide > 1, 1, 0), tl.where(high > 1, wide, 0)
    return corner, right, down, x - x0.to(tl.float32), y - y0.to(tl.float32)


@jit
@no_type_check
def _look_up(
    chain, image, table, uv, steps, valid, width, height, total, levels,
    SAMPLES: tl.constexpr, TAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    known = tl.load(valid + at // SAMPLES, mask=at < total, other=0) > 0
    x, y, dx, dy, count, level = _taps(uv, steps, at, known, width, height, levels, TAPS)
    lower = tl.minimum(level.to(tl.int32), tl.maximum(levels - 2, 0))
    share = level - lower.to(tl.float32)
    channel = tl.arange(0, 4)[None, :]
    colour = tl.zeros((BLOCK, 4), tl.float32)
    for tap in tl.static_range(TAPS):
        used = known & (tap < count)
        along = tap + 0.5 - 0.5 * count
        for side in tl.static_range(2):
            on = tl.minimum(lower + side, levels - 1)
            corner, right, down, fx, fy = _corner(x + along * dx, y + along * dy, table, on, width, height)
            first, mask = chain + corner[:, None] * 4 + channel, used[:, None]
            a = tl.load(first, mask=mask, other=0.0)
            b = tl.load(first + right[:, None] * 4, mask=mask, other=0.0)
            d = tl.load(first + down[:, None] * 4, mask=mask, other=0.0)
            e = tl.load(first + (down + right)[:, None] * 4, mask=mask, other=0.0)
            top = a + fx[:, None] * (b - a)
            mixed = top + fy[:, None] * (d + fx[:, None] * (e - d) - top)
            weight = share if side == 1 else 1.0 - share
            colour += tl.where(mask, (weight / count)[:, None] * mixed, 0.0)
    tl.store(image + at[:, None] * 4 + channel, colour, mask=known[:, None])


@jit
@no_type_check
def _scatter(
    chain, image, table, uv, steps, valid, width, height, total, levels,
    SAMPLES: tl.constexpr, TAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    known = tl.load(valid + at // SAMPLES, mask=at < total, other=0) > 0
    x, y, dx, dy, count, level = _taps(uv, steps, at, known, width, height, levels, TAPS)
    lower = tl.minimum(level.to(tl.int32), tl.maximum(levels - 2, 0))
    share = level - lower.to(tl.float32)
    channel = tl.arange(0, 4)[None, :]
    slope = tl.load(image + at[:, None] * 4 + channel, mask=known[:, None], other=0.0) / count[:, None]
    for tap in tl.static_range(TAPS):
        used = known & (tap < count)
        along = tap + 0.5 - 0.5 * count
        for side in tl.static_range(2):
            on = tl.minimum(lower + side, levels - 1)
            corner, right, down, fx, fy = _corner(x + along * dx, y + along * dy, table, on, width, height)
            weight = share if side == 1 else 1.0 - share
            first, mask = chain + corner[:, None] * 4 + channel, (used & (weight > 0))[:, None]
            upper, below = (weight * (1 - fy))[:, None] * slope, (weight * fy)[:, None] * slope
            tl.atomic_add(first, (1 - fx)[:, None] * upper, mask=mask, sem="relaxed")
            tl.atomic_add(first + right[:, None] * 4, fx[:, None] * upper, mask=mask, sem="relaxed")
            tl.atomic_add(first + down[:, None] * 4, (1 - fx)[:, None] * below, mask=mask, sem="relaxed")
            tl.atomic_add(first + (down + right)[:, None] * 4, fx[:, None] * below, mask=mask, sem="relaxed")
