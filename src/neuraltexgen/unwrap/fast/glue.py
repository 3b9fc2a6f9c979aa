"""Charts joined again where they fit: one is laid against another along their common border, if it lies flat there."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from neuraltexgen.unwrap.fast.flatten import Shapes, relax_point, singular_values
from neuraltexgen.unwrap.fast.halve import FILL, LARGE
from neuraltexgen.unwrap.fast.injective import count_overlaps, faces_apart
from neuraltexgen.unwrap.fast.layout import Layout, carry, corners_at_points
from neuraltexgen.unwrap.fast.merge import first_come
from neuraltexgen.unwrap.fast.orient import orient_charts
from neuraltexgen.unwrap.fast.topology import Surface

PASSES = 4
"""How often all charts are tried: what was joined may be joined further."""

ATTEMPTS = 4
"""How many of its neighbours a chart is laid against in each pass, those with the longest common border."""

SWEEPS = 12
"""Passes over the points of a chart that is laid against another."""

SQUEEZED = 0.2
"""A chart doesn't fit where one of its faces would be scaled by less than this, or by more than its inverse."""

PRICE = 0.02
"""Distortion added (symmetric Dirichlet energy less its least, times area) that a unit of seam saved is worth."""

SCRAP = 1e-4
"""Charts of up to this share of the whole area are joined to others whatever becomes of the rectangle round them."""


def glue_charts(
    surface: Surface, shapes: Shapes, layout: Layout, places: Float64[np.ndarray, "p 2"]
) -> tuple[Layout, Float64[np.ndarray, "q 2"]]:
    """Fewer charts, each still flat, without folds and without overlaps of its own if the given ones are.

    Small charts come first. A chart's border points on the other chart take their places there, its other points are
    relaxed (see `flatten.relax`), and the other chart stays as it is. Large charts go on filling their rectangles (see
    `halve`).
    """
    fresh = np.ones(layout.count, dtype=np.bool_)
    for _ in range(PASSES):
        places, _ = orient_charts(places, layout.point_starts)
        joint, places, changed = _one_pass(surface, shapes, layout, places, fresh)
        labels = joint[layout.labels]
        if not changed.any():
            break
        number = first_come(labels)
        fresh = np.zeros(int(number.max()) + 1, dtype=np.bool_)
        fresh[number] = changed[labels]
        layout, places = carry(surface, layout, places, number)
    return layout, places


def _one_pass(
    surface: Surface, shapes: Shapes, layout: Layout, places: np.ndarray, fresh: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    offsets, at = corners_at_points(layout.corners, len(places))
    areas = np.bincount(layout.labels, surface.areas, layout.count)
    order = np.argsort(areas, kind="stable")
    places = places.copy()
    joint, changed = _glue(
        order,
        fresh,
        areas,
        layout.labels,
        layout.faces,
        layout.starts,
        layout.corners,
        layout.point_starts,
        surface.neighbours,
        surface.lengths,
        shapes.gradients,
        shapes.areas,
        offsets,
        at,
        places,
        SWEEPS,
        SQUEEZED,
        PRICE,
        LARGE,
        FILL,
        SCRAP,
    )
    return joint, places, changed


@njit(cache=True)
@no_type_check
def _glue(
    order,
    fresh,
    areas,
    labels,
    faces,
    starts,
    corners,
    point_starts,
    neighbours,
    lengths,
    gradients,
    shape_areas,
    offsets,
    at,
    places,
    sweeps,
    squeezed,
    price,
    large,
    fill,
    scrap,
):
    count = len(order)
    joint = np.arange(count).astype(np.int32)
    changed = np.zeros(count, np.bool_)
    total = areas.sum()
    areas = areas.copy()
    # The faces on each chart's border, as linked lists: only they can be met by a chart that is laid against it.
    head = np.full(count, -1, np.int32)
    after = np.full(len(labels), -1, np.int32)
    for face in range(len(labels)):
        for k in range(3):
            if neighbours[face, k] < 0 or labels[neighbours[face, k] // 3] != labels[face]:
                after[face] = head[labels[face]]
                head[labels[face]] = face
                break
    boxes = np.empty((count, 4))
    for chart in range(count):
        _bound(chart, point_starts, places, boxes)
    fixed = np.zeros(len(places), np.bool_)
    target = np.zeros(places.shape)
    shared = np.zeros(count)
    skip = np.zeros(len(labels), np.bool_)
    unused = np.zeros(0, np.int32)
    for turn in range(count):
        x = order[turn]
        if changed[x]:
            continue
        mine = faces[starts[x] : starts[x + 1]]
        first, last = point_starts[x], point_starts[x + 1]
        near = _borders(x, mine, labels, joint, neighbours, lengths, shared)
        for attempt in range(min(ATTEMPTS, len(near))):
            y = near[attempt]
            if not (fresh[x] or fresh[y] or changed[y]):
                continue
            before = places[first:last].copy()
            if _pin(x, y, mine, labels, joint, neighbours, corners, places, fixed, target):
                _align(first, last, places, fixed, target)
                _bound(x, point_starts, places, boxes)
                area = areas[x] + areas[y]
                sparse = area > large * total and areas[x] > scrap * total and area < fill * _joint_box(boxes, x, y)
                for _ in range(0 if sparse else sweeps):
                    moved = False
                    for point in range(first, last):
                        if not fixed[point]:
                            moved |= relax_point(point, gradients, shape_areas, corners, offsets, at, places)
                    if not moved:
                        break
                if (
                    not sparse
                    and _fits(mine, corners, places, gradients, shape_areas, squeezed, price * shared[y], before, first)
                    and (
                        _free(head[x], head[y], after, corners, places)
                        and count_overlaps(corners, places, mine, skip, unused, skip, False) == 0
                    )
                ):
                    joint[x] = y
                    changed[x] = changed[y] = True
                    areas[y] += areas[x]
                    _bound(x, point_starts, places, boxes)
                    for k in range(2):
                        boxes[y, k] = min(boxes[y, k], boxes[x, k])
                        boxes[y, k + 2] = max(boxes[y, k + 2], boxes[x, k + 2])
                    end = head[x]
                    while after[end] >= 0:
                        end = after[end]
                    after[end] = head[y]
                    head[y] = head[x]
            fixed[first:last] = False
            if joint[x] == y:
                break
            places[first:last] = before
    return joint, changed


@njit(cache=True)
@no_type_check
def _bound(chart, point_starts, places, boxes):
    boxes[chart, 0], boxes[chart, 1], boxes[chart, 2], boxes[chart, 3] = np.inf, np.inf, -np.inf, -np.inf
    for point in range(point_starts[chart], point_starts[chart + 1]):
        for k in range(2):
            boxes[chart, k] = min(boxes[chart, k], places[point, k])
            boxes[chart, k + 2] = max(boxes[chart, k + 2], places[point, k])


@njit(cache=True)
@no_type_check
def _joint_box(boxes, x, y):
    """The area of the box round both charts' boxes."""
    wide = max(boxes[x, 2], boxes[y, 2]) - min(boxes[x, 0], boxes[y, 0])
    tall = max(boxes[x, 3], boxes[y, 3]) - min(boxes[x, 1], boxes[y, 1])
    return wide * tall


@njit(cache=True)
@no_type_check
def _borders(x, mine, labels, joint, neighbours, lengths, shared):
    """The charts next to x, that with the longest common border first; `shared` is left with the lengths."""
    for face in mine:
        for k in range(3):
            if neighbours[face, k] >= 0:
                shared[joint[labels[neighbours[face, k] // 3]]] = 0.0
    near = np.empty(3 * len(mine), np.int32)
    count = 0
    for face in mine:
        for k in range(3):
            if neighbours[face, k] >= 0:
                y = joint[labels[neighbours[face, k] // 3]]
                if y != x:
                    if shared[y] == 0.0:
                        near[count] = y
                        count += 1
                    shared[y] += lengths[face, k] + 1e-30
    near = near[:count]
    length = np.empty(count)
    for n in range(count):
        length[n] = -shared[near[n]]
    return near[np.argsort(length, kind="mergesort")]


@njit(cache=True)
@no_type_check
def _pin(x, y, mine, labels, joint, neighbours, corners, places, fixed, target):
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
def _align(first, last, places, fixed, target):
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
def _fits(mine, corners, places, gradients, areas, squeezed, budget, before, first):
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
def _free(one, two, after, corners, places):
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
