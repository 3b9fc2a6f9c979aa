"""Where a view's depth map contradicts the mesh: wrong or missing geometry, or somebody who walked by."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from neuraltexgen.geometry import depth_camera, invert_pose, pixel_rays, project, transform
from neuraltexgen.images import read_depth
from neuraltexgen.scene import Camera, View
from neuraltexgen.types import Mask, Points
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.visibility import dilate

Depths = Float32[np.ndarray, "h w"]

USELESS = 0.5
"""A depth map that contradicts more than this share of what it measures has another unit, pose or camera than said."""

SLACK = 0.01
"""How far a depth map may lie beside its photo, as a share of its width."""


@dataclass(frozen=True, eq=False)
class Contradiction:
    """`pixels` (h, w) of the photo whose surface the depth map contradicts; none if it contradicts too many.

    `share`: of the pixels that it measures, how many it contradicts; 0 where it measures none.
    """

    pixels: Mask
    share: float

    @property
    def useless(self) -> bool:
        """Whether the depth map was left unused, since it contradicts most of the mesh."""
        return self.share > USELESS


def contradiction(view: View, uv_map: UVMap, tolerance: float) -> Contradiction:
    """The photo's pixels that see the mesh where the depth map measures something else.

    The surface point behind a pixel's middle is projected into the depth camera. It is contradicted where there are
    readings around it and its depth lies outside their range by more than `tolerance` times itself. Depth maps lie a
    few pixels beside their photos, so at depth edges points seem contradicted in thin bands: only patches with a core
    count that the readings within SLACK of the depth map's width contradict.
    Raises ImageError: a depth map that can't be read; CameraError: one of another shape than its camera.
    """
    nothing = np.zeros(uv_map.size, dtype=bool)
    if view.depth is None:
        return Contradiction(nothing, 0.0)
    measured, valid = read_depth(view.depth)
    camera = depth_camera(view, measured.shape[1], measured.shape[0])
    seen = uv_map.by_pixel(uv_map.valid).all(axis=2)
    rays, _ = pixel_rays(view.camera)
    points = rays[seen].astype(np.float64) * uv_map.by_pixel(uv_map.distance).mean(axis=2)[seen][:, None]
    if view.depth.cam_from_depth is not None:
        points = transform(invert_pose(view.depth.cam_from_depth), points)
    rows, cols, inside = _places(camera, points)

    def outside(radius: int) -> tuple[Mask, Mask]:
        """Per photo pixel: whether there are readings around its point, and whether they contradict it."""
        low, high = _extremes(measured, valid, radius)
        tested, wrong = nothing.copy(), nothing.copy()
        z, low, high = points[:, 2], low[rows, cols], high[rows, cols]
        tested[seen] = inside & (low <= high)
        wrong[seen] = (z < low - tolerance * z) | (z > high + tolerance * z)
        return tested, wrong & tested

    tested, wrong = outside(1)
    slack = max(1, round(SLACK * camera.width))
    _, core = outside(slack)
    reach = -(-slack * view.camera.width // camera.width) + 1
    wrong &= dilate(core, reach)
    share = float(wrong.sum() / max(tested.sum(), 1))
    return Contradiction(nothing if share > USELESS else wrong, share)


def _places(camera: Camera, points: Points) -> tuple[np.ndarray, np.ndarray, Bool[np.ndarray, " n"]]:
    """Row and column of the pixel that shows each point (0, 0 outside), and which points the camera shows."""
    ahead = points[:, 2] > 0
    with np.errstate(invalid="ignore"):
        at = np.floor(np.where(ahead[:, None], project(camera, points), np.nan))
        inside = np.all((at >= 0) & (at < (camera.width, camera.height)), axis=1)
    cols, rows = np.where(inside[:, None], at, 0).astype(np.intp).T
    return rows, cols, inside


def _extremes(measured: Depths, valid: Mask, radius: int) -> tuple[Depths, Depths]:
    """The least and the largest reading within `radius` pixels (maximum norm); inf and -inf where there is none."""
    low, high = np.where(valid, measured, np.float32(np.inf)), np.where(valid, measured, np.float32(-np.inf))
    for axis in (0, 1):
        low, high = _slide(np.minimum, low, radius, axis), _slide(np.maximum, high, radius, axis)
    return low, high


def _slide(extreme: np.ufunc, values: Depths, radius: int, axis: int) -> Depths:
    result = values.copy()
    for shift in range(1, min(radius, values.shape[axis] - 1) + 1):
        moved, source = np.moveaxis(result, axis, 0), np.moveaxis(values, axis, 0)
        extreme(moved[shift:], source[:-shift], out=moved[shift:])
        extreme(moved[:-shift], source[shift:], out=moved[:-shift])
    return result
