"""Charts as sets of texels: every texel that a chart touches, and the runs of those within a gutter of it."""

from typing import no_type_check

import numpy as np
from numba import njit


@njit(cache=True)
@no_type_check
def touched(triangles, mine, scale):
    """Which texels (h w) the faces `mine` touch, a texel being 1 / scale wide and the chart's corner at the origin."""
    corners, places = triangles
    wide, tall = 0.0, 0.0
    for face in mine:
        for k in range(3):
            wide, tall = max(wide, places[corners[face, k], 0]), max(tall, places[corners[face, k], 1])
    mask = np.zeros((int(tall * scale) + 1, int(wide * scale) + 1), np.bool_)
    for face in mine:
        a, b, c = corners[face, 0], corners[face, 1], corners[face, 2]
        low = min(places[a, 1], places[b, 1], places[c, 1]) * scale
        high = max(places[a, 1], places[b, 1], places[c, 1]) * scale
        for row in range(int(low), min(int(high), mask.shape[0] - 1) + 1):
            left, right = np.inf, -np.inf
            for k in range(3):
                p, q = corners[face, k], corners[face, (k + 1) % 3]
                left, right = _widen(
                    left, right, places[p, 0] * scale, places[p, 1] * scale, places[q, 0] * scale,
                    places[q, 1] * scale, row,
                )  # fmt: skip
            if left <= right:
                for column in range(max(int(left), 0), min(int(right), mask.shape[1] - 1) + 1):
                    mask[row, column] = True
    return mask


@njit(cache=True)
@no_type_check
def _widen(left, right, px, py, qx, qy, row):
    """The range of x widened by the part of the segment p q that lies in the row of texels."""
    if max(py, qy) < row or min(py, qy) > row + 1:
        return left, right
    if py == qy:
        return min(left, px, qx), max(right, px, qx)
    t0, t1 = (row - py) / (qy - py), (row + 1 - py) / (qy - py)
    t0, t1 = max(min(t0, t1), 0.0), min(max(t0, t1), 1.0)
    x0, x1 = px + t0 * (qx - px), px + t1 * (qx - px)
    return min(left, x0, x1), max(right, x0, x1)


@njit(cache=True)
@no_type_check
def widened(mask, gutter):
    """The mask with `gutter` more texels on each side, and every texel in it that is within `gutter` of its own."""
    height, width = mask.shape
    across = np.zeros((height, width + 2 * gutter), np.bool_)
    for row in range(height):
        until = -1
        for column in range(width + 2 * gutter):
            if column < width and mask[row, column]:
                until = column + 2 * gutter
            across[row, column] = column <= until
    result = np.zeros((height + 2 * gutter, width + 2 * gutter), np.bool_)
    for row in range(height):
        for down in range(2 * gutter + 1):
            result[row + down] |= across[row]
    return result


@njit(cache=True)
@no_type_check
def turned(mask, quarters):
    """The mask turned by quarters: with q = 1, the texel at (x, y) of a mask h high comes to (h - 1 - y, x)."""
    height, width = mask.shape
    result = np.empty((width, height) if quarters % 2 else (height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            if quarters == 0:
                result[y, x] = mask[y, x]
            elif quarters == 1:
                result[x, height - 1 - y] = mask[y, x]
            elif quarters == 2:
                result[height - 1 - y, width - 1 - x] = mask[y, x]
            else:
                result[width - 1 - x, y] = mask[y, x]
    return result


@njit(cache=True)
@no_type_check
def runs_of(mask):
    """The runs of set texels, row by row: (n, 3) of row, first column, column after the last."""
    count = 0
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            count += mask[row, column] and (column == 0 or not mask[row, column - 1])
    runs = np.empty((count, 3), np.int32)
    n = -1
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            if mask[row, column]:
                if column == 0 or not mask[row, column - 1]:
                    n += 1
                    runs[n, 0], runs[n, 1] = row, column
                runs[n, 2] = column + 1
    return runs


@njit(cache=True)
@no_type_check
def spread(runs):
    """The same runs in an order in which any few in a row come from all over: what is in the way is met soon."""
    count = len(runs)
    stride = max(int(0.382 * count), 1)
    while np.gcd(stride, count) > 1:
        stride += 1
    result = np.empty_like(runs)
    for n in range(count):
        result[n] = runs[n * stride % count]
    return result
