"""Photos of the room by analytic ray casting: many rays a pixel, each looked up in its rectangle's own image.

Shares no code with UV maps, atlases or texture kernels, so that it can be held against them.
"""

from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64
from numba import njit, prange

from neuraltexgen.geometry import camera_centre, rays_through
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic.cast import nearest
from neuraltexgen.synthetic.scene import SyntheticScene
from neuraltexgen.synthetic.surfaces import Surfaces, lookup
from neuraltexgen.types import Pose

TILE = 10
"""Side in pixels of the squares that choose together which rectangles their rays can meet at all."""


def render_view(scene: SyntheticScene, index: int) -> Float32[np.ndarray, "h w 3"]:
    """What view `index` sees from its true pose: the mean albedo over each pixel's area; no exposure, no noise.

    The mean is over a regular grid of `supersampling` x `supersampling` rays a pixel, in the albedo's own encoding. A
    ray that the lens does not define is black.
    """
    return render(scene.surfaces, scene.camera, scene.poses[index], scene.settings.supersampling)


def render(surfaces: Surfaces, camera: Camera, cam_from_world: Pose, samples: int) -> Float32[np.ndarray, "h w 3"]:
    """As `render_view`, for any camera and pose in the room, with samples x samples rays a pixel."""
    rays = _sample_rays(camera, samples)
    image = np.empty((camera.height, camera.width, 3), np.float32)
    centre, rotation = camera_centre(cam_from_world), np.ascontiguousarray(cam_from_world[:3, :3])
    balls = _balls(surfaces)
    _render(
        rays, rotation, centre, surfaces.planes, balls, surfaces.starts, surfaces.sizes, surfaces.pixels, samples, image
    )
    return image


@lru_cache(maxsize=2)
def _sample_rays(camera: Camera, samples: int) -> Float32[np.ndarray, "H W 3"]:
    """Unit directions in camera axes through the centres of samples x samples cells of every pixel; NaN: none."""
    rows = (np.arange(camera.height * samples) + 0.5) / samples
    cols = (np.arange(camera.width * samples) + 0.5) / samples
    rays = np.empty((len(rows), len(cols), 3), np.float32)
    for i, y in enumerate(rows):
        rays[i] = rays_through(camera, np.column_stack([cols, np.full(len(cols), y)]))
    rays.flags.writeable = False
    return rays


def _balls(surfaces: Surfaces) -> Float64[np.ndarray, "q 4"]:
    """Centre and radius of each rectangle's smallest ball."""
    middles = [r.origin + (r.right + r.down) / 2 for r in surfaces.rectangles]
    radii = [np.linalg.norm(r.right + r.down) / 2 for r in surfaces.rectangles]
    return np.column_stack([np.array(middles), np.array(radii)])


@njit(cache=True, parallel=True)
@no_type_check
def _render(rays, rotation, centre, planes, balls, starts, sizes, pixels, samples, image):
    height, width = image.shape[:2]
    across = -(-width // TILE)
    for tile in prange(across * -(-height // TILE)):
        top, left = tile // across * TILE, tile % across * TILE
        bottom, right = min(top + TILE, height), min(left + TILE, width)
        seen = _within_reach(
            rays[top * samples : bottom * samples, left * samples : right * samples], rotation, centre, planes, balls
        )
        some = planes[seen]
        for i in range(top, bottom):
            for j in range(left, right):
                red, green, blue = 0.0, 0.0, 0.0
                for row in range(i * samples, (i + 1) * samples):
                    for col in range(j * samples, (j + 1) * samples):
                        dx, dy, dz = _to_world(rotation, rays[row, col])
                        hit, _, a, b = nearest(some, centre[0], centre[1], centre[2], dx, dy, dz)
                        if hit >= 0:
                            q = seen[hit]
                            r, g, c = lookup(pixels, starts[q], sizes[q, 0], sizes[q, 1], a, b)
                            red, green, blue = red + r, green + g, blue + c
                scale = 1 / (255.0 * samples * samples)
                image[i, j, 0], image[i, j, 1], image[i, j, 2] = red * scale, green * scale, blue * scale


@njit(cache=True)
@no_type_check
def _to_world(rotation, ray):
    """The ray turned by the transpose of cam_from_world's rotation, in double precision."""
    x, y, z = float(ray[0]), float(ray[1]), float(ray[2])
    return (
        rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * z,
        rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * z,
        rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * z,
    )


@njit(cache=True)
@no_type_check
def _within_reach(rays, rotation, centre, planes, balls):
    """Indices of the rectangles that face the camera and whose ball meets the cone around the tile's rays."""
    ax, ay, az = _to_world(rotation, rays[rays.shape[0] // 2, rays.shape[1] // 2])
    widest = 1.0
    for row in range(rays.shape[0]):
        for col in range(rays.shape[1]):
            dx, dy, dz = _to_world(rotation, rays[row, col])
            widest = min(widest, ax * dx + ay * dy + az * dz)
    # A ray that is not defined makes the cone's angle NaN or keeps it: then everything stays in.
    half = np.arccos(max(widest, -1.0)) + 1e-4 if np.isfinite(ax) else np.pi
    chosen = np.empty(len(planes), np.int64)
    count = 0
    for q in range(len(planes)):
        towards = 0.0
        for k in range(3):
            towards += planes[q, 3 + k] * (centre[k] - planes[q, k])
        mx, my, mz = balls[q, 0] - centre[0], balls[q, 1] - centre[1], balls[q, 2] - centre[2]
        distance = np.sqrt(mx * mx + my * my + mz * mz)
        if towards <= 0:
            continue
        if distance > balls[q, 3]:
            angle = np.arccos(min(max((ax * mx + ay * my + az * mz) / distance, -1.0), 1.0))
            if angle > half + np.arcsin(balls[q, 3] / distance):
                continue
        chosen[count] = q
        count += 1
    return chosen[:count]
