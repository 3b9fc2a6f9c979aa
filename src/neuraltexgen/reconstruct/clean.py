"""A fused surface without what is no surface: small floating pieces, doubled faces, edges of three and more faces."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from neuraltexgen.geometry import face_areas
from neuraltexgen.meshes.through_open3d import quietly, to_open3d
from neuraltexgen.scene import Mesh


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A mesh, and what was removed to get it: whole pieces, the faces in them, and broken faces."""

    mesh: Mesh
    pieces: int
    piece_faces: int
    broken_faces: int


def clean(mesh: Mesh, least_size: float, least_share: float) -> Cleaned:
    """Removes broken faces, then pieces of an extent below `least_size` (world units, the box's diagonal) or an area
    below `least_share` of the whole; the piece of the largest area stays. Faces are of one piece if they share an edge.

    Faces keep their order, vertices too; those that no face needs are removed. uvs are dropped.
    """
    whole = _without_broken(mesh)
    keep, pieces = _large_pieces(whole, least_size, least_share)
    result = _compact(whole, keep)
    return Cleaned(result, pieces, int((~keep).sum()), len(mesh.faces) - len(whole.faces))


def face_budget(mesh: Mesh, edge: float, most: int) -> int:
    """How many equilateral faces of that edge (world units) cover the surface; `most` at most, 4 at least."""
    area = float(face_areas(mesh.vertices, mesh.faces).sum())
    return int(min(max(area / (np.sqrt(3) / 4 * edge**2), 4), most))


def _without_broken(mesh: Mesh) -> Mesh:
    """Without faces of no area or on the same vertices as another, and with two faces an edge at most."""
    areas = face_areas(mesh.vertices, mesh.faces)
    keep = areas > 1e-9 * areas.mean()
    _, first = np.unique(np.sort(mesh.faces, axis=1), axis=0, return_index=True)
    once = np.zeros(len(keep), bool)
    once[first] = True
    faces = mesh.faces[keep & once]
    while (over := _crowded(faces)).any():
        # Of the faces on a crowded edge the smallest goes first: it is the sliver that marching cubes left.
        worst = np.flatnonzero(over)
        sizes = face_areas(mesh.vertices, faces[worst])
        faces = np.delete(faces, worst[sizes <= np.median(sizes)], axis=0)
    return Mesh(mesh.vertices, faces, colours=mesh.colours)


def _crowded(faces: np.ndarray) -> Bool[np.ndarray, " f"]:
    """Which faces lie on an edge of more than two faces."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1).astype(np.int64)
    _, back, uses = np.unique(ends[:, 0] << 32 | ends[:, 1], return_inverse=True, return_counts=True)
    return np.any((uses[back.ravel()] > 2).reshape(3, -1), axis=0)


def _large_pieces(mesh: Mesh, least_size: float, least_share: float) -> tuple[Bool[np.ndarray, " f"], int]:
    """Which faces stay, and how many pieces go."""
    with quietly():
        found = to_open3d(mesh).cluster_connected_triangles()
    piece, areas = np.asarray(found[0]), np.asarray(found[2])
    corners = mesh.vertices[mesh.faces]
    low, high = np.full((len(areas), 3), np.inf), np.full((len(areas), 3), -np.inf)
    np.minimum.at(low, piece, corners.min(axis=1))
    np.maximum.at(high, piece, corners.max(axis=1))
    stays = (np.linalg.norm(high - low, axis=1) >= least_size) & (areas >= least_share * areas.sum())
    stays[areas.argmax()] = True
    return stays[piece], int((~stays).sum())


def _compact(mesh: Mesh, keep: Bool[np.ndarray, " f"]) -> Mesh:
    """The faces that stay, and the vertices that they need."""
    used, faces = np.unique(mesh.faces[keep], return_inverse=True)
    colours = None if mesh.colours is None else mesh.colours[used]
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32), colours=colours)
