"""Charts joined again where they fit: one is laid against another along their common border, if it lies flat there."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from neuraltexgen.unwrap.fast.against import align_with_border, fits_there, is_free, pin_border
from neuraltexgen.unwrap.fast.flatten import Shapes, relax_point
from neuraltexgen.unwrap.fast.halve import FILL, LARGE
from neuraltexgen.unwrap.fast.injective import count_overlaps
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
            if pin_border(x, y, mine, labels, joint, neighbours, corners, places, fixed, target):
                align_with_border(first, last, places, fixed, target)
                _bound(x, point_starts, places, boxes)
                area = areas[x] + areas[y]
                budget = price * shared[y]
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
                    and fits_there(mine, corners, places, gradients, shape_areas, squeezed, budget, before, first)
                    and (
                        is_free(head[x], head[y], after, corners, places)
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
