"""Photos for stereo: grey, without distortion, and no larger than asked for. Only surfaces are made from these."""

from dataclasses import dataclass

import numpy as np
import pycolmap
from jaxtyping import Float32, UInt8

from neuraltexgen.geometry import colmap_camera, project
from neuraltexgen.images import read_mask, read_photo
from neuraltexgen.reconstruct.opencv import import_opencv
from neuraltexgen.reconstruct.rectify import Pinhole
from neuraltexgen.scene import Camera, View
from neuraltexgen.types import Mask


@dataclass(frozen=True, eq=False)
class Picture:
    """A view as stereo sees it: `grey` through the PINHOLE `camera`, and which pixels are the photo's and not masked.

    `rgb` is the same in colour, for the surface's vertices.
    """

    grey: UInt8[np.ndarray, "h w"]
    rgb: UInt8[np.ndarray, "h w 3"]
    valid: Mask
    camera: Camera
    pinhole: Pinhole


def take_picture(view: View, longest: int) -> Picture:
    """The view undistorted, its longer side at most `longest` pixels. Raises ImageError: the photo can't be read."""
    cv2 = import_opencv()
    camera = pinhole_camera(view.camera, longest)
    loaded = read_photo(view.photo, upright=view.exif_upright)
    pixels = loaded.pixels if loaded.pixels.dtype == np.uint8 else _eight_bits(loaded.pixels)
    allowed = np.ones(pixels.shape[:2], bool) if loaded.alpha is None else loaded.alpha
    if view.mask is not None:
        allowed = allowed & read_mask(view.mask)
    rows, cols = np.mgrid[0.5 : camera.height, 0.5 : camera.width]
    fx, fy, cx, cy = camera.params
    rays = np.stack([(cols - cx) / fx, (rows - cy) / fy, np.ones_like(rows)], axis=-1).reshape(-1, 3)
    # Shrunk first by averaging, so that the lookup along the lens does not alias.
    shrink = min(1.0, longest / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * shrink)), max(1, round(pixels.shape[0] * shrink))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if shrink < 1 else pixels
    place = project(view.camera, rays) * (size[0] / view.camera.width, size[1] / view.camera.height) - 0.5
    place = np.nan_to_num(place, nan=-1e4).astype(np.float32).reshape(camera.height, camera.width, 2)
    rgb = cv2.remap(small, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = ((place > -0.5) & (place < np.array(size) - 0.5)).all(axis=-1)
    kept = cv2.resize(allowed.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    valid = inside & (cv2.remap(kept, place, None, cv2.INTER_NEAREST) > 0)
    return Picture(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), rgb, valid, camera, as_pinhole(view, camera))


def pinhole_camera(camera: Camera, longest: int) -> Camera:
    """A PINHOLE camera that sees what the lens sees and nothing beyond, at most `longest` pixels on its longer side."""
    options = pycolmap.UndistortCameraOptions()
    options.max_image_size = longest
    made = pycolmap.undistort_camera(options, colmap_camera(camera))
    return Camera("PINHOLE", made.width, made.height, tuple(float(value) for value in made.params))


def as_pinhole(view: View, camera: Camera) -> Pinhole:
    """The view through a PINHOLE camera, as `rectify` takes it."""
    fx, fy, cx, cy = camera.params
    matrix = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1.0]])
    return Pinhole(matrix, (camera.width, camera.height), view.cam_from_world)


def _eight_bits(pixels: Float32[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Photos of more bits, and linear ones, squeezed so that their middle stays visible."""
    top = max(float(np.quantile(pixels, 0.99)), 1e-9)
    scaled = np.clip(pixels / top, 0, 1)
    return np.rint(255 * (scaled if top <= 1 else np.sqrt(scaled))).astype(np.uint8)
