"""How faces meet: equal positions welded, each face's neighbours across its edges, normals and edge lengths."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numba import njit

from neuraltexgen.types import Faces, Points

SMOOTHING = 4
"""Rounds of smoothing of the normals: enough for the steps that marching cubes leaves."""


class Surface(NamedTuple):
    """What growing charts needs to know of a mesh. Lengths and areas are in units of the root of the whole area.

    Edge k of a face runs from its corner k to corner k + 1. `neighbours` has, per edge, 3 * face + edge of the one face
    that runs along it the other way, or -1: at borders, where more than two faces meet, and where windings disagree.
    `normals` are the faces' own; `smooth` are those that charts are grown by. Like the other named tuples here, it is
    one for numba: kernels take it as it is.
    """

    points: Points
    faces: Faces
    neighbours: Int32[np.ndarray, "f 3"]
    lengths: Float64[np.ndarray, "f 3"]
    areas: Float64[np.ndarray, " f"]
    normals: Float64[np.ndarray, "f 3"]
    smooth: Float64[np.ndarray, "f 3"]


def weld(vertices: Points, faces: Faces) -> tuple[Float64[np.ndarray, "p 3"], Faces]:
    """The places of the vertices that faces use, each once, in a cube of side 1 about the origin; the faces on them.

    Vertices in exactly the same place are one; nothing else is repaired.
    """
    used, index = np.unique(faces, return_inverse=True)
    points = vertices[used]
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) / (float((high - low).max()) or 1.0)
    order = np.lexsort(points.T)
    ordered = points[order]
    first = np.ones(len(points), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    place = np.empty(len(points), dtype=np.int32)
    place[order] = np.cumsum(first, dtype=np.int32) - 1
    return ordered[first], place[index.reshape(-1, 3)]


def read_surface(points: Points, faces: Faces) -> Surface:
    """The surface of welded triangles with three different corners, scaled to an area of 1 (if it has any)."""
    corners = points[faces]
    sides = np.roll(corners, -1, axis=1) - corners
    cross = np.cross(sides[:, 0], -sides[:, 2])
    doubled = np.linalg.norm(cross, axis=1)
    area = doubled.sum() / 2
    scale = 1 / np.sqrt(area) if area > 0 else 1.0
    neighbours = find_neighbours(faces, len(points))
    lengths = np.linalg.norm(sides, axis=2) * scale
    areas = doubled / 2 * scale**2
    normals = np.divide(cross, doubled[:, None], out=np.zeros_like(cross), where=doubled[:, None] > 0)
    smooth = _smooth(normals, areas, neighbours, SMOOTHING)
    return Surface(points * scale, faces, neighbours, lengths, areas, normals, smooth)


def find_neighbours(faces: Faces, count: int) -> Int32[np.ndarray, "f 3"]:
    """See `Surface.neighbours`, for faces on so many points."""
    start, end = faces.astype(np.int64), np.roll(faces, -1, axis=1).astype(np.int64)
    key: Int64[np.ndarray, " e"] = (np.minimum(start, end) * count + np.maximum(start, end)).reshape(-1)
    forward = (start < end).reshape(-1)
    edges = np.argsort(key, kind="stable")
    ordered = key[edges]
    fresh = np.ones(len(edges) + 1, dtype=bool)
    fresh[1:-1] = ordered[1:] != ordered[:-1]
    pair = np.flatnonzero(fresh[:-2] & ~fresh[1:-1] & fresh[2:])
    one, two = edges[pair], edges[pair + 1]
    agree = forward[one] != forward[two]
    result = np.full(faces.size, -1, dtype=np.int32)
    result[one[agree]] = two[agree]
    result[two[agree]] = one[agree]
    return result.reshape(-1, 3)


@njit(cache=True)
@no_type_check
def _smooth(normals, areas, neighbours, rounds):
    """Normals averaged with those across edges, the less the more they differ, so that creases stay."""
    now = normals.copy()
    after = np.empty_like(now)
    total = areas.sum()
    floor = 1e-9 * total / len(areas) if total > 0 else 1e-30
    for _ in range(rounds):
        for face in range(len(now)):
            x = now[face, 0] * areas[face]
            y = now[face, 1] * areas[face]
            z = now[face, 2] * areas[face]
            flat = areas[face] <= floor
            for k in range(3):
                other = neighbours[face, k]
                if other >= 0:
                    g = other // 3
                    agree = now[face, 0] * now[g, 0] + now[face, 1] * now[g, 1] + now[face, 2] * now[g, 2]
                    weight = areas[g] * (1.0 if flat else max(agree, 0.0) ** 2)
                    x += weight * now[g, 0]
                    y += weight * now[g, 1]
                    z += weight * now[g, 2]
            size = np.sqrt(x * x + y * y + z * z)
            if size > 0:
                after[face, 0], after[face, 1], after[face, 2] = x / size, y / size, z / size
            else:
                after[face] = now[face]
        now, after = after, now
    return now
