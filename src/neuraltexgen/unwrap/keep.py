"""The mesh's own uvs, kept as they are."""

import numpy as np

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.settings import UnwrapSettings

OUTSIDE = 1e-6


def keep(mesh: Mesh, settings: UnwrapSettings) -> Mesh:
    """The same mesh, with the pages that it has.

    Raises UnwrapError: no uvs, uvs outside [0, 1] (tiled textures can't be fitted), or a number of pages or a scale is
    asked for that the mesh doesn't have.
    """
    if mesh.uvs is None or mesh.uv_faces is None:
        raise UnwrapError("unwrap keep: the mesh has no uvs to keep", fix="--unwrap fast")
    if settings.texels_per_unit is not None or settings.pages not in (None, mesh.pages):
        asked = f"{settings.pages} pages need" if settings.texels_per_unit is None else "a given scale needs"
        raise UnwrapError(
            f"unwrap keep: the mesh's own uvs, for {mesh.pages} pages, are kept as they are; {asked} new ones",
            fix="--unwrap fast",
        )
    used = mesh.uvs[np.unique(mesh.uv_faces)]
    outside = ((used < -OUTSIDE) | (used > 1 + OUTSIDE)).any(axis=1)
    if outside.any():
        raise UnwrapError(
            f"unwrap keep: {int(outside.sum())} of {len(used)} uvs lie outside [0, 1] "
            f"(from {used.min():.3g} to {used.max():.3g}): the texture is tiled",
            fix="--unwrap fast, which makes new uvs",
        )
    return mesh
