"""Triton twins of `kernels.conv`: pooling, its adjoint and ReLU's, for channels-last images of any float type."""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

from typing import Any, no_type_check

import torch
from torch import Tensor

try:
    import triton  # pyright: ignore[reportMissingImports]
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    triton: Any = None

BLOCK = 1024


def max_pool(image: Tensor) -> Tensor:
    """(1 c h w) -> (1 c h/2 w/2)."""
    _, channels, h, w = image.shape
    image = image.contiguous(memory_format=torch.channels_last)
    size = (1, channels, h // 2, w // 2)
    result = torch.empty(size, dtype=image.dtype, device=image.device, memory_format=torch.channels_last)
    count = result.numel()
    _kernel(_max_pool)[(triton.cdiv(count, BLOCK),)](image, result, count, w, channels, BLOCK)
    return result


def max_pool_adjoint(gradient: Tensor, image: Tensor) -> Tensor:
    """(1 c h/2 w/2), (1 c h w) -> (1 c h w)."""
    _, channels, h, w = image.shape
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    image = image.contiguous(memory_format=torch.channels_last)
    result = torch.empty_like(image)
    count = ((h + 1) // 2) * ((w + 1) // 2) * channels
    _kernel(_max_pool_adjoint)[(triton.cdiv(count, BLOCK),)](gradient, image, result, count, h, w, channels, BLOCK)
    return result


def relu_adjoint(gradient: Tensor, activation: Tensor, more: Tensor) -> Tensor:
    """(gradient + more) where the activation is above 0, else 0: one pass instead of two."""
    fields = [field.contiguous(memory_format=torch.channels_last) for field in (gradient, activation, more)]
    result = torch.empty_like(fields[0])
    count = result.numel()
    _kernel(_relu_adjoint)[(triton.cdiv(count, BLOCK),)](*fields, result, count, BLOCK)
    return result


_compiled: dict[str, Any] = {}


def _kernel(function: Any) -> Any:
    """Compiled at the first use: without a GPU (or the interpreter) there is nothing to compile for."""
    if function.__name__ not in _compiled:
        _compiled[function.__name__] = triton.jit(function)
    return _compiled[function.__name__]


@no_type_check
def _max_pool(image, result, count, w, channels, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    c, block = place % channels, place // channels
    y, x = block // (w // 2), block % (w // 2)
    corner = (2 * y * w + 2 * x) * channels + c
    down = w * channels
    a = tl.load(image + corner, mask=inside)
    b = tl.load(image + corner + channels, mask=inside)
    d = tl.load(image + corner + down, mask=inside)
    e = tl.load(image + corner + down + channels, mask=inside)
    tl.store(result + place, tl.maximum(tl.maximum(a, b), tl.maximum(d, e)), mask=inside)


@no_type_check
def _max_pool_adjoint(gradient, image, result, count, h, w, channels, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    c, block = place % channels, place // channels
    y, x = block // ((w + 1) // 2), block % ((w + 1) // 2)
    right_in, down_in = inside & (2 * x + 1 < w), inside & (2 * y + 1 < h)
    whole = right_in & down_in
    corner = (2 * y * w + 2 * x) * channels + c
    down = w * channels
    a = tl.load(image + corner, mask=whole, other=0.0)
    b = tl.load(image + corner + channels, mask=whole, other=0.0)
    d = tl.load(image + corner + down, mask=whole, other=0.0)
    e = tl.load(image + corner + down + channels, mask=whole, other=0.0)
    largest = tl.maximum(tl.maximum(a, b), tl.maximum(d, e))
    g = tl.load(gradient + (y * (w // 2) + x) * channels + c, mask=whole & (largest > 0), other=0.0)
    zero = tl.zeros_like(g)
    first = a == largest
    second = (b == largest) & (a != largest)
    third = (d == largest) & (a != largest) & (b != largest)
    fourth = (a != largest) & (b != largest) & (d != largest)
    tl.store(result + corner, tl.where(first, g, zero), mask=inside)
    tl.store(result + corner + channels, tl.where(second, g, zero), mask=right_in)
    tl.store(result + corner + down, tl.where(third, g, zero), mask=down_in)
    tl.store(result + corner + down + channels, tl.where(fourth, g, zero), mask=whole)


@no_type_check
def _relu_adjoint(gradient, activation, more, result, count, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    total = tl.load(gradient + place, mask=inside) + tl.load(more + place, mask=inside)
    alive = tl.load(activation + place, mask=inside, other=0.0) > 0
    tl.store(result + place, tl.where(alive, total, tl.zeros_like(total)), mask=inside)
