"""How a parametrisation cuts a surface: its charts, which faces fold over in them, and how long its seams are."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Int32, Int64
from numba import njit

from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap.charts import unique_corners


@dataclass(frozen=True, eq=False)
class Cuts:
    """`charts`: per face, its chart, numbered from 0 as faces come: faces that share an edge in the texture.

    `turned`: the face winds against its chart's first face, going by the edges between them: a mesh whose faces are
    wound at random can still lie in the texture without a fold. `seam` and `border`: length, in world units, of the
    edges where the texture is cut though faces meet there, and of those with one face. An edge that n places in the
    texture share counts n - 1 times.
    """

    charts: Int32[np.ndarray, " f"]
    turned: Bool[np.ndarray, " f"]
    seam: float
    border: float


def find_cuts(mesh: Mesh) -> Cuts:
    """Charts and seams of a mesh with uvs. Vertices at one position count as one, equal uvs too, however indexed.

    Raises MeshError: the mesh has no uvs.
    """
    merged = Mesh(mesh.vertices, merge_positions(mesh.vertices)[mesh.faces], mesh.uvs, mesh.uv_faces)
    corners = unique_corners(merged)
    keys, forward = edge_keys(corners.faces)
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    before, after = order[:-1][same], order[1:][same]
    pairs = np.stack([before // 3, after // 3], axis=1)
    roots, turned = link_faces(pairs, forward[before] == forward[after], len(mesh.faces))
    charts = np.unique(roots, return_inverse=True)[1].reshape(-1).astype(np.int32)
    return Cuts(charts, turned, *_cut_lengths(mesh, keys, corners.vertices[corners.faces]))


def merge_positions(vertices: np.ndarray) -> Int32[np.ndarray, " n"]:
    """For each vertex the first one at the same position."""
    order = np.lexsort(vertices.T)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (vertices[order[1:]] != vertices[order[:-1]]).any(axis=1)
    # lexsort is stable, so a run of equal positions begins with its smallest index.
    firsts = order[new][np.cumsum(new) - 1]
    result = np.empty(len(order), dtype=np.int32)
    result[order] = firsts
    return result


def edge_keys(faces: Int32[np.ndarray, "f 3"]) -> tuple[Int64[np.ndarray, " e"], Bool[np.ndarray, " e"]]:
    """Per edge of each face (3 f of them) a number for its two ends, and whether it runs from the smaller end."""
    start, end = faces.astype(np.int64).reshape(-1), np.roll(faces, -1, axis=1).astype(np.int64).reshape(-1)
    return np.minimum(start, end) << 32 | np.maximum(start, end), start < end


def _cut_lengths(
    mesh: Mesh, texture_keys: Int64[np.ndarray, " e"], faces: Int32[np.ndarray, "f 3"]
) -> tuple[float, float]:
    """Length of seams and of the border; `texture_keys` name each face's edges as they lie in the texture."""
    surface_keys, _ = edge_keys(faces)
    _, first, uses = np.unique(texture_keys, return_index=True, return_counts=True)
    # The ends in the texture decide those on the surface, so each kind of edge there belongs to one edge here.
    keys, edge, places = np.unique(surface_keys[first], return_inverse=True, return_counts=True)
    on = np.bincount(edge.reshape(-1), weights=uses)
    length = np.linalg.norm(mesh.vertices[keys >> 32] - mesh.vertices[keys & 0xFFFFFFFF], axis=1)
    return float((length * (places - 1)).sum()), float(length[on == 1].sum())


@njit(cache=True)
@no_type_check
def link_faces(pairs, opposite, count):
    """Union-find over faces; `opposite`: the two of a pair wind differently. Returns each one's root and its side."""
    parent, turned = np.arange(count), np.zeros(count, dtype=np.bool_)
    for row in range(len(pairs)):
        a, side_a = _root(parent, turned, pairs[row, 0])
        b, side_b = _root(parent, turned, pairs[row, 1])
        if a != b:
            # The smaller face becomes the root, so that the answer doesn't depend on the order of pairs.
            parent[max(a, b)] = min(a, b)
            turned[max(a, b)] = side_a ^ side_b ^ opposite[row]
    for face in range(count):
        root, side = _root(parent, turned, face)
        parent[face], turned[face] = root, side
    return parent, turned


@njit(cache=True)
@no_type_check
def _root(parent, turned, face):
    side = False
    while parent[face] != face:
        up = parent[face]
        turned[face] ^= turned[up]
        parent[face] = parent[up]
        side ^= turned[face]
        face = parent[face]
    return face, side
