"""numba twins of `kernels.footprint`: look-ups in a mip chain (p c) and their adjoint, for float32 arrays, C order.

A first pass works out every sample's taps. The adjoint then runs as that of `cpu.sample`: every thread reads all
samples and writes only the rows of each level that it owns, so each texel's sum has one order.
"""

from typing import no_type_check

import numba
import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.sample import STRIPE

X, Y, DX, DY, COUNT, LEVEL = range(6)
"""A sample's taps: their middle, the way from one to the next in texels of the finest level, how many, the level."""

SLACK = np.float32(0.01)
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


Where = tuple[np.ndarray, np.ndarray, np.ndarray]
"""uv (h w s 2), steps (h w s 2 2), valid (h w)."""


def look_up(chain: np.ndarray, size: tuple[int, int], where: Where, taps: int, image: np.ndarray) -> None:
    """Writes the render (h w c) of a chain (p c) into `image`; 0 where not valid. size: of the finest level, (H, W)."""
    uv, steps, valid = where
    plan = np.empty((*uv.shape[:3], 6), np.float32)
    levels = _levels(size)
    _plan(uv, steps, valid, levels, taps, plan)
    _look_up(chain, levels, plan, valid, image)


def scatter(gradient: np.ndarray, size: tuple[int, int], where: Where, taps: int, chain: np.ndarray) -> None:
    """Adds the adjoint of `look_up` applied to `gradient` (h w c) to `chain` (p c)."""
    uv, steps, valid = where
    plan = np.empty((*uv.shape[:3], 6), np.float32)
    levels = _levels(size)
    _plan(uv, steps, valid, levels, taps, plan)
    _scatter(gradient, levels, plan, valid, chain, numba.get_num_threads())


def _levels(size: tuple[int, int]) -> np.ndarray:
    """Rows of height, width and the first texel's number, finest level first."""
    rows, (height, width), start = [], size, 0
    while True:
        rows.append((height, width, start))
        start += height * width
        if height % 2 or width % 2:
            return np.array(rows, np.int64)
        height, width = height // 2, width // 2


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _plan(uv, steps, valid, levels, taps, plan):
    height, width = np.float32(levels[0, 0]), np.float32(levels[0, 1])
    last = np.float32(len(levels) - 1)
    for row in prange(uv.shape[0]):
        for col in range(uv.shape[1]):
            if not valid[row, col]:
                continue
            for i in range(uv.shape[2]):
                ux, vx = steps[row, col, i, 0, 0] * width, steps[row, col, i, 0, 1] * height
                uy, vy = steps[row, col, i, 1, 0] * width, steps[row, col, i, 1, 1] * height
                p, q, r = ux * ux + uy * uy, ux * vx + uy * vy, vx * vx + vy * vy
                half = HALF * (p - r)
                apart = np.sqrt(half * half + q * q)
                long = np.sqrt(HALF * (p + r) + apart)
                short = abs(ux * vy - vx * uy) / max(long, np.float32(1e-30))
                turn = min(max(half / apart, -ONE), ONE) if apart > ZERO else ONE
                along = np.sqrt(HALF * (ONE + turn))
                aside = np.sqrt(HALF * (ONE - turn)) * (-ONE if q < ZERO else ONE)
                count = min(max(np.ceil(long / max(short, ONE) - SLACK), ONE), np.float32(taps))
                pace = long / count
                plan[row, col, i, X] = uv[row, col, i, 0] * width
                plan[row, col, i, Y] = uv[row, col, i, 1] * height
                plan[row, col, i, DX], plan[row, col, i, DY] = pace * along, pace * aside
                plan[row, col, i, COUNT] = count
                side = max(pace, short)
                spread = ONE + max(side * side - ONE, ZERO) / np.float32(3.0)
                lower = np.floor(HALF * np.log2(spread))
                share = (spread / np.float32(4.0) ** lower - ONE) / np.float32(3.0)
                plan[row, col, i, LEVEL] = min(lower + share, last)


@njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
@no_type_check
def _look_up(chain, levels, plan, valid, image):
    channels = chain.shape[1]
    for row in prange(plan.shape[0]):
        for col in range(plan.shape[1]):
            for k in range(channels):
                image[row, col, k] = ZERO
            if not valid[row, col]:
                continue
            for i in range(plan.shape[2]):
                taps = plan[row, col, i]
                weight = ONE / (taps[COUNT] * np.float32(plan.shape[2]))
                lower, share = _between(taps[LEVEL], len(levels))
                for tap in range(int(taps[COUNT])):
                    x, y = _place(taps, tap)
                    for side in range(2 if share > ZERO else 1):
                        part, on = share if side else ONE - share, lower + side
                        _read(chain, levels[on], on, x, y, weight * part, image[row, col])


@njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
@no_type_check
def _scatter(gradient, levels, plan, valid, chain, threads):
    for thread in prange(threads):
        for row in range(plan.shape[0]):
            for col in range(plan.shape[1]):
                if not valid[row, col]:
                    continue
                for i in range(plan.shape[2]):
                    taps = plan[row, col, i]
                    weight = ONE / (taps[COUNT] * np.float32(plan.shape[2]))
                    lower, share = _between(taps[LEVEL], len(levels))
                    for tap in range(int(taps[COUNT])):
                        x, y = _place(taps, tap)
                        for side in range(2 if share > ZERO else 1):
                            part, on = share if side else ONE - share, lower + side
                            _add(chain, levels[on], on, x, y, weight * part, gradient[row, col], thread, threads)


@njit(inline="always")
@no_type_check
def _between(level, count):
    """The finer of the two levels around a level, and the weight of the coarser."""
    lower = min(int(level), max(count - 2, 0))
    return lower, level - np.float32(lower)


@njit(inline="always")
@no_type_check
def _place(taps, tap):
    along = np.float32(tap) + HALF - HALF * taps[COUNT]
    return taps[X] + along * taps[DX], taps[Y] + along * taps[DY]


@njit(inline="always")
@no_type_check
def _tap(place, level, side):
    """The two texels of a level around a place in texels of the finest, and the weight of the second."""
    at = min(max(place / np.float32(1 << level) - HALF, ZERO), np.float32(side - 1))
    first = min(int(at), max(side - 2, 0))
    return first, min(first + 1, side - 1), at - np.float32(first)


@njit(fastmath={"contract"}, error_model="numpy")
@no_type_check
def _read(chain, level, number, x, y, weight, colour):
    height, width, start = level
    x0, x1, fx = _tap(x, number, width)
    y0, y1, fy = _tap(y, number, height)
    for k in range(len(colour)):
        a, b = chain[start + y0 * width + x0, k], chain[start + y0 * width + x1, k]
        d, e = chain[start + y1 * width + x0, k], chain[start + y1 * width + x1, k]
        top = a + fx * (b - a)
        colour[k] += weight * (top + fy * (d + fx * (e - d) - top))


@njit(fastmath={"contract"}, error_model="numpy")
@no_type_check
def _add(chain, level, number, x, y, weight, colour, thread, threads):
    height, width, start = level
    y0, y1, fy = _tap(y, number, height)
    owns0, owns1 = (y0 // STRIPE) % threads == thread, (y1 // STRIPE) % threads == thread
    if not (owns0 or owns1):
        return
    x0, x1, fx = _tap(x, number, width)
    for k in range(len(colour)):
        value = weight * colour[k]
        if owns0:
            chain[start + y0 * width + x0, k] += (ONE - fy) * (ONE - fx) * value
            chain[start + y0 * width + x1, k] += (ONE - fy) * fx * value
        if owns1:
            chain[start + y1 * width + x0, k] += fy * (ONE - fx) * value
            chain[start + y1 * width + x1, k] += fy * fx * value
