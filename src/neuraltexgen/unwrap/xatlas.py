"""xatlas: charts grown by normal deviation, flattened by least squares, packed (github.com/jpcy/xatlas)."""

from dataclasses import replace

import numpy as np
import xatlas

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.settings import UnwrapSettings

MAX_COST = 8.0
"""How far a chart may grow before its normals deviate too much. xatlas' own 2 takes half as long again on scans and
gives 7 % more charts."""
OVERSIZE = 1.4
"""xatlas misses the resolution asked for by up to this factor; the gutter is made wider by it, so that it holds."""


def unwrap_xatlas(mesh: Mesh, settings: UnwrapSettings) -> Mesh:
    """The mesh with new uvs in [0, 1], its faces in their order, charts at least `settings.gap` texels apart.

    Raises UnwrapError if xatlas fails or drops faces.
    """
    centre = mesh.vertices.mean(axis=0)
    atlas = xatlas.Atlas()
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_cost = MAX_COST
    packing.resolution = settings.resolution
    packing.padding = int(np.ceil(settings.gap * OVERSIZE))
    packing.bilinear = True
    packing.bruteForce = len(mesh.faces) < 5000
    try:
        atlas.add_mesh((mesh.vertices - centre).astype(np.float32), mesh.faces.astype(np.uint32))
        atlas.generate(charts, packing)
    except (RuntimeError, ValueError) as error:
        raise UnwrapError(f"xatlas failed on a mesh of {len(mesh.faces)} faces: {error}") from error
    if atlas.atlas_count != 1:
        raise UnwrapError(f"xatlas spread the mesh over {atlas.atlas_count} pages at {settings.resolution} texels")
    _, uv_faces, uvs = atlas[0]
    if len(uv_faces) != len(mesh.faces):
        raise UnwrapError(f"xatlas gave uvs for {len(uv_faces)} of {len(mesh.faces)} faces")
    # uvs come divided by the atlas' own width and height; one scale for both keeps texels square.
    side = max(atlas.width, atlas.height)
    square = uvs.astype(np.float64) * (atlas.width / side, atlas.height / side)
    return replace(mesh, uvs=np.clip(square, 0.0, 1.0), uv_faces=uv_faces.astype(np.int32))
