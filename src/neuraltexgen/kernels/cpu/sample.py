"""numba twins of `kernels.sample`: `render` and its adjoint `splat`, for float32 arrays of one layout, C order.

Compiled once per number of channels and sub-samples, since constant inner loops are what lets LLVM unroll them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import no_type_check

import numba
import numpy as np
from numba import njit, prange

STRIPE = 16
"""Texture rows that one thread owns at a stretch while it splats: enough to spread charts evenly over threads."""


def render(texture: np.ndarray, uv: np.ndarray, valid: np.ndarray, result: np.ndarray) -> None:
    """Writes the render (h w c) of a texture (H W c) at uv (h w s 2) into `result`; 0 where not valid."""
    kernel, _ = _kernels(texture.shape[2], uv.shape[2])
    kernel(texture, uv, valid, result)


def splat(gradient: np.ndarray, uv: np.ndarray, valid: np.ndarray, result: np.ndarray) -> None:
    """Adds the adjoint of `render` applied to `gradient` (h w c) to `result` (H W c).

    Every thread reads all pixels and writes only the texture rows it owns: no races, no copies of the texture, and
    each texel sums its pixels in the same order whatever the number of threads.
    """
    _, kernel = _kernels(result.shape[2], uv.shape[2])
    kernel(gradient, uv, valid, result, numba.get_num_threads())


@lru_cache(maxsize=64)
def _kernels(channels: int, samples: int) -> tuple[Callable, Callable]:
    c, s = channels, samples
    share = np.float32(1.0 / samples)

    @njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
    @no_type_check
    def render_kernel(texture, uv, valid, result):
        height, width = texture.shape[0], texture.shape[1]
        for row in prange(uv.shape[0]):
            for col in range(uv.shape[1]):
                for k in range(c):
                    result[row, col, k] = 0.0
                if not valid[row, col]:
                    continue
                for i in range(s):
                    x0, x1, fx = _tap(uv[row, col, i, 0], width)
                    y0, y1, fy = _tap(uv[row, col, i, 1], height)
                    for k in range(c):
                        top = texture[y0, x0, k] + fx * (texture[y0, x1, k] - texture[y0, x0, k])
                        bottom = texture[y1, x0, k] + fx * (texture[y1, x1, k] - texture[y1, x0, k])
                        result[row, col, k] += share * (top + fy * (bottom - top))

    @njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
    @no_type_check
    def splat_kernel(gradient, uv, valid, result, threads):
        height, width = result.shape[0], result.shape[1]
        for thread in prange(threads):
            for row in range(uv.shape[0]):
                for col in range(uv.shape[1]):
                    if not valid[row, col]:
                        continue
                    for i in range(s):
                        y0, y1, fy = _tap(uv[row, col, i, 1], height)
                        owns0 = (y0 // STRIPE) % threads == thread
                        owns1 = (y1 // STRIPE) % threads == thread
                        if not (owns0 or owns1):
                            continue
                        x0, x1, fx = _tap(uv[row, col, i, 0], width)
                        if owns0:
                            for k in range(c):
                                value = share * (1 - fy) * gradient[row, col, k]
                                result[y0, x0, k] += (1 - fx) * value
                                result[y0, x1, k] += fx * value
                        if owns1:
                            for k in range(c):
                                value = share * fy * gradient[row, col, k]
                                result[y1, x0, k] += (1 - fx) * value
                                result[y1, x1, k] += fx * value

    return render_kernel, splat_kernel


@njit(inline="always")
@no_type_check
def _tap(coordinate, size):
    """The two texels around a coordinate in [0, 1] and the weight of the second."""
    place = min(max(coordinate * np.float32(size) - np.float32(0.5), np.float32(0.0)), np.float32(size - 1))
    first = min(int(place), max(size - 2, 0))
    return first, min(first + 1, size - 1), place - np.float32(first)
