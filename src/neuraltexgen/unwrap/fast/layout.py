"""Charts as lists: which faces each has, and its own points, split where its faces don't hang together."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numba import njit

from neuraltexgen.unwrap.fast.groups import group
from neuraltexgen.unwrap.fast.topology import Surface
from neuraltexgen.uvmap.charts import find_root


class Layout(NamedTuple):
    """Charts 0..c-1. Chart i has the faces `faces[starts[i]:starts[i + 1]]`, and the points between `point_starts`.

    `corners` has the point of each corner of every face of the mesh. A point is one place of one chart; where a chart
    touches itself in a place only (not along an edge), the place counts as several points, so that every point has one
    fan of faces round it. `places` says which place of the surface a point is.
    """

    labels: Int32[np.ndarray, " f"]
    faces: Int32[np.ndarray, " f"]
    starts: Int64[np.ndarray, " starts"]
    corners: Int32[np.ndarray, "f 3"]
    places: Int32[np.ndarray, " p"]
    point_starts: Int64[np.ndarray, " starts"]

    @property
    def chart_count(self) -> int:
        """How many charts there are."""
        return len(self.starts) - 1


class Triangles(NamedTuple):
    """Faces on the plane: the points that their corners are (see `Layout`), and where the points lie."""

    corners: Int32[np.ndarray, "f 3"]
    places: Float64[np.ndarray, "p 2"]


class Fans(NamedTuple):
    """The faces round each point: its corners, 3 * face + k, are `corners[offsets[point]:offsets[point + 1]]`."""

    offsets: Int64[np.ndarray, " offsets"]
    corners: Int64[np.ndarray, " k"]


def lay_out(surface: Surface, labels: Int32[np.ndarray, " f"]) -> Layout:
    """The charts that labels (0..c-1, each in use) make of the surface's faces, faces and points in a fixed order."""
    count = int(labels.max()) + 1
    faces = np.argsort(labels, kind="stable").astype(np.int32)
    starts = np.searchsorted(labels[faces], np.arange(count + 1)).astype(np.int64)
    corners, places = _points(surface.faces, surface.neighbours, labels, faces)
    first = corners[faces].min(axis=1) if len(faces) else corners[:, 0]
    point_starts = np.append(np.minimum.reduceat(first, starts[:-1]), len(places)).astype(np.int64)
    return Layout(labels, faces, starts, corners, places, point_starts)


def carry(
    surface: Surface, layout: Layout, places: Float64[np.ndarray, "p 2"], labels: Int32[np.ndarray, " f"]
) -> tuple[Layout, Float64[np.ndarray, "q 2"]]:
    """The layout of other labels, and its points where the same corners were before."""
    after = lay_out(surface, labels)
    result = np.zeros((len(after.places), 2))
    result[after.corners] = places[layout.corners]
    return after, result


def find_fans(triangles: Triangles) -> Fans:
    """The faces round each point, in order."""
    return Fans(*group(triangles.corners.reshape(-1), len(triangles.places)))


def chart_sums(layout: Layout, values: Float64[np.ndarray, " f"]) -> Float64[np.ndarray, " c"]:
    """The sum of the faces' values over each chart."""
    return np.bincount(layout.labels, values, layout.chart_count)


@njit(cache=True)
@no_type_check
def faces_of(layout, chart):
    """The faces of a chart, for kernels."""
    return layout.faces[layout.starts[chart] : layout.starts[chart + 1]]


@njit(cache=True)
@no_type_check
def _points(faces, neighbours, labels, order):
    parent = np.arange(faces.size).astype(np.int32)
    for face in range(len(faces)):
        for k in range(3):
            other = neighbours[face, k]
            if other > 3 * face + k and labels[other // 3] == labels[face]:
                base, edge = other // 3 * 3, other % 3
                _link(parent, 3 * face + k, base + (edge + 1) % 3)
                _link(parent, 3 * face + (k + 1) % 3, base + edge)
    number = np.full(faces.size, -1, np.int32)
    corners = np.empty(faces.shape, np.int32)
    places = np.empty(faces.size, np.int32)
    used = 0
    for face in order:
        for k in range(3):
            root = find_root(parent, 3 * face + k)
            if number[root] < 0:
                number[root] = used
                places[used] = faces[face, k]
                used += 1
            corners[face, k] = number[root]
    return corners, places[:used].copy()


@njit(cache=True)
@no_type_check
def _link(parent, a, b):
    a, b = find_root(parent, a), find_root(parent, b)
    if a < b:
        parent[b] = a
    else:
        parent[a] = b
