"""Which face of a mesh a ray meets first: Embree in single precision, on the mesh moved to its centre at unit size."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from jaxtyping import Float32, Int32

from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap.surface import local_frame

CHUNK = 1 << 17
"""Rays that one Embree call takes: small enough to spread over threads, large enough to hide the call."""


class FirstHits:
    """A mesh ready for rays. `centre` and `scale` take a point p of the mesh to the local (p - centre) * scale."""

    def __init__(self, mesh: Mesh) -> None:
        self.centre, self.scale = local_frame(mesh.vertices)
        self.vertices = (mesh.vertices - self.centre) * self.scale
        self._scene = rtcore_scene.EmbreeScene(robust=True)  # pyright: ignore[reportAttributeAccessIssue]
        TriangleMesh(self._scene, self.vertices.astype(np.float32), np.ascontiguousarray(mesh.faces))
        self._scene.run(np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32))  # builds the tree, on one thread

    def faces(
        self, origins: Float32[np.ndarray, "#n 3"], directions: Float32[np.ndarray, "n 3"]
    ) -> Int32[np.ndarray, " n"]:
        """The face that each ray meets first, -1 for none; origins (one, or one a ray) and directions are local."""
        return self._cast(origins, directions, "INTERSECT", np.int32)

    def distances(
        self, origins: Float32[np.ndarray, "#n 3"], directions: Float32[np.ndarray, "n 3"]
    ) -> Float32[np.ndarray, " n"]:
        """How far each ray goes before it meets the mesh, in units of its direction's length; huge if it never does."""
        return self._cast(origins, directions, "DISTANCE", np.float32)

    def _cast(self, origins: np.ndarray, directions: np.ndarray, query: str, dtype: type) -> np.ndarray:
        result = np.empty(len(directions), dtype=dtype)

        def cast(start: int) -> None:
            part = directions[start : start + CHUNK]
            at = origins if len(origins) == 1 else origins[start : start + CHUNK]
            result[start : start + CHUNK] = self._scene.run(np.broadcast_to(at, part.shape).copy(), part, query=query)

        if len(directions) <= CHUNK:
            cast(0)
            return result
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(cast, range(0, len(directions), CHUNK)))
        return result
