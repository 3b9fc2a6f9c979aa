"""Where charts laid flat cover themselves: exact tests of triangles against triangles, near ones found on a grid."""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float64
from numba import njit, prange

from neuraltexgen.unwrap.fast.layout import Layout, Triangles, faces_of
from neuraltexgen.unwrap.fast.topology import Surface

TOUCH = 1e-10
"""Triangles that reach less than this into each other (root areas of the surface) only touch."""


def overlapping(
    surface: Surface,
    layout: Layout,
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
    _overlapping(surface, layout, Triangles(layout.corners, places), skip, which, out)
    return out


@njit(cache=True)
@no_type_check
def covers_itself(triangles, mine, skip):
    """Whether two of the faces `mine` overlap, `skip` (f) left out."""
    offsets, near = _cells(triangles, mine, skip)
    for at in range(len(offsets) - 1):
        for n in range(offsets[at], offsets[at + 1]):
            for m in range(n + 1, offsets[at + 1]):
                if not faces_apart(triangles, near[n], near[m]):
                    return True
    return False


@njit(cache=True)
@no_type_check
def faces_apart(triangles, a, b):
    """Whether two counter-clockwise triangles have no point inside both: then a side of one separates them."""
    return _outside(triangles, a, b) or _outside(triangles, b, a)


@njit(cache=True, parallel=True)
@no_type_check
def _overlapping(surface, layout, triangles, skip, which, out):
    steps = np.full(len(out), -1, np.int32)
    deal = 16
    for hand in prange(deal):
        for turn in range(hand, len(which), deal):
            mine = faces_of(layout, which[turn])
            if len(mine) > 1 and covers_itself(triangles, mine, skip):
                _walk(surface.neighbours, layout.labels, triangles, mine, steps)
                _mark_overlaps(triangles, mine, skip, steps, out)


@njit(cache=True)
@no_type_check
def _walk(neighbours, labels, triangles, mine, steps):
    """Steps from the face nearest to the chart's centroid, across edges."""
    queue = np.empty(len(mine), np.int32)
    queue[0] = _middle_face(triangles, mine)
    steps[queue[0]] = 0
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
def _middle_face(triangles, mine):
    """The face nearest to the centroid of the faces."""
    x, y = 0.0, 0.0
    for face in mine:
        x += _middle(triangles, face, 0) / len(mine)
        y += _middle(triangles, face, 1) / len(mine)
    first, least = mine[0], np.inf
    for face in mine:
        d = (_middle(triangles, face, 0) - x) ** 2 + (_middle(triangles, face, 1) - y) ** 2
        if d < least:
            first, least = face, d
    return first


@njit(cache=True)
@no_type_check
def _mark_overlaps(triangles, mine, skip, steps, out):
    """Marks one face of each two that overlap: the one with more steps to the middle, or the later one."""
    offsets, near = _cells(triangles, mine, skip)
    for at in range(len(offsets) - 1):
        for n in range(offsets[at], offsets[at + 1]):
            for m in range(n + 1, offsets[at + 1]):
                a, b = near[n], near[m]
                if out[a] or out[b] or faces_apart(triangles, a, b):
                    continue
                if steps[a] > steps[b] or (steps[a] == steps[b] and a > b):
                    out[a] = True
                else:
                    out[b] = True


@njit(cache=True)
@no_type_check
def _cells(triangles, mine, skip):
    """The faces whose boxes meet each cell of a grid: offsets (cells + 1) and, between them, the faces.

    No cells where the faces lie in one point.
    """
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for face in mine:
        x0, y0, x1, y1 = _box(triangles, face)
        low_x, low_y, high_x, high_y = min(low_x, x0), min(low_y, y0), max(high_x, x1), max(high_y, y1)
    wide, tall = high_x - low_x, high_y - low_y
    cell = max(np.sqrt(wide * tall / len(mine)), max(wide, tall) / (2 * len(mine) + 1))
    if not cell > 0:
        return np.zeros(1, np.int64), np.empty(0, np.int32)
    columns, rows = int(wide / cell) + 1, int(tall / cell) + 1
    offsets = np.zeros(columns * rows + 1, np.int64)
    near = np.empty(0, np.int32)
    # First the faces of each cell are counted, then they are put there, from the cell's end downwards.
    for fill in range(2):
        for face in mine:
            if skip[face]:
                continue
            x0, y0, x1, y1 = _box(triangles, face)
            for row in range(int((y0 - low_y) / cell), int((y1 - low_y) / cell) + 1):
                for column in range(int((x0 - low_x) / cell), int((x1 - low_x) / cell) + 1):
                    at = row * columns + column
                    if fill == 0:
                        offsets[at] += 1
                    else:
                        offsets[at] -= 1
                        near[offsets[at]] = face
        if fill == 0:
            offsets = np.cumsum(offsets)
            near = np.empty(offsets[-1], np.int32)
    return offsets, near


@njit(cache=True)
@no_type_check
def _outside(triangles, a, b):
    """Whether one of a's sides has all of b on its outer side."""
    corners, places = triangles
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
def _middle(triangles, face, axis):
    corners, places = triangles
    return (places[corners[face, 0], axis] + places[corners[face, 1], axis] + places[corners[face, 2], axis]) / 3


@njit(cache=True)
@no_type_check
def _box(triangles, face):
    corners, places = triangles
    a, b, c = corners[face, 0], corners[face, 1], corners[face, 2]
    return (
        min(places[a, 0], places[b, 0], places[c, 0]),
        min(places[a, 1], places[b, 1], places[c, 1]),
        max(places[a, 0], places[b, 0], places[c, 0]),
        max(places[a, 1], places[b, 1], places[c, 1]),
    )
