"""Charts of any parametrisation packed anew into pages: shapes and relative sizes stay, places and scale don't."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import UnwrapError
from neuraltexgen.geometry import face_areas
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.fast.borders import connected
from neuraltexgen.unwrap.fast.layout import lay_out
from neuraltexgen.unwrap.fast.paginate import Pages, pack_pages
from neuraltexgen.unwrap.fast.topology import Surface, find_neighbours
from neuraltexgen.uvmap.charts import unique_corners


def repack(mesh: Mesh, pages: Pages) -> Mesh:
    """The mesh with its charts (faces that share edges in the texture, wound alike) spread over pages.

    Charts larger than a page are cut. Faces whose uvs have no area go to a point that another face has there.
    Raises MeshError: no uvs. UnwrapError: no face has an area in the texture, or the charts don't fit.
    """
    corners = unique_corners(mesh)
    flat = corners.uvs * (1, -mesh.pages)
    areas = face_areas(np.column_stack([flat, np.zeros(len(flat))]), corners.faces)
    whole = areas > 0
    if not whole.any():
        raise UnwrapError("unwrap: the uvs cover no area, so there is nothing to pack", fix="--unwrap fast")
    faces = corners.faces[whole]
    surface = _flat_surface(flat, faces, areas[whole])
    layout = lay_out(surface, connected(surface, np.zeros(len(faces), dtype=np.int32)))
    places = flat[layout.places]
    area = float(face_areas(mesh.vertices, mesh.faces)[whole].sum())
    layout, uvs, count = pack_pages(surface, layout, places, pages, area)
    uv_faces = np.empty_like(mesh.faces)
    uv_faces[whole] = layout.corners
    at = np.full(len(mesh.vertices), layout.corners[0, 0], dtype=np.int32)
    at[mesh.faces[whole]] = layout.corners
    uv_faces[~whole] = at[mesh.faces[~whole, 0]][:, None]
    return replace(mesh, uvs=uvs, uv_faces=uv_faces, pages=count)


def _flat_surface(flat: Float64[np.ndarray, "k 2"], faces: np.ndarray, areas: np.ndarray) -> Surface:
    """What packing needs of a surface: how faces hang together, here in the texture."""
    points = np.column_stack([flat, np.zeros(len(flat))])
    nothing = np.zeros((len(faces), 3))
    return Surface(points, faces, find_neighbours(faces, len(points)), nothing, areas, nothing, nothing)
