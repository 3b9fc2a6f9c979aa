"""The atlas seen from the texture: which face covers each texel, and where in the face the texel's centre lies."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int32
from numba import njit, prange

from neuraltexgen.errors import MeshError
from neuraltexgen.pages import rows_mesh
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Mask
from neuraltexgen.uvmap.charts import mesh_uvs

BAND = 32
"""Rows that one thread rasterises at a time. Each band walks all faces in order, so the result is the same always."""

AT_ONCE = 1 << 24
"""Texels that `coverage` looks at together."""

EDGE = 1e-9
"""Centres this near to an edge (twice a triangle's area, texels²) count as inside, so that no crack stays open."""

INSIDE = 1e-6
"""Two faces overlap in a texel only if both hold its centre by more than this: sharing an edge is no overlap."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """Per texel, the face there (-1: none) and the barycentric weights of the face's three corners.

    `covered` marks texels whose centre lies in the face. With the rim, a texel may have a face and not be covered:
    then the weights are those of the face's point nearest to the centre. `overlapped` counts the texels whose centre
    lies inside several faces.
    """

    face_ids: Int32[np.ndarray, "h w"]
    barycentrics: Float32[np.ndarray, "h w 3"]
    covered: Mask
    overlapped: int


@dataclass(frozen=True)
class Coverage:
    """How many texels of each page have their centre in a face, and in several faces in all."""

    pages: tuple[int, ...]
    overlapped: int

    @property
    def covered(self) -> int:
        """Texels with their centre in a face."""
        return sum(self.pages)


def rasterise_atlas(mesh: Mesh, size: tuple[int, int], rim: bool = False) -> Atlas:
    """Which face covers each texel's centre, for a texture of `size` (height, width) texels.

    Where faces overlap the lowest face id wins. Faces without area in uv are skipped, mirrored ones are as good as
    others, and what lies outside [0, 1]² is left out (uvs don't wrap). With `rim`, a texel that no face covers but
    that a bilinear lookup on the surface reads (its centre is less than a texel away in both axes) has the nearest
    face too. Raises MeshError: no uvs, or a size below one texel.
    """
    uvs, uv_faces = mesh_uvs(mesh)
    height, width = size
    if height < 1 or width < 1:
        raise MeshError(f"a texture of {height}x{width} texels has no texel")
    # In these coordinates texel (row i, column j) has its centre at (j, i).
    corners = (uvs * (width, height) - 0.5)[uv_faces]
    face_ids = np.full((height, width), -1, dtype=np.int32)
    barycentrics = np.zeros((height, width, 3), dtype=np.float32)
    covered = np.zeros((height, width), dtype=np.bool_)
    overlaps = np.zeros(-(-height // BAND), dtype=np.int64)
    _rasterise(corners, rim, face_ids, barycentrics, covered, overlaps)
    return Atlas(face_ids, barycentrics, covered, int(overlaps.sum()))


def coverage(mesh: Mesh, size: tuple[int, int]) -> Coverage:
    """What a texture of `size` (height, width; the pages one above the other) has of the mesh, a few rows at a time.

    Raises MeshError: as `rasterise_atlas`, or rows that are no multiple of the pages.
    """
    mesh_uvs(mesh)
    height, width = size
    if height % mesh.pages:
        raise MeshError(f"{height} rows can't be cut into {mesh.pages} pages")
    counts, overlapped, side = [], 0, height // mesh.pages
    step = max(BAND, AT_ONCE // max(width, 1))
    for page in range(mesh.pages):
        counts.append(0)
        for top in range(page * side, (page + 1) * side, step):
            bottom = min(top + step, (page + 1) * side)
            part = rows_mesh(mesh, top, bottom, height)
            if part is not None:
                atlas = rasterise_atlas(part, (bottom - top, width))
                counts[-1] += int(np.count_nonzero(atlas.covered))
                overlapped += atlas.overlapped
    return Coverage(tuple(counts), overlapped)


def texel_positions(mesh: Mesh, atlas: Atlas) -> Float64[np.ndarray, "n 3"]:
    """World positions of the covered texels' centres, in row-major order."""
    return interpolate_corners(mesh.vertices, mesh.faces, atlas, atlas.covered)


def interpolate_corners(values: np.ndarray, faces: np.ndarray, atlas: Atlas, texels: Mask) -> np.ndarray:
    """Values (k, c) that `faces` index, interpolated to the masked texels in row-major order: (n, c), same dtype.

    Every masked texel must have a face.
    """
    where = np.flatnonzero(texels)
    result = np.empty((len(where), values.shape[1]), dtype=values.dtype)
    _interpolate(values, faces, where, atlas.face_ids.reshape(-1), atlas.barycentrics.reshape(-1, 3), result)
    return result


@njit(cache=True, parallel=True)
@no_type_check
def _rasterise(corners, rim, face_ids, barycentrics, covered, overlaps):
    height, width = face_ids.shape
    tops, bottoms = np.empty(len(corners), np.int32), np.empty(len(corners), np.int32)
    for face in prange(len(corners)):
        y0, y1, y2 = corners[face, 0, 1], corners[face, 1, 1], corners[face, 2, 1]
        tops[face], bottoms[face] = span(y0, y1, y2, 0, height - 1, rim)
    for band in prange(len(overlaps)):
        first, last = band * BAND, min(height, (band + 1) * BAND) - 1
        # > 0: squared distance of the nearest face so far; <= 0: minus how deep the centre lies inside its face.
        distance = np.full((last - first + 1, width), np.inf)
        for face in range(len(corners)):
            top, bottom = max(tops[face], first), min(bottoms[face], last)
            if top <= bottom:
                x0, x1, x2 = corners[face, 0, 0], corners[face, 1, 0], corners[face, 2, 0]
                left, right = span(x0, x1, x2, 0, width - 1, rim)
                for i in range(top, bottom + 1):
                    for j in range(left, right + 1):
                        overlaps[band] += _visit(
                            corners[face], face, i, j, rim, distance[i - first], face_ids, barycentrics, covered
                        )


@njit(cache=True)
@no_type_check
def span(a, b, c, first, last, rim):
    """Integers in [first, last] that lie within the range of three values, or less than one outside it with the rim."""
    low, high = min(a, b, c), max(a, b, c)
    reach = 1.0 if rim else EDGE
    # Clamped as floats: far uvs would overflow an integer.
    return int(np.ceil(min(max(low - reach, first), last + 1))), int(np.floor(max(min(high + reach, last), first - 1)))


@njit(cache=True)
@no_type_check
def _visit(triangle, face, i, j, rim, distance, face_ids, barycentrics, covered):
    """Gives texel (i, j) to the face if it has the better claim. Returns 1 where it finds the texel's first overlap."""
    ax, ay = triangle[0, 0] - j, triangle[0, 1] - i
    bx, by = triangle[1, 0] - j, triangle[1, 1] - i
    cx, cy = triangle[2, 0] - j, triangle[2, 1] - i
    e0, e1, e2 = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
    area = e0 + e1 + e2
    if abs(area) < 1e-12:
        return 0
    sign = 1.0 if area > 0 else -1.0
    depth = min(sign * e0, sign * e1, sign * e2)
    if depth >= -EDGE:
        if distance[j] <= 0:
            if depth > INSIDE and distance[j] < -INSIDE:
                distance[j] = 0.0
                return 1
            return 0
        distance[j] = -max(depth, 0.0)
        covered[i, j] = True
        w0, w1, w2 = max(sign * e0, 0.0), max(sign * e1, 0.0), max(sign * e2, 0.0)
        _claim(face, w0, w1, w2, face_ids, barycentrics[i, j], i, j)
    elif rim and distance[j] > 0 and reached(ax, ay, bx, by, cx, cy, sign * e0, sign * e1, sign * e2):
        d, w0, w1, w2 = _nearest(ax, ay, bx, by, cx, cy)
        if d < distance[j]:
            distance[j] = d
            _claim(face, w0, w1, w2, face_ids, barycentrics[i, j], i, j)
    return 0


@njit(cache=True)
@no_type_check
def _claim(face, w0, w1, w2, face_ids, weights, i, j):
    total = w0 + w1 + w2
    face_ids[i, j] = face
    weights[0], weights[1], weights[2] = w0 / total, w1 / total, w2 / total


@njit(cache=True)
@no_type_check
def reached(ax, ay, bx, by, cx, cy, e0, e1, e2):
    """Whether the triangle meets the open square of half side 1 about the origin: separating axes of its edges."""
    return (
        e0 + abs(cx - bx) + abs(cy - by) > 0
        and e1 + abs(ax - cx) + abs(ay - cy) > 0
        and e2 + abs(bx - ax) + abs(by - ay) > 0
    )


@njit(cache=True)
@no_type_check
def _nearest(ax, ay, bx, by, cx, cy):
    """The triangle's point nearest to the origin, which lies outside: squared distance and three weights."""
    d0, t0 = _nearest_on_edge(bx, by, cx, cy)
    d1, t1 = _nearest_on_edge(cx, cy, ax, ay)
    d2, t2 = _nearest_on_edge(ax, ay, bx, by)
    if d0 <= d1 and d0 <= d2:
        return d0, 0.0, 1.0 - t0, t0
    if d1 <= d2:
        return d1, t1, 0.0, 1.0 - t1
    return d2, 1.0 - t2, t2, 0.0


@njit(cache=True)
@no_type_check
def _nearest_on_edge(px, py, qx, qy):
    dx, dy = qx - px, qy - py
    length = dx * dx + dy * dy
    t = min(max(-(px * dx + py * dy) / length, 0.0), 1.0) if length > 0 else 0.0
    x, y = px + t * dx, py + t * dy
    return x * x + y * y, t


@njit(cache=True, parallel=True)
@no_type_check
def _interpolate(values, faces, where, face_ids, barycentrics, result):
    for n in prange(len(where)):
        face, weights = face_ids[where[n]], barycentrics[where[n]]
        for c in range(result.shape[1]):
            total = 0.0
            for k in range(3):
                total += weights[k] * values[faces[face, k], c]
            result[n, c] = total
