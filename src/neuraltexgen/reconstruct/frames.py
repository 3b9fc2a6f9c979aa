"""Depth frames as fusion takes them: pinhole depth with colour pixel on pixel, read one at a time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from PIL import Image as Pillow

from neuraltexgen.errors import CameraError
from neuraltexgen.geometry import depth_camera, depth_from_world, focal_and_centre, pinhole, project, transform
from neuraltexgen.images import read_depth, read_mask, read_photo
from neuraltexgen.scene import Camera, LeftOut, View
from neuraltexgen.types import Mask, Photo, Pose

Pinhole = tuple[float, float, float, float]
"""fx, fy, cx, cy in pixels; the top-left pixel covers [0, 1] x [0, 1]."""


@dataclass(frozen=True, eq=False)
class Frame:
    """z-depth in world units (0: no reading), the pinhole it is seen through, and 8-bit colour on the same pixels."""

    depth: Float32[np.ndarray, "h w"]
    pinhole: Pinhole
    cam_from_world: Pose
    colour: UInt8[np.ndarray, "h w 3"] | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A frame that is read when its turn comes. `read` raises ImageError or CameraError if it can't be used."""

    name: str
    cam_from_world: Pose
    read: Callable[[], Frame]


def depth_sources(views: Iterable[View]) -> tuple[list[Source], list[LeftOut]]:
    """The views with a depth map as sources, and the others. Nothing is read yet.

    A lens with distortion is undone by looking up the nearest pixel: depths are never averaged across an edge. What a
    photo's mask or transparency hides, is hidden in its depth too.
    """
    sources, without = [], []
    for view in views:
        if view.depth is None:
            without.append(LeftOut(view.name, "no depth map"))
        else:
            sources.append(Source(view.name, depth_from_world(view), lambda view=view: read_frame(view)))
    return sources, without


def read_frame(view: View) -> Frame:
    """A view's depth and photo. Raises ImageError, or CameraError: no depth, another shape, no pinhole can show it."""
    if view.depth is None:
        raise CameraError(f"{view.name}: no depth map")
    depth, valid = read_depth(view.depth)
    camera = depth_camera(view, depth.shape[1], depth.shape[0])
    lens = pinhole(camera)
    if lens is None:
        lens, rows, cols, seen = _undistortion(camera)
        depth = np.where(seen & valid[rows, cols], depth[rows, cols], np.float32(0))
    colour, shown = _colour(view, depth, lens)
    return Frame(np.where(shown, depth, np.float32(0)), lens, depth_from_world(view), colour)


@lru_cache(maxsize=2)
def _undistortion(
    camera: Camera,
) -> tuple[Pinhole, Int64[np.ndarray, "h w"], Int64[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """A pinhole of the same focal length and centre, and which pixel of the lens each of its pixels looks through."""
    focal, centre = focal_and_centre(camera)
    if not focal:
        raise CameraError(f"depth of a camera {camera.model} can't be fused: no pinhole sees what it sees")
    lens = (focal[0], focal[-1], centre[0], centre[1])
    rays = _rays(lens, camera.width, camera.height).reshape(-1, 3)
    return (lens, *_behind(camera, rays, camera.width, camera.height))


@lru_cache(maxsize=2)
def _rays(lens: Pinhole, width: int, height: int) -> Float64[np.ndarray, "h w 3"]:
    """Through the pixels' centres, with z = 1."""
    fx, fy, cx, cy = lens
    x, y = np.meshgrid((np.arange(width) + 0.5 - cx) / fx, (np.arange(height) + 0.5 - cy) / fy)
    return np.stack([x, y, np.ones_like(x)], axis=2)


def _colour(view: View, depth: Float32[np.ndarray, "h w"], lens: Pinhole) -> tuple[UInt8[np.ndarray, "h w 3"], Mask]:
    """The photo's colour behind each depth pixel, and which pixels the photo does not hide."""
    height, width = depth.shape
    photo = read_photo(view.photo, upright=view.exif_upright)
    shown = photo.alpha if view.mask is None else _both(photo.alpha, read_mask(view.mask))
    size = (view.camera.width, view.camera.height)
    rows, cols, inside = _lookup(view, depth, lens)
    small = _reduced(photo.pixels, max(1, size[0] // width))
    rows_small, cols_small = (rows * small.shape[0]) // size[1], (cols * small.shape[1]) // size[0]
    colour = np.where(inside[..., None], small[rows_small, cols_small], np.uint8(0))
    if shown is None:
        return colour, np.ones((height, width), bool)
    at = (rows * shown.shape[0]) // size[1], (cols * shown.shape[1]) // size[0]
    return colour, np.where(inside, shown[at], True)


def _lookup(
    view: View, depth: Float32[np.ndarray, "h w"], lens: Pinhole
) -> tuple[Int64[np.ndarray, "h w"], Int64[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Which pixel of the photo shows each depth pixel, and where there is one."""
    if view.depth is None or view.depth.cam_from_depth is None:
        return _fixed_lookup(view.camera, lens, depth.shape[1], depth.shape[0])
    rays = _rays(lens, depth.shape[1], depth.shape[0])
    points = transform(view.depth.cam_from_depth, (rays * depth[..., None]).reshape(-1, 3))
    return _behind(view.camera, points, depth.shape[1], depth.shape[0])


@lru_cache(maxsize=2)
def _fixed_lookup(
    camera: Camera, lens: Pinhole, width: int, height: int
) -> tuple[Int64[np.ndarray, "h w"], Int64[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """As `_lookup`, where both cameras stand at one place: then depth does not matter."""
    return _behind(camera, _rays(lens, width, height).reshape(-1, 3), width, height)


def _behind(
    camera: Camera, points: Float64[np.ndarray, "n 3"], width: int, height: int
) -> tuple[Int64[np.ndarray, "h w"], Int64[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """The camera's pixels, as images of rows and columns, that show width x height points, and where there is one."""
    image = project(camera, points)
    inside = np.isfinite(image).all(axis=1) & (points[:, 2] > 0)
    image = np.where(inside[:, None], image, 0.0)
    inside &= (image >= 0).all(axis=1) & (image[:, 0] < camera.width) & (image[:, 1] < camera.height)
    cols, rows = (np.where(inside, image[:, i], 0).astype(np.int64).reshape(height, width) for i in (0, 1))
    return rows, cols, inside.reshape(height, width)


def _reduced(pixels: Photo, factor: int) -> UInt8[np.ndarray, "H W 3"]:
    """The photo in 8 bits, means over factor x factor pixels: what a depth pixel covers."""
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return np.asarray(Pillow.fromarray(pixels).reduce(factor)) if factor > 1 else pixels


def _both(alpha: Mask | None, mask: Mask) -> Mask:
    return mask if alpha is None or alpha.shape != mask.shape else alpha & mask
