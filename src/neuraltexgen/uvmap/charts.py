"""Corners and charts of a mesh with uvs: which corners are the same point of the texture, which faces hang together."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Int32
from numba import njit

from neuraltexgen.errors import MeshError
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Faces, UVs


@dataclass(frozen=True, eq=False)
class Corners:
    """The distinct (vertex, uv) pairs of a mesh: a seam doubles its vertices here and nowhere else.

    Pair k lies at `mesh.vertices[vertices[k]]` and looks up `uvs[k]`; `faces` index the pairs.
    """

    vertices: Int32[np.ndarray, " k"]
    uvs: UVs
    faces: Faces


def unique_corners(mesh: Mesh) -> Corners:
    """The mesh's distinct (vertex, uv) pairs, ordered by vertex, then u, then v. Equal uvs count once however indexed.

    Raises MeshError: the mesh has no uvs.
    """
    uvs, uv_faces = mesh_uvs(mesh)
    # A complex number sorts by its real, then its imaginary part: far faster than unique rows.
    _, first, same = np.unique(uvs[:, 0] + 1j * uvs[:, 1], return_index=True, return_inverse=True)
    pairs = mesh.faces.astype(np.int64) * len(first) + same.reshape(-1)[uv_faces]
    kept, faces = np.unique(pairs.reshape(-1), return_inverse=True)
    return Corners(
        vertices=(kept // len(first)).astype(np.int32),
        uvs=uvs[first[kept % len(first)]],
        faces=faces.reshape(-1, 3).astype(np.int32),
    )


def face_charts(mesh: Mesh) -> Int32[np.ndarray, " f"]:
    """The chart of each face, numbered from 0 as faces come; faces that share a corner (vertex and uv) hang together.

    Raises MeshError: the mesh has no uvs.
    """
    corners = unique_corners(mesh)
    roots = components(corners.faces, len(corners.vertices))[corners.faces[:, 0]]
    _, first, chart = np.unique(roots, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int32)
    order[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return order[chart.reshape(-1)]


def components(groups: Int32[np.ndarray, "g k"], count: int) -> Int32[np.ndarray, " count"]:
    """For each of `count` nodes the smallest node that it is linked to; each row of `groups` links its nodes."""
    return _components(np.ascontiguousarray(groups), count)


def mesh_uvs(mesh: Mesh) -> tuple[UVs, Faces]:
    """The mesh's uvs and uv_faces. Raises MeshError where it has none."""
    if mesh.uvs is None or mesh.uv_faces is None:
        raise MeshError("the mesh has no uvs", fix="unwrap it first: neuraltexgen unwrap")
    return mesh.uvs, mesh.uv_faces


@njit(cache=True)
@no_type_check
def _components(groups, count):
    parent = np.arange(count, dtype=np.int32)
    for row in range(groups.shape[0]):
        a = find_root(parent, groups[row, 0])
        for k in range(1, groups.shape[1]):
            b = find_root(parent, groups[row, k])
            # The smaller node becomes the root, so that the answer doesn't depend on the order of rows.
            a, b = min(a, b), max(a, b)
            parent[b] = a
    for node in range(count):
        parent[node] = find_root(parent, node)
    return parent


@njit(cache=True)
@no_type_check
def find_root(parent, node):
    """The root of a node's tree; the paths to it are halved on the way."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
