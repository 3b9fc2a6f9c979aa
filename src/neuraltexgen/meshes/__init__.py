"""Meshes from files and back. One format per file; the tables at the end say which suffix goes where."""

from collections.abc import Callable
from pathlib import Path

from neuraltexgen.errors import MeshError
from neuraltexgen.meshes.gltf import read_gltf
from neuraltexgen.meshes.obj import read_obj
from neuraltexgen.meshes.off import read_off
from neuraltexgen.meshes.ply import has_faces, read_ply
from neuraltexgen.meshes.raw import RawMesh
from neuraltexgen.meshes.repair import LoadedMesh, repair, split_seams
from neuraltexgen.meshes.write import write_obj, write_off, write_ply
from neuraltexgen.scene import Mesh

__all__ = ["LoadedMesh", "is_mesh_file", "read_mesh", "split_seams", "write_mesh"]


def read_mesh(path: Path) -> LoadedMesh:
    """Reads a mesh by its suffix, triangulates and repairs it, and finds the texture that it names or embeds.

    Vertices and faces keep their order. See `LoadedMesh` for what comes back, `repair` for what is repaired.
    Raises MeshError: unknown suffix, missing or damaged file, an index out of range, a used vertex or uv that is not
    finite, no face left, a face that reaches over its page. Raises ImageError: a texture that can't be read.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise MeshError(f"{path}: unknown mesh format", fix=f"one of {', '.join(READERS)}")
    if not path.is_file():
        raise MeshError(f"{path}: no such file")
    try:
        return repair(path, read(path))
    except (OSError, ArithmeticError, MemoryError) as error:
        raise MeshError(f"{path}: can't be read ({type(error).__name__}: {error})") from error


def write_mesh(path: Path, mesh: Mesh) -> None:
    """Writes .ply (uvs as vertex s, t; colours), .obj (uvs per corner; colours) or .off (STOFF with uvs), whole.

    PLY and OFF hold one uv a vertex, so vertices on seams are doubled. Pages are written as UDIM's tiles, page k as
    tile 1001 + k, in OBJ with a group and a material's name for each. Raises MeshError: another suffix.
    """
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise MeshError(f"{path}: can't write this mesh format", fix=f"one of {', '.join(WRITERS)}")
    write(path, mesh)


def is_mesh_file(path: Path) -> bool:
    """Whether the file may hold a mesh: a known suffix and, for PLY, at least one face (else it is a point cloud)."""
    suffix = path.suffix.lower()
    return suffix in READERS and path.is_file() and (suffix != ".ply" or has_faces(path))


READERS: dict[str, Callable[[Path], RawMesh]] = {
    ".ply": read_ply,
    ".obj": read_obj,
    ".off": read_off,
    ".glb": read_gltf,
    ".gltf": read_gltf,
}
WRITERS: dict[str, Callable[[Path, Mesh], None]] = {".ply": write_ply, ".obj": write_obj, ".off": write_off}
