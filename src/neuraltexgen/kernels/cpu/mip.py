"""numba twins of `kernels.mip`: halving by means of 2 x 2 texels and its adjoint; float32 arrays (h w c), C order."""

from typing import no_type_check

import numpy as np
from numba import njit, prange

QUARTER = np.float32(0.25)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def halve(fine, coarse):
    """Writes the means of 2 x 2 texels of `fine` (2h 2w c) into `coarse` (h w c)."""
    height, width, channels = coarse.shape
    for row in prange(height):
        for x in range(width):
            for k in range(channels):
                upper = fine[2 * row, 2 * x, k] + fine[2 * row, 2 * x + 1, k]
                lower = fine[2 * row + 1, 2 * x, k] + fine[2 * row + 1, 2 * x + 1, k]
                coarse[row, x, k] = QUARTER * (upper + lower)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def add_quarter(coarse, fine):
    """Adds the adjoint of the halving, applied to `coarse` (h w c), to `fine` (2h 2w c) in place."""
    height, width, channels = fine.shape
    for row in prange(height):
        for x in range(width):
            for k in range(channels):
                fine[row, x, k] += QUARTER * coarse[row // 2, x // 2, k]
