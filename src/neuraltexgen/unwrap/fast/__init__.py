"""Parametrisation of scans: charts grown by merging, flattened, cut where they fold, glued where they fit, packed."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64, Int32

from neuraltexgen.errors import UnwrapError
from neuraltexgen.geometry import face_areas
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Faces
from neuraltexgen.unwrap.fast.flatten import face_shapes
from neuraltexgen.unwrap.fast.glue import glue_charts
from neuraltexgen.unwrap.fast.halve import halve_charts
from neuraltexgen.unwrap.fast.layout import Layout, chart_sums
from neuraltexgen.unwrap.fast.paginate import Pages, pack_pages
from neuraltexgen.unwrap.fast.refine import flatten_charts
from neuraltexgen.unwrap.fast.regions import grow_regions
from neuraltexgen.unwrap.fast.topology import Surface, read_surface, weld

__all__ = ["unwrap_fast"]


def unwrap_fast(
    mesh: Mesh,
    resolution: int,
    gutter: int,
    *,
    face_density: Float64[np.ndarray, " f"] | None = None,
    pages: Pages | None = None,
) -> Mesh:
    """The mesh with new uvs in [0, 1], its faces in their order, charts at least `gutter` texels apart.

    Takes any triangles: what meets at one place counts as joined whatever the vertices, and what isn't a surface there
    (edges of three faces, windings that disagree) is cut. No face is mirrored or folded over, and no two share a point
    of the texture. Faces with two corners in one place get a point that another face has there. The same mesh gives
    the same uvs, whatever the number of threads.

    `face_density`: how finely each face ought to be sampled, relative to the others; each chart gets the mean over its
    area (by default all are equal). `pages`: what the charts are packed into, if not one page of the resolution.
    Raises UnwrapError: densities that aren't positive, or more charts than fit.
    """
    pages = pages or Pages(resolution, gutter)
    _check_density(face_density, len(mesh.faces))
    points, faces = weld(mesh.vertices, mesh.faces)
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    if not whole.any():
        return replace(mesh, uvs=np.full((1, 2), 0.5), uv_faces=np.zeros((len(faces), 3), dtype=np.int32), pages=1)
    surface = read_surface(points, faces[whole])
    shapes = face_shapes(surface)
    layout, places = flatten_charts(surface, shapes, grow_regions(surface))
    layout, places = halve_charts(surface, layout, places)
    layout, places = glue_charts(surface, shapes, layout, places)
    if face_density is not None:
        places = _scaled(surface, layout, places, face_density[whole])
    area = float(face_areas(mesh.vertices, mesh.faces).sum())
    layout, uvs, count = pack_pages(surface, layout, places, pages, area)
    return replace(mesh, uvs=uvs, uv_faces=_with_collapsed(faces, whole, layout.corners), pages=count)


def _check_density(density: np.ndarray | None, faces: int) -> None:
    if density is None:
        return
    if len(density) != faces:
        raise UnwrapError(f"unwrap fast: {len(density)} densities for {faces} faces")
    wrong = ~(np.isfinite(density) & (density > 0))
    if wrong.any():
        raise UnwrapError(f"unwrap fast: {int(wrong.sum())} of {faces} densities are not positive numbers")


def _scaled(
    surface: Surface, layout: Layout, places: Float64[np.ndarray, "p 2"], density: Float64[np.ndarray, " f"]
) -> Float64[np.ndarray, "p 2"]:
    """The places, each chart scaled by the mean density over its area."""
    # Charts of faces without area count their faces alike.
    areas = np.maximum(surface.areas, 1e-12 * surface.areas.mean() + 1e-300)
    mean = chart_sums(layout, areas * density) / chart_sums(layout, areas)
    return places * np.repeat(mean, np.diff(layout.point_starts))[:, None]


def _with_collapsed(
    faces: Faces, whole: Bool[np.ndarray, " f"], corners: Int32[np.ndarray, "w 3"]
) -> Int32[np.ndarray, "f 3"]:
    """The uvs of all corners: whole faces have theirs, others a single point that a whole face has there."""
    at = np.full(int(faces.max()) + 1, -1, dtype=np.int32)
    at[faces[whole]] = corners
    result = np.empty_like(faces)
    result[whole] = corners
    result[~whole] = np.maximum(at[faces[~whole]].max(axis=1), 0)[:, None]
    return result
