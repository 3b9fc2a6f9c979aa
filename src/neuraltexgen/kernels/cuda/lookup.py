"""What the Triton twins share: textures of four floats a texel, views by their addresses, the texels around a place.

A texel has four floats here, the last one of no meaning: it is one load, and one atomic where the device has those of
four floats (Hopper).
"""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

import inspect
from collections.abc import Callable
from typing import Any, no_type_check

import torch
import torch.nn.functional as F
from torch import Tensor

try:
    import triton  # pyright: ignore[reportMissingImports]
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    triton: Any = None
    tl: Any = None

READY = triton is not None and hasattr(tl, "gather")
"""Whether the twins can be compiled: Triton is there, and not older than 3.3."""

BLOCK = 256
"""Pixels or texels of one program."""

BYTE = 1 / 255 if triton is None else tl.constexpr(1 / 255)
"""What a step of 8-bit photos and confidences is."""

NUMBERS = ("width", "height", "pixels", "texture_width", "texture_height", "count", "phase", "rows", "parts")
"""Arguments that Triton would compile anew for when they are 1, or a multiple of 16."""


def jit(function: Callable) -> Any:
    """Compiled at the first call, which never comes without Triton."""
    if triton is None:
        return function
    plain = [name for name in inspect.signature(function).parameters if name in NUMBERS]
    return triton.jit(function, do_not_specialize=plain)


def blocks(count: int, block: int = BLOCK) -> int:
    """How many programs of `block` places cover `count`."""
    return -(-count // block)


def roomy(height: int, width: int, device: torch.device) -> Tensor:
    """(H W 3) of zeros that lies in memory as the kernels read it: four floats a texel."""
    return torch.zeros(height, width, 4, device=device)[..., :3]


def own_padded(texture: Tensor) -> Tensor | None:
    """(H W 4): the memory of a texture (H W 3) that lies like `roomy`'s; None for any other."""
    height, width, _ = texture.shape
    if texture.stride() != (4 * width, 4, 1) or texture.storage_offset() % 4:
        return None
    return texture.detach().as_strided((height, width, 4), texture.stride())


def padded(texture: Tensor) -> Tensor:
    """(H W 3) -> (H W 4): its own memory if that lies like that, else a copy."""
    own = own_padded(texture)
    return F.pad(texture.detach(), (0, 1)) if own is None else own


@jit
@no_type_check
def corner(code, upper, width, height):
    """The first texel around a packed place, x and y, and the weights of its right and lower neighbours."""
    u = (code & 0xFFFF) | ((upper >> 4) << 16)
    v = ((code >> 16) & 0xFFFF) | ((upper & 15) << 16)
    return nearby(u.to(tl.float32) * 0.00000095367431640625, v.to(tl.float32) * 0.00000095367431640625, width, height)


@jit
@no_type_check
def nearby(u, v, width, height):
    """The same for a place in [0, 1]. A texture one texel wide has no right neighbour: its weight is 0."""
    x = tl.minimum(tl.maximum(u * width - 0.5, 0.0), width - 1.0)
    y = tl.minimum(tl.maximum(v * height - 0.5, 0.0), height - 1.0)
    x0 = tl.minimum(x.to(tl.int32), tl.maximum(width - 2, 0))
    y0 = tl.minimum(y.to(tl.int32), tl.maximum(height - 2, 0))
    return x0, y0, x - x0.to(tl.float32), y - y0.to(tl.float32)


@jit
@no_type_check
def mix(texture, x0, y0, fx, fy, known, width, height):
    """(n 4): the texels around places, mixed."""
    first = texture + (y0.to(tl.int64) * width + x0)[:, None] * 4 + tl.arange(0, 4)[None, :]
    right = tl.where(width > 1, 4, 0)
    down = tl.where(height > 1, 4 * width, 0)
    mask = known[:, None]
    a = tl.load(first, mask=mask, other=0.0)
    b = tl.load(first + right, mask=mask, other=0.0)
    d = tl.load(first + down, mask=mask, other=0.0)
    e = tl.load(first + down + right, mask=mask, other=0.0)
    top = a + fx[:, None] * (b - a)
    return top + fy[:, None] * (d + fx[:, None] * (e - d) - top)


@jit
@no_type_check
def spread(slope, result, x0, y0, fx, fy, known, width, height):
    """Adds slopes (n 4) to the texels around places: the adjoint of `mix`."""
    first = result + (y0.to(tl.int64) * width + x0)[:, None] * 4 + tl.arange(0, 4)[None, :]
    right = tl.where(width > 1, 4, 0)
    down = tl.where(height > 1, 4 * width, 0)
    mask = known[:, None]
    top, bottom = (1 - fy)[:, None] * slope, fy[:, None] * slope
    tl.atomic_add(first, (1 - fx)[:, None] * top, mask=mask, sem="relaxed")
    tl.atomic_add(first + right, fx[:, None] * top, mask=mask, sem="relaxed")
    tl.atomic_add(first + down, (1 - fx)[:, None] * bottom, mask=mask, sem="relaxed")
    tl.atomic_add(first + down + right, fx[:, None] * bottom, mask=mask, sem="relaxed")


@jit
@no_type_check
def look(texture, low, high, at, known, width, height, SAMPLES: tl.constexpr, BLOCK: tl.constexpr):
    """(n 4): the mean over a pixel's samples of what they look up."""
    image = tl.zeros((BLOCK, 4), tl.float32)
    for i in range(SAMPLES):
        code = tl.load(low + at * SAMPLES + i, mask=known, other=0)
        upper = tl.load(high + at * SAMPLES + i, mask=known, other=0).to(tl.int32)
        x0, y0, fx, fy = corner(code, upper, width, height)
        image += mix(texture, x0, y0, fx, fy, known, width, height)
    return image / SAMPLES


@jit
@no_type_check
def add(slope, low, high, at, known, result, width, height, SAMPLES: tl.constexpr):
    """The adjoint of `look`."""
    slope = slope / SAMPLES
    for i in range(SAMPLES):
        code = tl.load(low + at * SAMPLES + i, mask=known, other=0)
        upper = tl.load(high + at * SAMPLES + i, mask=known, other=0).to(tl.int32)
        x0, y0, fx, fy = corner(code, upper, width, height)
        spread(slope, result, x0, y0, fx, fy, known, width, height)
