"""Which chart each texel off the charts serves: the one whose mip-mapped lookups read it, at the finest level of all.

At mip level n a bilinear lookup reads the texels of that level whose centres are less than one of them away in x and y,
and each is the mean of a block of 2^n x 2^n texels. So a block is read from a chart that comes nearer than 2^n texels
to its centre, and from no other one where charts are at least 2^(n + 1) apart in x or y. A block that is read at one
level lies in one that the same chart reads at the next, so going from fine to coarse takes no texel from its chart.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Int32
from numba import njit, prange

from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap.atlas import rasterise_atlas

LEVELS = 5
"""The coarsest mip level that is looked after: its charts are 64 texels apart. What is farther off goes by distance."""


def block_charts(
    mesh: Mesh, face_chart: Int32[np.ndarray, " f"], charts: Int32[np.ndarray, "h w"]
) -> Int32[np.ndarray, "h w"]:
    """The chart that each texel serves, from those that have one (>= 0): texels that are read at level 0.

    -1 where none reads it up to LEVELS, or up to the last level that halves both sides. Of several charts that read one
    block, because they lie too close for that level, the nearest to its centre gets it. Raises MeshError: no uvs.
    """
    result = charts.copy()
    (height, width), side = charts.shape, 1
    for _ in range(LEVELS):
        side *= 2
        if height % side or width % side:
            break
        faces = rasterise_atlas(mesh, (height // side, width // side), rim=True).face_ids
        _give(result, np.where(faces >= 0, face_chart[faces], np.int32(-1)), side)
    return result


def keep_to_charts(
    nearest: Int32[np.ndarray, "h w"], serves: Int32[np.ndarray, "h w"], charts: Int32[np.ndarray, "h w"], reach: int
) -> None:
    """Replaces, in place, `nearest` sources (flat indices; -1: none wanted) off the chart that the texel serves.

    By the nearest texel of that chart (`charts`, -1: none), if one is within `reach` texels in x and y.
    """
    _replace(nearest, serves, charts, reach)


@njit(cache=True, parallel=True)
@no_type_check
def _give(result, blocks, side):
    height, width = result.shape
    for i in prange(height):
        for j in range(width):
            if result[i, j] < 0:
                result[i, j] = blocks[i // side, j // side]


@njit(cache=True, parallel=True)
@no_type_check
def _replace(nearest, serves, charts, reach):
    height, width = charts.shape
    for i in prange(height):
        for j in range(width):
            at, chart = nearest[i, j], serves[i, j]
            if at >= 0 and chart >= 0 and charts[at // width, at % width] != chart:
                found = _nearest_of(charts, chart, i, j, reach)
                if found >= 0:
                    nearest[i, j] = found


@njit(cache=True)
@no_type_check
def _nearest_of(charts, chart, i, j, reach):
    """The chart's texel nearest to (i, j), of the first of equals, as a flat index; rings are looked at outwards."""
    height, width = charts.shape
    best, least = -1, np.inf
    for ring in range(1, reach + 1):
        if ring * ring >= least:
            break
        for y in range(max(i - ring, 0), min(i + ring + 1, height)):
            step = 1 if abs(y - i) == ring else 2 * ring
            for x in range(j - ring, j + ring + 1, step):
                if 0 <= x < width and charts[y, x] == chart:
                    squared = (y - i) ** 2 + (x - j) ** 2
                    if squared < least:
                        best, least = y * width + x, squared
    return best
