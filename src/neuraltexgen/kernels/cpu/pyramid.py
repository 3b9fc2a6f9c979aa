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
    for row in prange(len(coarse)):
        _halve_row(fine, row, coarse[row].reshape(-1))


@njit(fastmath={"contract"}, error_model="numpy")
@no_type_check
def _halve_row(fine, row, coarse):
    """A border's value counts for the one beyond it too: that is where the doubling clamped."""
    channels, last = fine.shape[2], len(fine) - 1
    above, below = fine[max(2 * row - 1, 0)].reshape(-1), fine[min(2 * row + 2, last)].reshape(-1)
    upper, lower = fine[2 * row].reshape(-1), fine[2 * row + 1].reshape(-1)
    line = np.empty(len(upper) + 2 * channels, np.float32)
    inner = line[channels:-channels]
    for i in range(len(upper)):
        inner[i] = FAR * (above[i] + below[i]) + NEAR * (upper[i] + lower[i])
    line[:channels] = inner[:channels]
    line[-channels:] = inner[-channels:]
    if channels == 3:  # a constant lets LLVM unroll the inner loop
        _gather(line, 3, coarse)
    else:
        _gather(line, channels, coarse)


@njit(inline="always")
@no_type_check
def _gather(line, c, coarse):
    for x in range(len(coarse) // c):
        for k in range(c):
            i = np.uintp(2 * x * c + k)
            near = line[i + np.uintp(c)] + line[i + np.uintp(2 * c)]
            coarse[np.uintp(x * c + k)] = FAR * (line[i] + line[i + np.uintp(3 * c)]) + NEAR * near
