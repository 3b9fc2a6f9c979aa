"""A membrane over each chart: pinned at known texels, smooth between them, sagging to zero far from them."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Int32
from numba import njit, prange

from neuraltexgen.types import Mask

SWEEPS = 8
"""Gauss-Seidel sweeps on each level; the coarser level has already brought the long waves."""


def stretch_membrane(
    values: Float32[np.ndarray, "h w c"], known: Mask, charts: Int32[np.ndarray, "h w"], reach: float
) -> None:
    """Fills, in place, the texels that have a chart (>= 0) and are not known, from known ones of the same chart.

    The solution x of  Δx = x / reach²  in each chart, approximately: free at the chart's border, falling to zero
    within about `reach` texels of what is known. Charts never mix, however close they lie. Known texels, and those
    without a chart, stay as they are.
    """
    if reach > 1 and min(known.shape) > 2:
        coarse_values, coarse_known, coarse_charts = _pull(values, known, charts)
        stretch_membrane(coarse_values, coarse_known, coarse_charts, reach / 2)
        _push(values, known, charts, coarse_values, coarse_charts)
    else:
        _clear(values, known, charts)
    for _ in range(SWEEPS):
        _relax(values, known, charts, 0, reach)
        _relax(values, known, charts, 1, reach)


@njit(cache=True, parallel=True)
@no_type_check
def _pull(values, known, charts):
    """Half the size: a cell belongs to the chart with most known texels in it, and takes their mean."""
    height, width, channels = values.shape
    rows, cols = (height + 1) // 2, (width + 1) // 2
    coarse = np.zeros((rows, cols, channels), dtype=np.float32)
    coarse_known = np.zeros((rows, cols), dtype=np.bool_)
    coarse_charts = np.full((rows, cols), -1, dtype=np.int32)
    for i in prange(rows):
        for j in range(cols):
            last_i, last_j = min(2 * i + 2, height), min(2 * j + 2, width)
            chart, count = _main_chart(known, charts, 2 * i, last_i, 2 * j, last_j)
            coarse_charts[i, j], coarse_known[i, j] = chart, count > 0
            if count > 0:
                for y in range(2 * i, last_i):
                    for x in range(2 * j, last_j):
                        if known[y, x] and charts[y, x] == chart:
                            for c in range(channels):
                                coarse[i, j, c] += values[y, x, c] / np.float32(count)
    return coarse, coarse_known, coarse_charts


@njit(cache=True)
@no_type_check
def _main_chart(known, charts, top, bottom, left, right):
    """The chart with the most known texels in the cell (the first of equals), and how many those are."""
    best, most = -1, -1
    for y in range(top, bottom):
        for x in range(left, right):
            chart, count = charts[y, x], 0
            if chart >= 0:
                for v in range(top, bottom):
                    for u in range(left, right):
                        count += known[v, u] and charts[v, u] == chart
                if count > most:
                    best, most = chart, count
    return best, max(most, 0)


@njit(cache=True, parallel=True)
@no_type_check
def _push(values, known, charts, coarse, coarse_charts):
    """Unknown texels take the bilinear mix of the four nearest coarse cells, of those that have the same chart."""
    height, width, channels = values.shape
    rows, cols = coarse_charts.shape
    for i in prange(height):
        for j in range(width):
            chart = charts[i, j]
            if chart < 0 or known[i, j]:
                continue
            values[i, j] = 0.0
            total = np.float32(0.0)
            for k in range(4):
                y = i // 2 if k < 2 else i // 2 + 2 * (i % 2) - 1
                x = j // 2 if k % 2 == 0 else j // 2 + 2 * (j % 2) - 1
                if 0 <= y < rows and 0 <= x < cols and coarse_charts[y, x] == chart:
                    weight = np.float32((3.0 if k < 2 else 1.0) * (3.0 if k % 2 == 0 else 1.0))
                    total += weight
                    for c in range(channels):
                        values[i, j, c] += weight * coarse[y, x, c]
            if total > 0:
                for c in range(channels):
                    values[i, j, c] /= total


@njit(cache=True, parallel=True)
@no_type_check
def _clear(values, known, charts):
    height, width, channels = values.shape
    for i in prange(height):
        for j in range(width):
            if charts[i, j] >= 0 and not known[i, j]:
                for c in range(channels):
                    values[i, j, c] = 0.0


@njit(cache=True, parallel=True)
@no_type_check
def _relax(values, known, charts, parity, reach):
    """One half sweep over the squares of one colour of the chessboard: each reads only the other colour."""
    height, width, channels = values.shape
    sag = 1.0 / (reach * reach)
    for i in prange(height):
        total = np.empty(channels, dtype=np.float32)
        for j in range((i + parity) % 2, width, 2):
            chart = charts[i, j]
            if chart < 0 or known[i, j]:
                continue
            total[:] = 0.0
            count = 0
            for k in range(4):
                y, x = i + (k == 0) - (k == 1), j + (k == 2) - (k == 3)
                if 0 <= y < height and 0 <= x < width and charts[y, x] == chart:
                    count += 1
                    for c in range(channels):
                        total[c] += values[y, x, c]
            for c in range(channels):
                values[i, j, c] = total[c] / np.float32(count + sag)
