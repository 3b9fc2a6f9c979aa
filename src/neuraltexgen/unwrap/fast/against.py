"""One chart laid against another: its border pinned there, turned to meet it, and whether it lies flat and free."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float64, Int32
from numba import njit

from neuraltexgen.unwrap.fast.flatten import singular_values
from neuraltexgen.unwrap.fast.injective import faces_apart
from neuraltexgen.unwrap.fast.layout import Triangles, faces_of


class Pins(NamedTuple):
    """Which points are fixed, and where."""

    fixed: Bool[np.ndarray, " p"]
    target: Float64[np.ndarray, "p 2"]


class Rims(NamedTuple):
    """The faces on each chart's border, as linked lists: first `head[chart]`, then `after[face]` until that is -1."""

    head: Int32[np.ndarray, " c"]
    after: Int32[np.ndarray, " f"]


@njit(cache=True)
@no_type_check
def pin_border(surface, layout, places, joint, pins, x, y):
    """Pins chart x's points on the border to y, where they are in y. False where one point would have two places.

    `joint` says which chart each one is part of by now.
    """
    for face in faces_of(layout, x):
        for k in range(3):
            other = surface.neighbours[face, k]
            if other >= 0 and joint[layout.labels[other // 3]] == y:
                g, j = other // 3, other % 3
                for end in range(2):
                    point, there = layout.corners[face, (k + end) % 3], layout.corners[g, (j + 1 - end) % 3]
                    if not _pin(pins, point, places[there, 0], places[there, 1]):
                        return False
    return True


@njit(cache=True)
@no_type_check
def _pin(pins, point, x, y):
    """Pins a point at (x, y). False where it is pinned elsewhere."""
    if pins.fixed[point]:
        return pins.target[point, 0] == x and pins.target[point, 1] == y
    pins.fixed[point] = True
    pins.target[point, 0], pins.target[point, 1] = x, y
    return True


@njit(cache=True)
@no_type_check
def align_with_border(places, pins, first, last):
    """Turns and shifts the points so that the fixed ones come nearest to their targets, and those onto them."""
    fixed, target = pins
    n, ax, ay, bx, by = 0, 0.0, 0.0, 0.0, 0.0
    for p in range(first, last):
        if fixed[p]:
            n += 1
            ax, ay = ax + places[p, 0], ay + places[p, 1]
            bx, by = bx + target[p, 0], by + target[p, 1]
    ax, ay, bx, by = ax / n, ay / n, bx / n, by / n
    c, s = 0.0, 0.0
    for p in range(first, last):
        if fixed[p]:
            dx, dy, ex, ey = places[p, 0] - ax, places[p, 1] - ay, target[p, 0] - bx, target[p, 1] - by
            c += dx * ex + dy * ey
            s += dx * ey - dy * ex
    size = np.sqrt(c * c + s * s)
    c, s = (c / size, s / size) if size > 0 else (1.0, 0.0)
    for p in range(first, last):
        if fixed[p]:
            places[p] = target[p]
        else:
            dx, dy = places[p, 0] - ax, places[p, 1] - ay
            places[p, 0], places[p, 1] = bx + c * dx - s * dy, by + s * dx + c * dy


@njit(cache=True)
@no_type_check
def fits_there(shapes, triangles, before, first, mine, squeezed, budget):
    """Whether no face is scaled too much, and all of them together are distorted by no more than the budget.

    `before`: where the chart's points, from `first`, were.
    """
    was = Triangles(triangles.corners, before)
    distortion = 0.0
    for face in mine:
        if shapes.areas[face] > 0:
            least, most = singular_values(shapes, triangles, face, 0)
            if least < squeezed or most > 1 / squeezed:
                return False
            was_least, was_most = singular_values(shapes, was, face, first)
            distortion += shapes.areas[face] * _dirichlet(least, most)
            distortion -= shapes.areas[face] * _dirichlet(was_least, was_most)
    return distortion <= budget


@njit(cache=True)
@no_type_check
def _dirichlet(least, most):
    """The symmetric Dirichlet energy of a map with these singular values."""
    return least**2 + most**2 + 1 / least**2 + 1 / most**2


@njit(cache=True)
@no_type_check
def is_free(triangles, rims, x, y):
    """Whether no face on the border of chart x overlaps one on that of y.

    That is enough: charts that meet at an edge and don't cover themselves can't overlap without their borders crossing,
    or their faces at that edge lying on each other.
    """
    corners, places = triangles
    head, after = rims
    x0, y0, x1, y1 = np.inf, np.inf, -np.inf, -np.inf
    face = head[x]
    while face >= 0:
        for k in range(3):
            u, v = places[corners[face, k], 0], places[corners[face, k], 1]
            x0, x1, y0, y1 = min(x0, u), max(x1, u), min(y0, v), max(y1, v)
        face = after[face]
    other = head[y]
    while other >= 0:
        if _near(triangles, other, x0, y0, x1, y1):
            face = head[x]
            while face >= 0:
                if not faces_apart(triangles, face, other):
                    return False
                face = after[face]
        other = after[other]
    return True


@njit(cache=True)
@no_type_check
def _near(triangles, face, x0, y0, x1, y1):
    """Whether the box round a face meets the given one."""
    corners, places = triangles
    a, b, c = corners[face, 0], corners[face, 1], corners[face, 2]
    return (
        min(places[a, 0], places[b, 0], places[c, 0]) < x1
        and max(places[a, 0], places[b, 0], places[c, 0]) > x0
        and min(places[a, 1], places[b, 1], places[c, 1]) < y1
        and max(places[a, 1], places[b, 1], places[c, 1]) > y0
    )
