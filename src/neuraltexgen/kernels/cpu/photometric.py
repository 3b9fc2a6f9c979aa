"""numba twins of `kernels.photometric`: `compare` and `block_sums`, for float32 arrays in C order.

A row's values lie one behind the other, all channels, so that LLVM vectorises the loops over them. Strips of rows are
shared out among threads; each strip's sums are kept apart and added in one order.
"""

from typing import no_type_check

import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.packed import STRIP

FLAGS = {"contract", "reassoc", "nsz"}
"""Sums along a row may be vectorised. NaN keeps its meaning: a photo may hold it where it is not compared."""

COMPARED = 32
"""Photo rows of a strip that is compared: the row before and the one after it are computed once more."""

POINTWISE, ACROSS, DOWN, SHARP_RENDER, SHARP_PHOTO = range(5)
"""The sums of a strip."""


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def count_pairs(trust):
    """How many pixels have any trust, and how many pairs of neighbours both do: (pixels, across, down)."""
    pixels, across, down = 0, 0, 0
    for row in prange(trust.shape[0]):
        below = trust[row + 1] if row + 1 < trust.shape[0] else trust[row]
        last = row + 1 == trust.shape[0]
        pixels += _count(trust[row], trust[row])
        across += _count(trust[row, 1:], trust[row, :-1])
        down += 0 if last else _count(trust[row], below)
    return pixels, across, down


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def compare(image, photo, trust, colour, weights, bends, every, gradient, sums):
    """Writes the gradient of the loss in the render (h, w c) and the sums of each strip.

    image, photo: (h, w c). colour: rows of w c values: what a photo's unit is, the gain, the offset, and what the
    gradient is multiplied by. weights: of l1, l2, huber, charbonnier over their counts, of differences across and of
    those down over theirs. bends: huber's delta, charbonnier's epsilon. every: sharpness is summed over every so many
    rows, never for 0.
    """
    for strip in prange(len(sums)):
        _compare_strip(strip, image, photo, trust, colour, weights, bends, every, gradient, sums[strip])


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def block_sums(image, photo, low, high, trust, shared, block, sums):
    """Adds to sums (strips, blocks, 1 + 2c): a pixel's weight, and that times its render and its photo."""
    for strip in prange(len(sums)):
        for row in range(strip * STRIP, min((strip + 1) * STRIP, len(trust))):
            _add_row(image[row], photo[row], low[row], high[row], trust[row], shared, block, sums[strip])


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _compare_strip(strip, image, photo, trust, colour, weights, bends, every, gradient, total):
    height, length = image.shape
    channels = length // trust.shape[1]
    field = np.zeros((2, length), np.float32)  # confidence x (render - photo), of the row above and of this one
    share = np.zeros((2, length), np.float32)  # confidence
    pull = np.zeros((3, length), np.float32)  # of the pairs above, below and across
    slope = np.zeros(length, np.float32)
    total[:] = 0.0
    first, end = strip * COMPARED, min((strip + 1) * COMPARED, height)
    for row in range(first - 1, end + 1):
        here, above = row % 2, (row + 1) % 2
        if 0 <= row < height:
            _differ(image[row], photo[row], trust[row], colour, share[here], field[here])
        else:
            share[here], field[here] = 0.0, 0.0
        if row < first:
            continue
        value = _pairs(field[here], field[above], share[here], share[above], weights[5], pull[here])
        if row == first:
            continue
        total[DOWN] += value
        total[POINTWISE] += _pixels(field[above], weights, bends, slope)
        total[ACROSS] += _pairs(
            field[above, channels:], field[above], share[above, channels:], share[above], weights[4], pull[2]
        )
        _finish(slope, pull[above], pull[here], pull[2], channels, share[above], colour[3], gradient[row - 1])
        if every > 0 and (row - 1) % every == 0 and row < height:
            _add_sharpness(image, photo, trust, colour, row - 1, total)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_row(image, photo, low, high, trust, shared, block, sums):
    channels, samples = image.shape[1], high.shape[1]
    height, width = shared.shape
    for col in range(len(trust)):
        if trust[col] == 0:
            continue
        count = 0
        for i in range(samples):
            upper = np.uint32(high[col, i])
            x = (np.uint32(low[col, i, 0]) | np.uint32(upper >> 4) << 16) * np.uint64(width) >> 20
            y = (np.uint32(low[col, i, 1]) | np.uint32(upper & 15) << 16) * np.uint64(height) >> 20
            count += shared[y, x]
        if count == 0:
            continue
        weight = np.float32(trust[col]) * np.float32(count)
        place = sums[col // block]
        place[0] += weight
        for k in range(channels):
            place[1 + k] += weight * image[col, k]
            place[1 + channels + k] += weight * np.float32(photo[col, k])


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _count(one, other):
    total = 0
    for i in range(len(one)):
        total += 1 if (one[i] > 0) & (other[i] > 0) else 0
    return total


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _differ(image, photo, trust, colour, share, field):
    """Writes a row's confidence and confidence x (render in the view's colours - photo), 0 without confidence."""
    channels = len(image) // len(trust)
    if channels == 3:  # a constant lets LLVM unroll the inner loop
        _repeat(trust, 3, share)
    else:
        _repeat(trust, channels, share)
    for i in range(len(image)):
        difference = colour[1, i] * image[i] + colour[2, i] - np.float32(photo[i]) * colour[0, i]
        field[i] = share[i] * difference if share[i] > 0 else np.float32(0)


@njit(inline="always")
@no_type_check
def _repeat(trust, channels, share):
    for col in range(len(trust)):
        value = np.float32(trust[col]) * np.float32(1 / 255)
        for k in range(channels):
            share[np.uintp(col * channels + k)] = value


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _pixels(field, weights, bends, slope):
    """Writes the slope of the losses of single values; returns their sum."""
    l1, l2, huber, charbonnier = weights[0], weights[1], weights[2], weights[3]
    delta, epsilon = bends
    value = np.float32(0)
    for i in range(len(field)):
        value += l1 * abs(field[i]) + l2 * field[i] * field[i]
        slope[i] = l1 * _sign(field[i]) + np.float32(2) * l2 * field[i]
    if huber > 0 or charbonnier > 0:
        for i in range(len(field)):
            near = min(abs(field[i]), delta)
            root = np.sqrt(field[i] * field[i] + epsilon * epsilon)
            value += huber * (np.float32(0.5) * near * near / delta + abs(field[i]) - near)
            value += charbonnier * (root - epsilon)
            slope[i] += huber * near / delta * _sign(field[i]) + charbonnier * field[i] / root
    return value


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _pairs(far, near, far_share, near_share, weight, pull):
    """Writes weight x the sign of far - near, 0 where one of both has no confidence; returns weight x their sum."""
    value = np.float32(0)
    for i in range(len(far)):
        difference = far[i] - near[i] if (far_share[i] > 0) & (near_share[i] > 0) else np.float32(0)
        value += abs(difference)
        pull[i] = weight * _sign(difference)
    return weight * value


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _finish(slope, above, below, across, channels, share, gain, gradient):
    """Writes a row's gradient in the render: each value is the far end of the pairs above and to the left."""
    for i in range(channels):
        gradient[i] = (slope[i] + above[i] - below[i] - across[i]) * share[i] * gain[i]
    slope, above, below, later = slope[channels:], above[channels:], below[channels:], across[channels:]
    share, gain, gradient = share[channels:], gain[channels:], gradient[channels:]
    for i in range(len(slope)):
        gradient[i] = (slope[i] + above[i] - below[i] - later[i] + across[i]) * share[i] * gain[i]


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_sharpness(image, photo, trust, colour, row, total):
    """Adds the magnitudes of the forward differences of the mean over channels, of the render and of the photo."""
    width = trust.shape[1]
    channels = image.shape[1] // width
    grey = np.zeros((4, width), np.float32)
    for side in range(2):
        for col in range(width):
            for k in range(channels):
                i = col * channels + k
                grey[side, col] += colour[1, i] * image[row + side, i] + colour[2, i]
                grey[2 + side, col] += np.float32(photo[row + side, i]) * colour[0, i]
    for which in range(2):
        here, below = grey[2 * which], grey[2 * which + 1]
        value = np.float32(0)
        for col in range(width - 1):
            inner = (trust[row, col] > 0) & (trust[row + 1, col] > 0) & (trust[row, col + 1] > 0)
            across, down = here[col + 1] - here[col], below[col] - here[col]
            value += np.sqrt(across * across + down * down) if inner else np.float32(0)
        total[SHARP_RENDER + which] += value / channels


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _sign(value):
    return np.float32(value > 0) - np.float32(value < 0)
