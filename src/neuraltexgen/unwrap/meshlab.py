"""MeshLab's parametrisations, by pymeshlab: an optional package, under the GPL, that only its own process loads."""

import numpy as np

from neuraltexgen.errors import UnwrapError
from neuraltexgen.meshes.topology import count_components
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.manifold import Manifold, make_manifold, with_corner_uvs
from neuraltexgen.unwrap.settings import UnwrapSettings
from neuraltexgen.unwrap.worker import require, run_worker

REGION = 100
"""Vertices in a Voronoi region, on average."""

DIAGONAL = 1.42
"""MeshLab's border is measured across; along the diagonals of its grid it is narrower by this factor."""

SMALLEST = 100
"""Vertices below which MeshLab may look for regions for ever."""


def unwrap_meshlab(mesh: Mesh, settings: UnwrapSettings) -> Mesh:
    """The mesh with new uvs in [0, 1], its faces in their order.

    `meshlab` gives each face a right-angled place by itself, `settings.gap` texels from others. `meshlab:voronoi`
    makes charts around points spread over the surface. `meshlab:plane` projects along the axis that shows most of
    the surface; what lies behind overlaps. Neither heeds the gutter. Raises UnwrapError: pymeshlab is missing, a
    texture too small for the faces, a surface in pieces or too small for regions, or a filter that fails.
    """
    require("pymeshlab", settings.method, "meshlab")
    manifold = make_manifold(mesh)
    kind = settings.method.partition(":")[2] or "trivial"
    if kind == "voronoi":
        _check_voronoi(manifold)
    options = {
        "kind": kind,
        "size": settings.resolution,
        "gutter": int(np.ceil(settings.gap * DIAGONAL)),
        "regions": max(10, len(manifold.vertices) // REGION),
    }
    uvs = run_worker(settings.method, "run_pymeshlab", manifold, options, settings.time_limit)
    return with_corner_uvs(mesh, manifold, uvs)


def _check_voronoi(manifold: Manifold) -> None:
    """MeshLab's search for regions does not end if a piece gets none."""
    pieces, vertices = count_components(manifold.faces.astype(np.int64)), len(manifold.vertices)
    if pieces > 1 or vertices < SMALLEST:
        raise UnwrapError(
            f"unwrap meshlab:voronoi takes one piece of at least {SMALLEST} vertices; "
            f"this mesh, cut to a manifold, has {pieces} pieces and {vertices} vertices",
            fix="--method xatlas, uvatlas or blender",
        )
