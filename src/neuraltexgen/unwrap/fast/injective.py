"""Where charts laid flat cover themselves: exact tests of triangles against triangles, near ones found on a grid."""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float64
from numba import njit, prange

from neuraltexgen.unwrap.fast.layout import Layout

TOUCH = 1e-10
"""Triangles that reach less than this into each other (root areas of the surface) only touch."""


def overlapping(
    layout: Layout,
    neighbours: np.ndarray,
    places: Float64[np.ndarray, "p 2"],
    skip: Bool[np.ndarray, " f"],
    charts: Bool[np.ndarray, " c"],
) -> Bool[np.ndarray, " f"]:
    """Faces to take out so that no face of the masked charts covers another of its own chart; `skip` are out already.

    Of two faces that overlap the one farther from the chart's middle goes, counted in faces on the way there.
    """
    out = np.zeros(len(layout.labels), dtype=np.bool_)
    which = np.flatnonzero(charts)
    which = which[np.argsort(-np.diff(layout.starts)[which], kind="stable")]
    _overlapping(layout.corners, places, layout.labels, layout.faces, layout.starts, neighbours, skip, which, out)
    return out


@njit(cache=True, parallel=True)
@no_type_check
def _overlapping(corners, places, labels, faces, starts, neighbours, skip, which, out):
    steps = np.full(len(labels), -1, np.int32)
    deal = 16
    for hand in prange(deal):
        for turn in range(hand, len(which), deal):
            mine = faces[starts[which[turn]] : starts[which[turn] + 1]]
            if len(mine) > 1 and count_overlaps(corners, places, mine, skip, steps, out, False) > 0:
                _walk(corners, places, mine, neighbours, labels, steps)
                count_overlaps(corners, places, mine, skip, steps, out, True)


@njit(cache=True)
@no_type_check
def _walk(corners, places, mine, neighbours, labels, steps):
    """Steps from the face nearest to the chart's centroid, across edges."""
    x, y = 0.0, 0.0
    for face in mine:
        x += _middle(corners, places, face, 0) / len(mine)
        y += _middle(corners, places, face, 1) / len(mine)
    first, least = mine[0], np.inf
    for face in mine:
        d = (_middle(corners, places, face, 0) - x) ** 2 + (_middle(corners, places, face, 1) - y) ** 2
        if d < least:
            first, least = face, d
    queue = np.empty(len(mine), np.int32)
    queue[0] = first
    steps[first] = 0
    head, tail = 0, 1
    while head < tail:
        face = queue[head]
        head += 1
        for k in range(3):
            other = neighbours[face, k] // 3
            if neighbours[face, k] >= 0 and labels[other] == labels[face] and steps[other] < 0:
                steps[other] = steps[face] + 1
                queue[tail] = other
                tail += 1


@njit(cache=True)
@no_type_check
def count_overlaps(corners, places, mine, skip, steps, out, mark):
    """How many overlaps the chart's faces have; stops at the first, or marks for each the face that must go."""
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for face in mine:
        x0, y0, x1, y1 = _box(corners, places, face)
        low_x, low_y, high_x, high_y = min(low_x, x0), min(low_y, y0), max(high_x, x1), max(high_y, y1)
    wide, tall = high_x - low_x, high_y - low_y
    cell = max(np.sqrt(wide * tall / len(mine)), max(wide, tall) / (2 * len(mine) + 1))
    if not cell > 0:
        return 0
    columns, rows = int(wide / cell) + 1, int(tall / cell) + 1
    offsets = np.zeros(columns * rows + 1, np.int64)
    items = np.empty(0, np.int32)
    for fill in range(2):
        for face in mine:
            if skip[face]:
                continue
            x0, y0, x1, y1 = _box(corners, places, face)
            left, right = int((x0 - low_x) / cell), int((x1 - low_x) / cell)
            top, bottom = int((y0 - low_y) / cell), int((y1 - low_y) / cell)
            for row in range(top, bottom + 1):
                for column in range(left, right + 1):
                    at = row * columns + column
                    if fill == 0:
                        offsets[at] += 1
                    else:
                        offsets[at] -= 1
                        items[offsets[at]] = face
        if fill == 0:
            offsets = np.cumsum(offsets)
            items = np.empty(offsets[-1], np.int32)
    found = 0
    for at in range(columns * rows):
        for n in range(offsets[at], offsets[at + 1]):
            for m in range(n + 1, offsets[at + 1]):
                a, b = items[n], items[m]
                if mark and (out[a] or out[b]):
                    continue
                if faces_apart(corners, places, a, b):
                    continue
                found += 1
                if not mark:
                    return found
                if steps[a] > steps[b] or (steps[a] == steps[b] and a > b):
                    out[a] = True
                else:
                    out[b] = True
    return found


@njit(cache=True)
@no_type_check
def faces_apart(corners, places, a, b):
    """Whether two counter-clockwise triangles have no point inside both: then a side of one separates them."""
    return _outside(corners, places, a, b) or _outside(corners, places, b, a)


@njit(cache=True)
@no_type_check
def _outside(corners, places, a, b):
    """Whether one of a's sides has all of b on its outer side."""
    for k in range(3):
        p, q = corners[a, k], corners[a, (k + 1) % 3]
        x, y = places[p, 0], places[p, 1]
        dx, dy = places[q, 0] - x, places[q, 1] - y
        reach = -np.inf
        for i in range(3):
            r = corners[b, i]
            reach = max(reach, dx * (places[r, 1] - y) - dy * (places[r, 0] - x))
        if reach <= TOUCH * np.sqrt(dx * dx + dy * dy):
            return True
    return False


@njit(cache=True)
@no_type_check
def _middle(corners, places, face, axis):
    return (places[corners[face, 0], axis] + places[corners[face, 1], axis] + places[corners[face, 2], axis]) / 3


@njit(cache=True)
@no_type_check
def _box(corners, places, face):
    a, b, c = corners[face, 0], corners[face, 1], corners[face, 2]
    return (
        min(places[a, 0], places[b, 0], places[c, 0]),
        min(places[a, 1], places[b, 1], places[c, 1]),
        max(places[a, 0], places[b, 0], places[c, 0]),
        max(places[a, 1], places[b, 1], places[c, 1]),
    )
