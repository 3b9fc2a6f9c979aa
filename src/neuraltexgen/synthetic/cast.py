"""Rays against rectangles, by brute force: the analytic intersection that renderer, light and coverage share."""

from collections.abc import Sequence
from typing import no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from neuraltexgen.synthetic.layout import Rectangle

EDGE = 1e-9
"""How far outside its rectangle a hit still counts, in units of its sides: no crack where two rectangles meet."""

Planes = Float64[np.ndarray, "q 12"]
"""Per rectangle: origin, unit normal, and two vectors that give the place along `right` and `down` as dot products."""


def pack_planes(rectangles: Sequence[Rectangle]) -> Planes:
    """The rectangles as rows of numbers for `nearest`."""
    rows = [[r.origin, r.normal, r.right / (r.right @ r.right), r.down / (r.down @ r.down)] for r in rectangles]
    return np.array(rows, np.float64).reshape(-1, 12)


@njit(cache=True)
@no_type_check
def nearest(planes, ox, oy, oz, dx, dy, dz):
    """The first rectangle that a ray meets from its visible side: (index or -1, distance, a, b).

    The distance is in units of the direction's length; a and b in [0, 1] are the places along `right` and `down`.
    """
    best, best_t, best_a, best_b = -1, np.inf, 0.0, 0.0
    for q in range(len(planes)):
        hit, t, a, b = meet(planes[q], ox, oy, oz, dx, dy, dz, best_t)
        if hit:
            best, best_t, best_a, best_b = q, t, a, b
    return best, best_t, best_a, best_b


@njit(cache=True)
@no_type_check
def blocked(planes, ox, oy, oz, dx, dy, dz, reach):
    """Whether any rectangle is met before the distance `reach`."""
    for q in range(len(planes)):
        hit, _, _, _ = meet(planes[q], ox, oy, oz, dx, dy, dz, reach)
        if hit:
            return True
    return False


@njit(cache=True, inline="always")
@no_type_check
def meet(plane, ox, oy, oz, dx, dy, dz, reach):
    """Whether a ray meets one rectangle from its visible side before `reach`: (hit, distance, a, b)."""
    slope = plane[3] * dx + plane[4] * dy + plane[5] * dz
    if slope >= 0:
        return False, 0.0, 0.0, 0.0
    rx, ry, rz = plane[0] - ox, plane[1] - oy, plane[2] - oz
    t = (plane[3] * rx + plane[4] * ry + plane[5] * rz) / slope
    if t <= 0 or t >= reach:
        return False, 0.0, 0.0, 0.0
    hx, hy, hz = t * dx - rx, t * dy - ry, t * dz - rz
    a = hx * plane[6] + hy * plane[7] + hz * plane[8]
    b = hx * plane[9] + hy * plane[10] + hz * plane[11]
    inside = -EDGE <= a <= 1 + EDGE and -EDGE <= b <= 1 + EDGE
    return inside, t, a, b
