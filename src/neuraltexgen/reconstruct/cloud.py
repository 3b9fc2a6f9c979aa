"""From depth maps to one cloud of points with normals and colours; thinned, so that it fits into memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from neuraltexgen.geometry import invert_pose
from neuraltexgen.reconstruct.consistency import DepthView, world_points
from neuraltexgen.types import Points

STEEPEST = 0.1
"""Cosine between normal and ray: a steeper slope between two pixels is an edge between two things."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points of a surface, unit normals that point to where they were seen from, colours."""

    points: Points
    normals: Float64[np.ndarray, "n 3"]
    colours: UInt8[np.ndarray, "n 3"]


def view_cloud(view: DepthView, rgb: UInt8[np.ndarray, "h w 3"]) -> Cloud:
    """A depth map's pixels as points, without those at rims of holes and edges between things, which have no normal."""
    points, (rows, cols) = world_points(view)
    grid = np.full((*view.depth.shape, 3), np.nan)
    grid[rows, cols] = points
    across, down = np.full_like(grid, np.nan), np.full_like(grid, np.nan)
    across[:, 1:-1], down[1:-1] = grid[:, 2:] - grid[:, :-2], grid[2:] - grid[:-2]
    normals = np.cross(across, down)[rows, cols]
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, lengths, out=np.full_like(normals, np.nan), where=lengths > 0)
    rays = points - invert_pose(view.pinhole.cam_from_world)[:3, 3]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    facing = -(normals * rays).sum(axis=1)
    normals = np.where(facing[:, None] < 0, -normals, normals)
    kept = np.abs(facing) > STEEPEST
    return Cloud(points[kept], normals[kept], rgb[rows[kept], cols[kept]])


def thin(clouds: Sequence[Cloud], cell: float) -> Cloud:
    """All points of the clouds, those of one cell of a grid of side `cell` replaced by their mean.

    Points whose normals face apart stay apart: the two sides of a thin wall are two surfaces.
    """
    points = np.concatenate([cloud.points for cloud in clouds])
    normals = np.concatenate([cloud.normals for cloud in clouds])
    colours = np.concatenate([cloud.colours for cloud in clouds]).astype(np.float32)
    axis = np.argmax(np.abs(normals), axis=1)
    side = 2 * axis + (np.take_along_axis(normals, axis[:, None], axis=1)[:, 0] > 0)
    _, owner, count = np.unique(cell_keys(points, cell) * 6 + side, return_inverse=True, return_counts=True)
    means = [_mean(values, owner, count) for values in (points, normals, colours)]
    length = np.linalg.norm(means[1], axis=1, keepdims=True)
    whole = length[:, 0] > 1e-6
    return Cloud(means[0][whole], means[1][whole] / length[whole], np.rint(means[2][whole]).astype(np.uint8))


def pixel_footprint(views: Sequence[DepthView]) -> float:
    """The median side length, in world units, of what a pixel of known depth sees. Raises ValueError: none is known."""
    sizes = [
        np.nanmedian(view.depth) / np.sqrt(view.pinhole.matrix[0, 0] * view.pinhole.matrix[1, 1])
        for view in views
        if np.isfinite(view.depth).any()
    ]
    if not sizes:
        raise ValueError("no depth is known")
    return float(np.median(sizes))


def _mean(values: np.ndarray, owner: np.ndarray, count: np.ndarray) -> Float64[np.ndarray, "n 3"]:
    sums = [np.bincount(owner, weights=values[:, i], minlength=len(count)) for i in range(3)]
    return np.stack(sums, axis=1) / count[:, None]


def cell_keys(points: Float64[np.ndarray, "n 3"] | Float32[np.ndarray, "n 3"], cell: float) -> np.ndarray:
    """One whole number for the grid's cell that each point lies in; equal cells, equal numbers."""
    cells = np.floor(points / cell).astype(np.int64)
    return ((cells[:, 0] & 0xFFFFF) << 40) | ((cells[:, 1] & 0xFFFFF) << 20) | (cells[:, 2] & 0xFFFFF)
