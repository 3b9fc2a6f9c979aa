"""numba twin of `descent.PyramidDescent`: Adam on one pyramid level and its composition, in one pass over memory.

Float32, C order. What neither has nor had a gradient is only read: of an atlas that is a good part.
"""

from typing import no_type_check

import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.blocks import HIGH, WIDE, next_run

FLAGS = {"contract", "reassoc", "nsz"}
CHUNK = 96
"""Values that are passed over together where all of them stay as they are."""


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def adam_and_compose(level, mean, square, gradient, coarse, numbers, blocks, composed):
    """Steps a level, sets its gradient to 0, and writes level + doubled `coarse` + a constant into `composed`.

    level, its moments, gradient, composed: (h, w c). coarse: (h/2, w/2 c), or of no row for the coarsest level.
    numbers: rate over bias, 1 - β2, 1 - β1, β2, 1 / √bias of the squares, epsilon, the constant (which only the
    coarsest level takes), channels, and what a value adds of itself to its gradient. Only where `blocks` are marked.
    """
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, len(level))):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                values = (level[row], mean[row], square[row], gradient[row], composed[row])
                _run(values, coarse, row, (start, end), numbers)
                start, end = next_run(blocks, strip, end)


@njit(error_model="numpy")
@no_type_check
def _run(values, coarse, row, run, numbers):
    """One row, in one run of blocks."""
    level, mean, square, gradient, composed = values
    c = np.int64(numbers[7])
    own = slice(run[0] * WIDE * c, min(run[1] * WIDE * c, len(level)))
    _adam(level[own], mean[own], square[own], gradient[own], numbers)
    if len(coarse) > 0:
        y, last = row // 2, len(coarse) - 1
        far = min(max(y + (1 if row % 2 else -1), 0), last)
        _add_doubled(level[own], coarse[y], coarse[far], own.start // 2, c, composed[own])
    else:
        _add_constant(level[own], numbers[6], composed[own])


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
def _add_doubled(level, near, far, start, c, composed):
    """Bilinear doubling: a fine value mixes its coarse one (3/4) with the next one on its own side (1/4), both ways.

    level, composed: the part of a row whose coarse values begin at `start` in the coarse rows `near` and `far`.
    """
    count = len(level) // 2
    mixed = np.empty(count + 2 * c, np.float32)  # and one value beyond each end, a border's once more
    first, last = max(start - c, 0), min(start + count, len(near) - c)
    _mix(near[first : first + c], far[first : first + c], mixed[:c])
    _mix(near[start : start + count], far[start : start + count], mixed[c:-c])
    _mix(near[last : last + c], far[last : last + c], mixed[-c:])
    if c == 3:  # a constant lets LLVM unroll the inner loop
        _spread(mixed, 3, level, composed)
    else:
        _spread(mixed, c, level, composed)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _mix(near, far, mixed):
    for i in range(len(near)):
        mixed[i] = np.float32(0.75) * near[i] + np.float32(0.25) * far[i]


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
