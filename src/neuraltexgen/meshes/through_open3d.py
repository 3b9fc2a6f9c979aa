"""Open3D behind one import: meshes to and from it, and fewer faces by its quadric decimation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from neuraltexgen.errors import MeshError
from neuraltexgen.scene import Mesh

MISSING = "the Python package Open3D is not installed, or can't be loaded"
PACKAGES = "pip install 'neuraltexgen[open3d]'; on Debian also apt-get install libegl1 libgl1 libx11-6 libusb-1.0-0"


def open3d() -> Any:
    """The module, imported when first asked for. Raises MeshError naming the extra if it can't be."""
    try:
        return import_module("open3d")
    except (ImportError, OSError) as error:
        raise MeshError(f"{MISSING} ({error})", fix=PACKAGES) from error


@contextmanager
def quietly(fix: str = "fewer faces, or more memory") -> Iterator[None]:
    """Keeps Open3D from printing, and turns its failures into MeshErrors."""
    o3d = open3d()
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            reason = str(error).replace("\n", " ")[:300]
            raise MeshError(f"Open3D: {reason}", fix=fix) from error


def to_open3d(mesh: Mesh) -> Any:
    """The mesh as Open3D's geometry.TriangleMesh, with vertex colours."""
    o3d = open3d()
    vertices = o3d.utility.Vector3dVector(mesh.vertices)
    result = o3d.geometry.TriangleMesh(vertices, o3d.utility.Vector3iVector(mesh.faces))
    if mesh.colours is not None:
        result.vertex_colors = o3d.utility.Vector3dVector(mesh.colours.astype(np.float64))
    return result


def from_open3d(found: Any) -> Mesh:
    """Open3D's geometry.TriangleMesh as ours. Raises MeshError: it is empty."""
    colours = np.asarray(found.vertex_colors, np.float32)
    vertices = np.array(found.vertices, np.float64)
    faces = np.array(found.triangles, np.int32)
    return Mesh(vertices, faces, colours=np.clip(colours, 0, 1) if len(colours) else None)


def decimate(mesh: Mesh, faces: int, boundary_weight: float) -> Mesh:
    """The mesh with about `faces` faces at most, its colours kept; as it is if it has no more.

    Vertices at one position become one first. Edges collapse in the order of squared distances to the planes around
    them (Garland and Heckbert, SIGGRAPH 1997). A plane through each border edge, at right angles to its face, weighs
    `boundary_weight` times as much as a face's: so holes keep their outlines. uvs are dropped. Raises MeshError: Open3D
    is missing, or no face is left.
    """
    if len(mesh.faces) <= faces:
        return mesh
    # Far from the origin squared distances lose their digits.
    middle = mesh.vertices.mean(axis=0)
    with quietly():
        bare = to_open3d(Mesh(mesh.vertices - middle, mesh.faces))
        bare.remove_duplicated_vertices()
        bare.remove_degenerate_triangles()
        found = bare.simplify_quadric_decimation(faces, np.inf, boundary_weight)
        found.remove_degenerate_triangles()
        found.remove_duplicated_triangles()
        found.remove_unreferenced_vertices()
        if not len(found.triangles):
            raise MeshError(f"of {len(mesh.faces)} faces none is left", fix=f"more than {faces} faces")
        result = from_open3d(found)
        if mesh.colours is not None:
            # Open3D would average the colours of merged vertices wherever the merged one lies: they drift off.
            result = replace(result, colours=_colours_at(result.vertices, mesh, middle, mesh.colours))
    return replace(result, vertices=result.vertices + middle)


def _colours_at(
    points: Float64[np.ndarray, "m 3"],
    mesh: Mesh,
    middle: Float64[np.ndarray, "3"],
    colours: Float32[np.ndarray, "n 3"],
) -> Float32[np.ndarray, "m 3"]:
    """The mesh's colours at its points nearest to others, which are relative to `middle`."""
    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene()
    corners = o3d.core.Tensor((mesh.vertices - middle).astype(np.float32))
    scene.add_triangles(corners, o3d.core.Tensor(mesh.faces.astype(np.uint32)))
    near = scene.compute_closest_points(o3d.core.Tensor(points.astype(np.float32)))
    v, w = near["primitive_uvs"].numpy().T
    a, b, c = colours[mesh.faces[near["primitive_ids"].numpy()]].transpose(1, 0, 2)
    return np.clip((1 - v - w)[:, None] * a + v[:, None] * b + w[:, None] * c, 0, 1).astype(np.float32)
