"""One chart laid against another: its border pinned there, turned to meet it, and whether it lies flat and free."""

from typing import no_type_check

import numpy as np
from numba import njit

from neuraltexgen.unwrap.fast.flatten import singular_values
from neuraltexgen.unwrap.fast.injective import faces_apart


@njit(cache=True)
@no_type_check
def pin_border(x, y, mine, labels, joint, neighbours, corners, places, fixed, target):
    """Fixes x's points on the border to y at y's places. False where one point would have two places."""
    for face in mine:
        for k in range(3):
            other = neighbours[face, k]
            if other >= 0 and joint[labels[other // 3]] == y:
                g, j = other // 3, other % 3
                for end in range(2):
                    point = corners[face, (k + end) % 3]
                    there = corners[g, (j + 1 - end) % 3]
                    if not fixed[point]:
                        fixed[point] = True
                        target[point] = places[there]
                    elif target[point, 0] != places[there, 0] or target[point, 1] != places[there, 1]:
                        return False
    return True


@njit(cache=True)
@no_type_check
def align_with_border(first, last, places, fixed, target):
    """Turns and shifts the points so that the fixed ones come nearest to their targets, and those onto them."""
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
def fits_there(mine, corners, places, gradients, areas, squeezed, budget, before, first):
    """Whether no face is scaled too much, and all of them together are distorted by no more than the budget."""
    distortion = 0.0
    for face in mine:
        if areas[face] > 0:
            least, most = singular_values(face, gradients, corners, places, 0)
            if least < squeezed or most > 1 / squeezed:
                return False
            was_least, was_most = singular_values(face, gradients, corners, before, first)
            distortion += areas[face] * (least**2 + most**2 + 1 / least**2 + 1 / most**2)
            distortion -= areas[face] * (was_least**2 + was_most**2 + 1 / was_least**2 + 1 / was_most**2)
    return distortion <= budget


@njit(cache=True)
@no_type_check
def is_free(one, two, after, corners, places):
    """Whether no face of one list overlaps one of the other.

    The lists are those of two charts' borders, and that is enough: charts that meet at an edge and don't cover
    themselves can't overlap without their borders crossing, or their faces at that edge lying on each other.
    """
    x0, y0, x1, y1 = np.inf, np.inf, -np.inf, -np.inf
    face = one
    while face >= 0:
        for k in range(3):
            x, y = places[corners[face, k], 0], places[corners[face, k], 1]
            x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
        face = after[face]
    other = two
    while other >= 0:
        if _near(other, corners, places, x0, y0, x1, y1):
            face = one
            while face >= 0:
                if not faces_apart(corners, places, face, other):
                    return False
                face = after[face]
        other = after[other]
    return True


@njit(cache=True)
@no_type_check
def _near(face, corners, places, x0, y0, x1, y1):
    a, b, c = corners[face, 0], corners[face, 1], corners[face, 2]
    return (
        min(places[a, 0], places[b, 0], places[c, 0]) < x1
        and max(places[a, 0], places[b, 0], places[c, 0]) > x0
        and min(places[a, 1], places[b, 1], places[c, 1]) < y1
        and max(places[a, 1], places[b, 1], places[c, 1]) > y0
    )
