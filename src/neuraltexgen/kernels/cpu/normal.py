"""numba twins of `kernels.normal`: curvature gathered as a stencil, and its product, for float32 arrays, C order."""

from typing import no_type_check

import numba
import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.packed import FLAGS, SEGMENT, _bounds, _spans, tap

REACH = 2
"""Rows and columns between coupled texels, at the most. Four samples a pixel stay within it up to a pixel of about 1.5
texels; wider pixels are modelled, see `normal.add_curvature`."""

SIDE, ROW = REACH + 1, 2 * REACH + 1
"""Texels along a window that a pixel's taps fit in, and along the stencil."""


def add_curvature(
    low: np.ndarray, high: np.ndarray, trust: np.ndarray, weight: np.ndarray, stencil: np.ndarray
) -> None:
    """Adds the windowed curvature of weighted pixels (h w) at packed places to `stencil` (H W k).

    A thread writes the texture rows that it owns, as `packed.scatter` does: each coefficient sums its pixels in order
    of the photo, whatever the number of threads.
    """
    spans = np.empty((trust.shape[0], -(-trust.shape[1] // SEGMENT), 2), np.int32)
    _spans(low, high, trust, stencil.shape[0], spans)
    bounds = _bounds(spans, stencil.shape[0], numba.get_num_threads())
    _gather(low, high, trust, weight, spans, bounds, stencil)


@njit(parallel=True, cache=True, fastmath=FLAGS, error_model="numpy")
@no_type_check
def _gather(low, high, trust, weight, spans, bounds, stencil):
    samples = high.shape[2]
    for thread in prange(len(bounds) - 1):
        first, end = bounds[thread], bounds[thread + 1]
        taps = np.zeros((SIDE, SIDE), np.float32)
        x, y = np.empty(samples, np.int32), np.empty(samples, np.int32)
        fx, fy = np.empty(samples, np.float32), np.empty(samples, np.float32)
        for row in range(len(trust)):
            for segment in range(spans.shape[1]):
                if spans[row, segment, 0] >= end or spans[row, segment, 1] < first:
                    continue
                for col in range(segment * SEGMENT, min((segment + 1) * SEGMENT, trust.shape[1])):
                    if trust[row, col] > 0:
                        _decode(low[row, col], high[row, col], stencil.shape, x, y, fx, fy)
                        _add_pixel(x, y, fx, fy, weight[row, col], (first, end), taps, stencil)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _decode(low, high, size, x, y, fx, fy):
    for i in range(len(high)):
        upper = np.int32(high[i])
        x[i], fx[i] = tap(np.int32(low[i, 0]) | np.int32((upper >> 4) << 16), size[1])
        y[i], fy[i] = tap(np.int32(low[i, 1]) | np.int32((upper & 15) << 16), size[0])


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_pixel(x, y, fx, fy, weight, own, taps, stencil):
    """A pixel whose taps fit a window of reach + 1 texels a side counts as one lookup, another sample by sample."""
    samples = len(x)
    left, right, top, bottom = x[0], x[0], y[0], y[0]
    for i in range(1, samples):
        left, right = min(left, x[i]), max(right, x[i])
        top, bottom = min(top, y[i]), max(bottom, y[i])
    if bottom + 1 < own[0] or top >= own[1]:
        return
    if bottom - top < REACH and right - left < REACH:
        taps[:] = 0
        share = np.float32(1.0 / samples)
        for i in range(samples):
            _set(taps, y[i] - top, x[i] - left, fy[i], fx[i], share)
        if own[0] <= top <= own[1] - SIDE and left <= stencil.shape[1] - SIDE:
            _add_whole(taps, weight, stencil[top : top + SIDE, left : left + SIDE])
        else:
            _add_window(taps, top, left, bottom - top + 2, right - left + 2, weight, own, stencil)
        return
    for i in range(samples):
        taps[:2, :2] = 0
        _set(taps, 0, 0, fy[i], fx[i], np.float32(1))
        _add_window(taps, y[i], x[i], 2, 2, weight / np.float32(samples), own, stencil)


@njit(fastmath=FLAGS, error_model="numpy", inline="always")
@no_type_check
def _set(taps, i, j, fy, fx, share):
    below = share * fy
    above = share - below
    taps[i, j] += above * (1 - fx)
    taps[i, j + 1] += above * fx
    taps[i + 1, j] += below * (1 - fx)
    taps[i + 1, j + 1] += below * fx


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_whole(taps, weight, window):
    """Adds all pairs of a window that lies whole within what a thread owns: loops of constant length, which unroll."""
    for i in range(SIDE):
        for j in range(SIDE):
            share = weight * taps[i, j]
            for b in range(j, SIDE):
                window[i, j, b - j] += share * taps[i, b]
            for a in range(i + 1, SIDE):
                for b in range(SIDE):
                    window[i, j, (a - i) * ROW + b - j] += share * taps[a, b]


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_window(taps, top, left, rows, cols, weight, own, stencil):
    """The same for a window that the texture's border, or a thread's, cuts."""
    rows, cols = min(rows, stencil.shape[0] - top), min(cols, stencil.shape[1] - left)
    for i in range(max(0, own[0] - top), min(rows, own[1] - top)):
        for j in range(cols):
            share = weight * taps[i, j]
            for b in range(j, cols):
                stencil[top + i, left + j, b - j] += share * taps[i, b]
            for a in range(i + 1, rows):
                for b in range(cols):
                    stencil[top + i, left + j, (a - i) * ROW + b - j] += share * taps[a, b]


@njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
@no_type_check
def product(stencil, x, result):
    """Writes the symmetric matrix whose upper half is `stencil` (H k W), times x (c H W), into `result`."""
    height, width = stencil.shape[0], stencil.shape[2]
    for row in prange(height):
        for c in range(x.shape[0]):
            for col in range(width):
                result[c, row, col] = stencil[row, 0, col] * x[c, row, col]
            for dx in range(1, REACH + 1):
                for col in range(width - dx):
                    result[c, row, col] += stencil[row, dx, col] * x[c, row, col + dx]
                for col in range(dx, width):
                    result[c, row, col] += stencil[row, dx, col - dx] * x[c, row, col - dx]
            for dy in range(1, REACH + 1):
                for dx in range(-REACH, REACH + 1):
                    k = dy * ROW + dx
                    first, last = max(0, -dx), min(width, width - dx)
                    if row + dy < height:
                        for col in range(first, last):
                            result[c, row, col] += stencil[row, k, col] * x[c, row + dy, col + dx]
                    if row - dy >= 0:
                        for col in range(first, last):
                            result[c, row, col + dx] += stencil[row - dy, k, col] * x[c, row - dy, col]
