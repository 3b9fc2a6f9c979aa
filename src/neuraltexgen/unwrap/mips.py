"""How coarse mip levels may get before lookups on one chart read what lookups on another one read, too."""

from typing import no_type_check

import numpy as np
from numba import njit

from neuraltexgen.pages import face_pages
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.seams import merge_positions
from neuraltexgen.uvmap.atlas import reached, span
from neuraltexgen.uvmap.charts import face_charts, mesh_uvs

EDGE = 1e-7
"""What comes this much nearer than a texel (or twice an area, in texels²) is not read: uvs are rounded."""

APART = 4
"""Rows between pages."""


def gap_for(level: int) -> int:
    """Texels that charts must lie apart, in x or y, for lookups at mip levels 0 to `level` to keep to their charts.

    A bilinear lookup at level n reads the texels of that level whose centres are less than one of them away in x and
    y: 2^n texels of the texture. No such centre is that near to both of two charts that are 2^(n + 1) apart.
    """
    return 2 << level


def clean_level(mesh: Mesh, resolution: int) -> int:
    """The coarsest mip level at which bilinear lookups on different charts read no texel in common; -1: level 0 fails.

    Faces that share a corner in the texture are one chart; vertices at one position count as one. The mip levels are
    means of 2 x 2 texels, as long as the side is even; a single chart is clean at all of them. Raises MeshError:
    no uvs.
    """
    uvs, uv_faces = mesh_uvs(mesh)
    charts = face_charts(Mesh(mesh.vertices, merge_positions(mesh.vertices)[mesh.faces], uvs, uv_faces))
    corners, page = uvs[uv_faces] * (1, mesh.pages), face_pages(mesh)[:, None]
    side, level = resolution, -1
    while True:
        # Pages are looked at with rows between them, which no lookup reads across.
        texels = corners * side - 0.5
        texels[..., 1] += APART * page
        if not _clean(texels, charts, (mesh.pages * (side + APART), side)):
            break
        level += 1
        if side % 2:
            break
        side //= 2
    return level


@njit(cache=True)
@no_type_check
def _clean(corners, charts, size):
    """Whether each texel of a level (corners in texels, centres whole numbers) is read from one chart."""
    reader = np.full(size, -1, np.int32)
    for face in range(len(corners)):
        (ax, ay), (bx, by), (cx, cy) = corners[face, 0], corners[face, 1], corners[face, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        sign = 1.0 if area > 0 else -1.0
        top, bottom = span(corners[face, 0, 1], corners[face, 1, 1], corners[face, 2, 1], 0, size[0] - 1, True)
        left, right = span(corners[face, 0, 0], corners[face, 1, 0], corners[face, 2, 0], 0, size[1] - 1, True)
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                if reader[i, j] == charts[face]:
                    continue
                x0, y0, x1, y1, x2, y2 = ax - j, ay - i, bx - j, by - i, cx - j, cy - i
                if _beside(x0, x1, x2) or _beside(y0, y1, y2):
                    continue
                e0, e1, e2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
                if reached(x0, y0, x1, y1, x2, y2, sign * e0 - EDGE, sign * e1 - EDGE, sign * e2 - EDGE):
                    if reader[i, j] >= 0:
                        return False
                    reader[i, j] = charts[face]
    return True


@njit(cache=True)
@no_type_check
def _beside(a, b, c):
    """Whether all three are a texel away or more: what is exactly one away has no weight in a lookup."""
    return max(a, b, c) < EDGE - 1 or min(a, b, c) > 1 - EDGE
