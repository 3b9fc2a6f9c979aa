"""The ray caster (Embree): the definition of a UV map, for any camera model and any number of samples a pixel."""

from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Float32
from numba import njit, prange

from neuraltexgen.geometry import camera_centre, face_areas, pixel_rays
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.types import Pose
from neuraltexgen.uvmap.hits import FirstHits
from neuraltexgen.uvmap.maps import UVMap, surface_uvs


class RayCaster:
    """A mesh ready to be looked at from many cameras.

    Embree works in single precision, so the mesh is moved to its centre and scaled to unit size for the search; the
    hit itself (barycentrics, distance, uv) is computed again in double precision from the face found.
    Raises UnwrapError if the mesh has no uvs.
    """

    def __init__(self, mesh: Mesh) -> None:
        uvs, uv_faces = surface_uvs(mesh)
        self._hits = FirstHits(mesh)
        self._corners = np.ascontiguousarray(self._hits.vertices[mesh.faces])
        self._uv_corners = np.ascontiguousarray(uvs[uv_faces])
        self._uv_per_length = _uv_per_length(self._corners, self._uv_corners)

    def uv_map(self, camera: Camera, cam_from_world: Pose, samples: int = 1) -> UVMap:
        """The UV map of one view, with samples x samples rays a pixel."""
        rays, defined = pixel_rays(camera, samples)
        rays = rays.reshape(-1, 3)
        directions = rays @ cam_from_world[:3, :3].astype(np.float32)
        directions[~defined.reshape(-1)] = (0, 0, 1)
        origin = (camera_centre(cam_from_world) - self._hits.centre) * self._hits.scale
        face_ids = self._hits.faces(origin.astype(np.float32)[None], directions)
        face_ids[~defined.reshape(-1)] = -1
        solid_angle = np.repeat(np.repeat(_pixel_solid_angles(camera), samples, axis=0), samples, axis=1)
        world_from_cam = np.ascontiguousarray(cam_from_world[:3, :3].T)
        surface = self._corners, self._uv_corners, self._uv_per_length
        outputs = _evaluate(face_ids, origin, rays, world_from_cam, solid_angle.reshape(-1), *surface)
        uv, distance, cosine, footprint = outputs
        shape = defined.shape
        distance *= np.float32(1.0 / self._hits.scale)
        return UVMap(
            samples=samples,
            uv=uv.reshape(*shape, 2),
            face_ids=face_ids.reshape(shape),
            distance=distance.reshape(shape),
            cosine=cosine.reshape(shape),
            footprint=footprint.reshape(shape),
        )

    def result_key(self, camera: Camera) -> str:
        """Empty: these maps are the definition (render.Renderer)."""
        return ""


@lru_cache(maxsize=2)
def _pixel_solid_angles(camera: Camera) -> Float32[np.ndarray, "h w"]:
    """The solid angle of each pixel, in steradian, from the rays through neighbouring pixel centres."""
    rays, _ = pixel_rays(camera, 1)
    across = np.gradient(rays, axis=1) if camera.width > 1 else np.zeros_like(rays)
    down = np.gradient(rays, axis=0) if camera.height > 1 else np.zeros_like(rays)
    return np.linalg.norm(np.cross(across, down), axis=-1).astype(np.float32)


def _uv_per_length(corners: np.ndarray, uv_corners: np.ndarray) -> np.ndarray:
    """Per face, how much uv length one unit of surface length gets: the root of the ratio of areas; 0 if degenerate."""
    index = np.arange(3 * len(corners)).reshape(-1, 3)
    area = face_areas(corners.reshape(-1, 3), index)
    uv_area = np.abs(face_areas(uv_corners.reshape(-1, 2), index))
    return np.sqrt(np.divide(uv_area, area, out=np.zeros_like(area), where=area > 0))


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _evaluate(face_ids, origin, rays, world_from_cam, solid_angle, corners, uv_corners, uv_per_length):
    """Per ray (camera axes): uv, distance, cosine, footprint of the hit with its face's plane, in double precision."""
    count = len(face_ids)
    uv = np.zeros((count, 2), np.float32)
    distance = np.zeros(count, np.float32)
    cosine = np.zeros(count, np.float32)
    footprint = np.zeros(count, np.float32)
    for i in prange(count):
        face = face_ids[i]
        if face < 0:
            continue
        rx, ry, rz = float(rays[i, 0]), float(rays[i, 1]), float(rays[i, 2])
        dx = world_from_cam[0, 0] * rx + world_from_cam[0, 1] * ry + world_from_cam[0, 2] * rz
        dy = world_from_cam[1, 0] * rx + world_from_cam[1, 1] * ry + world_from_cam[1, 2] * rz
        dz = world_from_cam[2, 0] * rx + world_from_cam[2, 1] * ry + world_from_cam[2, 2] * rz
        a, b, c = corners[face, 0], corners[face, 1], corners[face, 2]
        e1x, e1y, e1z = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        e2x, e2y, e2z = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        nx, ny, nz = e1y * e2z - e1z * e2y, e1z * e2x - e1x * e2z, e1x * e2y - e1y * e2x
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        along = nx * dx + ny * dy + nz * dz
        if length == 0.0 or along == 0.0:
            face_ids[i] = -1  # a sliver seen exactly edge-on has no point of its own
            continue
        ox, oy, oz = a[0] - origin[0], a[1] - origin[1], a[2] - origin[2]
        t = (nx * ox + ny * oy + nz * oz) / along
        px, py, pz = t * dx - ox, t * dy - oy, t * dz - oz
        # Barycentrics as ratios of signed areas, clamped into the face: the search was in single precision.
        wc = (nx * (e1y * pz - e1z * py) + ny * (e1z * px - e1x * pz) + nz * (e1x * py - e1y * px)) / (length * length)
        wb = (nx * (py * e2z - pz * e2y) + ny * (pz * e2x - px * e2z) + nz * (px * e2y - py * e2x)) / (length * length)
        wb, wc = max(wb, 0.0), max(wc, 0.0)
        total = max(wb + wc, 1.0)
        wb, wc = wb / total, wc / total
        wa = 1.0 - wb - wc
        # The distance of that point of the face: a needle's plane is too badly known to be met anew.
        t = dx * (ox + wb * e1x + wc * e2x) + dy * (oy + wb * e1y + wc * e2y) + dz * (oz + wb * e1z + wc * e2z)
        for k in range(2):
            uv[i, k] = wa * uv_corners[face, 0, k] + wb * uv_corners[face, 1, k] + wc * uv_corners[face, 2, k]
        distance[i] = t
        cosine[i] = -along / length
        footprint[i] = t * np.sqrt(solid_angle[i] / max(abs(cosine[i]), 1e-3)) * uv_per_length[face]
    return uv, distance, cosine, footprint
