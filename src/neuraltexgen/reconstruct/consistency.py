"""Depth maps of several views against each other: what enough others confirm is kept, and averaged with theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64
from numba import njit, prange

from neuraltexgen.geometry import invert_pose
from neuraltexgen.reconstruct.rectify import Pinhole
from neuraltexgen.types import Points


@dataclass(frozen=True)
class Agreement:
    """When another view confirms a depth: its own point, seen from here, lies within so many pixels and at a depth
    within this share; and how many must."""

    pixels: float = 1.5
    depth: float = 0.01
    views: int = 2


@dataclass(frozen=True, eq=False)
class DepthView:
    """A depth map along the camera's axis (NaN where unknown) and the pinhole that it belongs to."""

    depth: Float32[np.ndarray, "h w"]
    pinhole: Pinhole


def keep_agreed(
    view: DepthView, others: Sequence[DepthView], rule: Agreement | None = None
) -> Float32[np.ndarray, "h w"]:
    """The view's depth where at least `rule.views` others confirm it, as the mean of all that do; NaN elsewhere.

    Source: the geometric check of Schönberger et al., Pixelwise View Selection, 2016, by nearest pixels.
    """
    rule = rule or Agreement()
    total = view.depth.astype(np.float64)
    count = np.zeros(total.shape, np.int32)
    for other in others:
        there, back = _homography(other.pinhole, view.pinhole), _homography(view.pinhole, other.pinhole)
        _confirm(view.depth, other.depth, there, back, rule.pixels, rule.depth, total, count)
    return np.where(count >= rule.views, total / (1 + count), np.nan).astype(np.float32)


def world_points(view: DepthView) -> tuple[Points, np.ndarray]:
    """Where the pixels of known depth lie in the world, and which they are (as `numpy.nonzero` gives them, stacked)."""
    rows, cols = np.nonzero(np.isfinite(view.depth))
    rays = np.stack([cols, rows, np.ones(len(rows))], axis=1) @ np.linalg.inv(view.pinhole.matrix).T
    world_from_cam = invert_pose(view.pinhole.cam_from_world)
    depth = view.depth[rows, cols].astype(np.float64)
    return (rays * depth[:, None]) @ world_from_cam[:3, :3].T + world_from_cam[:3, 3], np.stack([rows, cols])


def _homography(to: Pinhole, of: Pinhole) -> Float64[np.ndarray, "3 4"]:
    """Takes (x z, y z, z, 1) of one picture's pixel x, y at depth z to the same of another picture."""
    turn = to.cam_from_world @ invert_pose(of.cam_from_world)
    return np.ascontiguousarray(
        np.hstack([to.matrix @ turn[:3, :3] @ np.linalg.inv(of.matrix), (to.matrix @ turn[:3, 3])[:, None]])
    )


@njit(parallel=True, cache=True)
@no_type_check
def _confirm(depth, other, there, back, pixels, share, total, count):
    """Adds to `total` and `count`, per pixel, the other view's depth as seen from here, where it agrees."""
    height, width = depth.shape
    for row in prange(height):
        for col in range(width):
            z = depth[row, col]
            if not z > 0:
                continue
            u = there[0, 0] * col * z + there[0, 1] * row * z + there[0, 2] * z + there[0, 3]
            v = there[1, 0] * col * z + there[1, 1] * row * z + there[1, 2] * z + there[1, 3]
            w = there[2, 0] * col * z + there[2, 1] * row * z + there[2, 2] * z + there[2, 3]
            if w <= 0:
                continue
            i, j = round(v / w), round(u / w)
            if i < 0 or j < 0 or i >= other.shape[0] or j >= other.shape[1]:
                continue
            t = other[i, j]
            if not t > 0:
                continue
            u = back[0, 0] * j * t + back[0, 1] * i * t + back[0, 2] * t + back[0, 3]
            v = back[1, 0] * j * t + back[1, 1] * i * t + back[1, 2] * t + back[1, 3]
            w = back[2, 0] * j * t + back[2, 1] * i * t + back[2, 2] * t + back[2, 3]
            if w <= 0:
                continue
            away = (u / w - col) ** 2 + (v / w - row) ** 2
            if away <= pixels * pixels and abs(w - z) <= share * z:
                total[row, col] += w
                count[row, col] += 1
