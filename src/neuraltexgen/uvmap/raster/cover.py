"""Which face each sample shows: faces sorted into bands of rows, then drawn band by band with a depth test.

A face is drawn by its three edge functions, the signed volumes of a sample's direction with two corners each (Olano and
Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997). They need no clipping: a face that reaches
behind the camera is drawn where it lies in front. Two faces that share an edge compute the same number with opposite
signs, to the bit, so no sample falls between them.
"""

from typing import no_type_check

import numpy as np
from numba import njit

from neuraltexgen.uvmap.bands import BAND
from neuraltexgen.uvmap.raster.lens import CELL, COARSE_CELL, FORWARD, TILE, plane_point

PAD = 1e-3
"""Samples by which a face's box is widened: what rounding may take off it."""

LARGE = 8
"""Cells on a side of a face's box from which on the coarse ones are asked; and tiles rejected as a whole."""


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def project(vertices, origin, rotation, linear):
    """The vertices (local units) in camera axes, and where they lie by `linear`: columns and rows, if in front."""
    count = len(vertices)
    points, places = np.empty((count, 3)), np.empty((count, 2))
    for n in range(count):
        x, y, z = vertices[n, 0] - origin[0], vertices[n, 1] - origin[1], vertices[n, 2] - origin[2]
        for k in range(3):
            points[n, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z
        if points[n, 2] > 0.0:
            places[n, 0] = (points[n, 0] / points[n, 2] - linear[0]) * linear[1]
            places[n, 1] = (points[n, 1] / points[n, 2] - linear[2]) * linear[3]
    return points, places


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def sort_into_bands(faces, points, places, cells, coarse, height, width):
    """Per face the rows and columns that it may cover; per band the faces that reach it, by ascending number.

    Band b has the faces order[starts[b]:starts[b + 1]].
    """
    bands = (height + BAND - 1) // BAND
    boxes = np.empty((len(faces), 4), np.int32)
    starts = np.zeros(bands + 1, np.int64)
    for f in range(len(faces)):
        _bound(faces[f], points, places, cells, coarse, height, width, boxes[f])
        for band in range(boxes[f, 0] // BAND, boxes[f, 1] // BAND + 1):
            starts[band + 1] += 1
    for band in range(bands):
        starts[band + 1] += starts[band]
    at, order = starts.copy(), np.empty(starts[bands], np.int32)
    for f in range(len(faces)):
        for band in range(boxes[f, 0] // BAND, boxes[f, 1] // BAND + 1):
            order[at[band]] = f
            at[band] += 1
    return boxes, starts, order


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _bound(face, points, places, cells, coarse, height, width, box):
    """First and last row, first and last column of the samples that may lie in the face; an empty box if none can."""
    box[0], box[1], box[2], box[3] = BAND, -1, 0, -1
    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
    for k in range(3):
        if points[face[k], 2] > 0.0:
            x, y = places[face[k], 0], places[face[k], 1]
            low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
    if low_x > high_x:
        return
    for k in range(3):
        front, back = points[face[k]], points[face[(k + 1) % 3]]
        if (front[2] > 0.0) != (back[2] > 0.0):
            # The edge leaves the half space in front at depth 0: the face stretches in that direction without end.
            part = front[2] / (front[2] - back[2])
            slack = 1e-9 * (abs(front[0]) + abs(back[0]) + abs(front[1]) + abs(back[1]))
            x, y = front[0] + part * (back[0] - front[0]), front[1] + part * (back[1] - front[1])
            low_x, high_x = -np.inf if x <= slack else low_x, np.inf if x >= -slack else high_x
            low_y, high_y = -np.inf if y <= slack else low_y, np.inf if y >= -slack else high_y
    if not (high_x >= -PAD and low_x <= width + PAD and high_y >= -PAD and low_y <= height + PAD):
        return
    low_x, high_x = max(low_x - PAD, 0.0), min(high_x + PAD, float(width))
    low_y, high_y = max(low_y - PAD, 0.0), min(high_y + PAD, float(height))
    large = max(high_x - low_x, high_y - low_y) > LARGE * CELL
    grid, cell = (coarse, COARSE_CELL) if large else (cells, CELL)
    least_x, most_x, least_y, most_y = np.inf, -np.inf, np.inf, -np.inf
    for r in range(int(low_y / cell), min(int(high_y / cell), grid.shape[0] - 1) + 1):
        for c in range(int(low_x / cell), min(int(high_x / cell), grid.shape[1] - 1) + 1):
            at = grid[r, c]
            least_x, most_x, least_y, most_y = (
                min(least_x, at[0]), max(most_x, at[1]), min(least_y, at[2]), max(most_y, at[3])
            )  # fmt: skip
    if least_x > most_x:
        return
    top, bottom = np.ceil(max(low_y + least_y, 0.0)), np.floor(min(high_y + most_y, height - 1.0))
    left, right = np.ceil(max(low_x + least_x, 0.0)), np.floor(min(high_x + most_x, width - 1.0))
    if top <= bottom and left <= right:
        box[0], box[1], box[2], box[3] = int(top), int(bottom), int(left), int(right)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def draw_band(band, faces, points, boxes, starts, order, rays, tiles, face_ids):
    """Writes the nearest face of each sample of a band into `face_ids`, where a face meets the sample's ray at all.

    Of faces at one depth, the first one is seen. A ray that is undefined, or not forward, keeps what `face_ids` has.
    """
    first, last = band * BAND, min((band + 1) * BAND, face_ids.shape[0])
    x, y, nearness = _band_plane(rays, first, last)
    edges = np.empty((4, 3))
    for k in range(starts[band], starts[band + 1]):
        f = order[k]
        a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
        if not _edge_functions(a, b, c, edges):
            continue
        # A point of the face is no nearer and no farther than its corners; of a needle the plane says anything.
        near, far = min(a[2], b[2], c[2]), max(a[2], b[2], c[2])
        limits = 1.0 / far, 1.0 / near if near > 0.0 else np.inf
        top, bottom = max(boxes[f, 0], first), min(boxes[f, 1], last - 1)
        left, right = boxes[f, 2], boxes[f, 3]
        if right - left < 2 * TILE:
            _draw(f, edges, limits, top, bottom, left, right, first, x, y, nearness, face_ids)
            continue
        for r in range(top // TILE, bottom // TILE + 1):
            for t in range(left // TILE, right // TILE + 1):
                if _may_meet(edges, tiles[r, t]):
                    up, down = max(top, r * TILE), min(bottom, r * TILE + TILE - 1)
                    start, end = max(left, t * TILE), min(right, t * TILE + TILE - 1)
                    _draw(f, edges, limits, up, down, start, end, first, x, y, nearness, face_ids)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _band_plane(rays, first, last):
    """Where the band's rays meet the plane at depth 1 (NaN: not drawn), and 1 / z of what is seen: nothing, so 0."""
    shape = last - first, rays.shape[1]
    x, y = np.empty(shape), np.empty(shape)
    for i in range(first, last):
        for j in range(rays.shape[1]):
            if rays[i, j, 2] > FORWARD:
                x[i - first, j], y[i - first, j] = plane_point(rays, i, j)
            else:
                x[i - first, j], y[i - first, j] = np.nan, np.nan
    return x, y, np.zeros(shape)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _edge_functions(a, b, c, edges):
    """Coefficients of x, y and 1: three edges, positive inside, and 1 / z. False for a face seen exactly edge-on."""
    _cross(b, c, edges[0])
    _cross(c, a, edges[1])
    _cross(a, b, edges[2])
    volume = a[0] * edges[0, 0] + a[1] * edges[0, 1] + a[2] * edges[0, 2]
    if volume == 0.0:
        return False
    if volume < 0.0:
        for k in range(3):
            for axis in range(3):
                edges[k, axis] = -edges[k, axis]
    for axis in range(3):
        edges[3, axis] = (edges[0, axis] + edges[1, axis] + edges[2, axis]) / abs(volume)
    return True


@njit(nogil=True, cache=True, inline="always")
@no_type_check
def _cross(p, q, result):
    # Swapped arguments give exactly the opposite: differences of the same two products.
    result[0] = p[1] * q[2] - p[2] * q[1]
    result[1] = p[2] * q[0] - p[0] * q[2]
    result[2] = p[0] * q[1] - p[1] * q[0]


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _may_meet(edges, tile):
    """Whether no edge has all of the tile on its outer side. Rounding is monotone, so no sample inside is lost."""
    if tile[0] > tile[1]:
        return False
    for k in range(3):
        x = tile[1] if edges[k, 0] > 0.0 else tile[0]
        y = tile[3] if edges[k, 1] > 0.0 else tile[2]
        if edges[k, 0] * x + edges[k, 1] * y + edges[k, 2] < 0.0:
            return False
    return True


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
@no_type_check
def _draw(f, edges, limits, top, bottom, left, right, first, x, y, nearness, face_ids):
    ax, ay, az = edges[0, 0], edges[0, 1], edges[0, 2]
    bx, by, bz = edges[1, 0], edges[1, 1], edges[1, 2]
    cx, cy, cz = edges[2, 0], edges[2, 1], edges[2, 2]
    nx, ny, nz = edges[3, 0], edges[3, 1], edges[3, 2]
    for i in range(top - first, bottom - first + 1):
        for j in range(left, right + 1):
            u, v = x[i, j], y[i, j]
            if ax * u + ay * v + az >= 0.0 and bx * u + by * v + bz >= 0.0 and cx * u + cy * v + cz >= 0.0:
                near = min(max(nx * u + ny * v + nz, limits[0]), limits[1])
                if near > nearness[i, j]:
                    nearness[i, j] = near
                    face_ids[first + i, j] = f
