"""The rasteriser on the processor: a renderer of UV maps for every lens, in step with the ray caster."""

from threading import Lock

import numpy as np

from neuraltexgen.geometry import pixel_rays
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.types import Pose
from neuraltexgen.uvmap.bands import BAND, Workers
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.raster.cover import draw_band, project, sort_into_bands
from neuraltexgen.uvmap.raster.lens import LensBounds, lens_bounds
from neuraltexgen.uvmap.raycast import RayCaster
from neuraltexgen.uvmap.surface import empty_map, make_surface, meet_faces

RESULT_KEY = "raster 1"
"""Part of a cached view's key: count up when the maps change."""

_Sorted = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Rasteriser:
    """A mesh ready to be looked at from many cameras, with any lens.

    Faces are found by edge functions in double precision at each sample's own direction; what is seen of them is
    computed by the ray caster's formulas. Rays far off the axis (lens.FORWARD) are cast. `threads`: None for all cores;
    their number changes nothing in the maps.
    Raises UnwrapError if the mesh has no uvs.
    """

    def __init__(self, mesh: Mesh, threads: int | None = None) -> None:
        self._mesh = mesh
        self._surface = make_surface(mesh)
        self._workers = Workers(threads)
        self._caster: RayCaster | None = None
        self._lock = Lock()

    def uv_map(self, camera: Camera, cam_from_world: Pose, samples: int = 1) -> UVMap:
        """The UV map of one view, with samples x samples rays a pixel."""
        lens, (rays, _) = lens_bounds(camera, samples), pixel_rays(camera, samples)
        found = empty_map(camera, samples)
        if len(lens.beyond):
            sideways = rays.reshape(-1, 3)[lens.beyond]
            found.face_ids.reshape(-1)[lens.beyond] = self._ray_caster().faces(sideways, cam_from_world)
        drawing = self._sorted(lens, cam_from_world, found) if lens.forward else None

        def work(first: int, last: int) -> None:
            if drawing is not None:
                draw_band(first // BAND, *drawing, rays, lens.tiles, found.face_ids)
            meet_faces(self._surface, camera, cam_from_world, found, (first, last))

        self._workers.over_bands(work, len(found.face_ids))
        return found

    def result_key(self, camera: Camera) -> str:
        """Here and there a sample on an edge shows another face than the ray caster's (render.Renderer)."""
        return RESULT_KEY

    def _sorted(self, lens: LensBounds, cam_from_world: Pose, found: UVMap) -> _Sorted:
        """The faces in camera axes, and which of them reach each band."""
        faces, (height, width) = self._surface.faces, found.face_ids.shape
        rotation = np.ascontiguousarray(cam_from_world[:3, :3])
        origin = self._surface.origin(cam_from_world)
        points, places = project(self._surface.vertices, origin, rotation, lens.linear)
        boxes, starts, order = sort_into_bands(faces, points, places, lens.cells, lens.coarse, height, width)
        return faces, points, boxes, starts, order

    def _ray_caster(self) -> RayCaster:
        """Made when the first ray that needs it comes."""
        with self._lock:
            if self._caster is None:
                self._caster = RayCaster(self._mesh)
            return self._caster
