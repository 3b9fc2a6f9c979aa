"""numba twins of `kernels.stencil`: a matrix in texture space and vectors in the blocks that count, float32, C order.

Strips of rows, each a row of blocks, are shared out among threads; sums are added strip by strip, whoever made them.
"""

from typing import no_type_check

import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.blocks import HIGH, WIDE, next_run
from neuraltexgen.kernels.cpu.normal import REACH, ROW, SLOTS

FLAGS = {"contract", "reassoc", "nsz"}

RIGHT, BELOW = 1, ROW
"""The coefficients with the next texel in the row, and with the one below."""


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def lay_out(stencil, weight, blocks):
    """Turns the rows of a stencil (H W SLOTS) into planes, in place, and adds a prior of `weight`; 0 elsewhere."""
    height, width = stencil.shape[:2]
    for strip in prange(len(blocks)):
        if not blocks[strip].any():
            continue
        for row in range(strip * HIGH, min((strip + 1) * HIGH, height)):
            before = stencil[row].copy()
            planes = stencil[row].reshape(SLOTS, width)
            planes[:] = np.float32(0)
            start, end = next_run(blocks, strip, 0)
            while start < end:
                _lay_run(before, (row, start * WIDE, min(end * WIDE, width)), height, weight, planes)
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def curved_blocks(stencil, blocks):
    """Marks the blocks of a stencil (H W SLOTS) with a texel that has any curvature."""
    height, width = stencil.shape[:2]
    for strip in prange(len(blocks)):
        for block in range(blocks.shape[1]):
            found = False
            for row in range(strip * HIGH, min((strip + 1) * HIGH, height)):
                for col in range(block * WIDE, min((block + 1) * WIDE, width)):
                    found |= stencil[row, col, 0] != 0
            blocks[strip, block] = found


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def take_diagonal(stencil, blocks, diagonal):
    """Writes the diagonal of a stencil (H k W) into `diagonal` (H W)."""
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, len(stencil))):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                for col in range(start * WIDE, min(end * WIDE, stencil.shape[2])):
                    diagonal[row, col] = stencil[row, 0, col]
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def invert(diagonal, blocks):
    """Writes 1 over the values that are above 0 in their place, and 0 in that of others."""
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, len(diagonal))):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                for col in range(start * WIDE, min(end * WIDE, diagonal.shape[1])):
                    value = diagonal[row, col]
                    diagonal[row, col] = np.float32(1) / value if value > 0 else np.float32(0)
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def to_planes(image, blocks, planes):
    """Writes an image (H W c) into `planes` (c H W)."""
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, len(image))):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                for col in range(start * WIDE, min(end * WIDE, image.shape[1])):
                    for k in range(image.shape[2]):
                        planes[k, row, col] = image[row, col, k]
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def add_planes(planes, blocks, image):
    """Adds `planes` (c H W) to an image (H W c)."""
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, len(image))):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                for col in range(start * WIDE, min(end * WIDE, image.shape[1])):
                    for k in range(image.shape[2]):
                        image[row, col, k] += planes[k, row, col]
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def subtract_penalty(x, weight, blocks, result):
    """Takes `weight` x the sum of a texel's differences from its four neighbours from `result` (c H W)."""
    height, width = x.shape[1:]
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, height)):
            above, below = max(row - 1, 0), min(row + 1, height - 1)
            start, end = next_run(blocks, strip, 0)
            while start < end:
                for k in range(len(x)):
                    for col in range(start * WIDE, min(end * WIDE, width)):
                        around = x[k, above, col] + x[k, below, col]
                        around += x[k, row, max(col - 1, 0)] + x[k, row, min(col + 1, width - 1)]
                        result[k, row, col] -= weight * (np.float32(4) * x[k, row, col] - around)
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def product(stencil, x, blocks, result):
    """Writes the symmetric matrix whose upper half is `stencil` (H k W), times x (c H W), into `result`."""
    height, width = stencil.shape[0], stencil.shape[2]
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, height)):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                _product_run(stencil, x, (row, start * WIDE, min(end * WIDE, width)), result)
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def dots(a, b, blocks, sums):
    """Writes each strip's sums of a x b (c H W) into `sums` (strips, c)."""
    for strip in prange(len(blocks)):
        sums[strip] = 0.0
        for row in range(strip * HIGH, min((strip + 1) * HIGH, a.shape[1])):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                for k in range(len(a)):
                    own = slice(start * WIDE, min(end * WIDE, a.shape[2]))
                    sums[strip, k] += _dot(a[k, row, own], b[k, row, own])
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def advance(x, residual, direction, image, inverse, lengths, blocks, sums):
    """x += length x direction, residual -= length x image; and each strip's sums of inverse x residual²."""
    for strip in prange(len(blocks)):
        sums[strip] = 0.0
        for row in range(strip * HIGH, min((strip + 1) * HIGH, x.shape[1])):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                own = slice(start * WIDE, min(end * WIDE, x.shape[2]))
                for k in range(len(x)):
                    values = (x[k, row, own], residual[k, row, own], direction[k, row, own], image[k, row, own])
                    sums[strip, k] += _advance(values, inverse[row, own], lengths[k])
                start, end = next_run(blocks, strip, end)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def turn(direction, residual, inverse, ratios, blocks):
    """direction = ratio x direction + inverse x residual."""
    for strip in prange(len(blocks)):
        for row in range(strip * HIGH, min((strip + 1) * HIGH, direction.shape[1])):
            start, end = next_run(blocks, strip, 0)
            while start < end:
                own = slice(start * WIDE, min(end * WIDE, direction.shape[2]))
                for k in range(len(direction)):
                    _turn(direction[k, row, own], residual[k, row, own], inverse[row, own], ratios[k])
                start, end = next_run(blocks, strip, end)


@njit(error_model="numpy")
@no_type_check
def _lay_run(before, run, height, weight, planes):
    row, first, end = run
    width = len(before)
    for col in range(first, end):
        for k in range(SLOTS):
            planes[k, col] = before[col, k]
    neighbours = (row > 0) + (row + 1 < height)
    for col in range(first, end):
        planes[0, col] += weight * np.float32(neighbours + (col > 0) + (col + 1 < width))
        planes[RIGHT, col] -= weight if col + 1 < width else np.float32(0)
        planes[BELOW, col] -= weight if row + 1 < height else np.float32(0)


@njit(error_model="numpy")
@no_type_check
def _product_run(stencil, x, run, result):
    row, first, end = run
    height, width = stencil.shape[0], stencil.shape[2]
    result[:, row, first:end] = np.float32(0)
    for dy in range(REACH + 1):
        for dx in range(-REACH if dy > 0 else 0, REACH + 1):
            k = dy * ROW + dx
            if row + dy < height:
                start, stop = max(first, -dx), min(end, width - dx)
                if start < stop:
                    _add_products(stencil[row, k, start:stop], x, (row + dy, start + dx), result, (row, start))
            if k > 0 and row - dy >= 0:
                start, stop = max(first, dx), min(end, width + dx)
                if start < stop:
                    other = stencil[row - dy, k, start - dx : stop - dx]
                    _add_products(other, x, (row - dy, start - dx), result, (row, start))


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_products(factors, x, source, result, target):
    """Adds the factors times as many values of each channel of x, from `source` (row, column) on, to those of `result`.

    Rows by themselves, since only what is known to lie side by side is vectorised; three channels share the factors.
    """
    end, stop = source[1] + len(factors), target[1] + len(factors)
    if len(x) == 3:
        _add_three(
            factors,
            (x[0, source[0], source[1] : end], x[1, source[0], source[1] : end], x[2, source[0], source[1] : end]),
            (
                result[0, target[0], target[1] : stop],
                result[1, target[0], target[1] : stop],
                result[2, target[0], target[1] : stop],
            ),
        )
        return
    for channel in range(len(x)):
        given, sums = x[channel, source[0], source[1] : end], result[channel, target[0], target[1] : stop]
        for i in range(len(factors)):
            sums[i] += factors[i] * given[i]


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_three(factors, given, sums):
    (red, green, blue), (more_red, more_green, more_blue) = sums, given
    for i in range(len(factors)):
        red[i] += factors[i] * more_red[i]
        green[i] += factors[i] * more_green[i]
        blue[i] += factors[i] * more_blue[i]


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _dot(a, b):
    total = np.float32(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _advance(values, inverse, length):
    x, residual, direction, image = values
    total = np.float32(0)
    for i in range(len(x)):
        x[i] += length * direction[i]
        left = residual[i] - length * image[i]
        residual[i] = left
        total += inverse[i] * left * left
    return total


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _turn(direction, residual, inverse, ratio):
    for i in range(len(direction)):
        direction[i] = ratio * direction[i] + inverse[i] * residual[i]
