"""A surface through points with normals: screened Poisson reconstruction, cut off where there are no points."""

import tempfile
from pathlib import Path

import numpy as np
import pycolmap

from neuraltexgen.errors import MeshError, ReconstructError
from neuraltexgen.meshes import read_mesh
from neuraltexgen.reconstruct.cloud import Cloud, cell_keys
from neuraltexgen.reconstruct.watch import watched
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Progress, no_progress

FEWEST_POINTS = 100


def poisson_surface(cloud: Cloud, depth: int, reach: float, progress: Progress = no_progress) -> Mesh:
    """The surface, its faces facing where the normals point, with colours; without what lies over `reach` from a point.

    `depth`: of the octree, so its cells are the extent / 2^depth. `reach` is in world units and keeps holes from
    becoming balloons.
    Raises ReconstructError: fewer than 100 points, or nothing is left. Source: Kazhdan and Hoppe, Screened Poisson
    Surface Reconstruction, 2013, as COLMAP has it.
    """
    if len(cloud.points) < FEWEST_POINTS:
        raise ReconstructError(f"a surface needs at least {FEWEST_POINTS} points, there are {len(cloud.points)}")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "cloud.ply", Path(folder) / "surface.ply"
        write_cloud(source, cloud)
        # On several threads it spins while it waits, and is far slower on a machine that does other things too.
        options = pycolmap.PoissonMeshingOptions(depth=depth, trim=0, num_threads=1)
        watched(
            lambda token: pycolmap.poisson_meshing(source, target, options), lambda: 0, "make the surface", 1, progress
        )
        try:
            mesh = read_mesh(target).mesh
        except MeshError as error:
            raise ReconstructError(f"the points give no surface ({error.message})") from error
    return near_points(mesh, cloud, reach)


def near_points(mesh: Mesh, cloud: Cloud, reach: float) -> Mesh:
    """The faces whose three corners lie near a point, in its cell of side `reach` or the next.

    Raises ReconstructError: none does.
    """
    occupied = np.unique(cell_keys(cloud.points, reach))
    near = np.zeros(len(mesh.vertices), bool)
    for step in np.ndindex(3, 3, 3):
        near |= np.isin(cell_keys(mesh.vertices + (np.array(step) - 1) * reach, reach), occupied)
    faces = mesh.faces[near[mesh.faces].all(axis=1)]
    if not len(faces):
        raise ReconstructError("the points give no surface: none of it lies near a point")
    used, faces = np.unique(faces, return_inverse=True)
    colours = None if mesh.colours is None else mesh.colours[used]
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32), colours=colours)


def write_cloud(path: Path, cloud: Cloud) -> None:
    """A binary PLY with normals and colours, as COLMAP reads it."""
    kinds = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")] + [
        (name, "u1") for name in ("red", "green", "blue")
    ]
    table = np.empty(len(cloud.points), kinds)
    for i, name in enumerate(("x", "y", "z")):
        table[name], table[f"n{name}"] = cloud.points[:, i], cloud.normals[:, i]
    for i, name in enumerate(("red", "green", "blue")):
        table[name] = cloud.colours[:, i]
    words = {"<f4": "float", "u1": "uchar"}
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    lines += [f"property {words[kind]} {name}" for name, kind in kinds]
    path.write_bytes("\n".join((*lines, "end_header\n")).encode() + table.tobytes())
