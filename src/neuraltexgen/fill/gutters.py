"""The exact nearest source texel for every other texel, in two passes (columns, then rows), and its colour."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Int32
from numba import njit, prange

from neuraltexgen.types import Mask

NONE = -1


def spread_nearest(image: Float32[np.ndarray, "h w c"], sources: Mask, targets: Mask, reach: int | None) -> int:
    """Gives each target texel, in place, the colour of the source nearest to it, and returns how many were set.

    See `nearest_sources`, `copy_sources`.
    """
    return copy_sources(image, nearest_sources(sources, targets, reach))


def nearest_sources(sources: Mask, targets: Mask, reach: int | None) -> Int32[np.ndarray, "h w"]:
    """For each target texel the source nearest to it, as row * width + column; -1 elsewhere, and where there is none.

    Distances are Euclidean between centres, in texels; targets further than `reach` (None: no limit) get none. Sources
    must not be targets. Method: Meijster, Roerdink and Hesselink, "A general algorithm for computing
    distance transforms in linear time" (2000), here carrying the nearest texel along with its distance.
    """
    limit = np.inf if reach is None else float(reach) ** 2
    nearest = np.full(sources.shape, NONE, dtype=np.int32)
    _find_nearest(targets, _nearest_rows(sources), limit, nearest)
    return nearest


def copy_sources(image: Float32[np.ndarray, "h w c"], nearest: Int32[np.ndarray, "h w"]) -> int:
    """Gives each texel that has a source, in place, the source's colour, and returns how many those are."""
    set_in_row = np.zeros(len(image), dtype=np.int64)
    _copy(image, nearest, set_in_row)
    return int(set_in_row.sum())


@njit(cache=True, parallel=True)
@no_type_check
def _nearest_rows(sources):
    """Per texel, the row of the nearest source in its own column, or NONE."""
    height, width = sources.shape
    rows = np.full((height, width), NONE, dtype=np.int32)
    blocks = (width + 63) // 64
    for block in prange(blocks):
        left, right = 64 * block, min(width, 64 * block + 64)
        for i in range(height):
            for j in range(left, right):
                rows[i, j] = i if sources[i, j] else rows[i - 1, j] if i > 0 else NONE
        for i in range(height - 2, -1, -1):
            for j in range(left, right):
                below = rows[i + 1, j]
                if below != NONE and (rows[i, j] == NONE or abs(below - i) < i - rows[i, j]):
                    rows[i, j] = below
    return rows


@njit(cache=True, parallel=True)
@no_type_check
def _find_nearest(targets, rows, limit, nearest):
    height, width = rows.shape
    for i in prange(height):
        # The lower envelope of the parabolas (x - column)² + depth²: their columns, and where each begins to be lowest.
        columns, begins = np.empty(width, dtype=np.int64), np.empty(width)
        size = _envelope(rows[i], i, columns, begins)
        at = 0
        for x in range(width):
            if size == 0 or not targets[i, x]:
                continue
            while at + 1 < size and begins[at + 1] <= x:
                at += 1
            column = columns[at]
            row = rows[i, column]
            if (x - column) ** 2 + (i - row) ** 2 <= limit:
                nearest[i, x] = row * width + column


@njit(cache=True, parallel=True)
@no_type_check
def _copy(image, nearest, set_in_row):
    height, width, channels = image.shape
    for i in prange(height):
        for j in range(width):
            at = nearest[i, j]
            if at >= 0:
                set_in_row[i] += 1
                for c in range(channels):
                    image[i, j, c] = image[at // width, at % width, c]


@njit(cache=True)
@no_type_check
def _envelope(rows, i, columns, begins):
    size = 0
    for q in range(len(rows)):
        if rows[q] == NONE:
            continue
        depth = float((rows[q] - i) ** 2)
        begin = -np.inf
        while size > 0:
            p = columns[size - 1]
            begin = (depth + q * q - float((rows[p] - i) ** 2) - p * p) / (2.0 * (q - p))
            if begin > begins[size - 1]:
                break
            size -= 1
            begin = -np.inf
        columns[size], begins[size] = q, begin
        size += 1
    return size
