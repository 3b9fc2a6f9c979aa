"""Fewer faces on nearly the same surface, when a user asks for so many: borders stay where they are."""

from neuraltexgen.errors import MeshError
from neuraltexgen.meshes.through_open3d import decimate
from neuraltexgen.scene import Mesh

BOUNDARY_WEIGHT = 100.0
"""How much more a plane through a border edge counts than one through a face; with 1, borders recede by a fifth."""

FEWEST = 4


def simplify(mesh: Mesh, faces: int) -> tuple[Mesh, str]:
    """The mesh with at most about `faces` faces, and a sentence on what was done; as it is, and "", if it has no more.

    Raises MeshError: fewer than 4 faces asked for, Open3D is missing, or nothing is left.
    """
    if faces < FEWEST:
        raise MeshError(f"simplify: {faces} faces are no surface", fix=f"--simplify {FEWEST} or more")
    if len(mesh.faces) <= faces:
        return mesh, ""
    simpler = decimate(mesh, faces, BOUNDARY_WEIGHT)
    dropped = "; its uvs are of no use any more" if mesh.has_uvs else ""
    return simpler, f"simplified from {len(mesh.faces):,} to {len(simpler.faces):,} faces{dropped}"
