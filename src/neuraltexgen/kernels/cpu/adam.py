"""numba twin of `descent.PyramidDescent`: Adam on one pyramid level and its composition, in one pass over memory.

Float32, C order. What neither has nor had a gradient is only read: of an atlas that is a good part.
"""

from typing import no_type_check

import numpy as np
from numba import njit, prange

FLAGS = {"contract", "reassoc", "nsz"}
STRIP = 8
"""Rows that one thread takes at a time."""

CHUNK = 96
"""Values that are passed over together where all of them stay as they are."""


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def adam_and_compose(level, mean, square, gradient, coarse, numbers, composed):
    """Steps a level, sets its gradient to 0, and writes level + doubled `coarse` + a constant into `composed`.

    level, its moments, gradient, composed: (h, w c). coarse: (h/2, w/2 c), or of no row for the coarsest level.
    numbers: rate over bias, 1 - β2, 1 - β1, β2, 1 / √bias of the squares, epsilon, the constant (which only the
    coarsest level takes), channels, and what a value adds of itself to its gradient.
    """
    for strip in prange(-(-len(level) // STRIP)):
        for row in range(strip * STRIP, min((strip + 1) * STRIP, len(level))):
            _adam(level[row], mean[row], square[row], gradient[row], numbers)
            if len(coarse) > 0:
                y, last = row // 2, len(coarse) - 1
                far = min(max(y + (1 if row % 2 else -1), 0), last)
                _add_doubled(level[row], coarse[y], coarse[far], numbers[7], composed[row])
            else:
                _add_constant(level[row], numbers[6], composed[row])


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _adam(level, mean, square, gradient, numbers):
    step, keep, gain, square_keep, bias, eps = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
    decay = numbers[8]
    for start in range(0, len(level), CHUNK):
        own = slice(start, min(start + CHUNK, len(level)))
        value, moment, spread, slope = level[own], mean[own], square[own], gradient[own]
        most = np.float32(0)
        for i in range(len(value)):
            most += abs(slope[i] + decay * value[i]) + abs(moment[i]) + spread[i]
        if most == 0:
            continue
        for i in range(len(value)):
            here = slope[i] + decay * value[i]
            slope[i] = np.float32(0)
            moved = moment[i] + gain * (here - moment[i])
            wide = square_keep * spread[i] + keep * here * here
            moment[i], spread[i] = moved, wide
            value[i] -= step * moved / (np.sqrt(wide) * bias + eps)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_doubled(level, near, far, channels, composed):
    """Bilinear doubling: a fine value mixes its coarse one (3/4) with the next one on its own side (1/4), both ways."""
    c = np.int64(channels)
    mixed = np.empty(len(near) + 2 * c, np.float32)  # the first and the last value come twice
    inner = mixed[c:-c]
    for i in range(len(near)):
        inner[i] = np.float32(0.75) * near[i] + np.float32(0.25) * far[i]
    mixed[:c] = inner[:c]
    mixed[-c:] = inner[-c:]
    if c == 3:  # a constant lets LLVM unroll the inner loop
        _spread(mixed, 3, level, composed)
    else:
        _spread(mixed, c, level, composed)


@njit(inline="always")
@no_type_check
def _spread(mixed, c, level, composed):
    for x in range(len(mixed) // c - 2):
        for k in range(c):
            i, j = np.uintp(2 * x * c + k), np.uintp(x * c + k)
            here = np.float32(0.75) * mixed[j + np.uintp(c)]
            composed[i] = level[i] + here + np.float32(0.25) * mixed[j]
            composed[i + np.uintp(c)] = level[i + np.uintp(c)] + here + np.float32(0.25) * mixed[j + np.uintp(2 * c)]


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_constant(level, constant, composed):
    for i in range(len(level)):
        composed[i] = level[i] + constant
