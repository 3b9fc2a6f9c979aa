"""From points with normals to a finished mesh: Poisson's surface, trimmed, without crumbs, of a bounded size."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Float32

from neuraltexgen.errors import MeshError, ReconstructError
from neuraltexgen.geometry import face_areas
from neuraltexgen.meshes import read_mesh, write_mesh
from neuraltexgen.meshes.topology import components
from neuraltexgen.reconstruct.cloud import Cloud, cell_keys
from neuraltexgen.reconstruct.poisson import poisson_surface
from neuraltexgen.reconstruct.watch import watched
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Points, Progress, no_progress

LEAST_SHARE = 0.003
"""Pieces with less of the surface's area than this are removed; the largest stays."""

BORDER_WEIGHT = 100.0
"""How much more the outlines of holes count than the surface when faces are merged."""

DEEPEST, SHALLOWEST = 10, 5
"""Limits of the octree's depth: its memory grows with 4^depth."""


@dataclass(frozen=True)
class SurfaceSettings:
    """`faces`: at most so many. `cell`: the size of the surface's details, in world units. `reach`: how far, in cells,
    the surface may go beyond its points: what is farther stays a hole."""

    faces: int
    cell: float
    reach: float = 3.0


def make_surface(cloud: Cloud, settings: SurfaceSettings, progress: Progress = no_progress) -> Mesh:
    """The mesh through a cloud, with its colours. Raises ReconstructError: too few points, or no surface."""
    spread = cloud.points.max(axis=0) - cloud.points.min(axis=0) if len(cloud.points) else np.zeros(3)
    # COLMAP's octree spans the points' box and a tenth more.
    depth = int(np.clip(np.rint(np.log2(max(1.1 * float(spread.max()) / settings.cell, 1.0))), SHALLOWEST, DEEPEST))
    mesh = poisson_surface(cloud, depth, settings.reach * settings.cell, progress)
    mesh = without_crumbs(mesh)
    if len(mesh.faces) > settings.faces:
        mesh = simplified(mesh, settings.faces, progress)
    colours = nearby_colours(mesh.vertices, cloud, settings.reach * settings.cell)
    return Mesh(mesh.vertices, mesh.faces, colours=colours)


def without_crumbs(mesh: Mesh, least_share: float = LEAST_SHARE) -> Mesh:
    """The mesh without pieces that have less than a share of its area; the largest piece stays."""
    piece = np.unique(components(mesh.faces), return_inverse=True)[1].reshape(-1)
    areas = np.bincount(piece, weights=face_areas(mesh.vertices, mesh.faces))
    large = areas >= min(least_share * areas.sum(), areas.max())
    used, faces = np.unique(mesh.faces[large[piece]], return_inverse=True)
    colours = None if mesh.colours is None else mesh.colours[used]
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32), colours=colours)


def simplified(mesh: Mesh, faces: int, progress: Progress = no_progress) -> Mesh:
    """About `faces` faces, the flattest merged first, outlines kept; without colours.

    Source: Garland and Heckbert, Surface Simplification Using Quadric Error Metrics, 1997, as COLMAP has it.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "full.ply", Path(folder) / "simple.ply"
        write_mesh(source, mesh)
        options = pycolmap.MeshSimplificationOptions(
            target_face_ratio=min(1.0, faces / len(mesh.faces)), boundary_weight=BORDER_WEIGHT
        )
        watched(lambda token: pycolmap.simplify_mesh(source, target, options), lambda: 0, "simplify", 1, progress)
        try:
            return read_mesh(target).mesh
        except MeshError as error:
            raise ReconstructError(f"the surface can't be simplified to {faces} faces ({error.message})") from error


def nearby_colours(vertices: Points, cloud: Cloud, reach: float) -> Float32[np.ndarray, "n 3"]:
    """For each vertex the mean colour of the points in its cell of side `reach` and the next ones; grey without any."""
    keys, owner, count = np.unique(cell_keys(cloud.points, reach), return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(owner.reshape(-1), weights=cloud.colours[:, i]) for i in range(3)], axis=1)
    total, weight = np.zeros((len(vertices), 3)), np.zeros(len(vertices))
    for step in np.ndindex(3, 3, 3):
        offset = np.array(step) - 1
        wanted = cell_keys(vertices + offset * reach, reach)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        # The own cell counts for more, so that edges of colour stay where they are.
        share = np.where(keys[at] == wanted, 20.0 ** -float(np.abs(offset).sum()), 0.0)
        total += sums[at] * share[:, None]
        weight += count[at] * share
    mean = np.divide(total, weight[:, None], out=np.full_like(total, 128.0), where=weight[:, None] > 0)
    return (mean / 255).astype(np.float32)
