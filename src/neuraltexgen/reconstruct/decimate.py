"""Fewer faces where the surface is flat: quadric decimation that keeps the borders of holes where they are."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Float64

from neuraltexgen.geometry import face_areas
from neuraltexgen.reconstruct.clean import from_open3d, to_open3d
from neuraltexgen.reconstruct.volume import open3d, quietly
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
        bare = to_open3d(replace(mesh, colours=None))
        found = from_open3d(bare.simplify_quadric_decimation(faces, np.inf, boundary_weight))
        if mesh.colours is None:
            return found
        # Open3D would average the colours of merged vertices wherever the merged one lies: they drift off their places.
        return replace(found, colours=_colours_at(found.vertices, mesh, mesh.colours))


def _colours_at(
    points: Float64[np.ndarray, "m 3"], mesh: Mesh, colours: Float32[np.ndarray, "n 3"]
) -> Float32[np.ndarray, "m 3"]:
    """The mesh's colours at its points nearest to others."""
    o3d, middle = open3d(), mesh.vertices.mean(axis=0)
    scene = o3d.t.geometry.RaycastingScene()
    corners = o3d.core.Tensor((mesh.vertices - middle).astype(np.float32))
    scene.add_triangles(corners, o3d.core.Tensor(mesh.faces.astype(np.uint32)))
    near = scene.compute_closest_points(o3d.core.Tensor((points - middle).astype(np.float32)))
    v, w = near["primitive_uvs"].numpy().T
    a, b, c = colours[mesh.faces[near["primitive_ids"].numpy()]].transpose(1, 0, 2)
    return np.clip((1 - v - w)[:, None] * a + v[:, None] * b + w[:, None] * c, 0, 1).astype(np.float32)


def face_budget(mesh: Mesh, edge: float, most: int) -> int:
    """How many equilateral faces of that edge (world units) cover the surface; `most` at most, 4 at least."""
    area = float(face_areas(mesh.vertices, mesh.faces).sum())
    return int(min(max(area / (np.sqrt(3) / 4 * edge**2), 4), most))
