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
        top, bottom, left, right = _bound(faces, f, points, places, cells, coarse, height, width)
        boxes[f, 0], boxes[f, 1], boxes[f, 2], boxes[f, 3] = top, bottom, left, right
        for band in range(top // BAND, bottom // BAND + 1):
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
def _bound(faces, f, points, places, cells, coarse, height, width):
    """First and last row, first and last column of the samples that may lie in face f; none: the last row is -1."""
    nothing = BAND, -1, 0, -1
    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
    behind = False
    for k in range(3):
        n = faces[f, k]
        if points[n, 2] > 0.0:
            x, y = places[n, 0], places[n, 1]
            low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
        else:
            behind = True
    if low_x > high_x:
        return nothing
    if behind:
        low_x, high_x, low_y, high_y = _stretch(faces, f, points, low_x, high_x, low_y, high_y)
    if not (high_x >= -PAD and low_x <= width + PAD and high_y >= -PAD and low_y <= height + PAD):
        return nothing
    low_x, high_x = max(low_x - PAD, 0.0), min(high_x + PAD, float(width))
    low_y, high_y = max(low_y - PAD, 0.0), min(high_y + PAD, float(height))
    large = max(high_x - low_x, high_y - low_y) > LARGE * CELL
    grid, cell = (coarse, COARSE_CELL) if large else (cells, CELL)
    left, right, up, down = np.inf, -np.inf, np.inf, -np.inf
    for r in range(int(low_y / cell), min(int(high_y / cell), grid.shape[0] - 1) + 1):
        for c in range(int(low_x / cell), min(int(high_x / cell), grid.shape[1] - 1) + 1):
            left, right = min(left, grid[r, c, 0]), max(right, grid[r, c, 1])
            up, down = min(up, grid[r, c, 2]), max(down, grid[r, c, 3])
    top, bottom = np.ceil(max(low_y + up, 0.0)), np.floor(min(high_y + down, height - 1.0))
    first, last = np.ceil(max(low_x + left, 0.0)), np.floor(min(high_x + right, width - 1.0))
    if left > right or top > bottom or first > last:
        return nothing
    return int(top), int(bottom), int(first), int(last)


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _stretch(faces, f, points, low_x, high_x, low_y, high_y):
    """The box of a face that reaches behind the camera: where an edge leaves the front, at depth 0, it has no end."""
    for k in range(3):
        p, q = faces[f, k], faces[f, (k + 1) % 3]
        if (points[p, 2] > 0.0) != (points[q, 2] > 0.0):
            part = points[p, 2] / (points[p, 2] - points[q, 2])
            slack = 1e-9 * (abs(points[p, 0]) + abs(points[q, 0]) + abs(points[p, 1]) + abs(points[q, 1]))
            x = points[p, 0] + part * (points[q, 0] - points[p, 0])
            y = points[p, 1] + part * (points[q, 1] - points[p, 1])
            low_x, high_x = -np.inf if x <= slack else low_x, np.inf if x >= -slack else high_x
            low_y, high_y = -np.inf if y <= slack else low_y, np.inf if y >= -slack else high_y
    return low_x, high_x, low_y, high_y


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def draw_band(band, faces, points, boxes, starts, order, rays, tiles, face_ids):
    """Writes the nearest face of each sample of a band into `face_ids`, where a face meets the sample's ray at all.

    Of faces at one depth, the first one is seen. A ray that is undefined, or not forward, keeps what `face_ids` has.
    """
    first, last = band * BAND, min((band + 1) * BAND, face_ids.shape[0])
    x, y, nearness = _band_plane(rays, first, last)
    for k in range(starts[band], starts[band + 1]):
        f = order[k]
        drawn, edges, limits = _edge_functions(faces, f, points)
        if not drawn:
            continue
        top, bottom = max(boxes[f, 0], first), min(boxes[f, 1], last - 1)
        left, right = boxes[f, 2], boxes[f, 3]
        if right - left < 2 * TILE:
            _draw(f, edges, limits, top, bottom, left, right, first, x, y, nearness, face_ids)
            continue
        for r in range(top // TILE, bottom // TILE + 1):
            for t in range(left // TILE, right // TILE + 1):
                if _may_meet(edges, tiles, r, t):
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
def _edge_functions(faces, f, points):
    """Whether to draw a face (not one seen exactly edge-on); its functions' coefficients of x, y and 1; 1 / z's limits.

    The functions are three edges, positive inside, and 1 / z. No point of a face is nearer or farther than its corners:
    the limits say so where a needle's plane says anything.
    """
    p, q, r = faces[f, 0], faces[f, 1], faces[f, 2]
    a = points[p, 0], points[p, 1], points[p, 2]
    b = points[q, 0], points[q, 1], points[q, 2]
    c = points[r, 0], points[r, 1], points[r, 2]
    u, v, w = _cross(b, c), _cross(c, a), _cross(a, b)
    volume = a[0] * u[0] + a[1] * u[1] + a[2] * u[2]
    sign, inverse = (1.0, 1.0 / volume) if volume > 0.0 else (-1.0, -1.0 / volume)
    u, v, w = _times(sign, u), _times(sign, v), _times(sign, w)
    plane = inverse * (u[0] + v[0] + w[0]), inverse * (u[1] + v[1] + w[1]), inverse * (u[2] + v[2] + w[2])
    near, far = min(a[2], b[2], c[2]), max(a[2], b[2], c[2])
    return volume != 0.0, (u, v, w, plane), (1.0 / far, 1.0 / near if near > 0.0 else np.inf)


@njit(nogil=True, cache=True, inline="always")
@no_type_check
def _cross(p, q):
    # Swapped arguments give exactly the opposite: differences of the same two products.
    return p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]


@njit(nogil=True, cache=True, inline="always")
@no_type_check
def _times(factor, p):
    return factor * p[0], factor * p[1], factor * p[2]


@njit(nogil=True, cache=True, inline="always")
@no_type_check
def _value(function, x, y):
    return function[0] * x + function[1] * y + function[2]


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _may_meet(edges, tiles, r, t):
    """Whether no edge has all of a tile on its outer side. Rounding is monotone, so no sample inside is lost."""
    if tiles[r, t, 0] > tiles[r, t, 1]:
        return False
    for k in range(3):
        edge = edges[k]
        x = tiles[r, t, 1] if edge[0] > 0.0 else tiles[r, t, 0]
        y = tiles[r, t, 3] if edge[1] > 0.0 else tiles[r, t, 2]
        if _value(edge, x, y) < 0.0:
            return False
    return True


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _draw(f, edges, limits, top, bottom, left, right, first, x, y, nearness, face_ids):
    """Gives the face those samples of a box that lie in it and show nothing nearer yet."""
    a, b, c, plane = edges
    least, most = limits
    for i in range(top - first, bottom - first + 1):
        for j in range(left, right + 1):
            u, v = x[i, j], y[i, j]
            if _value(a, u, v) >= 0.0 and _value(b, u, v) >= 0.0 and _value(c, u, v) >= 0.0:
                near = min(max(_value(plane, u, v), least), most)
                if near > nearness[i, j]:
                    nearness[i, j] = near
                    face_ids[first + i, j] = f
