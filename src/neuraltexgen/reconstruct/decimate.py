"""Fewer faces where the surface is flat: quadric decimation that keeps the borders of holes where they are."""

import numpy as np

from neuraltexgen.geometry import face_areas
from neuraltexgen.reconstruct.clean import from_open3d, to_open3d
from neuraltexgen.reconstruct.volume import quietly
from neuraltexgen.scene import Mesh


def decimate(mesh: Mesh, faces: int, boundary_weight: float) -> Mesh:
    """The mesh with about `faces` faces at most, its colours kept; as it is if it has no more.

    Edges collapse in the order of squared distances to the planes around them (Garland and Heckbert, SIGGRAPH 1997). A
    plane through each border edge, at right angles to its face, weighs `boundary_weight` times as much as a face's: so
    holes keep their outlines. uvs are dropped.
    """
    if len(mesh.faces) <= faces:
        return mesh
    with quietly():
        found = to_open3d(mesh).simplify_quadric_decimation(faces, np.inf, boundary_weight)  # pyright: ignore[reportAttributeAccessIssue]
        return from_open3d(found)


def face_budget(mesh: Mesh, edge: float, most: int) -> int:
    """How many equilateral faces of that edge (world units) cover the surface; `most` at most, 4 at least."""
    area = float(face_areas(mesh.vertices, mesh.faces).sum())
    return int(min(max(area / (np.sqrt(3) / 4 * edge**2), 4), most))
