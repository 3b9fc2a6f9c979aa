"""numba twins of `kernels.pyramid`: bilinear doubling by 2 and its adjoint, for float32 arrays (h w c), C order.

Along one axis, fine texel 2i mixes coarse i (3/4) with i - 1 (1/4), and 2i + 1 mixes i with i + 1, indices clamped.
"""

from typing import no_type_check

import numpy as np
from numba import njit, prange

NEAR, FAR = np.float32(0.75), np.float32(0.25)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def add_doubled(coarse, fine):
    """Adds `coarse` (h w c), doubled bilinearly, to `fine` (2h 2w c) in place."""
    h, w, channels = coarse.shape
    for row in prange(2 * h):
        y = row // 2
        y_far = min(max(y + (1 if row % 2 else -1), 0), h - 1)
        for x in range(w):
            left, right = max(x - 1, 0), min(x + 1, w - 1)
            for k in range(channels):
                middle = NEAR * coarse[y, x, k] + FAR * coarse[y_far, x, k]
                fine[row, 2 * x, k] += NEAR * middle + FAR * (NEAR * coarse[y, left, k] + FAR * coarse[y_far, left, k])
                fine[row, 2 * x + 1, k] += NEAR * middle + FAR * (
                    NEAR * coarse[y, right, k] + FAR * coarse[y_far, right, k]
                )


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def halve_adjoint(fine, coarse):
    """Writes the adjoint of the doubling applied to `fine` (2h 2w c) into `coarse` (h w c)."""
    h, w, channels = coarse.shape
    for row in prange(h):
        rows = (2 * row - 1, 2 * row, 2 * row + 1, 2 * row + 2)
        row_weights = _weights(row, h)
        for x in range(w):
            col_weights = _weights(x, w)
            for k in range(channels):
                total = np.float32(0.0)
                for i in range(4):
                    y = rows[i]
                    if y < 0 or y >= 2 * h:
                        continue
                    line = np.float32(0.0)
                    for j in range(4):
                        col = 2 * x - 1 + j
                        if 0 <= col < 2 * w:
                            line += col_weights[j] * fine[y, col, k]
                    total += row_weights[i] * line
                coarse[row, x, k] = total


@njit(inline="always")
@no_type_check
def _weights(i, size):
    """Of fine texels 2i - 1 .. 2i + 2 in coarse texel i; at a border the clamped neighbour's share comes back."""
    first = NEAR + FAR if i == 0 else NEAR
    last = NEAR + FAR if i == size - 1 else NEAR
    return FAR, first, last, FAR
