"""Charts turned so that the smallest rectangle round each stands upright, its lower left corner at the origin."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit, prange


def orient_charts(
    places: Float64[np.ndarray, "p 2"], starts: Int64[np.ndarray, " starts"]
) -> tuple[Float64[np.ndarray, "p 2"], Float64[np.ndarray, "c 2"]]:
    """The points of each chart (between starts) turned and shifted, and each chart's width and height, width >= height.

    The smallest rectangle has a side along one of the convex hull's (Freeman, Shapira 1975).
    """
    result = np.empty_like(places)
    sizes = np.empty((len(starts) - 1, 2))
    _orient(places, starts, result, sizes)
    return result, sizes


@njit(cache=True, parallel=True)
@no_type_check
def _orient(places, starts, result, sizes):
    for chart in prange(len(sizes)):
        points = places[starts[chart] : starts[chart + 1]]
        hull = _hull(points)
        # Without any side longer than 0 the chart is a point, and stays as it is.
        cosine, sine, least = 1.0, 0.0, np.inf
        for k in range(len(hull)):
            p, q = points[hull[k]], points[hull[(k + 1) % len(hull)]]
            length = np.sqrt((q[0] - p[0]) ** 2 + (q[1] - p[1]) ** 2)
            if length > 0:
                c, s = (q[0] - p[0]) / length, (q[1] - p[1]) / length
                x0, y0, x1, y1 = _bounds(points, hull, c, s)
                if (x1 - x0) * (y1 - y0) < least * (1 - 1e-9):
                    least, cosine, sine = (x1 - x0) * (y1 - y0), c, s
        x0, y0, x1, y1 = _bounds(points, hull, cosine, sine)
        if y1 - y0 > x1 - x0:
            cosine, sine = -sine, cosine
            x0, y0, x1, y1 = _bounds(points, hull, cosine, sine)
        sizes[chart, 0], sizes[chart, 1] = x1 - x0, y1 - y0
        for n in range(len(points)):
            x, y = points[n, 0], points[n, 1]
            result[starts[chart] + n, 0] = max(cosine * x + sine * y - x0, 0.0)
            result[starts[chart] + n, 1] = max(cosine * y - sine * x - y0, 0.0)


@njit(cache=True)
@no_type_check
def _bounds(points, hull, cosine, sine):
    x0, y0, x1, y1 = np.inf, np.inf, -np.inf, -np.inf
    for n in hull:
        x, y = cosine * points[n, 0] + sine * points[n, 1], cosine * points[n, 1] - sine * points[n, 0]
        x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
    return x0, y0, x1, y1


@njit(cache=True)
@no_type_check
def _hull(points):
    """The convex hull's corners in turn: Andrew's monotone chain."""
    by_x = np.argsort(points[:, 0], kind="mergesort")
    hull = np.empty(2 * len(points) + 1, np.int64)
    size = 0
    for sweep in range(2):
        # There and back: the second sweep starts where the first ended and takes nothing of it away.
        floor = size
        for n in range(len(by_x)):
            p = by_x[n] if sweep == 0 else by_x[len(by_x) - 1 - n]
            while size >= floor + 2 and _right(points, hull[size - 2], hull[size - 1], p):
                size -= 1
            hull[size] = p
            size += 1
        size -= 1
    return hull[: max(size, 1)].copy()


@njit(cache=True)
@no_type_check
def _right(points, a, b, c):
    """Whether the way from a over b to c goes straight on or turns right."""
    ax, ay = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
    return ax * (points[c, 1] - points[a, 1]) - ay * (points[c, 0] - points[a, 0]) <= 0
