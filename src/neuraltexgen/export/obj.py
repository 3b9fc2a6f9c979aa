"""Wavefront OBJ with a material per page, or one over UDIM's tiles: uvs per corner, so that seams stay seams."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from neuraltexgen.files import write_text
from neuraltexgen.pages import face_pages, page_mesh, tile_number, to_tiles
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Faces, UVs
from neuraltexgen.uvmap.charts import mesh_uvs

MATERIAL = """newmtl {name}
Ka 0 0 0
Kd 1 1 1
Ks 0 0 0
d 1
illum 0
map_Kd {texture}
"""
"""illum 0: the colour as it is, unlit. Viewers that light it anyway at least start from a white factor."""


def write_textured_obj(path: Path, mesh: Mesh, textures: Sequence[str]) -> tuple[Path, Path]:
    """Writes `path` and, beside it, its .mtl that names the texture files, one a page; returns both paths.

    Vertices keep their order; faces too, but with several pages they come page by page, uvs within [0, 1] of theirs.
    Positions read back to the bit, uvs to 1e-9, v up as the format has it. Raises MeshError: no uvs.
    """
    mesh_uvs(mesh)
    names = ["textured"] if mesh.pages == 1 else [f"page_{tile_number(page)}" for page in range(mesh.pages)]
    parts = [(name, page_mesh(mesh, page)) for page, name in enumerate(names) if (face_pages(mesh) == page).any()]
    lines, start = [], 0
    for _, part in parts:
        lines += _uv_lines(mesh_uvs(part)[0])
    for name, part in parts:
        uvs, uv_faces = mesh_uvs(part)
        lines += [f"usemtl {name}\n", *_face_lines(part.faces, uv_faces + start)]
        start += len(uvs)
    return _write(path, mesh, lines, zip(names, textures, strict=True))


def write_udim_obj(path: Path, mesh: Mesh, texture: str) -> tuple[Path, Path]:
    """The same with one material over UDIM's tiles: page k in tile 1001 + k, `texture` with <UDIM> for its number."""
    uvs, uv_faces = mesh_uvs(to_tiles(mesh))
    lines = [*_uv_lines(uvs), "usemtl textured\n", *_face_lines(mesh.faces, uv_faces)]
    return _write(path, mesh, lines, [("textured", texture)])


def _write(path: Path, mesh: Mesh, lines: list[str], materials: Iterable[tuple[str, str]]) -> tuple[Path, Path]:
    library = path.with_suffix(".mtl")
    head = [f"mtllib {library.name}\n", *(f"v {x!r} {y!r} {z!r}\n" for x, y, z in mesh.vertices.tolist())]
    write_text(library, "\n".join(MATERIAL.format(name=name, texture=texture) for name, texture in materials))
    write_text(path, "".join(head + lines))
    return path, library


def _uv_lines(uvs: UVs) -> list[str]:
    flipped = np.column_stack([uvs[:, 0], 1.0 - uvs[:, 1]])
    return [f"vt {u:.9f} {v:.9f}\n" for u, v in flipped.tolist()]


def _face_lines(faces: Faces, uv_faces: Faces) -> list[str]:
    corners = np.stack([faces, uv_faces], axis=2).reshape(-1, 6).astype(np.int64) + 1
    return ["f %d/%d %d/%d %d/%d\n" % tuple(row) for row in corners.tolist()]  # noqa: UP031 -- half the time
