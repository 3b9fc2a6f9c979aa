"""Where in the photo a lens's rays lie: for a box of directions, which rows and columns of samples can hold its rays.

A direction in front of the camera is the point (x / z, y / z) of the plane at depth 1, on which edges are straight
whatever the lens. There are no formulas of lenses here: all bounds are taken over the samples' own rays, so they hold
for every lens, and a photo is never resampled.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit

from neuraltexgen.geometry import pixel_rays
from neuraltexgen.scene import Camera

FORWARD = 0.4
"""The least z of a unit ray that is rasterised, 66 degrees off the axis: beyond it, the plane stretches too far."""

CELL, COARSE_CELL = 8.0, 128.0
"""Sides of the cells over which displacements are bounded, in samples: for small faces, and for large ones."""

TILE = 16
"""Samples on the side of a tile that a large face may pass by as a whole."""


@dataclass(frozen=True, eq=False)
class LensBounds:
    """What the rasteriser asks of a lens, for a number of samples a pixel.

    `linear` (x0, sx, y0, sy): the point (x, y) of the plane lies near column (x - x0) * sx and row (y - y0) * sy.
    `cells`, `coarse`: how far the samples of each cell of that grid lie from there, at least and at most: columns
    (low, high), rows (low, high); low > high where there are none. `tiles`: the box of each tile's samples in the
    plane, x then y. `beyond`: samples, row by row, with a ray that is not rasterised; undefined rays are not among
    them. Nothing is to be rasterised where `forward` is False.
    """

    linear: Float64[np.ndarray, "4"]
    cells: Float64[np.ndarray, "r c 4"]
    coarse: Float64[np.ndarray, "R C 4"]
    tiles: Float64[np.ndarray, "h w 4"]
    beyond: Int64[np.ndarray, " k"]
    forward: bool


@lru_cache(maxsize=8)
def lens_bounds(camera: Camera, samples: int) -> LensBounds:
    """The bounds of a camera's lens. Raises CameraError as `pixel_rays` does."""
    rays, defined = pixel_rays(camera, samples)
    forward = rays[..., 2] > FORWARD
    beyond = np.flatnonzero(defined & ~forward)
    height, width = defined.shape
    tiles = np.empty((-(-height // TILE), -(-width // TILE), 4))
    box = _bound_tiles(rays, tiles)
    spans = np.maximum(box[1::2] - box[::2], 1e-30)
    linear = np.array([box[0], width / spans[0], box[2], height / spans[1]])
    grids = []
    for cell in (CELL, COARSE_CELL):
        grid = np.empty((int(height // cell) + 1, int(width // cell) + 1, 4))
        _bound_cells(rays, linear, cell, grid)
        grids.append(grid)
    return LensBounds(linear, grids[0], grids[1], tiles, beyond, bool(forward.any()))


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _bound_tiles(rays, tiles):
    """Fills in the boxes of tiles and returns that of all."""
    tiles[:, :, 0::2] = np.inf
    tiles[:, :, 1::2] = -np.inf
    whole = np.array([np.inf, -np.inf, np.inf, -np.inf])
    for i in range(rays.shape[0]):
        for j in range(rays.shape[1]):
            if rays[i, j, 2] > FORWARD:
                x, y = plane_point(rays, i, j)
                _widen(tiles[i // TILE, j // TILE], x, y)
                _widen(whole, x, y)
    return whole


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _bound_cells(rays, linear, cell, grid):
    grid[:, :, 0::2] = np.inf
    grid[:, :, 1::2] = -np.inf
    for i in range(rays.shape[0]):
        for j in range(rays.shape[1]):
            if rays[i, j, 2] > FORWARD:
                x, y = plane_point(rays, i, j)
                column, row = (x - linear[0]) * linear[1], (y - linear[2]) * linear[3]
                at = grid[min(int(row / cell), grid.shape[0] - 1), min(int(column / cell), grid.shape[1] - 1)]
                _widen(at, j - column, i - row)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
@no_type_check
def plane_point(rays, i, j):
    """The point of the plane at depth 1 that a sample's ray meets, from its ray in single precision as it is."""
    z = np.float64(rays[i, j, 2])
    return np.float64(rays[i, j, 0]) / z, np.float64(rays[i, j, 1]) / z


@njit(nogil=True, cache=True)
@no_type_check
def _widen(box, x, y):
    box[0], box[1] = min(box[0], x), max(box[1], x)
    box[2], box[3] = min(box[2], y), max(box[3], y)
