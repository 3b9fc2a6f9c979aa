"""numba twins of pooling and its adjoint in `kernels.conv`, for float32 arrays (h w c), C order."""

from typing import no_type_check

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def max_pool(image, result):
    """Writes the maximum of each block of 2 x 2 pixels into `result` (h/2 w/2 c)."""
    for y in prange(result.shape[0]):
        for x in range(result.shape[1]):
            for c in range(result.shape[2]):
                above = max(image[2 * y, 2 * x, c], image[2 * y, 2 * x + 1, c])
                below = max(image[2 * y + 1, 2 * x, c], image[2 * y + 1, 2 * x + 1, c])
                result[y, x, c] = max(above, below)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def max_pool_adjoint(gradient, image, result):
    """Writes into `result` (h w c) each block's gradient at the block's first largest pixel, if that is above 0."""
    h, w, channels = image.shape
    zero = np.float32(0.0)
    for y in prange((h + 1) // 2):
        for x in range((w + 1) // 2):
            top, left = 2 * y, 2 * x
            if top + 1 >= h or left + 1 >= w:  # the odd last row or column: in no block
                for i in range(top, min(top + 2, h)):
                    for j in range(left, min(left + 2, w)):
                        for c in range(channels):
                            result[i, j, c] = zero
                continue
            for c in range(channels):
                a, b = image[top, left, c], image[top, left + 1, c]
                d, e = image[top + 1, left, c], image[top + 1, left + 1, c]
                largest = max(max(a, b), max(d, e))
                g = gradient[y, x, c] if largest > zero else zero
                first, second = a == largest, b == largest
                third = d == largest
                result[top, left, c] = g if first else zero
                result[top, left + 1, c] = g if second and not first else zero
                result[top + 1, left, c] = g if third and not (first or second) else zero
                result[top + 1, left + 1, c] = g if not (first or second or third) else zero
