"""PLY, text and binary: vertices, polygons, uvs per vertex or per corner, vertex colours, a named texture.

The format: Greg Turk, "The PLY Polygon File Format", 1994. uvs per corner are a face list `texcoord`, as MeshLab,
OpenMVS and texrecon write them; uvs per vertex are s t, u v or texture_u texture_v. All have v up.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from neuraltexgen.errors import MeshError
from neuraltexgen.meshes.ply_table import Header, Table, read_header, read_tables
from neuraltexgen.meshes.raw import Fans, RawMesh, cut_polygons, flip_v, integers, unit_colours

UV_NAMES = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))
COLOUR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
FACE_NAMES = ("vertex_indices", "vertex_index")


def read_ply(path: Path) -> RawMesh:
    """Reads a PLY mesh. Raises MeshError: damaged, cut off, no vertex or face element, faces on several textures."""
    data = path.read_bytes()
    header = read_header(path, data)
    tables = read_tables(path, data, header)
    vertex, face = tables.get("vertex"), tables.get("face")
    if vertex is None or any(axis not in vertex.columns for axis in "xyz"):
        raise MeshError(f"{path}: no element vertex with x, y and z")
    vertices = np.stack([vertex.columns[axis].astype(np.float64) for axis in "xyz"], axis=1)
    name = next((name for name in FACE_NAMES if face is not None and name in face.lists), None)
    if face is None or name is None:
        raise MeshError(f"{path}: no faces: a point cloud of {len(vertices)} points", fix="give a mesh: --mesh M")
    sizes, flat = face.lists[name]
    fans = cut_polygons(sizes)
    faces = integers(path, flat, "face indices")[fans.corners]
    uvs, uv_faces = _uvs(path, vertex, face, sizes, fans, faces)
    return RawMesh(
        vertices=vertices,
        faces=faces,
        uvs=uvs,
        uv_faces=uv_faces,
        colours=_colours(vertex),
        texture=_texture(path, header, face) if uvs is not None else None,
        notes=fans.notes,
    )


def has_faces(path: Path) -> bool:
    """Whether a PLY file's header announces faces; False for what is no PLY file."""
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except OSError:
        return False
    count = re.search(rb"^element\s+face\s+(\d+)", start.split(b"end_header")[0], re.MULTILINE)
    return start.startswith(b"ply") and count is not None and count[1].strip(b"0") != b""


def _uvs(
    path: Path, vertex: Table, face: Table, sizes: Int64[np.ndarray, " p"], fans: Fans, faces: Int64[np.ndarray, "f 3"]
) -> tuple[Float64[np.ndarray, "m 2"] | None, Int64[np.ndarray, "f 3"] | None]:
    if "texcoord" in face.lists:
        uv_sizes, flat = face.lists["texcoord"]
        if not uv_sizes.any():
            return None, None
        if not np.array_equal(uv_sizes, 2 * sizes):
            wrong = int((uv_sizes != 2 * sizes).sum())
            raise MeshError(f"{path}: {wrong} of {len(sizes)} faces don't have one texture coordinate a corner")
        return flip_v(flat.astype(np.float64).reshape(-1, 2)), fans.corners
    for u, v in UV_NAMES:
        if u in vertex.columns and v in vertex.columns:
            return flip_v(np.stack([vertex.columns[u], vertex.columns[v]], axis=1).astype(np.float64)), faces
    return None, None


def _colours(vertex: Table) -> np.ndarray | None:
    for names in COLOUR_NAMES:
        if all(name in vertex.columns for name in names):
            return unit_colours(np.stack([vertex.columns[name] for name in names], axis=1))
    return None


def _texture(path: Path, header: Header, face: Table) -> Path | None:
    used = list(range(len(header.textures)))
    if "texnumber" in face.columns and len(used) > 1:
        used = [int(number) for number in np.unique(face.columns["texnumber"]) if 0 <= number < len(used)]
    if len(used) > 1:
        raise MeshError(
            f"{path}: the faces use {len(used)} texture files; one is supported",
            fix="export with a single texture, or without texture coordinates",
        )
    return path.parent / header.textures[used[0]] if used else None
