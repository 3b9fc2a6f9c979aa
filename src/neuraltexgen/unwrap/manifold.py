"""Any mesh as an oriented manifold, for back ends that take nothing else; and their uvs back on the mesh as it was."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Int32

from neuraltexgen.errors import UnwrapError
from neuraltexgen.geometry import face_areas
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Points
from neuraltexgen.unwrap.seams import edge_keys, link_faces, merge_positions
from neuraltexgen.uvmap.charts import components

NO_AREA = 1e-14
"""Faces below this share of the diameter squared are left out: solvers divide by their area."""


@dataclass(frozen=True, eq=False)
class Manifold:
    """Part of a mesh's faces, cut where they don't form a surface with two sides.

    `vertices` lie in the unit cube about the origin. `faces` are the mesh's `kept` faces in their order; those that
    are `turned` have their last two corners exchanged, so that neighbours wind alike.
    """

    vertices: Points
    faces: Int32[np.ndarray, "g 3"]
    kept: Bool[np.ndarray, " f"]
    turned: Bool[np.ndarray, " g"]


def make_manifold(mesh: Mesh) -> Manifold:
    """The mesh with vertices at one position merged, faces without area left out, and neighbours wound alike.

    It is cut along edges of three and more faces, at vertices that several fans share, and where a one-sided surface
    (a Moebius strip) can't be wound alike. Raises UnwrapError: no face has an area.
    """
    used = mesh.vertices[mesh.faces.reshape(-1)]
    low, high = used.min(axis=0), used.max(axis=0)
    vertices = (mesh.vertices - (low + high) / 2) / max(float((high - low).max()), np.finfo(float).tiny)
    merged = merge_positions(vertices)[mesh.faces]
    kept = face_areas(vertices, merged) > NO_AREA
    if not kept.any():
        raise UnwrapError(f"unwrap: none of the {len(mesh.faces)} faces has an area")
    faces = merged[kept]
    pairs = _neighbours(faces)
    _, forward = edge_keys(faces)
    turned = link_faces(pairs // 3, forward[pairs[:, 0]] == forward[pairs[:, 1]], len(faces))[1]
    faces = np.where(turned[:, None], faces[:, [0, 2, 1]], faces)
    place = _split_fans(faces)
    _, first, place = np.unique(place, return_index=True, return_inverse=True)
    return Manifold(vertices[faces.reshape(-1)[first]], place.reshape(-1, 3).astype(np.int32), kept, turned)


def with_corner_uvs(mesh: Mesh, manifold: Manifold, uvs: Float[np.ndarray, "g 3 2"]) -> Mesh:
    """The mesh with the uvs, v up, that a back end gave the manifold's corners. Equal uvs of a vertex are one uv.

    A face that was left out lies in one point of the texture, where another face has one of its vertices.
    """
    corners = np.full((len(mesh.faces), 3, 2), np.nan)
    down = uvs * (1, -1) + (0, 1)
    corners[manifold.kept] = np.where(manifold.turned[:, None, None], down[:, [0, 2, 1]], down)
    merged = merge_positions(mesh.vertices)[mesh.faces]
    at_vertex = np.zeros((len(mesh.vertices), 2))
    has_place = np.zeros(len(mesh.vertices), dtype=bool)
    at_vertex[merged[manifold.kept]] = corners[manifold.kept]
    has_place[merged[manifold.kept]] = True
    left_out = merged[~manifold.kept]
    corner = left_out[np.arange(len(left_out)), has_place[left_out].argmax(axis=1)]
    corners[~manifold.kept] = at_vertex[corner][:, None]
    return weld(mesh, corners)


def weld(mesh: Mesh, corners: Float64[np.ndarray, "f 3 2"]) -> Mesh:
    """The mesh with a uv for each corner of each face, clipped to [0, 1]; corners at one place share their uv."""
    flat = np.clip(corners.reshape(-1, 2), 0.0, 1.0)
    # A complex number sorts by its real, then its imaginary part: far faster than unique rows.
    places, first, same = np.unique(flat[:, 0] + 1j * flat[:, 1], return_index=True, return_inverse=True)
    # Two vertices at one place in the texture keep a uv each, so that an editor moves only one of them.
    pairs = mesh.faces.reshape(-1).astype(np.int64) * len(places) + same.reshape(-1)
    _, first, uv_faces = np.unique(pairs, return_index=True, return_inverse=True)
    return replace(mesh, uvs=flat[first], uv_faces=uv_faces.reshape(-1, 3).astype(np.int32))


def _neighbours(faces: Int32[np.ndarray, "g 3"]) -> Int32[np.ndarray, "p 2"]:
    """Pairs of edges, numbered 3 face + edge, that two faces and no third share."""
    keys, _ = edge_keys(faces)
    order = np.argsort(keys, kind="stable")
    run = np.flatnonzero(np.append(True, keys[order][1:] != keys[order][:-1]))
    two = run[np.diff(np.append(run, len(keys))) == 2]
    return np.stack([order[two], order[two + 1]], axis=1).astype(np.int32)


def _split_fans(faces: Int32[np.ndarray, "g 3"]) -> Int32[np.ndarray, " c"]:
    """For each corner of each face the first corner of its vertex's fan: faces joined by edges that wind alike."""
    pairs = _neighbours(faces)
    _, forward = edge_keys(faces)
    pairs = pairs[forward[pairs[:, 0]] != forward[pairs[:, 1]]]
    after = pairs // 3 * 3 + (pairs + 1) % 3
    # Neighbours run along their edge in opposite directions: one's start is the other's end.
    joined = np.concatenate([np.stack([pairs[:, 0], after[:, 1]], 1), np.stack([after[:, 0], pairs[:, 1]], 1)])
    return components(joined.astype(np.int32), faces.size)
