"""Triton twins of `kernels.photometric`, for views stacked behind each other, float32 and 3 channels.

A texel has four floats here, the last one 0: it is one load, and one atomic where the device has those of
four floats (Hopper).
Whole stacks are two launches: residuals, then their slopes scattered into the texture.
"""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, no_type_check

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from neuraltexgen.kernels.packed import Places
    from neuraltexgen.kernels.photometric import PhotoLosses, Stack

try:
    import triton  # pyright: ignore[reportMissingImports]
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    triton: Any = None

BLOCK = 256
"""Pixels of one program."""


def photometric_pass(texture: Tensor, stack: Stack, losses: PhotoLosses, bends: tuple[float, float], result: Tensor):
    """Adds the gradients of all views' losses to `result`; returns the losses. bends: Huber's delta, Charbonnier's
    epsilon."""
    field = residuals(texture, stack)
    padded = torch.zeros(*result.shape[:2], 4, device=result.device)
    loss = slopes(field, stack, losses, bends, padded, scattered=True)
    result += padded[..., :3]
    return loss


def look_up(texture: Tensor, places: Places) -> Tensor:
    """(H W 3), packed places (h w ...) -> (h w 3)."""
    image = torch.empty(*places.trust.shape, 4, device=texture.device)
    colour = torch.zeros(1, 2, 4, device=texture.device)
    _residuals(F.pad(texture, (0, 1)), places, None, colour, 0.0, image)
    return image[..., :3].contiguous()


def residuals(texture: Tensor, stack: Stack) -> Tensor:
    """(v h w 4): confidence x (gain x render + offset - photo), 0 without confidence."""
    field = torch.empty(*stack.places.trust.shape, 4, device=texture.device)
    colour = F.pad(torch.stack(tuple(stack.colour), dim=1), (0, 1))
    scale = 1 / 255 if stack.photo.dtype == torch.uint8 else 1.0
    _residuals(F.pad(texture, (0, 1)), stack.places, stack.photo, colour, scale, field)
    return field


def slopes(
    field: Tensor, stack: Stack, losses: PhotoLosses, bends: tuple[float, float], result: Tensor, scattered: bool
) -> Tensor:
    """The losses of residuals, and their gradients: written as images (v h w 4) or scattered into a texture (H W 4)."""
    views, height, width, samples = stack.places.high.shape
    counts = stack.counts if stack.counts is not None else count_pairs(stack.places.trust)
    single = torch.tensor([losses.l1, losses.l2, losses.huber, losses.charbonnier], device=field.device)
    per_pixel, per_pair = single / (3 * counts[:, :1]), losses.gradient_l1 / (3 * counts[:, 1:])
    weights = torch.cat((per_pixel, per_pair), dim=1).contiguous()
    gain = F.pad(stack.colour.gain * stack.weight[:, None], (0, 1)).contiguous()
    programs = triton.cdiv(height * width, BLOCK)
    sums = torch.empty(views, programs, device=field.device)
    size = (result.shape[1], result.shape[0]) if scattered else (1, 1)
    _slopes[(programs, views)](
        field, _codes(stack.places), stack.places.high, stack.places.trust, weights, gain, result, sums,
        *size, width, height * width, bends[0], bends[1], samples, scattered, BLOCK,
    )  # fmt: skip
    return sums.sum(dim=1)


def scatter(gradient: Tensor, places: Places, result: Tensor) -> None:
    """Adds the adjoint of `look_up` applied to `gradient` (h w 3) to `result` (H W 3)."""
    padded = torch.zeros(*result.shape[:2], 4, device=result.device)
    height, width, samples = places.high.shape
    _scatter[(triton.cdiv(height * width, BLOCK),)](
        F.pad(gradient, (0, 1)), _codes(places), places.high, places.trust, padded,
        result.shape[1], result.shape[0], height * width, samples, BLOCK,
    )  # fmt: skip
    result += padded[..., :3]


def count_pairs(trust: Tensor) -> Tensor:
    """(v h w) -> (v 3): how many pixels have confidence, and pairs across and down of which both do; at least 1."""
    known = trust > 0
    across, down = known[:, :, 1:] & known[:, :, :-1], known[:, 1:] & known[:, :-1]
    return torch.stack([mask.sum(dim=(1, 2)) for mask in (known, across, down)], dim=1).clamp(min=1).float()


def _residuals(
    padded: Tensor, places: Places, photo: Tensor | None, colour: Tensor, scale: float, field: Tensor
) -> None:
    """`photo` None: the render itself."""
    pixels = places.trust.shape[-2] * places.trust.shape[-1]
    grid = (triton.cdiv(pixels, BLOCK), places.trust.numel() // pixels)
    _residual[grid](
        padded, _codes(places), places.high, places.trust, places.trust if photo is None else photo, colour, field,
        padded.shape[1], padded.shape[0], pixels, scale, photo is None, places.high.shape[-1], BLOCK,
    )  # fmt: skip


def _codes(places: Places) -> Tensor:
    """The lower 16 bits of u, and above them those of v, as one number."""
    return places.low.contiguous().view(torch.int32)


def _jit(function: Callable) -> Any:
    """Compiled at the first call, which never comes without Triton."""
    return function if triton is None else triton.jit(function)


@_jit
@no_type_check
def _corner(code, upper, width, height):
    """The first texel around a place, and the weights of its right and lower neighbours."""
    u = (code & 0xFFFF) | ((upper >> 4) << 16)
    v = ((code >> 16) & 0xFFFF) | ((upper & 15) << 16)
    x = tl.minimum(tl.maximum(u.to(tl.float32) * (width * 0.00000095367431640625) - 0.5, 0.0), width - 1.0)
    y = tl.minimum(tl.maximum(v.to(tl.float32) * (height * 0.00000095367431640625) - 0.5, 0.0), height - 1.0)
    x0 = tl.minimum(x.to(tl.int32), tl.maximum(width - 2, 0))
    y0 = tl.minimum(y.to(tl.int32), tl.maximum(height - 2, 0))
    return y0.to(tl.int64) * width + x0, x - x0.to(tl.float32), y - y0.to(tl.float32)


@_jit
@no_type_check
def _sign(value):
    return (value > 0).to(tl.float32) - (value < 0).to(tl.float32)


@_jit
@no_type_check
def _residual(
    texture, low, high, trust, photo, colour, field, width, height, pixels, scale,
    PLAIN: tl.constexpr, SAMPLES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    view = tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < pixels
    at = view.to(tl.int64) * pixels + place
    share = tl.load(trust + at, mask=inside, other=0).to(tl.float32) / 255
    known = share > 0
    channel = tl.arange(0, 4)[None, :]
    right = tl.where(width > 1, 4, 0)
    down = tl.where(height > 1, 4 * width, 0)
    image = tl.zeros((BLOCK, 4), tl.float32)
    for i in tl.static_range(SAMPLES):
        code = tl.load(low + at * SAMPLES + i, mask=known, other=0)
        upper = tl.load(high + at * SAMPLES + i, mask=known, other=0).to(tl.int32)
        corner, fx, fy = _corner(code, upper, width, height)
        first = texture + corner[:, None] * 4 + channel
        a = tl.load(first, mask=known[:, None], other=0.0)
        b = tl.load(first + right, mask=known[:, None], other=0.0)
        d = tl.load(first + down, mask=known[:, None], other=0.0)
        e = tl.load(first + down + right, mask=known[:, None], other=0.0)
        top = a + fx[:, None] * (b - a)
        image += top + fy[:, None] * (d + fx[:, None] * (e - d) - top)
    image = image / SAMPLES
    if not PLAIN:
        gain = tl.load(colour + view * 8 + channel)
        offset = tl.load(colour + view * 8 + 4 + channel)
        there = known[:, None] & (channel < 3)
        picture = tl.load(photo + at[:, None] * 3 + channel, mask=there, other=0).to(tl.float32) * scale
        image = tl.where(known[:, None], share[:, None] * (gain * image + offset - picture), 0.0)
    tl.store(field + at[:, None] * 4 + channel, image, mask=inside[:, None])


@_jit
@no_type_check
def _slopes(
    field, low, high, trust, weights, gain, result, sums, texture_width, texture_height, width, pixels, delta, epsilon,
    SAMPLES: tl.constexpr, SCATTERED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    view = tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < pixels
    at = view.to(tl.int64) * pixels + place
    channel = tl.arange(0, 4)[None, :]
    bits = tl.load(trust + at, mask=inside, other=0)
    known = bits > 0
    here = tl.load(field + at[:, None] * 4 + channel, mask=inside[:, None], other=0.0)
    weights += view * 6
    l1, l2, huber = tl.load(weights), tl.load(weights + 1), tl.load(weights + 2)
    charbonnier, across, down = tl.load(weights + 3), tl.load(weights + 4), tl.load(weights + 5)
    size = tl.abs(here)
    near = tl.minimum(size, delta)
    root = tl.sqrt(here * here + epsilon * epsilon)
    value = l1 * size + l2 * here * here + huber * (0.5 * near * near / delta + size - near)
    value += charbonnier * (root - epsilon)
    slope = (l1 + huber * near / delta) * _sign(here) + (2.0 * l2 + charbonnier / root) * here
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
        both = there & (tl.load(trust + at + step, mask=there, other=0) > 0)
        other = tl.load(field + (at + step)[:, None] * 4 + channel, mask=both[:, None], other=0.0)
        apart = tl.where(both[:, None], other - here, 0.0)
        weight = across if side < 2 else down
        slope -= weight * _sign(apart)
        if side % 2 == 0:
            value += weight * tl.abs(apart)
    tl.store(sums + view * tl.num_programs(0) + tl.program_id(0), tl.sum(tl.sum(value, axis=1), axis=0))
    share = bits.to(tl.float32) / 255
    slope = slope * share[:, None] * tl.load(gain + view * 4 + channel)
    if SCATTERED:
        _add(slope, low, high, at, known, result, texture_width, texture_height, SAMPLES)
    else:
        tl.store(result + at[:, None] * 4 + channel, slope, mask=inside[:, None])


@_jit
@no_type_check
def _scatter(
    gradient, low, high, trust, result, width, height, pixels, SAMPLES: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    known = tl.load(trust + at, mask=at < pixels, other=0) > 0
    slope = tl.load(gradient + at[:, None] * 4 + tl.arange(0, 4)[None, :], mask=known[:, None], other=0.0)
    _add(slope, low, high, at, known, result, width, height, SAMPLES)


@_jit
@no_type_check
def _add(slope, low, high, at, known, result, width, height, SAMPLES: tl.constexpr):
    """Each of a pixel's four texels gets its share, by one atomic of four floats where the device has that."""
    channel = tl.arange(0, 4)[None, :]
    right = tl.where(width > 1, 4, 0)
    down = tl.where(height > 1, 4 * width, 0)
    slope = slope / SAMPLES
    for i in tl.static_range(SAMPLES):
        code = tl.load(low + at * SAMPLES + i, mask=known, other=0)
        upper = tl.load(high + at * SAMPLES + i, mask=known, other=0).to(tl.int32)
        corner, fx, fy = _corner(code, upper, width, height)
        first, mask = result + corner[:, None] * 4 + channel, known[:, None]
        upper_part, lower_part = (1 - fy)[:, None] * slope, fy[:, None] * slope
        tl.atomic_add(first, (1 - fx)[:, None] * upper_part, mask=mask, sem="relaxed")
        tl.atomic_add(first + right, fx[:, None] * upper_part, mask=mask, sem="relaxed")
        tl.atomic_add(first + down, (1 - fx)[:, None] * lower_part, mask=mask, sem="relaxed")
        tl.atomic_add(first + down + right, fx[:, None] * lower_part, mask=mask, sem="relaxed")
