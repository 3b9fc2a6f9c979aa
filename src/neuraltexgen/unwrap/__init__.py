"""Parametrisation: a mesh without uvs in, the same faces with uvs out. One back end per file, and the table of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import UnwrapError
from neuraltexgen.pages import MOST_PAGES
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.blender import unwrap_blender
from neuraltexgen.unwrap.fast import unwrap_fast
from neuraltexgen.unwrap.fast.paginate import Pages
from neuraltexgen.unwrap.keep import keep
from neuraltexgen.unwrap.measure import UnwrapFigures, measure
from neuraltexgen.unwrap.meshlab import unwrap_meshlab
from neuraltexgen.unwrap.per_triangle import unwrap_per_triangle, unwrap_per_triangle_pages
from neuraltexgen.unwrap.repack import repack
from neuraltexgen.unwrap.settings import MethodName, UnwrapSettings
from neuraltexgen.unwrap.uvatlas import unwrap_uvatlas
from neuraltexgen.unwrap.xatlas import unwrap_xatlas

__all__ = ["METHODS", "Method", "MethodName", "UnwrapFigures", "UnwrapSettings", "choose_method", "measure", "unwrap"]


@dataclass(frozen=True)
class Method:
    """A back end: what runs it, what it does in a line for people, and the optional dependency that it needs."""

    run: Callable[[Mesh, UnwrapSettings], Mesh]
    line: str
    extra: str = ""


def unwrap(
    mesh: Mesh, settings: UnwrapSettings, face_density: Float64[np.ndarray, " f"] | None = None
) -> tuple[Mesh, str]:
    """The mesh with uvs, its vertices and faces untouched, and the name of the method that was used.

    `face_density`: how finely each face ought to be sampled, in length, relative to the others; None: all alike.
    With `settings.pages` or `texels_per_unit`, fast and per-triangle make pages themselves, and what other methods made
    is packed anew. Raises UnwrapError: `keep` on a mesh without uvs or with other pages, a missing optional package, a
    back end that fails, densities for a method that takes none, or charts that the pages don't hold.
    """
    method = choose_method(mesh, settings, dense=face_density is not None)
    if method == "keep":
        return keep(mesh, settings), method
    if mesh.pages > 1:
        mesh = replace(mesh, uvs=None, uv_faces=None, pages=1)
    count = settings.pages or (1 if settings.texels_per_unit is None else MOST_PAGES)
    pages = Pages(settings.resolution, settings.gap, count, settings.texels_per_unit)
    if method == "fast":
        return unwrap_fast(mesh, pages.side, pages.gutter, face_density=face_density, pages=pages), method
    if not settings.paged:
        return METHODS[method].run(mesh, settings), method
    if method in PAGES_ITS_OWN:
        return unwrap_per_triangle_pages(mesh, settings), method
    return repack(METHODS[method].run(mesh, settings), pages), method


def choose_method(mesh: Mesh, settings: UnwrapSettings, *, dense: bool = False) -> str:
    """The row of METHODS that unwraps the mesh. Raises UnwrapError: it is to take densities (`dense`) and can't."""
    method = settings.method
    if method == "auto":
        method = "keep" if mesh.has_uvs else AUTO
    if dense and method != TAKES_DENSITY:
        why = "the mesh's own uvs are kept as they are" if method == "keep" else "it has one density for all faces"
        raise UnwrapError(
            f"unwrap {method}: {why}, so it takes no density per face",
            fix=f"--unwrap {TAKES_DENSITY}, or --density uniform",
        )
    return method


AUTO = "fast"
"""What a mesh without uvs gets if nothing else is asked for."""

TAKES_DENSITY = "fast"
"""The one method whose charts can be given densities."""

PAGES_ITS_OWN = ("per-triangle", "per-triangle:equal")
"""Faces on whole texels, which packing anew would move off them."""

METHODS: dict[str, Method] = {
    "keep": Method(keep, "the mesh's own uvs, unchanged"),
    "fast": Method(
        lambda mesh, s: unwrap_fast(mesh, s.resolution, s.gap), "for scans: few charts, short seams, low stretch"
    ),
    "xatlas": Method(unwrap_xatlas, "charts grown by how far normals deviate, flattened, packed"),
    "uvatlas": Method(unwrap_uvatlas, "Microsoft's UVAtlas: few charts, their stretch bounded", "open3d"),
    "blender": Method(unwrap_blender, "Blender's smart project: flat projections of like-oriented faces", "blender"),
    "blender:lscm": Method(unwrap_blender, "the same charts, flattened by least squares conformal maps", "blender"),
    "blender:stretch": Method(unwrap_blender, "the same charts, flattened for least stretch (SLIM)", "blender"),
    "meshlab": Method(unwrap_meshlab, "MeshLab's trivial one: each face by itself, sized by its area", "meshlab"),
    "meshlab:voronoi": Method(unwrap_meshlab, "MeshLab's Voronoi atlas; for a mesh in one piece", "meshlab"),
    "meshlab:plane": Method(
        unwrap_meshlab, "a projection along an axis; overlaps unless the mesh is a relief", "meshlab"
    ),
    "per-triangle": Method(unwrap_per_triangle, "each face by itself on whole texels, sized by its area"),
    "per-triangle:equal": Method(unwrap_per_triangle, "the same, all faces of one size"),
}
