"""numba twins of `kernels.pyramid`: bilinear doubling by 2 and its adjoint, for float32 arrays (h w c), C order.

Along one axis, fine texel 2i mixes coarse i (3/4) with i - 1 (1/4), and 2i + 1 mixes i with i + 1, indices clamped.
"""

from typing import no_type_check

import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.blocks import HIGH, WIDE, next_run

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


def halve_adjoint(fine: np.ndarray, coarse: np.ndarray) -> None:
    """Writes the adjoint of the doubling applied to `fine` (2h 2w c) into `coarse` (h w c)."""
    rows, cols = -(-coarse.shape[0] // HIGH), -(-coarse.shape[1] // WIDE)
    halve_blocks(fine, np.ones((rows, cols), np.uint8), coarse)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def halve_blocks(fine, blocks, coarse):
    """The same where blocks of `coarse` are marked; the others stay as they are."""
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, len(coarse))):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                _halve_row(fine, row, start * WIDE, coarse[row, start * WIDE : end * WIDE].reshape(-1))
                start, end = next_run(blocks, strip, end)


@njit(fastmath={"contract"}, error_model="numpy")
@no_type_check
def _halve_row(fine, row, start, coarse):
    """From texel `start` on. A border's value counts for the one beyond it too: that is where the doubling clamped."""
    channels, last = fine.shape[2], len(fine) - 1
    line = np.empty(2 * len(coarse) + 2 * channels, np.float32)
    first, end = 2 * start * channels, 2 * start * channels + 2 * len(coarse)
    width = fine.shape[1] * channels
    above, below = fine[max(2 * row - 1, 0)].reshape(-1), fine[min(2 * row + 2, last)].reshape(-1)
    upper, lower = fine[2 * row].reshape(-1), fine[2 * row + 1].reshape(-1)
    _halve_down(above[first:end], upper[first:end], lower[first:end], below[first:end], line[channels:-channels])
    left, right = max(first - channels, 0), min(end, width - channels)
    for at, edge in ((left, line[:channels]), (right, line[-channels:])):
        own = slice(at, at + channels)
        _halve_down(above[own], upper[own], lower[own], below[own], edge)
    if channels == 3:  # a constant lets LLVM unroll the inner loop
        _gather(line, 3, coarse)
    else:
        _gather(line, channels, coarse)


@njit(fastmath={"contract"}, error_model="numpy")
@no_type_check
def _halve_down(above, upper, lower, below, line):
    for i in range(len(line)):
        line[i] = FAR * (above[i] + below[i]) + NEAR * (upper[i] + lower[i])


@njit(inline="always")
@no_type_check
def _gather(line, c, coarse):
    for x in range(len(coarse) // c):
        for k in range(c):
            i = np.uintp(2 * x * c + k)
            near = line[i + np.uintp(c)] + line[i + np.uintp(2 * c)]
            coarse[np.uintp(x * c + k)] = FAR * (line[i] + line[i + np.uintp(3 * c)]) + NEAR * near
