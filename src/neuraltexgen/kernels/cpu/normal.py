"""numba twins of `kernels.normal`: curvature gathered as a stencil, for float32 arrays, C order."""

from typing import no_type_check

import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.packed import shared_out, tap
from neuraltexgen.kernels.cpu.texels import FLAGS, SEGMENT
from neuraltexgen.kernels.cpu.vectors import add_product, fetch_to_write, load16, store

REACH = 2
"""Rows and columns between coupled texels, at the most. Four samples a pixel stay within it up to a pixel of about 1.5
texels; wider pixels are modelled, see `normal.add_curvature`."""

SIDE, ROW = REACH + 1, 2 * REACH + 1
"""Texels along a window that a pixel's taps fit in, and along the stencil."""

SLOTS = 16
"""Values of a texel in a stencil that is gathered: its coefficients, and zeros that make it a cache line."""

TAPS = 2 * SLOTS
"""Values that a window's taps are laid out in, row after row of ROW: zeros follow the last one."""


def add_curvature(
    low: np.ndarray, high: np.ndarray, trust: np.ndarray, weight: np.ndarray, stencil: np.ndarray
) -> None:
    """Adds the windowed curvature of weighted pixels (h w) at packed places to `stencil` (H W SLOTS).

    A thread writes the texture rows that it owns, as `packed.scatter` does: each coefficient sums its pixels in order
    of the photo, whatever the number of threads.
    """
    spans, bounds = shared_out(low, high, trust, stencil.shape[0])
    _gather(low, high, trust, weight, spans, bounds, stencil)


@njit(parallel=True, cache=True, fastmath=FLAGS, error_model="numpy")
@no_type_check
def _gather(low, high, trust, weight, spans, bounds, stencil):
    samples = high.shape[2]
    for thread in prange(len(bounds) - 1):
        own = (bounds[thread], bounds[thread + 1])
        x, y = np.empty(SEGMENT * samples, np.int32), np.empty(SEGMENT * samples, np.int32)
        fx, fy = np.empty(SEGMENT * samples, np.float32), np.empty(SEGMENT * samples, np.float32)
        windows = np.empty((SEGMENT * samples, 4), np.int32)
        taps, shares = np.empty((SEGMENT * samples, TAPS), np.float32), np.empty(SEGMENT * samples, np.float32)
        for row in range(len(trust)):
            for segment in range(spans.shape[1]):
                if spans[row, segment, 0] >= own[1] or spans[row, segment, 1] < own[0]:
                    continue
                a, b = segment * SEGMENT, min((segment + 1) * SEGMENT, trust.shape[1])
                _decode(low[row, a:b], high[row, a:b], stencil.shape, x, y, fx, fy)
                # Windows first, products afterwards: a vector of taps that were written a moment ago must wait.
                found = _lay_out(trust[row, a:b], weight[row, a:b], x, y, fx, fy, windows, shares, taps)
                for n in range(found):
                    _fetch_ahead(windows[n], own, stencil)
                for n in range(found):
                    _add_pairs(windows[n], shares[n], taps[n], own, stencil)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _decode(low, high, size, x, y, fx, fy):
    low, high = low.reshape(-1), high.reshape(-1)
    for i in range(len(high)):
        upper = np.int32(high[i])
        u = np.int32(low[np.uintp(2 * i)]) | np.int32((upper >> np.int32(4)) << np.int32(16))
        v = np.int32(low[np.uintp(2 * i + 1)]) | np.int32((upper & np.int32(15)) << np.int32(16))
        x[i], fx[i] = tap(u, size[1])
        y[i], fy[i] = tap(v, size[0])


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _lay_out(trust, weight, x, y, fx, fy, windows, shares, taps):
    """Writes (top, left, rows, columns), weight and taps of each window that the pixels look at; returns how many.

    A pixel whose taps fit a window of reach + 1 texels a side is one lookup; of another each sample is one.
    """
    samples = len(x) // SEGMENT
    found, share = 0, np.float32(1.0 / samples)
    for col in range(len(trust)):
        if trust[col] == 0:
            continue
        first, end = col * samples, (col + 1) * samples
        left, right, top, bottom = x[first], x[first], y[first], y[first]
        for i in range(first + 1, end):
            left, right = min(left, x[i]), max(right, x[i])
            top, bottom = min(top, y[i]), max(bottom, y[i])
        if bottom - top < REACH and right - left < REACH:
            taps[found] = 0
            for i in range(first, end):
                _set(taps[found], (y[i] - top) * ROW + x[i] - left, fy[i], fx[i], share)
            windows[found, 0], windows[found, 1] = top, left
            windows[found, 2], windows[found, 3] = bottom - top + 2, right - left + 2
            shares[found] = weight[col]
            found += 1
            continue
        for i in range(first, end):
            taps[found] = 0
            _set(taps[found], 0, fy[i], fx[i], np.float32(1))
            windows[found, 0], windows[found, 1], windows[found, 2], windows[found, 3] = y[i], x[i], 2, 2
            shares[found] = weight[col] * share
            found += 1
    return found


@njit(fastmath=FLAGS, error_model="numpy", inline="always")
@no_type_check
def _set(taps, at, fy, fx, share):
    below = share * fy
    above = share - below
    taps[at] += above * (1 - fx)
    taps[at + 1] += above * fx
    taps[at + ROW] += below * (1 - fx)
    taps[at + ROW + 1] += below * fx


@njit(error_model="numpy")
@no_type_check
def _fetch_ahead(window, own, stencil):
    top, left = window[0], window[1]
    for i in range(max(0, own[0] - top), min(window[2], own[1] - top)):
        for j in range(window[3]):
            fetch_to_write(stencil, (np.int64(top + i) * stencil.shape[1] + left + j) * SLOTS)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_pairs(window, share, taps, own, stencil):
    """Adds weight x tap x tap for a tap and those after it in reading order, for all taps in a thread's rows.

    Taps lie as far apart as the slots of their coefficients do, so a texel's coefficients are its tap times the taps
    from its own on. Beyond the texture's border there is a tap of weight 0 at the most, and it is left out.
    """
    top, left = window[0], window[1]
    rows, cols = min(window[2], stencil.shape[0] - top), min(window[3], stencil.shape[1] - left)
    for i in range(max(0, own[0] - top), min(rows, own[1] - top)):
        at = (np.int64(top + i) * stencil.shape[1] + left) * SLOTS
        for j in range(cols):
            place, here = np.uintp(at + j * SLOTS), np.uintp(i * ROW + j)
            total = add_product(load16(stencil, place), share * taps[here], load16(taps, here))
            store(stencil, place, total)
