"""Fewer faces on nearly the same surface: edges collapse by quadric error, and borders stay where they are."""

from importlib import import_module
from typing import Any

import numpy as np

from neuraltexgen.errors import MeshError
from neuraltexgen.scene import Mesh

BOUNDARY_WEIGHT = 100.0
"""How much more a plane through a border edge counts than one through a face; with 1, borders recede by a fifth."""

FEWEST = 4


def simplify(mesh: Mesh, faces: int) -> tuple[Mesh, str]:
    """The mesh with at most about `faces` faces, and a sentence on what was done; as it is, and "", if it has no more.

    Vertices at one position become one first. Vertex colours are averaged as vertices merge; uvs are dropped. Edges
    collapse in the order of Garland and Heckbert 1997, "Surface Simplification Using Quadric Error Metrics", by
    Open3D. Raises MeshError: fewer than 4 faces asked for, Open3D is missing, or nothing is left.
    """
    if faces < FEWEST:
        raise MeshError(f"simplify: {faces} faces are no surface", fix=f"--simplify {FEWEST} or more")
    if len(mesh.faces) <= faces:
        return mesh, ""
    o3d = _open3d()
    # Far from the origin squared distances lose their digits.
    centre = mesh.vertices.mean(axis=0)
    surface = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices - centre), o3d.utility.Vector3iVector(mesh.faces)
    )
    if mesh.colours is not None:
        surface.vertex_colors = o3d.utility.Vector3dVector(mesh.colours.astype(np.float64))
    surface.remove_duplicated_vertices()
    surface.remove_degenerate_triangles()
    surface = surface.simplify_quadric_decimation(faces, boundary_weight=BOUNDARY_WEIGHT)
    surface.remove_degenerate_triangles()
    surface.remove_duplicated_triangles()
    surface.remove_unreferenced_vertices()
    if not len(surface.triangles):
        raise MeshError(f"simplify: of {len(mesh.faces)} faces none is left", fix=f"--simplify with more than {faces}")
    simpler = _as_mesh(surface, centre, mesh.colours is not None)
    dropped = "; its uvs are of no use any more" if mesh.has_uvs else ""
    return simpler, f"simplified from {len(mesh.faces):,} to {len(simpler.faces):,} faces{dropped}"


def _as_mesh(surface: Any, centre: np.ndarray, coloured: bool) -> Mesh:
    colours = np.clip(np.asarray(surface.vertex_colors), 0, 1).astype(np.float32) if coloured else None
    faces = np.asarray(surface.triangles).astype(np.int32)
    return Mesh(np.asarray(surface.vertices) + centre, faces, colours=colours)


def _open3d() -> Any:
    try:
        return import_module("open3d")
    except ImportError as error:
        raise MeshError(
            f"simplify: Open3D is missing or does not load ({error})", fix="pip install 'neuraltexgen[open3d]'"
        ) from error
