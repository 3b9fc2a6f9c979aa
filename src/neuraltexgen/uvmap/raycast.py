"""The ray caster (Embree): the definition of a UV map, for any camera model and any number of samples a pixel."""

import numpy as np
from jaxtyping import Float32, Int32

from neuraltexgen.geometry import pixel_rays
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.types import Pose
from neuraltexgen.uvmap.bands import Workers
from neuraltexgen.uvmap.hits import FirstHits
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.surface import empty_map, make_surface, meet_faces


class RayCaster:
    """A mesh ready to be looked at from many cameras.

    Embree works in single precision, so the mesh is moved to its centre and scaled to unit size for the search; the
    hit itself (barycentrics, distance, uv) is computed again in double precision from the face found.
    Raises UnwrapError if the mesh has no uvs.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._surface = make_surface(mesh)
        self._hits = FirstHits(mesh)
        self._workers = Workers()

    def uv_map(self, camera: Camera, cam_from_world: Pose, samples: int = 1) -> UVMap:
        """The UV map of one view, with samples x samples rays a pixel."""
        rays, defined = pixel_rays(camera, samples)
        found = empty_map(camera, samples)
        # Embree is given a direction for every ray; what the undefined ones hit is dropped.
        cast = rays if defined.all() else np.where(defined[..., None], rays, np.array((0, 0, 1), np.float32))
        found.face_ids[:] = self.faces(cast.reshape(-1, 3), cam_from_world).reshape(defined.shape)
        found.face_ids[~defined] = -1
        self._workers.over_bands(
            lambda *rows: meet_faces(self._surface, camera, cam_from_world, found, rows), len(defined)
        )
        return found

    def faces(self, rays: Float32[np.ndarray, "n 3"], cam_from_world: Pose) -> Int32[np.ndarray, " n"]:
        """The face that each ray (camera axes) of a camera meets first, -1 for none."""
        directions = rays @ cam_from_world[:3, :3].astype(np.float32)
        origin = self._surface.origin(cam_from_world).astype(np.float32)
        return self._hits.faces(origin[None], directions)

    def result_key(self, camera: Camera) -> str:
        """Empty: these maps are the definition (render.Renderer)."""
        return ""
