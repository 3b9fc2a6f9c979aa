"""numba twins of `kernels.normal`: curvature gathered as a stencil, and its product, for float32 arrays, C order."""

from collections.abc import Callable
from functools import lru_cache
from typing import no_type_check

import numba
import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.sample import STRIPE, _tap


def add_curvature(uv: np.ndarray, weight: np.ndarray, stencil: np.ndarray, reach: int) -> None:
    """Adds the windowed curvature of weighted pixels (h w) at uv (h w s 2) to `stencil` (H W k).

    Every thread reads all pixels and writes only the texture rows it owns, as `sample.splat` does.
    """
    _gather_kernel(uv.shape[2], reach)(uv, weight, stencil, numba.get_num_threads())


@lru_cache(maxsize=16)
def _gather_kernel(samples: int, reach: int) -> Callable:
    s, side, row_length = samples, reach + 1, 2 * reach + 1
    share = np.float32(1.0 / samples)

    @njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
    @no_type_check
    def gather(uv, weight, stencil, threads):
        height, width = stencil.shape[0], stencil.shape[1]
        for thread in prange(threads):
            taps = np.zeros((side, side), np.float32)
            for row in range(uv.shape[0]):
                for col in range(uv.shape[1]):
                    w = weight[row, col]
                    if not w > 0:
                        continue
                    top, bottom, owned = height, -1, False
                    for i in range(s):
                        y0, y1, _ = _tap(uv[row, col, i, 1], height)
                        top, bottom = min(top, y0), max(bottom, y1)
                        owned = owned or (y0 // STRIPE) % threads == thread or (y1 // STRIPE) % threads == thread
                    if not owned:
                        continue
                    left, right = width, -1
                    for i in range(s):
                        x0, x1, _ = _tap(uv[row, col, i, 0], width)
                        left, right = min(left, x0), max(right, x1)
                    together = bottom - top < side and right - left < side
                    for first in range(0, s, s if together else 1):
                        last = s if together else first + 1
                        for i in range(side):
                            for j in range(side):
                                taps[i, j] = 0.0
                        for i in range(first, last):
                            x0, x1, fx = _tap(uv[row, col, i, 0], width)
                            y0, y1, fy = _tap(uv[row, col, i, 1], height)
                            if not together:
                                top, left, bottom, right = y0, x0, y1, x1
                            part = share if together else np.float32(1.0)
                            taps[y0 - top, x0 - left] += part * (1 - fy) * (1 - fx)
                            taps[y0 - top, x1 - left] += part * (1 - fy) * fx
                            taps[y1 - top, x0 - left] += part * fy * (1 - fx)
                            taps[y1 - top, x1 - left] += part * fy * fx
                        counts = w if together else share * w
                        rows, cols = bottom - top + 1, right - left + 1
                        for i in range(rows):
                            if ((top + i) // STRIPE) % threads != thread:
                                continue
                            for j in range(cols):
                                own = counts * taps[i, j]
                                if own == 0:
                                    continue
                                for b in range(j, cols):
                                    stencil[top + i, left + j, b - j] += own * taps[i, b]
                                for a in range(i + 1, rows):
                                    base = side + (a - i - 1) * row_length + reach - j
                                    for b in range(cols):
                                        stencil[top + i, left + j, base + b] += own * taps[a, b]

    return gather


@njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
@no_type_check
def product(stencil, reach, x, result):
    """Writes the symmetric matrix whose upper half is `stencil` (H k W), times x (c H W), into `result`."""
    height, width = stencil.shape[0], stencil.shape[2]
    for row in prange(height):
        for c in range(x.shape[0]):
            for col in range(width):
                result[c, row, col] = stencil[row, 0, col] * x[c, row, col]
            for dx in range(1, reach + 1):
                for col in range(width - dx):
                    result[c, row, col] += stencil[row, dx, col] * x[c, row, col + dx]
                for col in range(dx, width):
                    result[c, row, col] += stencil[row, dx, col - dx] * x[c, row, col - dx]
            for dy in range(1, reach + 1):
                for dx in range(-reach, reach + 1):
                    k = reach + 1 + (dy - 1) * (2 * reach + 1) + dx + reach
                    first, last = max(0, -dx), min(width, width - dx)
                    if row + dy < height:
                        for col in range(first, last):
                            result[c, row, col] += stencil[row, k, col] * x[c, row + dy, col + dx]
                    if row - dy >= 0:
                        for col in range(first, last):
                            result[c, row, col + dx] += stencil[row - dy, k, col] * x[c, row - dy, col]
