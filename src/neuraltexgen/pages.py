"""The pages of an atlas: which page a face lies in, uvs within a page and over the stack, and UDIM's tiles.

Inside, N pages of S x S texels are one image of N S rows and S columns, the first page on top; see `scene.Mesh`. UDIM
numbers its tiles 1001 + i + 10 j, i columns to the right and j rows up (v up, as in the formats that have it).
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from neuraltexgen.scene import Mesh

FIRST_TILE, TILE_COLUMNS = 1001, 10

REACH = 2
"""Rows past a part's own in which a face still matters to it: bilinear lookups reach one."""

MOST_PAGES = 100
"""More pages than this are a mistake in a number rather than a texture."""


def face_pages(mesh: Mesh) -> Int64[np.ndarray, " f"]:
    """The page of each face, from 0; all 0 without uvs."""
    if mesh.uvs is None or mesh.uv_faces is None or mesh.pages == 1:
        return np.zeros(len(mesh.faces), dtype=np.int64)
    middle = mesh.uvs[mesh.uv_faces, 1].mean(axis=1) * mesh.pages
    return np.floor(middle).clip(0, mesh.pages - 1).astype(np.int64)


def page_mesh(mesh: Mesh, page: int) -> Mesh:
    """The faces of one page as a mesh of one page, uvs in [0, 1] of it; vertices keep their order and number.

    Raises MeshError: no face lies in the page.
    """
    if mesh.uvs is None or mesh.uv_faces is None or mesh.pages == 1:
        return mesh
    mine = face_pages(mesh) == page
    used, index = np.unique(mesh.uv_faces[mine], return_inverse=True)
    uvs = (mesh.uvs[used] * (1, mesh.pages) - (0, page)).clip(0, 1)
    return replace(mesh, faces=mesh.faces[mine], uvs=uvs, uv_faces=index.reshape(-1, 3).astype(np.int32), pages=1)


def rows_mesh(mesh: Mesh, first: int, last: int, rows: int) -> Mesh | None:
    """The faces that reach into some rows of a texture, or to a texel from them; None without any.

    The texture has `rows` rows; the part, those from `first` to `last` (not included), has uvs in [0, 1] of its own,
    and faces may reach over its borders.
    """
    if mesh.uvs is None or mesh.uv_faces is None:
        return None
    row = mesh.uvs[mesh.uv_faces, 1] * rows
    mine = (row.max(axis=1) > first - REACH) & (row.min(axis=1) < last + REACH)
    if not mine.any():
        return None
    uvs = (mesh.uvs * (1, rows) - (0, first)) / (1, last - first)
    return replace(mesh, faces=mesh.faces[mine], uvs=uvs, uv_faces=mesh.uv_faces[mine], pages=1)


def tile_number(page: int) -> int:
    """UDIM's number of a page: 1001 for the first, ten in a row."""
    return FIRST_TILE + page


def to_tiles(mesh: Mesh) -> Mesh:
    """The mesh with uvs over UDIM's tiles, page k in tile 1001 + k: u + k % 10, and v - k // 10 (v points down here).

    As a mesh of one page, which uvs outside [0, 1] make fit for writing and nothing else.
    """
    if mesh.uvs is None or mesh.uv_faces is None or mesh.pages == 1:
        return mesh
    page = face_pages(mesh)
    key = (mesh.uv_faces.astype(np.int64) * mesh.pages + page[:, None]).reshape(-1)
    kept, index = np.unique(key, return_inverse=True)
    at = kept % mesh.pages
    uvs = mesh.uvs[kept // mesh.pages] * (1, mesh.pages) - np.stack([np.zeros(len(at)), at], axis=1)
    uvs = uvs.clip(0, 1) + np.stack([at % TILE_COLUMNS, -(at // TILE_COLUMNS)], axis=1)
    return replace(mesh, uvs=uvs, uv_faces=index.reshape(-1, 3).astype(np.int32), pages=1)
