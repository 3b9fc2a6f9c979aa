"""Highlights: what glossy surfaces mirror of the room's lights, so that one place looks different from each photo."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32
from numba import njit, prange

from neuraltexgen.geometry import camera_centre, rays_through
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic.cast import blocked, nearest, pack_planes
from neuraltexgen.synthetic.surfaces import Surfaces
from neuraltexgen.types import Pose

SHININESS = 60.0
"""Phong's exponent: a highlight fades to a half 9 degrees beside the light's mirrored middle."""


def highlights(surfaces: Surfaces, camera: Camera, cam_from_world: Pose) -> Float32[np.ndarray, "h w"]:
    """The highlight in each pixel, in [0, 1] for each light that is seen unoccluded from there; lights have none.

    One ray a pixel, since highlights are smooth. Phong, Illumination for computer generated pictures, 1975, towards
    the lights' middles.
    """
    rows, cols = np.mgrid[: camera.height, : camera.width] + 0.5
    rays = rays_through(camera, np.column_stack([cols.reshape(-1), rows.reshape(-1)]))
    directions = rays @ cam_from_world[:3, :3]
    lights = [r for r in surfaces.rectangles if any(r.glow)]
    middles = np.array([[r.origin + (r.right + r.down) / 2, r.normal] for r in lights]).reshape(-1, 2, 3)
    matte = np.array([any(rectangle.glow) for rectangle in surfaces.rectangles])
    found = np.zeros(len(directions), np.float32)
    _mirror(directions, camera_centre(cam_from_world), pack_planes(surfaces.rectangles), matte, middles, found)
    return found.reshape(camera.height, camera.width)


@njit(cache=True, parallel=True)
@no_type_check
def _mirror(directions, centre, planes, matte, middles, found):
    for n in prange(len(directions)):
        dx, dy, dz = directions[n]
        hit, t, _, _ = nearest(planes, centre[0], centre[1], centre[2], dx, dy, dz)
        if hit < 0 or matte[hit]:
            continue
        nx, ny, nz = planes[hit, 3], planes[hit, 4], planes[hit, 5]
        # Just off the surface, so that it does not hide the light from itself.
        px, py, pz = centre[0] + t * dx + 1e-6 * nx, centre[1] + t * dy + 1e-6 * ny, centre[2] + t * dz + 1e-6 * nz
        turn = 2 * (dx * nx + dy * ny + dz * nz)
        rx, ry, rz = dx - turn * nx, dy - turn * ny, dz - turn * nz
        length = np.sqrt(rx * rx + ry * ry + rz * rz)
        for light in range(len(middles)):
            lx, ly, lz = middles[light, 0, 0] - px, middles[light, 0, 1] - py, middles[light, 0, 2] - pz
            away = np.sqrt(lx * lx + ly * ly + lz * lz)
            facing = lx * middles[light, 1, 0] + ly * middles[light, 1, 1] + lz * middles[light, 1, 2]
            cosine = (rx * lx + ry * ly + rz * lz) / (length * away)
            if cosine > 0 and facing < 0 and not blocked(planes, px, py, pz, lx, ly, lz, 1 - 1e-6):
                found[n] += cosine**SHININESS
