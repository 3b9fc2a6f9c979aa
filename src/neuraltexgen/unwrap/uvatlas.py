"""UVAtlas, Microsoft's: charts of bounded stretch by spectral analysis (Zhou et al. 2004, "Iso-charts"), by Open3D."""

from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.manifold import make_manifold, with_corner_uvs
from neuraltexgen.unwrap.settings import UnwrapSettings
from neuraltexgen.unwrap.worker import require, run_worker

MAX_STRETCH = 1 / 6
"""UVAtlas' own default: 0 allows no stretch, 1 any."""


def unwrap_uvatlas(mesh: Mesh, settings: UnwrapSettings) -> Mesh:
    """The mesh with new uvs in [0, 1], its faces in their order.

    UVAtlas draws random numbers that can't be seeded: two runs differ. With several `partitions` it works on so many
    pieces at a time, which gives more charts. Raises UnwrapError: Open3D is missing, UVAtlas fails or takes too long.
    """
    require("open3d", "uvatlas", "open3d")
    manifold = make_manifold(mesh)
    options = {
        "size": settings.resolution,
        "gutter": settings.gap,
        "max_stretch": MAX_STRETCH,
        "parallel_partitions": settings.partitions,
    }
    return with_corner_uvs(mesh, manifold, run_worker("uvatlas", "run_open3d", manifold, options, settings.time_limit))
