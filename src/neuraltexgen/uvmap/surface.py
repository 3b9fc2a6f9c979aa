"""Where in its face a ray meets a mesh, in double precision: the formulas that define a UV map once faces are known."""

from dataclasses import dataclass
from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64
from numba import njit

from neuraltexgen.geometry import camera_centre, face_areas, pixel_rays
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.types import Faces, Points, Pose
from neuraltexgen.uvmap.maps import UVMap, surface_uvs


@dataclass(frozen=True, eq=False)
class Surface:
    """A mesh moved to its centre and scaled to unit size: local = (world - centre) * scale.

    `corners`, `uv_corners`: of each face. `uv_per_length`: how much uv length one local unit of surface length gets.
    """

    vertices: Points
    faces: Faces
    corners: Float64[np.ndarray, "f 3 3"]
    uv_corners: Float64[np.ndarray, "f 3 2"]
    uv_per_length: Float64[np.ndarray, " f"]
    centre: Float64[np.ndarray, "3"]
    scale: float

    def origin(self, cam_from_world: Pose) -> Float64[np.ndarray, "3"]:
        """Where the camera stands, in local units."""
        return (camera_centre(cam_from_world) - self.centre) * self.scale


def make_surface(mesh: Mesh) -> Surface:
    """The mesh's surface. Raises UnwrapError: no uvs."""
    uvs, uv_faces = surface_uvs(mesh)
    centre, scale = local_frame(mesh.vertices)
    vertices = (mesh.vertices - centre) * scale
    corners, uv_corners = vertices[mesh.faces], uvs[uv_faces]
    faces = np.ascontiguousarray(mesh.faces)
    return Surface(vertices, faces, corners, uv_corners, _uv_per_length(corners, uv_corners), centre, scale)


def local_frame(vertices: Points) -> tuple[Float64[np.ndarray, "3"], float]:
    """The middle of the vertices' box, and one over its longest side."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return (low + high) / 2, 1.0 / max(float(np.abs(high - low).max()), 1e-30)


def empty_map(camera: Camera, samples: int) -> UVMap:
    """A map that sees nothing; only its `face_ids` are set. `meet_faces` writes the rest."""
    shape = camera.height * samples, camera.width * samples
    distance, cosine, footprint = (np.empty(shape, np.float32) for _ in range(3))
    uv = np.empty((*shape, 2), np.float32)
    return UVMap(samples, uv, np.full(shape, -1, np.int32), distance, cosine, footprint)


def meet_faces(surface: Surface, camera: Camera, cam_from_world: Pose, found: UVMap, rows: tuple[int, int]) -> None:
    """Writes all fields of the sample rows from the first up to the last but one of `rows`, given their `face_ids`.

    A ray that runs along its face's plane meets no point of it: its face becomes -1. Other threads may work on other
    rows: nothing is held while this runs.
    """
    rays, _ = pixel_rays(camera, found.samples)
    world_from_cam = np.ascontiguousarray(cam_from_world[:3, :3].T)
    view = surface.origin(cam_from_world), world_from_cam, rays, pixel_solid_angles(camera), found.samples
    fields = found.face_ids, found.uv, found.distance, found.cosine, found.footprint
    mesh = surface.corners, surface.uv_corners, surface.uv_per_length, 1.0 / surface.scale
    _meet(rows[0], rows[1], *view, *mesh, *fields)


@lru_cache(maxsize=2)
def pixel_solid_angles(camera: Camera) -> Float32[np.ndarray, "h w"]:
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


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def _meet(
    first, last, origin, world_from_cam, rays, solid_angle, samples,
    corners, uv_corners, uv_per_length, unit,
    face_ids, uv, distance, cosine, footprint,
):  # fmt: skip
    """Per ray (camera axes): uv, distance, cosine, footprint of the hit with its face's plane, in double precision."""
    m = world_from_cam
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = (
        m[0, 0],
        m[0, 1],
        m[0, 2],
        m[1, 0],
        m[1, 1],
        m[1, 2],
        m[2, 0],
        m[2, 1],
        m[2, 2],
    )
    known = -1
    for i in range(first, last):
        for j in range(face_ids.shape[1]):
            face = face_ids[i, j]
            if face < 0:
                uv[i, j, 0] = uv[i, j, 1] = distance[i, j] = cosine[i, j] = footprint[i, j] = 0.0
                continue
            if face != known:  # neighbouring samples mostly show the same face
                known = face
                ax, ay, az = corners[face, 0, 0], corners[face, 0, 1], corners[face, 0, 2]
                e1x, e1y, e1z = corners[face, 1, 0] - ax, corners[face, 1, 1] - ay, corners[face, 1, 2] - az
                e2x, e2y, e2z = corners[face, 2, 0] - ax, corners[face, 2, 1] - ay, corners[face, 2, 2] - az
                nx, ny, nz = e1y * e2z - e1z * e2y, e1z * e2x - e1x * e2z, e1x * e2y - e1y * e2x
                length = np.sqrt(nx * nx + ny * ny + nz * nz)
                ox, oy, oz = ax - origin[0], ay - origin[1], az - origin[2]
                height = nx * ox + ny * oy + nz * oz
                ua, ub, uc = uv_corners[face, 0, 0], uv_corners[face, 1, 0], uv_corners[face, 2, 0]
                va, vb, vc = uv_corners[face, 0, 1], uv_corners[face, 1, 1], uv_corners[face, 2, 1]
                finer = uv_per_length[face]
            rx, ry, rz = np.float64(rays[i, j, 0]), np.float64(rays[i, j, 1]), np.float64(rays[i, j, 2])
            dx = m00 * rx + m01 * ry + m02 * rz
            dy = m10 * rx + m11 * ry + m12 * rz
            dz = m20 * rx + m21 * ry + m22 * rz
            along = nx * dx + ny * dy + nz * dz
            if length == 0.0 or along == 0.0:
                face_ids[i, j] = -1  # a sliver seen exactly edge-on has no point of its own
                uv[i, j, 0] = uv[i, j, 1] = distance[i, j] = cosine[i, j] = footprint[i, j] = 0.0
                continue
            t = height / along
            px, py, pz = t * dx - ox, t * dy - oy, t * dz - oz
            # Barycentrics as ratios of signed areas, clamped into the face: the search may be in single precision.
            square = length * length
            wc = (nx * (e1y * pz - e1z * py) + ny * (e1z * px - e1x * pz) + nz * (e1x * py - e1y * px)) / square
            wb = (nx * (py * e2z - pz * e2y) + ny * (pz * e2x - px * e2z) + nz * (px * e2y - py * e2x)) / square
            wb, wc = max(wb, 0.0), max(wc, 0.0)
            total = max(wb + wc, 1.0)
            if total > 1.0:
                wb, wc = wb / total, wc / total
            wa = 1.0 - wb - wc
            # The distance of that point of the face: a needle's plane is too badly known to be met anew.
            t = dx * (ox + wb * e1x + wc * e2x) + dy * (oy + wb * e1y + wc * e2y) + dz * (oz + wb * e1z + wc * e2z)
            uv[i, j, 0] = wa * ua + wb * ub + wc * uc
            uv[i, j, 1] = wa * va + wb * vb + wc * vc
            shown = -along / length
            distance[i, j] = np.float32(t) * np.float32(unit)
            cosine[i, j] = shown
            steep = max(abs(np.float32(shown)), 1e-3)
            footprint[i, j] = t * np.sqrt(solid_angle[i // samples, j // samples] / steep) * finer
